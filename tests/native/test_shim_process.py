"""The shim in the life of processes: fork, exec, kill, full disks; and programs that must not notice it."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CompileProgram = Callable[..., Path]
RunShim = Callable[..., Any]  # (raw folder, completed process)
ReadRaw = Callable[[Path], list[Any]]  # a list of (meta, records, counters)

ALLOC, FREE, MAP, UNMAP = 1, 2, 3, 4
NOTE_DISK_FULL, NOTE_LIMIT_REACHED, NOTE_FOREIGN_MALLOC = 1, 2, 6
CHUNK_BYTES = 64 * 1024
ALLOCATORS = {"libjemalloc.so.2": "jemalloc", "libtcmalloc_minimal.so.4": "tcmalloc", "libmimalloc.so.2": "mimalloc"}


def sizes(process: Any) -> list[int]:
    return process.records["size"][process.records["type"] == ALLOC].tolist()


def test_twenty_forked_children_have_files_of_their_own(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that forks 20 children, each making as many blocks as its number tells, and freeing its parent's
    raw, completed = run_shim(compile_program("forks"))
    # WHEN all have ended in order
    assert completed.returncode == 0
    parent, *children = read_raw(raw)
    # THEN the parent has its own block alone
    assert sizes(parent) == [100000]
    assert not parent.meta.process.forked
    # AND each child its own blocks, the parent's as a death without a birth, and its own definition of its site
    assert sorted(len(sizes(child)) for child in children) == list(range(1, 21))
    for child in children:
        assert child.meta.process.forked
        assert child.meta.process.parent_pid == parent.meta.process.pid
        assert child.meta.exited
        assert set(child.records["tid"].tolist()) == {child.meta.process.pid}
        births, deaths = (child.records["address"][child.records["type"] == kind] for kind in (ALLOC, FREE))
        assert deaths[:-1].tolist() == births.tolist()
        assert deaths[-1] == parent.records["address"][0]
        assert set(child.records["site"][child.records["type"] == ALLOC].tolist()) <= set(child.meta.sites)


def test_a_child_made_by_raw_clone_is_noticed(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a child that no fork handler hears of
    raw, completed = run_shim(compile_program("raw_clone"))
    # WHEN both have ended
    assert completed.returncode == 0
    parent, child = read_raw(raw)
    # THEN the child's records are in its own files
    assert sizes(parent) == [100000]
    assert sizes(child) == [200000]
    assert child.meta.process.forked
    assert child.meta.process.parent_pid == parent.meta.process.pid


def test_a_vforked_child_shares_its_parents_file(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a vforked child that allocates in its parent's memory, and a spawned one
    raw, completed = run_shim(compile_program("vforks"))
    # WHEN the parent frees the block
    assert completed.returncode == 0
    processes = read_raw(raw)
    # THEN the parent's file holds it whole; what was executed has files of its own
    assert sizes(processes[0]) == [100000, 200000]
    assert int((processes[0].records["type"] == FREE).sum()) == 2
    assert [process.meta.process.command for process in processes[1:]] == [("true",), ("true",)]


def test_exec_starts_another_image_of_the_same_process(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that executes itself
    raw, completed = run_shim(compile_program("execs"))
    # WHEN the second image has ended
    assert completed.returncode == 0
    first, second = read_raw(raw)
    # THEN both images have their files, and the first has no end
    assert first.meta.process.pid == second.meta.process.pid
    assert (sizes(first), first.meta.exited) == ([100000], False)
    assert (sizes(second), second.meta.exited) == ([200000], True)
    assert {path.name.split(".")[2] for path in raw.glob("meta.*")} == {"0", "1"}


def test_after_sigkill_nothing_is_lost(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that is killed right after its last block
    raw, completed = run_shim(compile_program("killed"))
    # WHEN its files are read
    assert completed.returncode == -signal.SIGKILL
    [process] = read_raw(raw)
    # THEN every block is there, with its site, and the end is not
    assert sizes(process) == [50000] * 5000
    assert set(process.records["site"].tolist()) == set(process.meta.sites)
    assert not process.meta.exited


def test_the_size_limit_ends_recording_and_is_noted(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a limit of two chunks
    raw, completed = run_shim(compile_program("killed"), env={"TIERPROF_MAX_BYTES": str(2 * CHUNK_BYTES)})
    # WHEN the program makes more blocks than fit
    assert completed.returncode == -signal.SIGKILL
    [process] = read_raw(raw)
    # THEN two full chunks are kept, the rest is counted, and there is one note
    assert len(process.records) == 2 * 1637
    assert process.counters["dropped_records"] == 5000 - 2 * 1637
    assert [note.code for note in process.meta.notes] == [NOTE_LIMIT_REACHED]


def test_a_file_size_limit_does_not_kill_the_program(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a process whose files may not grow beyond 100 KiB: a byte more would be SIGXFSZ
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 1024, 100 * 1024))

    # WHEN it makes more blocks than fit
    raw, completed = run_shim(compile_program("descriptors"), preexec_fn=limit)
    # THEN it runs on to its end, and what fitted is there, with one note
    assert (completed.returncode, completed.stdout) == (0, b"first 0 entries 5\n")
    [process] = read_raw(raw)
    assert len(process.records) == 1637
    assert [note.code for note in process.meta.notes] == [NOTE_DISK_FULL]
    assert process.meta.exited


def test_a_full_disk_kills_nothing(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path) -> None:
    # GIVEN a raw folder on a disk of 300 KiB
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root and CAP_SYS_ADMIN")
    try:
        # WHEN the program makes more blocks than fit
        _, completed = run_shim(compile_program("descriptors"), env={"TIERPROF_DIR": str(disk)})
        # THEN it runs on to its end, and what fitted is there, with one note and the end
        assert (completed.returncode, completed.stdout) == (0, b"first 0 entries 5\n")
        [process] = read_raw(disk)
        assert len(process.records) in (2 * 1637, 3 * 1637)
        assert [note.code for note in process.meta.notes] == [NOTE_DISK_FULL]
        assert process.meta.exited
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_does_not_exist_is_no_harm(compile_program: CompileProgram, run_shim: RunShim, tmp_path: Path) -> None:
    # GIVEN a raw folder that is not there
    # WHEN a program runs
    _, completed = run_shim(compile_program("every_hook"), env={"TIERPROF_DIR": str(tmp_path / "nowhere")})
    # THEN it runs as ever, in silence
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, b"", b"")


def test_a_relative_folder_is_the_starts(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw, tmp_path: Path) -> None:
    # GIVEN a relative raw folder
    (tmp_path / "here").mkdir()
    # WHEN a program runs
    _, completed = run_shim(compile_program("every_hook"), env={"TIERPROF_DIR": "here"}, cwd=tmp_path)
    # THEN its files are there
    assert completed.returncode == 0
    assert len(read_raw(tmp_path / "here")) == 1


def test_a_program_with_its_own_malloc_is_left_alone(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that brings its own malloc
    raw, completed = run_shim(compile_program("own_malloc", "-fno-builtin"))
    # WHEN it has ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # THEN its mappings are recorded, its heap is not, and a note tells why
    assert process.records["type"].tolist() == [MAP, UNMAP]
    assert [note.code for note in process.meta.notes] == [NOTE_FOREIGN_MALLOC]


def test_what_a_linked_in_allocator_maps_is_one_object(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program whose own malloc maps pieces for whoever needs the next one
    raw, completed = run_shim(compile_program("own_malloc_maps", "-fno-builtin"))
    assert (completed.returncode, completed.stdout) == (0, b"right 40\n")
    [process] = read_raw(raw)
    # THEN four pieces of one site, which ends at the allocator
    pieces = process.records[process.records["type"] == MAP]
    assert pieces["size"].tolist() == [1 << 20] * 4
    [number] = set(pieces["site"].tolist())
    site = process.meta.sites[number]
    assert (len(site.frames), site.pool) == (1, "the program's own malloc")
    [note] = process.meta.notes
    assert note.code == NOTE_FOREIGN_MALLOC
    assert note.text.endswith("has an allocator of its own linked in, whose mappings are one object")


@pytest.mark.parametrize(("library", "name"), ALLOCATORS.items())
def test_objects_of_an_allocator_in_a_library_are_tracked_one_by_one(
    library: str, name: str, compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw
) -> None:
    # GIVEN a program that is linked with another allocator than the C library's
    found = subprocess.run([os.environ.get("CC", "cc"), f"-print-file-name={library}"], capture_output=True, text=True, check=True).stdout
    if not Path(found.strip()).is_absolute():
        pytest.skip(f"{library} is not installed")
    raw, completed = run_shim(compile_program("place_sites", "-fno-builtin", "-Wl,--no-as-needed", f"-l:{library}"), "10")
    # WHEN it has ended
    assert (completed.returncode, completed.stdout) == (0, b"right 10\n")
    [process] = read_raw(raw)
    # THEN each object is recorded once, as one of malloc's, and what the allocator maps for them is not
    assert np.count_nonzero((process.records["type"] == ALLOC) & (process.records["size"] == 1 << 20)) == 20
    assert MAP not in process.records["type"]
    [note] = process.meta.notes
    assert note.text.endswith(f"{library} ({name})")


def test_a_program_at_a_fixed_address_has_no_malloc_of_its_own(
    compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw
) -> None:
    # GIVEN a program whose own tables have an entry for malloc, because it takes its address
    raw, completed = run_shim(compile_program("fixed_address", "-no-pie", "-fno-pic"))
    # WHEN it has ended
    assert completed.returncode == 0
    [process] = read_raw(raw)
    # THEN it is traced like any other
    assert sizes(process) == [100000]
    assert process.meta.notes == []


def test_no_descriptor_is_taken_from_the_program(compile_program: CompileProgram, run_shim: RunShim, read_raw: ReadRaw) -> None:
    # GIVEN a program that closes all descriptors, and then counts them
    program = compile_program("descriptors")
    plain = subprocess.run([program], capture_output=True, check=True)
    # WHEN it runs under the shim
    raw, completed = run_shim(program)
    # THEN it counts the same, and all its blocks are recorded
    assert completed.stdout == plain.stdout
    [process] = read_raw(raw)
    assert sizes(process)[:5000] == list(range(5000, 10000))


UNTOUCHED = {
    "ls": ["ls", "-la", "/usr/bin"],
    "pipe": ["bash", "-c", "ls /usr/include | wc -l"],
    "grep": ["grep", "-rc", "define", "/usr/include/linux"],
    "python": ["/usr/bin/python3", "-c", "import json, decimal; print(json.dumps({'a': str(decimal.Decimal(1) / 3)}))"],
    "status": ["bash", "-c", "exit 77"],
    "signal": ["bash", "-c", "kill -TERM $$"],
    "nothing": ["grep", "no such line", "/etc/passwd"],
}


@pytest.mark.parametrize("command", UNTOUCHED.values(), ids=UNTOUCHED)
def test_programs_do_not_notice(command: list[str], run_shim: RunShim) -> None:
    # GIVEN a program as it runs by itself
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    plain = subprocess.run(command, capture_output=True, check=False)
    # WHEN it runs under the shim
    raw, completed = run_shim(*command)
    # THEN output, errors and status are the same, and it was traced
    assert (completed.returncode, completed.stdout, completed.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert list(raw.glob("meta.*"))


def test_sorting_a_large_file_in_threads_does_not_change_it(run_shim: RunShim, tmp_path: Path) -> None:
    # GIVEN a file of 200000 lines
    text = tmp_path / "text"
    text.write_text("".join(f"{i * 7919 % 200003} line\n" for i in range(200000)))
    command = ["sort", "-n", "--parallel=4", "-S", "4M", str(text)]
    plain = subprocess.run(command, capture_output=True, check=True)
    # WHEN sort runs under the shim
    _, completed = run_shim(*command)
    # THEN it says the same
    assert (completed.returncode, completed.stdout) == (0, plain.stdout)
