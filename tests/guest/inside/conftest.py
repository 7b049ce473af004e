"""What guest tests share: the guest's tiers, and small programs that run under a plan and say where their pages are."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tierprof.cli import main
from tierprof.placer.achieved import counters_of, tiers_achieved
from tierprof.placer.binary import tier_order
from tierprof.placer.enforce import enforcement_env
from tierprof.placer.plan import Plan
from tierprof.placer.tiers import TierSpec, parse_tier
from tierprof.profiler.allocations import ALLOC, SLAB, SMALL
from tierprof.profiler.launch import LaunchOptions, launch, program_environment
from tierprof.profiler.raw import read_allocations, read_meta

Census = dict[str, int]


class Planned(NamedTuple):
    """A run under a plan."""

    status: int
    said: dict[str, Census]  # lines `NAME key number key number ...` of the program
    output: str
    tiers: Any  # DataFrame of tiers_achieved, by tier name


RunPlanned = Callable[..., Planned]


@dataclass
class Live:
    """A program that runs under a plan, and does what it is told (tests/guest/programs/live.h)."""

    process: "subprocess.Popen[str]"
    raw: Path
    output: str = ""

    @property
    def pid(self) -> int:
        """Of the program itself: nobody is between."""
        return self.process.pid

    def listen(self, last: str) -> dict[str, Census]:
        """What it says, up to the line that begins with this word."""
        assert self.process.stdout is not None
        heard = ""
        while (line := self.process.stdout.readline()) and not line.startswith(last):
            heard += line
        self.output += heard + line
        assert line, f"it ended with status {self.process.wait()} before it said {last}:\n{self.output}"
        return census_of(heard + line)

    def tell(self, word: str) -> None:
        """Let it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def pages(self, last: str = "objects") -> dict[str, Census]:
        """Where its pages are now."""
        self.tell("pages")
        return self.listen(last)

    def stop(self) -> dict[str, Census]:
        """Let it end; what it says then. It must end well, with its content as it was written."""
        output, _ = self.process.communicate("stop\n")
        self.output += output
        assert (self.process.returncode, output.splitlines()[-1:]) == (0, ["content good"]), self.output
        return census_of(output)

    def key(self, size: int | None = None) -> str:
        """Key of the one site that hands out objects of this size, or without a size: that has slabs."""
        return keys_of(self.raw, size)[0]


