"""The generator: sizes are exact, ids dense and in the order of their first appearance, popularity Zipf's; and the split by time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierprof.workloads import interactions, memory
from tierprof.workloads.graph import WorkloadError
from tierprof.workloads.interactions import Interactions, Recipe, Zipf, generate, split

recipes = st.builds(
    lambda users, items, more, item_exponent, affinity, seed: Recipe(
        users, items, max(users, items) + more, item_exponent, 0.6, affinity, seed
    ),
    st.integers(1, 60),
    st.integers(2, 60),
    st.integers(0, 300),
    st.floats(0, 3),
    st.floats(0, 1),
    st.integers(0, 1 << 40),
)


def of(users: list[int], items: list[int]) -> Interactions:
    user, item = np.array(users, np.int32), np.array(items, np.int32)
    return Interactions(user, item, np.arange(len(user)), int(user.max()) + 1, int(item.max()) + 1)


@given(recipes, st.integers(1, 400))
def test_sizes_are_exact_and_ids_dense_in_order_of_appearance(recipe: Recipe, chunk: int) -> None:
    # GIVEN any recipe, drawn in chunks of any size
    patch = pytest.MonkeyPatch()
    patch.setattr(interactions, "_CHUNK", chunk)
    found = generate(recipe)
    patch.undo()
    # THEN there are exactly as many as asked for, and every user and every item occurs
    assert len(found) == len(found.item) == recipe.interactions
    for ids, count in ((found.user, recipe.users), (found.item, recipe.items)):
        assert np.bincount(ids, minlength=count).min() >= 1
        assert len(np.unique(ids)) == count
        # THEN ids stand in the order in which pandas would number them
        np.testing.assert_array_equal(pd.factorize(ids)[0], ids)
    # THEN the same recipe gives the same graph
    patch.setattr(interactions, "_CHUNK", chunk)
    again = generate(recipe)
    patch.undo()
    assert (again.user == found.user).all() and (again.item == found.item).all()


@given(st.integers(1, 500), st.lists(st.integers(0, 499), max_size=300), st.integers(1, 50))
def test_numbering_in_chunks_is_that_of_pandas(count: int, drawn: list[int], chunk: int) -> None:
    ranks = np.array(drawn, dtype=np.int64) % count
    numbering = interactions._Numbering(count)
    parts = [numbering.number(ranks[start : start + chunk]) for start in range(0, len(ranks), chunk)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0, np.int32), *parts]), pd.factorize(ranks)[0])


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.05, 2.0])
def test_draws_follow_zipfs_law(exponent: float) -> None:
    # GIVEN many draws of 50 ranks
    draws = 400_000
    counts = np.bincount(Zipf(50, exponent).draw(np.random.default_rng(5), draws), minlength=50)
    # THEN each rank has its share, to five standard deviations
    share = np.arange(1, 51.0) ** -exponent / np.sum(np.arange(1, 51.0) ** -exponent)
    assert (np.abs(counts - share * draws) < 5 * np.sqrt(share * draws)).all()


def test_degrees_are_those_of_the_exponents() -> None:
    # GIVEN a graph large enough for its most popular items to be told apart
    found = generate(Recipe(5_000, 2_000, 200_000, item_exponent=1.05, affinity=0.7))
    # THEN its items' degrees fall as the exponent says, certain interactions included
    degrees = np.sort(np.bincount(found.item))[::-1]
    share = np.arange(1, 2001.0) ** -1.05
    expected = (1 - 2_000 / 200_000) * 200_000 * share / share.sum() + 1
    np.testing.assert_allclose(degrees[:20], expected[:20], rtol=0.1)
    # THEN the popular ones have low numbers, as they appear early, but not in the order of their popularity
    popular = np.argsort(-np.bincount(found.item))[:20]
    assert popular.max() < 200
    assert (np.diff(popular) < 0).any()


def test_users_keep_to_their_taste() -> None:
    """What there is to learn: without affinity users and items are independent."""

    def spread(affinity: float) -> float:
        found = generate(Recipe(640, 640, 60_000, item_exponent=0.3, affinity=affinity))
        table = np.zeros((640, 640))
        np.add.at(table, (found.user, found.item), 1)
        return float(np.linalg.svd(table / table.sum(1, keepdims=True), compute_uv=False)[1:31].mean())

    assert spread(0.7) > 2 * spread(0.0)


@pytest.mark.parametrize(
    ("recipe", "word"),
    [
        (Recipe(10, 20, 19), "19 interactions are too few"),
        (Recipe(0, 20, 40), "--users 0"),
        (Recipe(10, 1, 40), "--items 1"),
        (Recipe(1 << 30, 1 << 30, 1 << 31), "31 bits"),
        (Recipe(10, 20, 40, item_exponent=-1.0), "Zipf exponent -1"),
        (Recipe(10, 20, 40, user_exponent=float("nan")), "Zipf exponent nan"),
        (Recipe(10, 20, 40, affinity=1.5), "affinity 1.5"),
        (Recipe(10, 20, 40, seed=-1), "--seed -1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_impossible_recipes_are_refused(recipe: Recipe, word: str) -> None:
    with pytest.raises(WorkloadError, match=word) as caught:
        generate(recipe)
    assert "\n" not in str(caught.value)


def test_last_interaction_of_each_user_is_held_out() -> None:
    # GIVEN user 0 with three, user 1 with one, user 2 with two interactions
    found = of([0, 0, 2, 1, 0, 2], [0, 1, 0, 1, 2, 3])
    # THEN the last of 0 and of 2 are held out, and the only one of 1 is learnt from
    train, test = split(found)
    assert train.tolist() == [0, 1, 2, 3]
    assert test.tolist() == [4, 5]


def test_last_share_is_held_out() -> None:
    found = of([0, 1, 2, 0, 1], [0, 1, 2, 3, 4])
    train, test = split(found, 0.4)
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [3, 4]


def test_what_was_learnt_from_is_not_tested() -> None:
    # GIVEN a user whose last interaction is with an item that they had before
    found = of([0, 0, 1, 1, 0], [0, 1, 0, 2, 0])
    assert split(found).test.tolist() == [3]


@pytest.mark.parametrize("share", [None, 0.0, 1.0])
def test_nothing_left_to_learn_or_test(share: float | None) -> None:
    with pytest.raises(WorkloadError, match="nothing is left"):
        split(of([0, 1, 2], [0, 1, 2]), share)


def test_what_does_not_fit_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 30)
    memory.require_bytes("the graph", 1 << 30, "take a smaller one")
    with pytest.raises(
        WorkloadError, match=r"the graph does not fit into memory: it needs 2\.0GiB, and 1\.0GiB are left; take a smaller one"
    ):
        memory.require_bytes("the graph", 2 << 30, "take a smaller one")


def test_limits_of_control_groups_count(tmp_path: pytest.TempPathFactory) -> None:
    # GIVEN a process two groups deep, the inner one limited, the outer one more tightly
    root = tmp_path / "cgroup"  # type: ignore[operator]
    inner = root / "slice" / "job"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "4000", "100"), (inner.parent, "1000", "300"), (root, "max", "5")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
    own = tmp_path / "own"  # type: ignore[operator]
    own.write_text("1:name=old:/x\n0::/slice/job\n")
    # THEN what is left is told for each limit, and the unlimited root says nothing
    assert list(memory._left_in_cgroups(root, own)) == [3900, 700]
