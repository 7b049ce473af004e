"""The timing model against published measurements of real hardware: prints the comparison, writes docs/validation.md.

Run `python benchmarks/validation.py` (or `make validation`). The page is that of a whole run; what leaves something out only prints:
`--quick` takes smaller graphs on a machine with a 2 MiB last-level cache, `--no-kernels` none, `--only` some, and `--half development`
looks at that half of the table alone, which is what one does while working on the model.
"""

import argparse

import pandas as pd
from validation_bands import bands
from validation_kernels import FULL, QUICK, outcomes
from validation_page import PAGE, SUMMARY_HEADS, Findings, compared, summary, targets, write
from validation_patterns import fill_model
from validation_reasons import causes
from validation_rows import DEVELOPMENT, PUBLISHED, error, ratios, read_rows

from tierprof.console import note, table
from tierprof.models.timing.check_tiers import check_tiers


def _frames(half: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All figures and all ratios, the model's beside the published ones."""
    rows = read_rows()
    rows = fill_model(rows[rows["half"] == half] if half else rows)
    rows["error"] = error(rows["model"], rows["published"])
    pairs = ratios(rows)
    return rows, pairs.assign(cause=causes(pairs))


def _print_rows(title: str, frame: pd.DataFrame) -> None:
    heads = ["row", "benchmark", "operation", "threads", "memory", "published", "model", "error"]
    what = frame[["id", "benchmark", "variant", "threads", "memory"]].to_numpy().tolist()
    table(title, heads, ([*cells, *figures] for cells, figures in zip(what, compared(frame), strict=True)))


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small graphs, a small last-level cache; no page")
    parser.add_argument("--no-kernels", action="store_true", help="only the access patterns; no page")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/validation.md")
    parser.add_argument("--half", choices=[DEVELOPMENT], help="only these rows; no page")
    parser.add_argument("--only", nargs="*", default=[], metavar="KERNEL", help="of the kernels only these; no page")
    args = parser.parse_args()
    rows, pairs = _frames(args.half)
    kernels = [] if args.no_kernels or args.half else outcomes(QUICK if args.quick else FULL, args.only)
    findings = Findings(rows, pairs, check_tiers(PUBLISHED / "tiers.csv"), kernels, bands(kernels) if kernels else [])
    _print_rows("ratios of Optane to DRAM", pairs)
    table("ratios: median absolute error", SUMMARY_HEADS, summary(pairs))
    table("figures as such: median absolute error", SUMMARY_HEADS, summary(rows))
    table("targets", ["target", "reached", ""], targets(findings))
    if args.half or args.no_page or args.only or args.quick or args.no_kernels:
        return
    write(findings)
    note(f"written: {PAGE}")


if __name__ == "__main__":
    main()