def keys_of(raw: Path, size: int | None) -> list[str]:
    """Keys of a program's sites that hand out objects of this size, in the order of their first; without a size: those that have slabs."""
    streams = [(path, read_meta(path)) for path in raw.glob("meta.*.bin")]
    path, meta = next((path, meta) for path, meta in streams if not meta.process.forked)
    records = read_allocations(path.with_name(path.name.replace("meta", "alloc", 1)))
    wanted = records["type"] == SLAB if size is None else np.isin(records["type"], (ALLOC, SMALL)) & (records["size"] == size)
    return [meta.sites[number].key for number in np.unique(records["site"][wanted])]


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
def tierprof(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`tierprof(*arguments)`: exit status and what was printed; in this process, since starting another Python takes many seconds."""

    def run(*arguments: object) -> tuple[int, str]:
        capfd.readouterr()
        return main([str(argument) for argument in arguments]), capfd.readouterr().out

    return run


@pytest.fixture
def doctor(tierprof: Callable[..., tuple[int, str]]) -> Callable[[], dict[str, dict[str, str]]]:
    """`doctor()`: what `tierprof doctor` says, by the name of the check."""

    def run() -> dict[str, dict[str, str]]:
        status, output = tierprof("doctor", "--json")
        assert status == 0
        return {check["name"]: check for check in json.loads(output)["checks"]}

    return run


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


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], Path]) -> Callable[..., list[str]]:
    """`keys(size, name, *args)`: of a program's sites of such objects, from a run without a plan; each program runs once for it."""
    known: dict[tuple[str, ...], Path] = {}

    def find(size: int, name: str, *args: str) -> list[str]:
        if (name, *args) not in known:
            raw = known[(name, *args)] = tmp_path_factory.mktemp("keys")
            options = LaunchOptions(source="none", small_period_bytes=4096)
            with open(os.devnull, "w") as nowhere:
                launch([str(program(name)), *args], raw, options, stdout=nowhere.fileno())
        return keys_of(known[(name, *args)], size)

    return find


@pytest.fixture
def start(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Callable[..., Live]]:
    """`start(plan, name, *args)`: a program under a plan, which has made its objects and waits to be told something."""
    started: list[Live] = []

    def start_one(plan: Plan, name: str, *args: str) -> Live:
        folder = tmp_path / f"live{len(started)}"
        (folder / "raw").mkdir(parents=True)
        env = program_environment(folder / "raw", LaunchOptions(env=enforcement_env(plan, folder, None)), preload=True)
        pipe = subprocess.PIPE
        words = [str(program(name)), *args]
        started.append(Live(subprocess.Popen(words, env={**os.environ, **env}, stdin=pipe, stdout=pipe, text=True), folder / "raw"))
        started[-1].listen("ready")
        return started[-1]

    yield start_one
    for own in started:
        own.process.kill()
        own.process.communicate()


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


@pytest.fixture
def nearly_full(fsdax: Path) -> Iterator[int]:
    """A file that leaves 24 MiB of the file system free; yields the bytes that are free then."""
    space = os.statvfs(fsdax)
    filler = fsdax / "filler"
    command("fallocate", "-l", str(space.f_bfree * space.f_frsize - 24 * 2**20), str(filler))
    space = os.statvfs(fsdax)
    yield space.f_bfree * space.f_frsize
    filler.unlink()


@pytest.fixture
def huge_pool() -> Iterator[Callable[[], int]]:
    """A pool of eight huge pages, all on the node without CPUs; what it yields tells how many are free."""
    pool = Path("/sys/devices/system/node/node1/hugepages/hugepages-2048kB")
    (pool / "nr_hugepages").write_text("8")
    assert int((pool / "free_hugepages").read_text()) == 8
    yield lambda: int((pool / "free_hugepages").read_text())
    (pool / "nr_hugepages").write_text("0")


@pytest.fixture(scope="session")
def kmem_node(namespaces: list[str]) -> int:
    """A node of persistent memory: the other NVDIMM, first fsdax, then devdax, then handed to the kernel as memory."""
    change_mode(namespaces[1], "fsdax")
    device = change_mode(namespaces[1], "devdax")["daxregion"]["devices"][0]
    command("daxctl", "reconfigure-device", "--mode=system-ram", "--no-online", device["chardev"])
    command("daxctl", "online-memory", "--no-movable", device["chardev"])
    return int(device["target_node"])


@pytest.fixture
def make_tier(request: pytest.FixtureRequest) -> Callable[[str, str], TierSpec]:
    """`make_tier(name, spec)`: a tier, set up; the specification is a real one, or `fsdax` or `kmem-node` for what the guest has there."""

    def make(name: str, spec: str) -> TierSpec:
        if spec.startswith("kmem"):
            node = request.getfixturevalue("kmem_node")
            return parse_tier(f"{name}=node:{node}" if spec == "kmem-node" else f"{name}={spec}")
        if spec == "hugetlb":
            request.getfixturevalue("huge_pool")
        return parse_tier(f"{name}=pmem:{request.getfixturevalue('fsdax')}" if spec == "fsdax" else f"{name}={spec}")

    return make


@pytest.fixture
def tier(request: pytest.FixtureRequest, make_tier: Callable[[str, str], TierSpec]) -> TierSpec:
    """`slow`: the tier that the test is parametrized with."""
    return make_tier("slow", request.param)


@pytest.fixture
def tiers(request: pytest.FixtureRequest, make_tier: Callable[[str, str], TierSpec]) -> tuple[TierSpec, TierSpec]:
    """`first` and `second`: the tiers that the test is parametrized with."""
    first, second = request.param
    return make_tier("first", first), make_tier("second", second)


def pages_of(census: Census, tier: TierSpec) -> int:
    """How many of the pages are the tier's. Pages of a DAX file are of no node that the kernel would name."""
    if tier.kind == "pmem":
        return min(census["persistent"], census["absent"])
    if tier.kind == "kmem":
        return min(census["persistent"], census["node1"] + census["node2"])
    return census["node0" if tier.node is None else f"node{tier.node}"]


@pytest.fixture(scope="session")
def pages_in() -> Callable[[Census, TierSpec], int]:
    """`pages_in(census, tier)`: how many of the pages are the tier's."""
    return pages_of


@pytest.fixture(scope="session")
def all_in() -> Callable[[Census, TierSpec], bool]:
    """`all_in(census, tier)`: whether all of the pages are."""
    return lambda census, tier: pages_of(census, tier) == census["pages"] > 0
