"""What guest tests share: the guest's tiers, and runs of small programs under a plan with where their pages were."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.binary import tier_order
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec
from tierprof.profiler import session
from tierprof.profiler.launch import LaunchOptions, launch
from tierprof.profiler.trace import Trace

#: The node that the variant `nodes` has without CPUs.
SLOW_NODE = 1

Census = dict[str, int]


class Planned(NamedTuple):
    """A run under a plan."""

    status: int
    said: dict[str, Census]  # lines `NAME key number key number ...` of the program
    output: str
    tiers: Any  # DataFrame of tiers_achieved, by tier name


RunPlanned = Callable[..., Planned]


def census_of(output: str) -> dict[str, Census]:
    """Lines of a name and pairs of a word and a number; other lines are left out."""
    words = [line.split() for line in output.splitlines()]
    pairs = [(line[0], line[1:]) for line in words if len(line) > 1 and len(line) % 2 == 1 and all(word.isdigit() for word in line[2::2])]
    return {name: dict(zip(rest[::2], map(int, rest[1::2]), strict=True)) for name, rest in pairs}


@pytest.fixture(scope="session")
def read_census() -> Callable[[str], dict[str, Census]]:
    """`read_census(output)`: what a program said about its pages, by name."""
    return census_of


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """`program(name)`: a program of tests/guest/programs or tests/programs, compiled outside."""
    folder = Path(os.environ["TIERPROF_GUEST_PROGRAMS"])
    return lambda name: folder / name


@pytest.fixture
def run_traced(
    tmp_path: Path, program: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Trace, dict[str, Census]]]:
    """`run_traced(plan or None, name, *args)`: as `tierprof run` does, with the trace, and what the program said about its pages."""

    def run_one(plan: Plan | None, name: str, *args: str) -> tuple[Trace, dict[str, Census]]:
        placed: dict[str, Any] = {}
        if plan is not None:
            env = enforcement_env(plan, tmp_path / "plan", None)
            placed = {"env": env, "tiers": tuple(tier.name for tier in tier_order(plan))}
        path = tmp_path / ("planned.trace" if plan else "plain.trace")
        capfd.readouterr()
        done = session.run([str(program(name)), *args], path, LaunchOptions(source="none", **placed))
        said = census_of(capfd.readouterr().out)
        assert (done.exit_status, done.failure) == (0, None)
        return Trace.open(path), said

    return run_one


@pytest.fixture
def run_planned(tmp_path: Path, program: Callable[[str], Path]) -> RunPlanned:
    """`run_planned(plan, name, *args)`: run a program under a plan by the product's own launcher."""
    runs = 0

    def run_one(plan: Plan, name: str, *args: str) -> Planned:
        nonlocal runs
        folder = tmp_path / f"run{runs}"
        runs += 1
        env = enforcement_env(plan, folder, None)
        options = LaunchOptions(source="none", env=env, tiers=tuple(tier.name for tier in tier_order(plan)))
        with (folder / "output").open("w+") as output:
            result = launch([str(program(name)), *args], folder / "raw", options, stdout=output.fileno())
            output.seek(0)
            text = output.read()
        tiers = tiers_achieved(counters_of(folder / "raw"), plan).set_index("tier")
        return Planned(result.exit_status, census_of(text), text, tiers)

    return run_one


def command(*words: str) -> str:
    """Run a command of the guest's administrator; what it prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def namespaces() -> list[str]:
    """Names of the NVDIMMs' namespaces; which NVDIMM comes first is the kernel's whim."""
    return sorted(entry["dev"] for entry in json.loads(command("ndctl", "list", "--namespaces")))


def change_mode(namespace: str, mode: str) -> dict[str, Any]:
    """Make an NVDIMM's memory accessible in another way; what ndctl says it is now."""
    text = command("ndctl", "create-namespace", "--force", f"--reconfig={namespace}", f"--mode={mode}", "--map=mem")
    return dict(json.loads(text))


@pytest.fixture(scope="session")
def fsdax(namespaces: list[str]) -> Path:
    """A folder on persistent memory: ext4 with DAX on an NVDIMM."""
    device, folder = f"/dev/{change_mode(namespaces[0], 'fsdax')['blockdev']}", Path("/mnt/pmem")
    folder.mkdir()
    command("mkfs.ext4", "-q", "-b", "4096", device)
    command("mount", "-o", "dax", device, str(folder))
    return folder


@pytest.fixture(scope="session")
def kmem_node(namespaces: list[str]) -> int:
    """A node of persistent memory: the other NVDIMM, first fsdax, then devdax, then handed to the kernel as memory."""
    change_mode(namespaces[1], "fsdax")
    device = change_mode(namespaces[1], "devdax")["daxregion"]["devices"][0]
    command("daxctl", "reconfigure-device", "--mode=system-ram", "--no-online", device["chardev"])
    command("daxctl", "online-memory", "--no-movable", device["chardev"])
    return int(device["target_node"])


@pytest.fixture
def tier(request: pytest.FixtureRequest) -> TierSpec:
    """`slow`: the tier of the kind that the test is parametrized with, set up."""
    if request.param == "fsdax":
        return TierSpec("slow", "pmem", folder=request.getfixturevalue("fsdax"))
    return TierSpec("slow", "node", node=request.getfixturevalue("kmem_node") if request.param == "kmem" else SLOW_NODE)
