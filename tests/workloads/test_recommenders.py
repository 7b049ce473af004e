"""The recommenders and embedding models: each computes its paper's formula, repeats itself to the last digit, and learns."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.workloads.catalog import GNN, VECTORS, Learner
from tierprof.workloads.interactions import Recipe, generate, split
from tierprof.workloads.program import Phases
from tierprof.workloads.ranking import evaluate
from tierprof.workloads.recommender import Data, pairs_of

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

SPARSE = ("pinsage", "dlrm")  # have a switch for sparse gradients


@pytest.fixture(scope="module")
def data() -> Data:
    found = generate(Recipe(60, 40, 900, seed=3))
    parts = split(found)
    return Data(found.users, found.items, pairs_of(found, parts.train), pairs_of(found, parts.test))


def run(capsys: pytest.CaptureFixture[str], name: str, *words: str) -> tuple[int, str, str]:
    """A program's main, in this process: importing torch once is enough."""
    status = importlib.import_module(f"tierprof.workloads.{name}").main(list(words))
    told = capsys.readouterr()
    return status, told.out, told.err


def words_of(learner: Learner) -> list[str]:
    return learner.command("python", learner.tiny)[4:]


@pytest.mark.parametrize("learner", [*GNN, *VECTORS], ids=lambda learner: learner.name)
def test_repeats_itself_to_the_last_digit(learner: Learner, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN each program at a tiny size
    if learner in VECTORS:
        pytest.importorskip({"hnsw_faiss": "faiss", "als_implicit": "implicit"}[learner.name])
    # WHEN it runs twice
    runs = [run(capsys, learner.name, *words_of(learner)) for _ in range(2)]
    # THEN it prints one line of JSON, the same but for the times, and nothing into a pipe
    assert [(status, error) for status, _, error in runs] == [(0, ""), (0, "")]
    first, second = (json.loads(out) for _, out, _ in runs)
    assert first.pop("seconds").keys() == second.pop("seconds").keys() >= {"build", "compute", "evaluate"}
    assert first == second
    assert first["program"] == learner.name
    assert len(first["checksum"]) == 8
    # THEN another seed gives another result
    other = json.loads(run(capsys, learner.name, *words_of(learner), "--seed", "2")[1])
    assert other["checksum"] != first["checksum"]


@pytest.mark.parametrize("name", ["lightgcn", "ngcf", "pinsage", "als_implicit"])
def test_learns_what_users_like(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN users who mostly keep to their taste
    if name == "als_implicit":
        pytest.importorskip("implicit")
    size = ["--users", "640", "--items", "320", "--interactions", "2e4", "--item-zipf", "0.5", "--affinity", "0.9", "--dim", "32"]
    training = {"pinsage": ["--epochs", "4"], "als_implicit": []}.get(name, ["--epochs", "6", "--batch", "1e3", "--layers", "2"])
    # WHEN it learns
    found = json.loads(run(capsys, name, *size, *training)[1])
    # THEN the loss falls, and held-out items are found more often than the most popular ones would be
    assert found["loss"][-1] < 0.9 * found["loss"][0]
    assert found["metric"]["recall@20"] > (0.1 if name == "pinsage" else 0.2)  # 20 of 320 items are a sixteenth
    assert 0 < found["metric"]["ndcg@20"] < found["metric"]["recall@20"]


def test_dlrm_finds_the_planted_signal(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tables", "3", "--rows", "100", "--dim", "8", "--steps", "150", "--batch", "512", "--rate", "0.01"]
    dense, sparse = (json.loads(run(capsys, "dlrm", *words, *more)[1]) for more in ((), ("--sparse",)))
    for found in (dense, sparse):
        assert len(found["loss"]) == 10
        assert found["metric"]["auc"] > 0.68
    # THEN with SGD sparse gradients learn what dense ones do
    words += ["--optimizer", "sgd", "--rate", "0.5"]
    dense, sparse = (json.loads(run(capsys, "dlrm", *words, *more)[1]) for more in ((), ("--sparse",)))
    np.testing.assert_allclose(sparse["loss"], dense["loss"], rtol=1e-5)


@pytest.mark.parametrize("name", ["lightgcn", "ngcf"])
def test_parts_of_the_graph_teach_what_users_like_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN mini-batches, and sparse gradients
    size = ["--users", "640", "--items", "320", "--interactions", "2e4", "--item-zipf", "0.5", "--affinity", "0.9", "--dim", "32"]
    words = [*size, "--epochs", "3", "--batch", "500", "--layers", "2", "--fanout", "4", "--steps", "30"]
    # WHEN it learns, twice
    runs = [json.loads(run(capsys, name, *words)[1]) for _ in range(2)]
    # THEN both learn the same, and what users like
    assert runs[0]["checksum"] == runs[1]["checksum"]
    assert runs[0]["loss"][-1] < 0.9 * runs[0]["loss"][0]
    assert runs[0]["metric"]["recall@20"] > 0.15


def graph_of(data: Data) -> Any:
    """The whole graph around every batch."""
    return importlib.import_module("tierprof.workloads.neighbourhoods").WholeGraph(data)


def parts_of(data: Data, fanout: int, hops: int) -> Any:
    """Parts of the graph around batches."""
    neighbourhoods = importlib.import_module("tierprof.workloads.neighbourhoods")
    return neighbourhoods.Neighbourhoods(data, fanout, hops, torch.Generator().manual_seed(4))


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 39), st.integers(0, 39)), min_size=1, max_size=9), st.integers(1, 4))
def test_a_part_is_the_graph_around_its_batch(data: Data, batch: list[tuple[int, int, int]], fanout: int) -> None:
    triples = tuple(torch.tensor(column) for column in zip(*batch, strict=True))
    part, numbers = parts_of(data, fanout, 1).around(triples)
    # THEN the triples' numbers are those of their own users and items
    assert part.users[numbers[0]].tolist() == triples[0].tolist()
    assert [part.items[number].tolist() for number in numbers[1:]] == [one.tolist() for one in triples[1:]]
    assert part.nodes == len(part.users) + len(part.items)
    # THEN its edges are edges of the graph, each once in each direction
    pairs = set(zip(data.train.user.tolist(), data.train.item.tolist(), strict=True))
    users = len(part.users)
    edges = list(zip(*part.edge_index.tolist(), strict=True))
    forth = {(int(part.users[a]), int(part.items[b - users])) for a, b in edges if a < users <= b}
    back = {(int(part.users[b]), int(part.items[a - users])) for a, b in edges if b < users <= a}
    assert forth == back <= pairs
    assert len(edges) == len(set(edges)) == 2 * len(forth)
    # THEN each of the batch has all its neighbours, or some where they are more than wanted
    for user in set(triples[0].tolist()):
        own = {item for other, item in pairs if other == user}
        drawn = {item for other, item in forth if other == user}
        assert own == drawn if len(own) <= fanout else drawn


