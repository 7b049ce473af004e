"""Libraries are found as the dynamic loader finds them."""

import subprocess
from pathlib import Path

from tierprof.placer.libraries import library_paths


def test_libraries_are_found_by_run_path_and_by_the_loaders_cache(tmp_path: Path) -> None:
    # GIVEN a program that needs a library beside it, which needs another one there
    for name, source, needs in (
        ("inner", "int inner(void) { return 3; }", []),
        ("outer", "int inner(void); int outer(void) { return inner(); }", ["inner"]),
    ):
        (tmp_path / f"{name}.c").write_text(source)
        links = [f"-l{own}" for own in needs]
        command = ["gcc", "-shared", "-fPIC", f"{name}.c", "-o", f"lib{name}.so", "-L.", *links, "-Wl,-rpath,$ORIGIN"]
        subprocess.run(command, check=True, cwd=tmp_path)
    (tmp_path / "prog.c").write_text("int outer(void); int main(void) { return outer(); }")
    subprocess.run(["gcc", "prog.c", "-o", "prog", "-L.", "-louter", "-Wl,-rpath,$ORIGIN", "-Wl,-rpath-link,."], check=True, cwd=tmp_path)
    # WHEN they are looked for, and when the loader says which it takes
    found = library_paths(tmp_path / "prog")
    told = subprocess.run(["ldd", str(tmp_path / "prog")], check=True, capture_output=True, text=True).stdout
    loaded = dict(line.split(" (")[0].strip().split(" => ") for line in told.splitlines() if " => " in line)
    # THEN they are the same files
    assert {name: Path(path).resolve() for name, path in found.items() if name in loaded} == {
        name: Path(path).resolve() for name, path in loaded.items()
    }
    assert found["libinner.so"] == str(tmp_path / "libinner.so")


def test_what_is_no_program_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert library_paths(tmp_path / "text") == {}
    assert library_paths(tmp_path / "none") == {}
