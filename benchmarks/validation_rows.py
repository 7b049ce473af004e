"""The rows that the timing model is checked against: PerMA-Bench's figures, their halves, and the ratios of Optane to DRAM.

Nothing of the model is here. A row's half follows from its number alone, and was fixed before the model first ran: the table
lists each configuration on six memories in turn, so that halves are made of whole configurations, every other one. Odd and
even numbers would have put all of Optane 200 into one half.
"""

from pathlib import Path

import numpy as np
import pandas as pd

PUBLISHED = Path(__file__).resolve().parent / "published"

MEMORIES_A_CONFIGURATION = 6
DEVELOPMENT, EVALUATION = "development", "evaluation"
DRAM_OF = {
    "optane100-128": "dram-of-optane100",
    "optane100-256": "dram-of-optane100",
    "optane100-512": "dram-of-optane100",
    "optane200-256": "dram-of-optane200",
}
# The benchmark counts 2^30 bytes as a GB (its benchmark_config.hpp says so; its bytes and seconds agree).
BYTES_PER_GB = 1 << 30


def halves(identifiers: pd.Series) -> np.ndarray:
    """The half of each row, by the number in its identifier (``PB001``)."""
    configuration = (identifiers.str.removeprefix("PB").astype(int).to_numpy() - 1) // MEMORIES_A_CONFIGURATION
    return np.where(configuration % 2 == 0, DEVELOPMENT, EVALUATION)


def read_rows(path: Path = PUBLISHED / "perma_bench.csv") -> pd.DataFrame:
    """One row a published figure, throughput and latency apart.

    Returns
    -------
    DataFrame
        ``id`` (a latency's ends in L), ``benchmark``, ``variant`` (what the operation is), ``threads``, ``memory``, ``unit``
        (``GB/s``, ``Mops`` or ``ns``), ``published``, ``half``.
    """
    table = pd.read_csv(path, keep_default_na=False)
    table["half"] = halves(table["id"])
    size = table["access_bytes"].astype(str).str.removesuffix(".0")
    plain = (size + " B " + table["persist"].replace({"nocache": "ntstore", "none": "store"})).str.strip()
    table["variant"] = np.where(table["operations"] != "", table["operations"], plain)
    columns = ["id", "benchmark", "variant", "threads", "memory", "unit", "published", "half"]
    throughput = table.assign(published=table["throughput"].astype(float))[columns]
    timed = table[table["operation_latency_ns"] != ""]
    latency = timed.assign(published=timed["operation_latency_ns"].astype(float), unit="ns", id=timed["id"] + "L")[columns]
    return pd.concat([throughput, latency], ignore_index=True)


def error(model: pd.Series, published: pd.Series) -> pd.Series:
    """Relative error, signed: +0.1 where the model says 10 % too much."""
    return model / published - 1


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Every Optane row against the DRAM row of the same machine and configuration.

    Parameters
    ----------
    rows
        As `read_rows` gives them, with a column ``model``.

    Returns
    -------
    DataFrame
        The Optane rows; ``published`` and ``model`` are Optane's figure divided by DRAM's, ``error`` the model's.
    """
    key = ["benchmark", "variant", "threads", "unit"]
    optane = rows[rows["memory"].isin(DRAM_OF)].assign(dram=lambda part: part["memory"].map(DRAM_OF))
    dram = rows[rows["memory"].isin(set(DRAM_OF.values()))].rename(columns={"memory": "dram"})
    pairs = optane.merge(dram[[*key, "dram", "published", "model"]], on=[*key, "dram"], suffixes=("", "_dram"), validate="many_to_one")
    pairs["published"] /= pairs.pop("published_dram")
    pairs["model"] /= pairs.pop("model_dram")
    pairs["error"] = error(pairs["model"], pairs["published"])
    return pairs.drop(columns="dram")


def median_absolute(errors: pd.Series) -> float:
    """The median of the errors' sizes; NaN if there are none."""
    return float(errors.abs().median())