def test_a_part_with_all_neighbours_of_all_hops_is_the_graph(data: Data) -> None:
    # GIVEN so many hops and neighbours that everything is reached
    part, _ = parts_of(data, 1000, 6).around((torch.tensor([0]), torch.tensor([1]), torch.tensor([2])))
    lightgcn = importlib.import_module("tierprof.workloads.lightgcn")
    model = lightgcn.LightGCN(data.users, data.items, 8, 3)
    whole = graph_of(data).part
    with torch.no_grad():
        users, items = model(lightgcn.adjacency_of(whole), whole)
        near_users, near_items = model(lightgcn.adjacency_of(part), part)
    # THEN embeddings are those of the whole graph
    torch.testing.assert_close(near_users, users[part.users])
    torch.testing.assert_close(near_items, items[part.items])


@pytest.mark.parametrize("name", ["lightgcn", "pinsage"])
def test_steps_end_an_epoch(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--users", "60", "--items", "40", "--interactions", "900", "--batch", "32", "--epochs", "1"]
    found = [json.loads(run(capsys, name, *words, "--steps", steps)[1])["checksum"] for steps in ("1000", "2000", "3")]
    assert found[0] == found[1] != found[2]


def dense_adjacency(data: Data) -> np.ndarray:
    """The normalised bipartite adjacency, by its definition."""
    matrix = np.zeros((data.nodes, data.nodes))
    for user, item in zip(data.train.user, data.train.item, strict=True):
        matrix[user, data.users + item] = matrix[data.users + item, user] = 1
    root = np.sqrt(np.maximum(matrix.sum(1), 1))
    return matrix / root[:, None] / root[None, :]


def test_lightgcn_is_the_mean_of_propagated_layers(data: Data) -> None:
    lightgcn = importlib.import_module("tierprof.workloads.lightgcn")
    model = lightgcn.LightGCN(data.users, data.items, 8, 3)
    with torch.no_grad():
        part = graph_of(data).part
        found = torch.cat(model(lightgcn.adjacency_of(part), part)).numpy()
        layer = torch.cat([model.user_embedding.weight, model.item_embedding.weight]).double().numpy()
    layers = [np.linalg.matrix_power(dense_adjacency(data), power) @ layer for power in range(4)]
    np.testing.assert_allclose(found, np.mean(layers, axis=0), atol=1e-6)


def test_ngcf_layer_is_the_papers(data: Data) -> None:
    ngcf = importlib.import_module("tierprof.workloads.ngcf")
    model = ngcf.NGCF(data.users, data.items, 8, 1, 0.1).eval()
    with torch.no_grad():
        part = graph_of(data).part
        found = torch.cat(model(ngcf.norm_of(part), part)).numpy()
        own = torch.cat([model.user_embedding.weight, model.item_embedding.weight]).numpy()
        both, common = ((linear.weight.numpy(), linear.bias.numpy()) for linear in (model.convs[0].both, model.convs[0].common))
    near = dense_adjacency(data) @ own
    mixed = (own + near) @ both[0].T + both[1] + (own * near) @ common[0].T + common[1]
    layer = np.where(mixed > 0, mixed, 0.2 * mixed)
    np.testing.assert_allclose(found, np.hstack((own, layer / np.linalg.norm(layer, axis=1, keepdims=True))), atol=1e-5)


def test_walks_stay_on_the_graph_and_neighbours_are_the_most_visited(data: Data) -> None:
    walks = importlib.import_module("tierprof.workloads.random_walks")
    items = torch.arange(0, data.items, 2)

    def walker() -> object:
        return walks.Walker(data, walks=8, length=3, restart=0.5, generator=torch.Generator().manual_seed(5))

    met = walker().visits(items).numpy()  # type: ignore[attr-defined]
    found = walker().sample(items, 4)  # type: ignore[attr-defined]
    taken = np.zeros((data.users, data.items), dtype=bool)
    taken[data.train.user, data.train.item] = True
    together = taken.T.astype(int) @ taken > 0
    for place, item in enumerate(items.tolist()):
        # THEN the first step leads to an item of a user of the first one
        steps = met[place].reshape(8, 3)
        assert together[item, steps[:, 0][steps[:, 0] >= 0]].all()
        # THEN neighbours are those visited most, the lower id first among equals
        others, visits = np.unique(met[place][(met[place] >= 0) & (met[place] != item)], return_counts=True)
        best = sorted(zip(-visits, others, strict=True))[:4]
        expected = np.array([-count for count, _ in best], dtype=np.float64)
        assert found.index[place, : len(best)].tolist() == [other for _, other in best]
        np.testing.assert_allclose(found.weight[place, : len(best)], expected / max(expected.sum(), 1), rtol=1e-6)
        # THEN where there are fewer, the rest is the item itself, with no weight
        assert found.index[place, len(best) :].tolist() == [item] * (4 - len(best))
        assert not found.weight[place, len(best) :].any()


def test_pinsage_layer_is_the_papers() -> None:
    pinsage = importlib.import_module("tierprof.workloads.pinsage")
    layer = pinsage.Convolution(4)
    own, around, weight = torch.randn(3, 4), torch.randn(3, 2, 4), torch.tensor([[0.75, 0.25], [1.0, 0.0], [0.0, 0.0]])
    with torch.no_grad():
        found = layer(own, around, weight).numpy()
        q, q_bias, w, w_bias = (part.numpy() for part in layer.parameters())
    for row in range(3):
        gathered = sum(weight[row, n].item() * np.maximum(q @ around[row, n].numpy() + q_bias, 0) for n in range(2))
        joined = np.maximum(w @ np.concatenate((own[row].numpy(), gathered)) + w_bias, 0)
        np.testing.assert_allclose(found[row], joined / max(np.linalg.norm(joined), 1e-12), atol=1e-6)


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 2.0]), st.booleans()), min_size=2, max_size=60))
def test_auc_is_that_of_scikit_learn(drawn: list[tuple[float, bool]]) -> None:
    from sklearn.metrics import roc_auc_score

    dlrm = importlib.import_module("tierprof.workloads.dlrm")
    score, click = np.array([score for score, _ in drawn]), np.array([click for _, click in drawn])
    if 0 < click.sum() < len(click):
        assert dlrm.auc(score, click) == pytest.approx(roc_auc_score(click, score), abs=1e-12)


