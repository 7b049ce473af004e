"""The ranker of critical objects: gradient-boosted trees that learn the order within each run, kept small because runs are few.

The score starts from the logarithm of an object's share of all waiting; the trees learn what to correct in it. They have at most two
levels, an L2 penalty, and may only rise with the shares that cannot make an object less critical. That is on purpose: with some ten
programs of some ten objects each, anything freer learns the programs by heart.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

import tierprof
from tierprof.base.errors import ModelError

MODEL_VERSION = 1

#: Lower ends of the grades 1, 2, 3, 4 in share of the all-slow loss; below the first an object is irrelevant (grade 0).
GRADES = (0.01, 0.03, 0.1, 0.3)

#: Features that, all else equal, cannot make an object less critical.
RISING = ("accesses_of_run", "stall_s_of_run")

_ATTRIBUTE = "tierprof"

#: Share of waiting below which the prior makes no difference: a hundredth of a sample in a thousand, so that the many objects of a run that
#: no sample fell on are next to nothing even together.
_LEAST_PRIOR = 1e-5

_LOG_SHARPNESS = (-3.0, 2.0)


class CriticalityRanker(BaseEstimator):
    """Ranks objects by what they cost the run in slow memory.

    Parameters
    ----------
    objective
        ``rank:ndcg`` or ``rank:pairwise`` (LambdaMART with and without weighting pairs by their effect on NDCG; Burges 2010).
    n_estimators, max_depth, learning_rate, reg_lambda, min_child_weight
        As xgboost has them.
    prior
        Feature, a share, whose logarithm the score starts from; ignored where X lacks it. None: start from nothing.
    rising
        Features constrained to be monotone; those that X lacks are ignored.
    calibration_folds
        Folds over whole groups whose held-out scores fit `predict_share`'s scale.
    random_state
        Seed.

    Attributes
    ----------
    booster_
        The fitted xgboost.Booster.
    prior_mean_
        Mean of the score's start over the training objects; explanations are relative to it.
    sharpness_
        Of the calibration: shares are the softmax of sharpness * score over a run's objects.
    provenance_
        What the model was trained on; set by who trains, kept in the file.
    """

    def __init__(
        self,
        *,
        objective: str = "rank:ndcg",
        n_estimators: int = 100,
        max_depth: int = 2,
        learning_rate: float = 0.1,
        reg_lambda: float = 1.0,
        min_child_weight: float = 0.01,
        prior: str | None = "stall_s_of_run",
        rising: tuple[str, ...] = RISING,
        calibration_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.objective = objective
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.reg_lambda = reg_lambda
        self.min_child_weight = min_child_weight
        self.prior = prior
        self.rising = rising
        self.calibration_folds = calibration_folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> "CriticalityRanker":
        """Learn from measured objects.

        Parameters
        ----------
        X
            (n, features), NaN where a feature is unknown.
        y
            (n,) share of the all-slow loss; graded by `GRADES` for ranking.
        groups
            (n,) the run of each row; objects are compared within a run only. Default: one run.
        """
        matrix, shares = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        runs = np.zeros(len(shares), dtype=np.int64) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        if len(runs) != len(shares):
            raise ValueError(f"groups has {len(runs)} rows, X has {len(shares)}")
        self.prior_mean_ = float(self._start(matrix).mean())
        self.booster_ = self._boost(matrix, shares, runs)
        self.sharpness_ = _calibrate(self._held_out_scores(matrix, shares, runs), shares, runs)
        self.provenance_: dict[str, Any] = {}
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores (n,): only their order within a run has a meaning."""
        matrix = self._checked(X)
        return self._score(self.booster_, matrix)

    def predict_share(self, X: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Expected shares (n,) of the all-slow loss: in the order of the scores, and one in sum over each run.

        Parameters
        ----------
        X
            (n, features); all objects of the runs.
        groups
            (n,) the run of each row. Default: one run.
        """
        scores = self.predict(X)
        runs = np.zeros(len(scores), dtype=np.int64) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        return np.exp(_log_softmax(self.sharpness_ * scores, runs))

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """SHAP values (n, features + 1) of the score, the last column its mean (TreeSHAP; Lundberg 2018); rows sum to the score.

        The score's start is linear in one feature's logarithm, so its SHAP value is its distance from the mean.
        """
        matrix = self._checked(X)
        values = np.asarray(self.booster_.predict(self._matrix(matrix), pred_contribs=True), dtype=np.float64)
        place = self._prior_place()
        if place is not None:
            from_mean = self._start(matrix) - self.prior_mean_
            values[:, place] += from_mean
            values[:, -1] -= from_mean
        return values

    def save(self, path: Path) -> None:
        """Write the model, its feature names, versions and provenance into one UBJ file."""
        check_is_fitted(self)
        kept = {
            "model_version": MODEL_VERSION,
            "tierprof_version": tierprof.__version__,
            "xgboost_version": xgboost.__version__,
            "params": self.get_params(),
            "features": self._names(),
            "prior_mean": self.prior_mean_,
            "sharpness": self.sharpness_,
            "provenance": self.provenance_,
        }
        self.booster_.set_attr(**{_ATTRIBUTE: json.dumps(kept)})
        try:
            path.write_bytes(self.booster_.save_raw("ubj"))
        except OSError as error:
            raise ModelError(f"model {path} cannot be written", error.strerror or str(error), "choose another file with -o") from error

    @classmethod
    def load(cls, path: Path) -> "CriticalityRanker":
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            If the file is missing, no model of ours, or of another version.
        """
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(path.read_bytes()))
        except OSError as error:
            raise ModelError(f"model {path} cannot be read", error.strerror or str(error), "train one with `tierprof train`") from error
        except xgboost.core.XGBoostError as error:
            raise ModelError(f"model {path} cannot be read", "it is no xgboost model", "train one with `tierprof train`") from error
        text = booster.attr(_ATTRIBUTE)
        if text is None:
            raise ModelError(f"model {path} cannot be used", "tierprof did not write it", "train one with `tierprof train`")
        kept = json.loads(text)
        if kept["model_version"] != MODEL_VERSION:
            why = f"it has version {kept['model_version']}, this tierprof reads {MODEL_VERSION}"
            raise ModelError(f"model {path} cannot be used", why, "train it again with `tierprof train`")
        model = cls().set_params(**{**kept["params"], "rising": tuple(kept["params"]["rising"])})
        model.booster_, model.provenance_ = booster, kept["provenance"]
        model.prior_mean_, model.sharpness_ = kept["prior_mean"], kept["sharpness"]
        model.feature_names_in_ = np.array(kept["features"], dtype=object)
        model.n_features_in_ = len(kept["features"])
        return model

    def __sklearn_tags__(self) -> Tags:
        """Say that a missing feature (NaN) is welcome, and that there is nothing to fit without labels."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _names(self) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", [f"f{i}" for i in range(self.n_features_in_)])]

    def _prior_place(self) -> int | None:
        names = self._names()
        return names.index(self.prior) if self.prior in names else None

    def _start(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the score of each row starts from, before the trees."""
        place = self._prior_place()
        return np.zeros(len(X)) if place is None else np.log(np.maximum(np.nan_to_num(X[:, place]), _LEAST_PRIOR))

    def _checked(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)

    def _matrix(self, X: NDArray[np.float64], y: NDArray[np.int64] | None = None, groups: NDArray | None = None) -> xgboost.DMatrix:
        """Sizes on a logarithmic scale, so that a split between 1 MiB and 1 GiB lies between them and not at 0.5 GiB."""
        names = self._names()
        sizes = [column for column, name in enumerate(names) if name.endswith("_bytes")]
        start = self._start(X)
        X = X.copy()
        X[:, sizes] = np.log2(1.0 + np.maximum(X[:, sizes], 0.0))
        return xgboost.DMatrix(X, label=y, qid=groups, base_margin=start, feature_names=names)

    def _boost(self, X: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.int64]) -> xgboost.Booster:
        order = np.argsort(groups, kind="stable")
        grades = np.digitize(y[order], GRADES)
        params = {
            "objective": self.objective,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "reg_lambda": self.reg_lambda,
            "min_child_weight": self.min_child_weight,
            "monotone_constraints": {name: 1 for name in self._names() if name in self.rising},
            "tree_method": "exact" if len(y) < 10_000 else "hist",
            "lambdarank_pair_method": "topk",
            "lambdarank_num_pair_per_sample": 32,
            "base_score": 0.0,
            "seed": self.random_state,
            "nthread": 1,
            "verbosity": 0,
        }
        return xgboost.train(params, self._matrix(X[order], grades, groups[order]), num_boost_round=self.n_estimators)

    def _score(self, booster: xgboost.Booster, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(booster.predict(self._matrix(X), output_margin=True), dtype=np.float64)

    def _held_out_scores(self, X: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores from models that did not see the row's group; with a single group there is no such model, and its own scores serve."""
        folds = min(self.calibration_folds, int(groups.max(initial=0)) + 1)
        if folds < 2:
            return self._score(self.booster_, X)
        scores = np.empty(len(y))
        for seen, held in GroupKFold(folds).split(X, y, groups):
            scores[held] = self._score(self._boost(X[seen], y[seen], groups[seen]), X[held])
        return scores


def _log_softmax(scores: NDArray[np.float64], runs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the softmax over each run's rows; runs are numbered from zero."""
    greatest = np.full(runs.max(initial=0) + 1, -np.inf)
    np.maximum.at(greatest, runs, scores)
    centred = scores - greatest[runs]
    return centred - np.log(np.bincount(runs, np.exp(centred)))[runs]


def _calibrate(scores: NDArray[np.float64], shares: NDArray[np.float64], runs: NDArray[np.int64]) -> float:
    """The sharpness under which the measured shares are likeliest (temperature scaling): one parameter, since more would fit noise."""
    if scores.std() == 0 or shares.sum() == 0:
        return 1.0

    def unlikelihood(log_sharpness: float) -> float:
        return -float(shares @ _log_softmax(np.exp(log_sharpness) * scores, runs))

    return float(np.exp(minimize_scalar(unlikelihood, bounds=_LOG_SHARPNESS, method="bounded").x))
