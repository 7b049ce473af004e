"""Run a command in a guest that has memory of several kinds: Debian's kernel, emulated by qemu, on this machine's own files.

The command finds the folder, files and chosen variables that it would find here; what it writes stays in the guest and is lost. What it
prints comes out here as it appears, and its exit status is this program's. Timings inside mean nothing.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_BASE = "-nodefaults -no-user-config -display none -no-reboot -accel tcg -cpu Nehalem -smp 2 -device isa-serial,chardev=console"
_SHARE = "-fsdev local,id=host,path=/,readonly=on,security_model=none,multidevs=remap -device virtio-9p-pci,fsdev=host,mount_tag=host"
_OUTPUT = "-device virtio-serial-pci -device virtserialport,chardev=output,name=output -chardev file,id=output,path=/dev/fdset/1,append=on"
_QEMU = ["qemu-system-x86_64", *_BASE.split(), *_SHARE.split(), *_OUTPUT.split()]

_FAST_RAM = "-object memory-backend-ram,id=fast,size=1536M -numa node,nodeid=0,cpus=0-1,memdev=fast"

#: What machine a variant is, for qemu. Latencies are in nanoseconds.
VARIANTS = {
    "nodes": (
        "-machine q35,hmat=on -m 1792M "
        f"{_FAST_RAM} -object memory-backend-ram,id=slow,size=256M -numa node,nodeid=1,memdev=slow,initiator=0 "
        "-numa dist,src=0,dst=1,val=30 "
        "-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=80 "
        "-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=100G "
        "-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=320 "
        "-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=20G"
    ),
    "pmem": (
        "-machine q35,nvdimm=on -m 1536M,slots=2,maxmem=4G "
        f"{_FAST_RAM} -numa node,nodeid=1 -numa node,nodeid=2 "
        "-object memory-backend-ram,id=pmem0,size=386M -device nvdimm,memdev=pmem0,label-size=2M,node=1 "
        "-object memory-backend-ram,id=pmem1,size=386M -device nvdimm,memdev=pmem1,label-size=2M,node=2"
    ),
}

#: Variables that the command gets, where they are set here.
_PASSED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONSAFEPATH")

_ENDED = re.compile(r"guest: the command ended with status (\d+)")
_CRASH = re.compile("Kernel panic|BUG: |invoked oom-killer|guest: failed")
_TAIL_LINES, _MOST_LINES = 25, 100
_STATUS_NO_RESULT = 125


def script(command: Sequence[str], variables: Sequence[str]) -> str:
    """What the guest's shell is to do."""
    passed = [f"{name}={os.environ[name]}" for name in _PASSED_ON if name in os.environ]
    exports = "".join(f"export {shlex.quote(variable)}\n" for variable in [*passed, *variables])
    tools = "export PATH=$PATH:/usr/sbin:/sbin\n"  # the command runs as root there, whoever asks for it here
    return f"cd {shlex.quote(os.getcwd())}\n{exports}{tools}exec {shlex.join(command)}\n"


def qemu_command(variant: str, image: Path, work: Path, output: int) -> list[str]:
    """The emulator's command line; `work` holds the guest's script, and gets its console; `output` is a descriptor."""
    # A busy host makes the kernel doubt the processor's clock, and take one that costs an exit of the emulator to read.
    line = f"console=ttyS0 panic=-1 mitigations=off nokaslr tsc=reliable guest_script={work / 'script'}"
    files = [
        "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initramfs"),
        "-chardev", f"file,id=console,path={work / 'console'}", "-add-fd", f"set=1,fd={output}",
    ]  # fmt: skip
    # Without a parent the guest has nobody to tell.
    return ["setpriv", "--pdeathsig", "KILL", *_QEMU, *VARIANTS[variant].split(), *files, "-append", line]


def complain(why: str, console: str) -> int:
    """One readable error; the status that says that the command has none."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    crashes = [number for number, line in enumerate(lines) if _CRASH.search(line)]
    first = max(0, min([len(lines) - _TAIL_LINES, *crashes]))
    tail = "\n".join(f"    {line}" for line in lines[first : first + _MOST_LINES]) or "    (nothing)"
    print(f"guest: {why}; the last lines of its console:\n{tail}", file=sys.stderr)
    return _STATUS_NO_RESULT


def boot(variant: str, image: Path, script_text: str, limit_s: float) -> int:
    """Boot, run the script, and wait for the end.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    image
        Folder with vmlinuz and initramfs.
    script_text
        For the guest's shell, as `script` makes it.
    limit_s
        The guest is stopped then.

    Returns
    -------
    int
        The command's exit status; 125 if the guest did not come so far, after an error on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="guest-") as folder:
        work = Path(folder)
        (work / "script").write_text(script_text, encoding="utf-8")
        (work / "console").touch()
        output = os.dup(sys.stdout.fileno())  # qemu takes no standard stream as it is
        arguments = qemu_command(variant, image, work, output)
        qemu = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, pass_fds=[output])
        try:
            status = qemu.wait(limit_s)
            why = f"it went down (qemu's status {status}) before the command ended"
        except subprocess.TimeoutExpired:
            why = f"it was stopped after {limit_s:g} s, the limit"
        finally:
            qemu.kill()
            qemu.wait()
        console = (work / "console").read_text(encoding="utf-8", errors="replace")
    ended = _ENDED.search(console)
    return int(ended.group(1)) if ended else complain(why, console)


def main() -> int:
    """Read the command line and boot."""
    parser = argparse.ArgumentParser(description=__doc__, usage="boot.py [options] VARIANT -- COMMAND ...")
    parser.add_argument("--image", type=Path, default=Path("build/guest"), help="folder with vmlinuz and initramfs (default %(default)s)")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for the command")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="stop the guest then (default %(default)s)")
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    args = parser.parse_args()
    if not (args.image / "initramfs").is_file():
        parser.error(f"{args.image} holds no guest: `make test-guest` makes one in build/guest, or give --image")
    return boot(args.variant, args.image, script(args.command, args.env), args.limit)


if __name__ == "__main__":
    sys.exit(main())