@given(st.integers(0, 1 << 32), st.booleans())
def test_metric_is_what_a_plain_loop_finds(data: Data, seed: int, ties: bool) -> None:
    # GIVEN scores of all users and items, some of them equal
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4 if ties else 1 << 40, (data.users, data.items)).astype(np.float64)
    found = evaluate(data, lambda users: scores[users].copy(), 1000)
    # THEN recall and NDCG are those of ranking each user's items one by one
    recalls, gains = [], []
    for user in range(data.users):
        held = set(data.test.item[data.test.start[user] : data.test.start[user + 1]].tolist())
        learnt = set(data.train.item[data.train.start[user] : data.train.start[user + 1]].tolist())
        if not held:
            continue
        ranked = sorted(set(range(data.items)) - learnt, key=lambda item: (-scores[user, item], item))[:20]
        recalls.append(len(held & set(ranked)) / len(held))
        gain = sum(1 / np.log2(2 + rank) for rank, item in enumerate(ranked) if item in held)
        gains.append(gain / sum(1 / np.log2(2 + rank) for rank in range(min(len(held), 20))))
    if not ties:
        assert found == {"recall@20": pytest.approx(np.mean(recalls)), "ndcg@20": pytest.approx(np.mean(gains))}
    assert 0 <= found["ndcg@20"] <= 1


