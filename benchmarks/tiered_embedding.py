"""What does a tiered embedding cost beside torch's own, what does its look-ahead hit, beside other policies, and what does rerank move?

Run `python benchmarks/tiered_embedding.py`. Lookups follow Zipf's law over scattered rows. Times are of forward plus backward, contenders
interleaved in an order drawn anew each round; ratios are of the medians, with a bootstrap interval over rounds. `dram+dram` has both tiers
in plain DRAM, so that what it costs is the tiered table itself; `dram+file` has the cold rows in a file under --folder.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from common import format_interval, interleaved, paired_interval
from torch import nn

from tierprof.base.units import format_bytes, format_count, format_share, parse_count
from tierprof.console import emit_json, progress, table
from tierprof.placer.checks import machine_line
from tierprof.placer.embedding import LookAhead, TieredEmbedding, TieredEmbeddingBag, attach_optimizer

FAST_SHARE = 0.05
BAG_ROWS = 8
PLAIN = "torch"


class Stream(NamedTuple):
    """Lookups by Zipf's law."""

    batches: list[torch.Tensor]
    frequencies: np.ndarray  # by row, what share of the lookups it has


def zipf_stream(rows: int, exponent: float, batches: int, batch_rows: int, seed: int = 0) -> Stream:
    """Batches of rows; which row is how frequent is drawn, too."""
    random = np.random.default_rng(seed)
    share = np.arange(1, rows + 1) ** -exponent
    share /= share.sum()
    ids, borders = random.permutation(rows), np.cumsum(share)
    frequencies = np.empty(rows)
    frequencies[ids] = share
    ranks = (np.minimum(np.searchsorted(borders, random.random(batch_rows)), rows - 1) for _ in range(batches))
    return Stream([torch.from_numpy(ids[rank]) for rank in ranks], frequencies)


def contenders(kind: str, sparse: bool, arguments: argparse.Namespace, frequencies: np.ndarray, folder: Path) -> dict[str, nn.Module]:
    """torch's own module and tiered ones with the same rows."""
    rows, dim = arguments.rows, arguments.dim
    fast_rows = int(FAST_SHARE * rows)
    file = f"pmem:{folder}"
    plain: Any
    make: Callable[..., Any]
    if kind == "bag":
        plain, make = nn.EmbeddingBag(rows, dim, mode="sum", sparse=sparse), TieredEmbeddingBag.from_embedding
    else:
        plain, make = nn.Embedding(rows, dim, sparse=sparse), TieredEmbedding.from_embedding
    found = {
        PLAIN: plain,
        "dram+dram": make(plain, fast_rows=fast_rows, slow="dram", frequencies=frequencies),
        "dram+file": make(plain, fast_rows=fast_rows, slow=file, frequencies=frequencies),
    }
    if kind == "embedding":
        found["dram+dram, fetched once"] = make(plain, fast_rows=fast_rows, slow="dram", frequencies=frequencies, fetch_once=True)
        found["dram+file, fetched once"] = make(plain, fast_rows=fast_rows, slow=file, frequencies=frequencies, fetch_once=True)
    for name, module in found.items():
        if name != PLAIN:
            attach_optimizer(torch.optim.SGD(module.parameters()), module)
    return found


def seconds_of(module: Any, batches: list[torch.Tensor], gradient: torch.Tensor, bags: bool) -> float:
    """Forward plus backward of a batch: the median of several, so that one during which others had the processor does not count."""
    taken = []
    for batch in batches:
        rows = batch.view(-1, BAG_ROWS) if bags else batch
        module.weight.grad = None
        start = time.perf_counter()
        out = module(rows)
        out.backward(gradient)
        taken.append(time.perf_counter() - start)
        del out
    return float(np.median(taken))


