"""Profiles and measures every workload at two graph scales and leaves the small traces that traces/ ships. Interrupted, it goes on."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

import tierprof
from tierprof.base.errors import TierprofError
from tierprof.base.schema import TABLES
from tierprof.console import note
from tierprof.profiler.trace import Trace
from tierprof.workloads import rmat
from tierprof.workloads.catalog import WORKLOADS, Workload
from tierprof.workloads.graph import WorkloadError

FAST, SLOW = "dram", "emulated:2.5"
EDGE_FACTOR, SEED = 8, 1

# What training reads; of the rest a shipped trace keeps the empty tables, so that every verb can open it.
KEPT = ("sites", "objects", "criticality")
EMPTIED = ("samples", "modules")


class Job(NamedTuple):
    """One trace to be made."""

    workload: Workload
    scale: int
    work: Path

    @property
    def name(self) -> str:
        """Name of the trace: program and scale of the graph."""
        return f"{self.workload.name}-s{self.scale}"

    @property
    def graph(self) -> Path:
        """The graph that it runs on; made once for all jobs of a scale."""
        return self.work / f"rmat-s{self.scale}.npz"

    @property
    def trace(self) -> Path:
        """The full trace."""
        return self.work / f"{self.name}.trace"

    @property
    def command(self) -> list[str]:
        """The program that is profiled."""
        return self.workload.command_at(self.scale, self.graph, sys.executable)


def jobs(work: Path, only: Sequence[str] = ()) -> list[Job]:
    """All traces to be made, those of smaller graphs first.

    Raises
    ------
    WorkloadError
        If `only` names a program that there is not.
    """
    names = [one.name for one in WORKLOADS]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise WorkloadError(f"no program {unknown[0]}", f"the programs are {', '.join(names)}", "name one of them")
    listed = [Job(one, scale, work) for one in WORKLOADS if not only or one.name in only for scale in one.amounts]
    return sorted(listed, key=lambda job: job.scale)


def run_tierprof(*arguments: str) -> None:
    """Call the command line as a user does; what the wrapped program prints is dropped.

    Raises
    ------
    WorkloadError
        If it fails; its own error is on stderr.
    """
    command = [sys.executable, "-P", "-m", "tierprof", *arguments]
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if status:
        raise WorkloadError(
            f"tierprof {arguments[0]} failed", f"it exited with status {status}", "see its error above; `make traces` goes on here"
        )


def collect(job: Job, repeats: int, objects: int) -> None:
    """Make the full trace of one job, measured; what an earlier call finished is not done again."""
    if not job.graph.exists():
        rmat.write(rmat.generate(job.scale, EDGE_FACTOR, SEED), job.graph, {"scale": job.scale, "edge_factor": EDGE_FACTOR, "seed": SEED})
    if not job.trace.exists():
        part = job.trace.with_name(f"part-{job.name}.trace")
        shutil.rmtree(part, ignore_errors=True)
        run_tierprof("run", "--quiet", "-o", str(part), "--", *job.command)
        part.rename(job.trace)
    if not Trace.open(job.trace).has("criticality"):
        tiers = ("--fast", FAST, "--slow", SLOW)
        run_tierprof("measure", str(job.trace), "--objects", str(objects), "--repeat", str(repeats), *tiers, "--", *job.command)


def strip(full: Trace, target: Path, job: Job, argv: Sequence[str]) -> int:
    """Write what training needs of a trace into `target`, replacing an older one; returns its size in bytes."""
    part = target.with_name(f".part-{target.name}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    provenance = {
        "collected_by": " ".join(["python -m tierprof.workloads.collect", *argv]),
        "collected_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tierprof_version": tierprof.__version__,
        "graph": {"kind": "R-MAT", "scale": job.scale, "edge_factor": EDGE_FACTOR, "seed": SEED},
        "emptied": list(EMPTIED),
        "dropped": ["recipes"],
    }
    command = [Path(word).name if Path(word).is_absolute() else word for word in full.meta["command"]]
    meta = {name: value for name, value in full.meta.items() if name != "cwd"}
    small = Trace(part, {**meta, "command": command, "program": job.workload.name, "provenance": provenance})
    for name in KEPT:
        small.write(name, full.table(name))
    small.write("allocations", trim_allocations(full))
    for name in EMPTIED:
        small.write(name, TABLES[name].empty_table())
    small.write_meta()
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return sum(file.stat().st_size for file in target.iterdir())


def trim_allocations(full: Trace) -> pa.Table:
    """The allocations of measured objects: packing under a budget asks how many bytes of each are live at a time."""
    table = full.table("allocations")
    measured = full.objects().merge(full.frame("criticality", ["key"]).drop_duplicates(), on="key")["site"]
    return table.filter(pc.is_in(table["site"], pa.array(measured, pa.int32())))


def main(argv: list[str] | None = None) -> int:
    """Collect from the command line; returns 0, or 1 after an error, which is told in one line."""
    parser = argparse.ArgumentParser(prog="python -m tierprof.workloads.collect", description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these (default: all of workloads/)")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the small traces go")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="graphs and full traces; remove it to begin anew")
    parser.add_argument("--repeat", type=int, default=3, metavar="R", help="measured runs of each configuration (default 3)")
    parser.add_argument("--objects", type=int, default=5, metavar="N", help="objects to measure in each program (default 5)")
    args = parser.parse_args(argv)
    try:
        listed = jobs(args.work, args.programs)
        start = time.monotonic()
        for number, job in enumerate(listed, 1):
            collect(job, args.repeat, args.objects)
            size = strip(Trace.open(job.trace), args.output / f"{job.name}.trace", job, sys.argv[1:] if argv is None else argv)
            note(f"[{number}/{len(listed)}] {job.name}: {size / 1024:.0f} KiB, {time.monotonic() - start:.0f}s since the start")
    except TierprofError as error:
        note(f"collect: {error}")
        return 1
    except KeyboardInterrupt:
        note("collect: interrupted; the same command goes on where this one stopped")
        return 130
    print(json.dumps({"traces": len(listed), "folder": str(args.output), "seconds": round(time.monotonic() - start, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
