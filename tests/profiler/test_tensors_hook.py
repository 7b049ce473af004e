"""The hook in real programs: it waits for torch without disturbing imports, names what torch owns, and changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tierprof
from tierprof.profiler.launch import DEFAULT_THRESHOLD_BYTES
from tierprof.profiler.tensors.variables import holders
from tierprof.profiler.trace import Trace

PROGRAMS = Path(__file__).parent.parent / "programs"
SOURCES = Path(__file__).parent.parent.parent / "profiler" / "tensors"
START_UP = "tierprof_names.pth"

Known = pd.DataFrame


def installed_start_up() -> Path | None:
    """The start-up file, where the package was installed; a package that is only on PYTHONPATH has none."""
    found = [Path(folder).parent / START_UP for folder in tierprof.__path__]
    return next((path for path in found if path.exists()), None)


@pytest.fixture(scope="module")
def start_up_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose Python processes read the start-up file: of the package if it is installed, else the sources'."""
    if installed_start_up() is not None:
        return dict(os.environ)
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(f"import site\nsite.addsitedir({str(SOURCES)!r})\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def program_command(program: str) -> list[str]:
    return [sys.executable, str(PROGRAMS / f"{program}.py")]


class Recorded:
    """A program's run under `tierprof run`: its trace, its output, and what it knew of its tensors."""

    def __init__(self, program: str, folder: Path, environment: dict[str, str]) -> None:
        script = program_command(program)
        run = [
            sys.executable,
            "-P",
            "-m",
            "tierprof",
            "run",
            "-q",
            "--source",
            "none",
            "--small-period",
            "0",
            "-o",
            str(folder / "t"),
            "--",
            *script,
        ]
        self.done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True, timeout=120)
        self.trace = Trace.open(folder / "t")
        self.known = pd.DataFrame([line for line in map(json.loads, self.done.stdout.splitlines()) if "address" in line])

    def rows(self, name: str) -> pd.DataFrame:
        """The trace's rows of a tensor."""
        table = self.trace.frame("tensors")
        return table[table["name"] == name]


def results(output: str) -> list[dict]:
    """What a program computed: its lines but for those that say where its memory was."""
    return [line for line in map(json.loads, output.splitlines()) if "address" not in line]


