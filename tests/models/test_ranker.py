"""The ranker: what it learns, sklearn's contract, and its file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from tierprof.base.errors import ModelError
from tierprof.models.ranker import CriticalityRanker


def _runs(count: int = 8, objects: int = 8, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Runs in which the share of the loss follows stall_s_of_run times irregularity, and size means nothing."""
    rng = np.random.default_rng(seed)
    stall = rng.dirichlet(np.full(objects, 0.4), count).ravel()
    regular = rng.random(count * objects)
    X = pd.DataFrame(
        {"stall_s_of_run": stall, "stride_regularity": regular, "mean_size_bytes": 2.0 ** rng.integers(12, 32, count * objects)}
    )
    worth = (stall * (1 - 0.8 * regular)).reshape(count, objects)
    return X, (worth / worth.sum(axis=1, keepdims=True)).ravel(), np.repeat(np.arange(count), objects)


@pytest.mark.parametrize("objective", ["rank:ndcg", "rank:pairwise"])
def test_it_learns_an_order_that_holds_in_runs_it_has_not_seen(objective: str) -> None:
    # GIVEN runs whose order is known
    X, y, groups = _runs()
    unseen, truth, _ = _runs(count=4, seed=1)
    # WHEN it is fitted
    model = CriticalityRanker(objective=objective).fit(X, y, groups=groups)
    # THEN in most unseen runs it puts the costliest object first
    first = [np.argmax(model.predict(unseen.iloc[at : at + 8])) == np.argmax(truth[at : at + 8]) for at in range(0, 32, 8)]
    assert sum(first) >= 3


def test_the_rows_order_does_not_matter() -> None:
    X, y, groups = _runs()
    shuffled = np.random.default_rng(3).permutation(len(y))
    one = CriticalityRanker().fit(X, y, groups=groups)
    other = CriticalityRanker().fit(X.iloc[shuffled], y[shuffled], groups=groups[shuffled])
    assert np.corrcoef(one.predict(X), other.predict(X))[0, 1] > 0.99


def test_more_stall_never_lowers_the_score() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    grid = pd.DataFrame({"stall_s_of_run": np.linspace(0, 1, 50), "stride_regularity": 0.4, "mean_size_bytes": 2.0**20})
    assert (np.diff(model.predict(grid)) >= 0).all()


def test_predicted_shares_keep_the_order_and_sum_to_one_in_each_run() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    scores, shares = model.predict(X), model.predict_share(X, groups)
    for run in range(8):
        own = groups == run
        assert (np.diff(shares[own][np.argsort(scores[own])]) >= 0).all()
        assert shares[own].sum() == pytest.approx(1.0)
    assert model.predict_share(X[groups == 3]) == pytest.approx(shares[groups == 3])


def test_predicted_shares_are_near_the_measured_ones_in_runs_it_has_not_seen() -> None:
    X, y, groups = _runs()
    unseen, truth, runs = _runs(count=10, seed=7)
    error = np.abs(CriticalityRanker().fit(X, y, groups=groups).predict_share(unseen, runs) - truth)
    # a total variation of less than half of what even shares have
    assert error.sum() < np.abs(1 / 8 - truth).sum() / 2


def test_many_objects_that_no_sample_fell_on_are_next_to_nothing_together() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    run = pd.DataFrame({"stall_s_of_run": [0.6, 0.4] + [0.0] * 1000, "stride_regularity": 0.5, "mean_size_bytes": 2.0**20})
    assert model.predict_share(run)[:2].sum() > 0.8


def test_labels_without_any_cost_still_give_shares() -> None:
    X, y, groups = _runs()
    shares = CriticalityRanker().fit(X, np.zeros_like(y), groups=groups).predict_share(X, groups)
    assert shares.sum() == pytest.approx(8.0)


def test_contributions_add_up_to_the_score() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    contributions = model.contributions(X)
    assert contributions.shape == (len(X), 4)
    np.testing.assert_allclose(contributions.sum(axis=1), model.predict(X), atol=1e-4)


def test_missing_features_are_accepted() -> None:
    X, y, groups = _runs()
    X.iloc[::5, 1] = np.nan
    assert np.isfinite(CriticalityRanker().fit(X, y, groups=groups).predict(X)).all()


def test_it_keeps_the_estimator_contract() -> None:
    check_estimator(CriticalityRanker(n_estimators=2, calibration_folds=1), on_skip=None)


def test_clone_is_unfitted_and_has_the_same_parameters() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker(max_depth=1, objective="rank:pairwise").fit(X, y, groups=groups)
    copy = clone(model).set_params(n_estimators=7)
    assert copy.get_params() == {**model.get_params(), "n_estimators": 7}
    with pytest.raises(NotFittedError):
        copy.predict(X)


def test_other_features_than_it_was_fitted_on_are_refused() -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"stall_s_of_run": "misses"}))


def test_groups_of_another_length_are_refused() -> None:
    X, y, groups = _runs()
    with pytest.raises(ValueError, match="groups has 3 rows"):
        CriticalityRanker().fit(X, y, groups=groups[:3])


def test_saved_and_loaded_it_predicts_the_same(tmp_path: Path) -> None:
    # GIVEN a model with provenance
    X, y, groups = _runs()
    model = CriticalityRanker(max_depth=1).fit(X, y, groups=groups)
    model.provenance_ = {"programs": ["bfs"], "source": "intervention emulated:2.5"}
    # WHEN it goes through a file
    model.save(tmp_path / "model.ubj")
    loaded = CriticalityRanker.load(tmp_path / "model.ubj")
    # THEN it is the same model
    assert (loaded.predict(X) == model.predict(X)).all()
    assert (loaded.predict_share(X) == model.predict_share(X)).all()
    assert loaded.get_params() == model.get_params()
    assert loaded.provenance_ == model.provenance_
    assert list(loaded.feature_names_in_) == list(X.columns)
    # AND any xgboost finds the features and where they came from in the one file
    booster = xgboost.Booster(model_file=tmp_path / "model.ubj")
    assert json.loads(booster.attr("tierprof"))["features"] == booster.feature_names == list(X.columns)


def test_a_missing_or_foreign_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.ubj cannot be read: No such file"):
        CriticalityRanker.load(tmp_path / "none.ubj")
    (tmp_path / "text.ubj").write_text("hello")
    with pytest.raises(ModelError, match="no xgboost model"):
        CriticalityRanker.load(tmp_path / "text.ubj")
    X, y, _ = _runs()
    xgboost.train({}, xgboost.DMatrix(X, y), 1).save_model(tmp_path / "other.ubj")
    with pytest.raises(ModelError, match="did not write it"):
        CriticalityRanker.load(tmp_path / "other.ubj")


def test_a_model_of_another_version_is_refused(tmp_path: Path) -> None:
    X, y, groups = _runs()
    model = CriticalityRanker().fit(X, y, groups=groups)
    model.save(tmp_path / "model.ubj")
    kept = json.loads(model.booster_.attr("tierprof"))
    model.booster_.set_attr(tierprof=json.dumps({**kept, "model_version": 99}))
    (tmp_path / "model.ubj").write_bytes(model.booster_.save_raw("ubj"))
    with pytest.raises(ModelError, match="version 99, this tierprof reads 1"):
        CriticalityRanker.load(tmp_path / "model.ubj")


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    X, y, groups = _runs()
    with pytest.raises(ModelError, match="cannot be written: No such file"):
        CriticalityRanker().fit(X, y, groups=groups).save(tmp_path / "none" / "model.ubj")