def step_rows(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Forward plus backward of each contender, and its ratio to torch's."""
    stream = zipf_stream(arguments.rows, arguments.zipf, 64, arguments.batch)
    for kind, sparse, steps in (("embedding", True, 16), ("embedding", False, 3), ("bag", True, 16), ("bag", False, 3)):
        modules = contenders(kind, sparse, arguments, stream.frequencies, folder)
        gradient = torch.randn(arguments.batch // (BAG_ROWS if kind == "bag" else 1), arguments.dim)
        seconds: dict[str, list[float]] = {name: [] for name in modules}
        with progress() as bar:
            task = bar.add_task(f"{kind}, {'sparse' if sparse else 'dense'} gradients", total=(arguments.rounds + 1) * len(modules))
            for number, name in interleaved(list(modules), arguments.rounds + 1):
                part = stream.batches[number * steps % 48 :][:steps]
                taken = seconds_of(modules[name], part, gradient, kind == "bag")
                if number:  # the first round touches everything for the first time
                    seconds[name].append(taken)
                bar.advance(task)
        for name, mine in seconds.items():
            ratio = paired_interval(lambda a, b: a / b, mine, seconds[PLAIN])
            yield {
                "module": kind,
                "gradients": "sparse" if sparse else "dense",
                "storage": name,
                "median_s": float(np.median(mine)),
                "of_torch": ratio._asdict(),
                "shown": format_interval(ratio),
            }


def look_ahead_row(arguments: argparse.Namespace) -> dict[str, Any]:
    """Hit rates with 5 % of the rows fast, none of them known to be hot, and what the look-ahead itself takes."""
    stream = zipf_stream(arguments.rows, arguments.zipf, arguments.batches, arguments.batch)
    embedding = TieredEmbedding(
        arguments.rows, arguments.dim, sparse=True, fast_rows=int(FAST_SHARE * arguments.rows), slow="dram", count_every=0
    )
    attach_optimizer(torch.optim.SparseAdam(embedding.parameters()), embedding)
    ahead = LookAhead(embedding, stream.batches, lookahead_batches=arguments.lookahead, record=True)
    start = time.perf_counter()
    with progress() as bar:
        for _ in bar.track(ahead, total=len(stream.batches), description="look-ahead"):
            pass
    seconds = (time.perf_counter() - start) / len(stream.batches)
    compared, report = ahead.compare(), ahead.report
    return {
        "look_ahead": compared.look_ahead,
        "lru": compared.lru,
        "lfu": compared.lfu,
        "optimum": compared.optimum,
        "share_of_optimum": compared.share_of_optimum,
        "fast_share": report.fast_share,
        "moved_bytes_per_batch": report.moved_bytes / report.batches,
        "seconds_per_batch": seconds,
    }


def rerank_rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What rerank moves, epoch by epoch, of a table whose hot rows are scattered, with SparseAdam's two states."""
    stream = zipf_stream(arguments.rows, arguments.zipf, arguments.batches, arguments.batch)
    embedding = TieredEmbedding(
        arguments.rows, arguments.dim, sparse=True, fast_rows=int(FAST_SHARE * arguments.rows), slow="dram", count_every=4
    )
    optimizer = torch.optim.SparseAdam(embedding.parameters())
    attach_optimizer(optimizer, embedding)
    embedding(stream.batches[0]).sum().backward()
    optimizer.step()
    part = len(stream.batches) // 3
    for epoch in range(3):
        with torch.no_grad():
            for batch in stream.batches[epoch * part : (epoch + 1) * part]:
                embedding(batch)
        start = time.perf_counter()
        report = embedding.rerank()
        seconds = time.perf_counter() - start
        served = np.mean([embedding.in_fast()[batch.numpy()].mean() for batch in stream.batches[-16:]])
        yield {"epoch": epoch + 1, "rows_in": report.rows_in, "moved_bytes": report.moved_bytes, "fast_share": served, "seconds": seconds}


def print_tables(steps: list[dict[str, Any]], ahead: dict[str, Any], reranked: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """All of it as people read it."""
    size = f"{format_count(arguments.rows)} rows of {arguments.dim}, batch {arguments.batch}, Zipf {arguments.zipf}"
    cells = [[row["module"], row["gradients"], row["storage"], f"{row['median_s'] * 1e3:.2f}", row["shown"]] for row in steps]
    table(f"Forward plus backward: {size}", ["module", "gradients", "storage", "ms a batch", "of torch's own"], cells)
    rates = [format_share(ahead[name]) for name in ("look_ahead", "lru", "lfu", "optimum", "share_of_optimum", "fast_share")]
    cost = [format_bytes(ahead["moved_bytes_per_batch"]), f"{ahead['seconds_per_batch'] * 1e3:.2f}"]
    title = f"Hit rates with {format_share(FAST_SHARE)} of the rows and {arguments.lookahead} batches of look-ahead"
    columns = ["look-ahead", "LRU", "LFU", "optimum", "of optimum", "lookups served fast", "moved a batch", "ms a batch"]
    table(title, columns, [[*rates, *cost]])
    cells = [
        [row["epoch"], row["rows_in"], format_bytes(row["moved_bytes"]), format_share(row["fast_share"]), f"{row['seconds'] * 1e3:.0f}"]
        for row in reranked
    ]
    table("rerank, with SparseAdam's state", ["epoch", "rows in", "moved", "lookups served fast", "ms"], cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=parse_count, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--zipf", type=float, default=1.05)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batches", type=int, default=600, help="of the look-ahead's stream")
    parser.add_argument("--lookahead", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, help="of the file that holds cold rows")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        steps = list(step_rows(arguments, Path(folder)))
    ahead, reranked = look_ahead_row(arguments), list(rerank_rows(arguments))
    if arguments.json:
        emit_json({"machine": machine_line(), "steps": steps, "look_ahead": ahead, "rerank": reranked})
    else:
        print_tables(steps, ahead, reranked, arguments)


if __name__ == "__main__":
    main()