@pytest.mark.parametrize("learner", GNN, ids=lambda learner: learner.name)
def test_tensor_facts_name_every_tensor(learner: Learner, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    # WHEN a program writes what it knows of its tensors
    path = tmp_path / "facts.jsonl"
    sparse = ["--sparse"] if learner.name in SPARSE else []
    plain = json.loads(run(capsys, learner.name, *words_of(learner), *sparse)[1])
    found = json.loads(run(capsys, learner.name, *words_of(learner), *sparse, "--tensors", str(path))[1])
    facts = [json.loads(line) for line in path.read_text().splitlines()]
    # THEN it computes the same as without
    assert (found["loss"], found["checksum"]) == (plain["loss"], plain["checksum"])
    # THEN every tensor has a name of its own, an address, and a size that is its own
    assert len({fact["name"] for fact in facts}) == len(facts)
    assert all(fact["address"] > 0 and fact["bytes"] > 0 for fact in facts)
    sizes = {fact["name"]: fact["bytes"] for fact in facts}
    table = {"dlrm": "model.bags.0.weight", "pinsage": "model.item_embedding.weight"}.get(learner.name, "model.user_embedding.weight")
    rows = int(float(learner.tiny[{"dlrm": "rows", "pinsage": "items"}.get(learner.name, "users")]))
    assert sizes[table] == sizes[f"{table}.exp_avg"] == sizes[f"{table}.exp_avg_sq"] == rows * int(learner.tiny["dim"]) * 4
    assert (f"{table}.grad.values" in sizes) == bool(sparse) != (f"{table}.grad" in sizes)
    assert {fact["role"] for fact in facts} >= {"parameter", "gradient", "optimizer", "array"}
    # THEN what no module owns has the line that made it
    for fact in facts:
        assert (fact["line"] is None) == (fact["role"] in ("parameter", "gradient", "optimizer", "buffer"))
        if fact["line"]:
            name, _, number = fact["line"].partition(":")
            source = Path(__file__).parent.parent.parent.joinpath("workloads", name).read_text().splitlines()
            assert "keep(" in source[int(number) - 1]


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("lightgcn", ["--edges", "nowhere"], "edge list nowhere cannot be used: No such file or directory"),
        ("lightgcn", ["--edges", "nowhere", "--users", "5"], "--users cannot be used with --edges"),
        ("lightgcn", ["--columns", "a,b,c"], "--columns cannot be used"),
        ("lightgcn", ["--users", "1e6", "--interactions", "1e5"], "100000 interactions are too few"),
        ("lightgcn", ["--users", "3e9", "--interactions", "4e9"], "31 bits"),
        ("lightgcn", ["--interactions", "1e14"], "the graph of 100000000000000 interactions does not fit into memory"),
        ("lightgcn", ["--dim", "1e9"], "the graph of 200000 interactions does not fit into memory"),
        ("ngcf", ["--dim", "1e9"], "does not fit into memory"),
        ("pinsage", ["--dim", "1e9"], "does not fit into memory"),
        ("ngcf", ["--test-share", "0"], "nothing is left to test"),
        ("dlrm", ["--rows", "1e12"], "a model of 8 tables of 1000000000000 rows does not fit into memory"),
        ("pinsage", ["--users", "40", "--items", "40", "--interactions", "40", "--test-share", "0.1"], "no user has two items"),
        ("lightgcn", ["--tensors", "nowhere/facts"], "nowhere/facts cannot be written"),
        ("hnsw_faiss", ["--vectors", "1e12"], "an index of 1000000000000 vectors does not fit into memory"),
        ("als_implicit", ["--dim", "1e9"], "does not fit into memory"),
    ],
)
def test_bad_input_is_one_line(name: str, words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in ("hnsw_faiss", "als_implicit"):
        pytest.importorskip({"hnsw_faiss": "faiss", "als_implicit": "implicit"}[name])
    status, out, error = run(capsys, name, *words)
    assert (status, out) == (1, "")
    assert error.startswith(f"{name}: ") and error.count("\n") == 1
    assert line in error


@pytest.mark.parametrize("words", [["--users", "many"], ["--users", "1.5"], ["--users", "0"], ["--affinity", "nan"], ["--columns", "a,b"]])
def test_bad_numbers_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "lightgcn", *words)
    assert "error: argument" in capsys.readouterr().err


