"""Train a ranker of critical objects on measured traces, beside its baselines.

The comparison leaves one program out at a time and gives the regret to the oracle (the share of the all-slow loss that a plan loses
beyond the best plan for the same budget), top-1 and NDCG@5, as means over programs with 95 % bootstrap intervals. The model that is saved
has seen all programs. Labels come from `tierprof measure`; on an emulated tier they follow the profile's own stall shares, so that a model
trained on them proves the loop and no more.
"""

import argparse
from pathlib import Path

import pandas as pd

from tierprof.console import emit_json, note, say, table
from tierprof.models.dataset import load_dataset
from tierprof.models.evaluate import BUDGET_SHARES, MEASURES, beaten_by
from tierprof.models.training import FEW_PROGRAMS, train
from tierprof.placer.emulated import emulated_line
from tierprof.placer.pack import TracePacker
from tierprof.profiler.trace import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="a measured trace, or a folder of traces")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL", help="the model's file, such as model.ubj")
    parser.add_argument("--source", metavar="SOURCE", help="which labels, where traces hold several, such as 'intervention emulated:2.5'")
    parser.add_argument("--leave-out", action="append", default=[], metavar="PROGRAM", help="leave this program's traces out altogether")
    parser.add_argument("--no-evaluation", action="store_true", help="only fit: do not compare with the baselines")
    parser.add_argument("--json", action="store_true", help="everything, exactly, as JSON")


def execute(args: argparse.Namespace) -> int:
    """Train, print the comparison, save."""
    traces = [Trace.open(path) for path in find_traces(args.traces)]
    data = load_dataset(traces, args.source, leave_out=args.leave_out)
    training = train(data, None if args.no_evaluation or len(set(data.programs)) < 2 else TracePacker())
    training.model.save(args.output)
    if args.json:
        emit_json({"model": str(args.output), **training.model.provenance_})
        return 0
    facts = training.model.provenance_
    say(f"{facts['objects']} objects of {len(data.runs)} runs of {len(facts['programs'])} programs; labels from {facts['source']}")
    emulated = emulated_line(facts["source"])
    if emulated:
        note(emulated)
    if training.comparison is not None:
        print_comparison(training.comparison)
    elif not args.no_evaluation:
        note(f"no comparison: all labels come from one program, {data.programs[0]}")
    say(f"saved {args.output}")
    return 0


def find_traces(paths: list[Path]) -> list[Path]:
    """The traces among the paths; a folder that is no trace stands for the traces in it."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(meta.parent for meta in path.glob("*/meta.json")) if path.is_dir() and not (path / "meta.json").exists() else []
        found.extend(inside or [path])
    return found


def print_comparison(results: pd.DataFrame) -> None:
    """The table of methods, and one sentence on who wins."""
    heads = ["method", *(f"regret at {share:.0%} of peak" for share in BUDGET_SHARES), "top-1", "NDCG@5"]
    rows = [[row["method"], *(_cell(row, measure) for measure in MEASURES)] for _, row in results.iterrows()]
    programs = int(results["programs"].iloc[0])
    table(f"leave one program out: mean over n = {programs} programs [95 % interval]", heads, rows)
    better = beaten_by(results, "model")
    if better:
        say(f"At a quarter of the peak the learned ranking does not beat {', '.join(better)}.")
    else:
        say("At a quarter of the peak the learned ranking has less regret than every baseline.")
    if programs < FEW_PROGRAMS:
        say(f"n = {programs} programs are few: the intervals say how little that proves.")


def _cell(row: pd.Series, measure: str) -> str:
    return f"{row[measure]:.3f} [{row[f'{measure}_low']:.3f}, {row[f'{measure}_high']:.3f}]"