@pytest.fixture(scope="module")
def training(start_up_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    pytest.importorskip("torch")
    return Recorded("tensors_train", tmp_path_factory.mktemp("train"), start_up_environment)


@pytest.fixture(scope="module")
def hazards(start_up_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    pytest.importorskip("torch")
    return Recorded("tensors_hazards", tmp_path_factory.mktemp("hazards"), start_up_environment)


def test_the_program_computes_what_it_computes_alone(hazards: Recorded) -> None:
    plain = subprocess.run(program_command("tensors_hazards"), capture_output=True, text=True, check=True, timeout=120)
    assert results(hazards.done.stdout) == results(plain.stdout) != []
    assert hazards.done.stderr == plain.stderr


@pytest.mark.parametrize("name", ["training", "hazards"])
def test_every_tensor_is_where_the_program_says_it_is(name: str, request: pytest.FixtureRequest) -> None:
    recorded = request.getfixturevalue(name)
    told = recorded.trace.frame("tensors").drop_duplicates(["name", "role", "pid", "address", "bytes"])
    found = recorded.known.drop_duplicates().merge(told, how="left", indicator="told")
    tracked = found[found["bytes"] >= DEFAULT_THRESHOLD_BYTES]
    assert (tracked["told"] == "both").all()
    # small gradients, which have no row of their own, are looked for in some steps alone
    assert (found["told"] == "both")[found["role"] != "gradient"].all()
    # AND the memory that it lies in carries its name
    allocations = recorded.trace.frame("allocations")
    assert len(tracked) > 5
    assert allocations["name"][tracked["allocation"]].tolist() == tracked["name"].tolist()
    assert (allocations["size_bytes"][tracked["allocation"]].to_numpy() >= tracked["bytes"].to_numpy()).all()
    # AND nothing was left out, and nothing went wrong
    assert [note for note in recorded.trace.meta["notes"] if note["code"] in ("tensors", "damage")] == []


def test_a_recorder_that_cannot_write_steps_aside(training: Recorded, start_up_environment: dict[str, str], tmp_path: Path) -> None:
    environment = {**start_up_environment, "TIERPROF_DIR": str(tmp_path / "nowhere")}
    done = subprocess.run(program_command("tensors_train"), env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert results(done.stdout) == results(training.done.stdout) != []
    assert done.stderr == training.done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_gradients_have_their_name_at_every_step(training: Recorded) -> None:
    allocations = training.trace.frame("allocations")
    for table in ("users", "items"):
        # GIVEN gradients that are made anew in each of seven steps
        made = allocations[allocations["name"] == f"model.{table}.weight.grad"]
        known = training.known[training.known["name"] == f"model.{table}.weight.grad"]
        assert len(made) == len(known) == 7
        assert made["address"].tolist() == known["address"].tolist()


def test_objects_are_called_as_their_tensors(training: Recorded) -> None:
    names = set(training.trace.objects()["name"])
    assert {"model.layers.*.weight", "model.graph.values"} <= names
    assert any(name.startswith("model.") and name.endswith(".exp_avg") for name in names)
    tensors = training.trace.frame("tensors")
    first = tensors[tensors["name"] == "model.users.weight"].iloc[0]
    assert (first["module"], first["role"], first["dtype"], first["shape"].tolist()) == ("Embedding", "parameter", "float32", [3000, 32])


def test_a_child_names_its_own_tensors(hazards: Recorded) -> None:
    own = hazards.rows("tied.0.weight.grad")
    parents = hazards.rows("tied.0.weight")
    assert own["pid"].nunique() == 1
    assert set(own["pid"]) < set(parents["pid"])


# -- waiting for torch, which here is a package of three lines


FAKE_TORCH = "import sys\nanswer = 42\nseen = [type(finder).__name__ for finder in sys.meta_path]\n"


def python(code: str, folder: Path, environment: dict[str, str]) -> str:
    """What a process prints that could import a stand-in for torch."""
    (folder / "torch").mkdir(exist_ok=True)
    (folder / "torch" / "__init__.py").write_text(FAKE_TORCH)
    # An empty entry would be the current folder, and its flat folders would hide the package.
    path = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(folder)]))
    prefix = f"import sys\nsys.path.insert(0, {str(folder)!r})\n"
    run = [sys.executable, "-P", "-c", prefix + code]
    done = subprocess.run(run, env={**environment, "PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


WAITS = "print(sum(type(finder).__name__ == 'TorchFinder' for finder in sys.meta_path), 'tierprof.profiler.tensors.hook' in sys.modules)"


def test_nothing_waits_in_a_process_that_is_not_recorded(start_up_environment: dict[str, str], tmp_path: Path) -> None:
    environment = {name: value for name, value in start_up_environment.items() if name != "TIERPROF_DIR"}
    assert python(WAITS, tmp_path, environment) == "0 False\n"
    assert python(WAITS, tmp_path, {**environment, "TIERPROF_DIR": str(tmp_path)}) == "1 True\n"


def test_an_installed_package_has_the_start_up_file_beside_it_and_not_in_it() -> None:
    installed = installed_start_up()
    if installed is None:
        pytest.skip("the package is used from its sources, not installed")
    assert installed.read_text() == (SOURCES / START_UP).read_text()
    assert not (installed.parent / "tierprof" / "profiler" / "tensors" / START_UP).exists()


def test_waiting_disturbs_no_import(start_up_environment: dict[str, str], tmp_path: Path) -> None:
    code = """
import importlib.machinery, importlib.util
spec = importlib.util.find_spec("torch")
assert importlib.util.find_spec("torch").origin == spec.origin
assert isinstance(spec.loader, importlib.machinery.SourceFileLoader) and "torch" not in sys.modules
import torch
assert torch.answer == 42 and torch.__file__ == spec.origin and torch.__spec__.loader is torch.__loader__
assert "exec_module" not in vars(torch.__loader__)
assert "TorchFinder" not in [type(finder).__name__ for finder in sys.meta_path]
assert importlib.reload(torch).answer == 42 and importlib.util.find_spec("no_such_module") is None
print("as ever")
"""
    raw = tmp_path / "raw"
    raw.mkdir()
    # THEN all is as ever, although the recorder cannot start on such a torch
    assert python(code, tmp_path, {**start_up_environment, "TIERPROF_DIR": str(raw)}) == "as ever\n"
    assert list(raw.iterdir()) == []


def test_a_torch_that_cannot_be_imported_fails_as_ever(start_up_environment: dict[str, str], tmp_path: Path) -> None:
    code = """
for _ in range(2):
    try:
        import torch.nothing
    except ModuleNotFoundError as error:
        print(error.name)
"""
    assert python(code, tmp_path, {**start_up_environment, "TIERPROF_DIR": str(tmp_path)}) == "torch.nothing\n" * 2


# -- the variable that holds an object


class Thing:
    """Something that can be found, with a method that is called as a function that hands out variables."""

    def eval(self) -> None: ...


def find(*things: Thing) -> list[str | None]:
    names = holders({id(thing): thing for thing in things}, sys._getframe(1))
    return [names.get(id(thing)) for thing in things]


def test_the_outermost_variable_names_an_object() -> None:
    def train(model: Thing) -> list[str | None]:
        model.eval()
        return find(model)

    net = Thing()
    assert train(net) == ["net"]
    assert train(Thing()) == ["model"]
    assert find(Thing()) == [None]


def test_an_attribute_of_self_names_an_object() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = Thing()

        def step(self) -> list[str | None]:
            return find(self.model)

    assert Trainer().step() == ["self.model"]


def test_looking_keeps_nothing_alive_and_leaves_locals_as_they_were() -> None:
    def work() -> tuple[list[str | None], bool]:
        held = Thing()
        import weakref

        gone = weakref.ref(held)
        names = find(held)
        del held
        return names, gone() is None

    def careful() -> set[str]:
        variables = locals()
        other = Thing()
        find(other)
        return set(variables) - {"variables"}

    assert work() == (["held"], True)
    assert careful() == set()