def test_runs_alone_on_a_users_own_list(tmp_path: Path) -> None:
    # GIVEN a list with names, as a user would call the program on it
    listed = generate(Recipe(50, 30, 600))
    rows = zip(listed.user, listed.item, listed.time, strict=True)
    path = tmp_path / "bought.csv"
    path.write_text("who,what,at\n" + "".join(f"u{user},i{item},{at}\n" for user, item, at in rows))
    command = [
        sys.executable,
        "-P",
        "-m",
        "tierprof.workloads.lightgcn",
        "--edges",
        "bought.csv",
        "--columns",
        "who,what,at",
        "--epochs",
        "1",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    # THEN its sizes are those of the list
    assert (ran.returncode, ran.stderr) == (0, "")
    found = json.loads(ran.stdout)
    assert [found[name] for name in ("users", "items", "interactions", "edges")] == [50, 30, 600, "bought.csv"]


@pytest.mark.parametrize("name", ["lightgcn", "ngcf", "pinsage", "dlrm"])
def test_without_torch_it_says_what_to_install(name: str) -> None:
    # GIVEN an installation without torch
    block = f"import runpy, sys; sys.modules['torch'] = None; runpy.run_module('tierprof.workloads.{name}', run_name='__main__')"
    ran = subprocess.run([sys.executable, "-P", "-c", block], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"{name}: a library is missing: ")
    assert "torch" in ran.stderr and ran.stderr.endswith("; pip install tierprof[torch]\n") and ran.stderr.count("\n") == 1


def test_phases_mark_only_the_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source exact measures what lies between the two calls: the phase compute, and nothing before it."""
    from contextlib import contextmanager

    from tierprof.workloads import program

    marked = []

    @contextmanager
    def region():  # type: ignore[no-untyped-def]
        marked.append("begin")
        yield
        marked.append("end")

    monkeypatch.setattr(program, "region", region)
    phases = Phases("x")
    with phases.phase("build"):
        marked.append("build")
    with phases.phase("compute"):
        marked.append("work")
    assert marked == ["build", "begin", "work", "end"]
