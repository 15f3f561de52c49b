"""Runs scikit-learn and SciPy on Lamina's tensors and on NumPy's arrays; a program of its own.

SciPy reads SCIPY_ARRAY_API when it is imported, so `test_other_libraries.py` starts this with it
set. Prints a line of JSON for each call: its name, and what went wrong or null.
"""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics, preprocessing
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise

import lamina as lm

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.standard_normal(60) > 0).astype(np.int64)

Call = Callable[[Any, Any], Any]
CALLS: dict[str, Call] = {}


def _add(room: Any, names: str, call: Callable[[Any, Any, Any], Any]) -> None:
    for name in names.split():
        f = getattr(room, name)
        CALLS[name] = lambda x, y, f=f: call(f, x, y)


def _lda() -> LinearDiscriminantAnalysis:
    return LinearDiscriminantAnalysis(solver="svd")


CALLS["PCA"] = lambda x, y: abs(PCA(3, svd_solver="full").fit(x).transform(x))
CALLS["PCA covariance"] = lambda x, y: abs(PCA(3, svd_solver="covariance_eigh").fit_transform(x))
CALLS["PCA variance"] = lambda x, y: PCA(3, svd_solver="full").fit(x).explained_variance_ratio_
CALLS["LinearDiscriminantAnalysis"] = lambda x, y: _lda().fit(x, y).decision_function(x)
CALLS["LinearDiscriminantAnalysis labels"] = lambda x, y: _lda().fit(x, y).predict(x)
CALLS["Ridge"] = lambda x, y: Ridge(solver="svd").fit(x, x[:, 0]).predict(x)
CALLS["LabelEncoder"] = lambda x, y: preprocessing.LabelEncoder().fit_transform(y)
_add(
    preprocessing,
    "StandardScaler MinMaxScaler MaxAbsScaler Normalizer Binarizer PolynomialFeatures",
    lambda f, x, y: f().fit_transform(x),
)
_add(
    metrics,
    "r2_score mean_squared_error mean_absolute_error max_error mean_squared_log_error "
    "median_absolute_error mean_tweedie_deviance explained_variance_score mean_pinball_loss "
    "root_mean_squared_error mean_absolute_percentage_error d2_tweedie_score",
    lambda f, x, y: f(abs(x[:, 0]), abs(x[:, 1])),
)
_add(
    metrics,
    "accuracy_score zero_one_loss f1_score precision_score recall_score jaccard_score "
    "hamming_loss confusion_matrix balanced_accuracy_score",
    lambda f, x, y: f(y, y[::-1]),
)
_add(
    pairwise,
    "euclidean_distances cosine_similarity linear_kernel rbf_kernel polynomial_kernel "
    "manhattan_distances paired_euclidean_distances additive_chi2_kernel",
    lambda f, x, y: f(abs(x), abs(x)),
)
_add(
    scipy.special,
    "expit logit erf log_ndtr gammaln logsumexp softmax entr ndtr i0",
    lambda f, x, y: f(abs(x) / 10),
)
_add(
    scipy.stats,
    "zscore skew kurtosis gmean hmean moment variation sem",
    lambda f, x, y: f(abs(x)),
)
CALLS["ttest_1samp"] = lambda x, y: scipy.stats.ttest_1samp(x, 0.1).statistic
CALLS["pearsonr"] = lambda x, y: scipy.stats.pearsonr(x[:, 0], x[:, 1]).statistic


def _problem(call: Call) -> str | None:
    """What differs between Lamina and NumPy."""
    try:
        with sklearn.config_context(array_api_dispatch=True):
            found = call(lm.asarray(X), lm.asarray(Y))
        if not isinstance(found, lm.Tensor | float | np.floating):
            return f"a result of {type(found)}"
        np.testing.assert_allclose(np.asarray(found), call(X, Y), rtol=2e-3, atol=2e-3)
    except Exception:
        return traceback.format_exc(limit=-4)
    return None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name, call in CALLS.items():
        print(json.dumps([name, _problem(call)]), flush=True)
