"""Every estimator keeps scikit-learn's rules, and finds what scikit-learn finds."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.optimize
import sklearn.cluster
import sklearn.decomposition
import sklearn.linear_model
import sklearn.mixture
import sklearn.naive_bayes
import sklearn.neighbors
import sklearn.svm
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import lamina as lm
from lamina import classical

ESTIMATORS = [getattr(classical, name) for name in sorted(vars(classical)) if name[0].isupper()]
OF_SAMPLES = "fitting draws or stops by samples, so that a weight is not a repetition"
EXPECTED = {
    classical.KMeans: OF_SAMPLES,
    classical.MiniBatchKMeans: OF_SAMPLES,
    classical.SGDClassifier: OF_SAMPLES,
    classical.SVC: OF_SAMPLES,
}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.__name__)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator):
    reason = EXPECTED.get(estimator)
    name = "check_sample_weight_equivalence_on_dense_data"
    expected = {name: reason} if reason else {}
    found = check_estimator(estimator(), expected_failed_checks=expected)
    assert len(found) > 30


DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS / 16.0 + np.random.default_rng(0).uniform(0, 1e-3, DIGITS.shape)  # without ties
TRAIN, TEST = slice(0, 600), slice(600, 900)


@pytest.mark.parametrize(
    "name, peer, options, exact",
    [
        ("KNeighborsClassifier", sklearn.neighbors, {}, True),
        ("KNeighborsClassifier", sklearn.neighbors, {"weights": "distance", "p": 1}, True),
        ("KNeighborsClassifier", sklearn.neighbors, {"p": 3, "n_neighbors": 3}, True),
        ("GaussianNB", sklearn.naive_bayes, {"var_smoothing": 1e-3}, True),
        ("MultinomialNB", sklearn.naive_bayes, {"alpha": 0.5}, True),
        ("BernoulliNB", sklearn.naive_bayes, {"binarize": 0.5}, True),
        ("LogisticRegression", sklearn.linear_model, {"tol": 1e-8, "max_iter": 2000}, False),
        ("SVC", sklearn.svm, {"C": 5.0, "tol": 1e-6}, True),
        ("SVC", sklearn.svm, {"kernel": "linear", "tol": 1e-6}, True),
        ("SVC", sklearn.svm, {"kernel": "poly", "coef0": 1.0, "tol": 1e-6}, True),
    ],
)
def test_classifiers_predict_the_same(name, peer, options, exact):
    ours = getattr(classical, name)(**options).fit(DIGITS[TRAIN], LABELS[TRAIN])
    ties = {"break_ties": True} if name == "SVC" else {}
    theirs = getattr(peer, name)(**options, **ties).fit(DIGITS[TRAIN], LABELS[TRAIN])
    np.testing.assert_array_equal(ours.predict(DIGITS[TEST]), theirs.predict(DIGITS[TEST]))
    if hasattr(ours, "predict_proba"):
        rtol, atol = (1e-9, 1e-12) if exact else (0, 1e-5)
        np.testing.assert_allclose(
            ours.predict_proba(DIGITS[TEST]), theirs.predict_proba(DIGITS[TEST]), rtol, atol
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("name", ["LinearRegression", "Ridge"])
def test_linear_models_have_the_same_coefficients(name, intercept, weighted):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 2))
    weight = rng.uniform(0.1, 2.0, 40) if weighted else None
    ours = getattr(classical, name)(fit_intercept=intercept).fit(x, y, weight)
    theirs = getattr(sklearn.linear_model, name)(fit_intercept=intercept).fit(x, y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)


def test_two_classes_by_logistic_regression():
    x, y = make_blobs(80, centers=2, cluster_std=4.0, random_state=1)
    ours = classical.LogisticRegression(C=0.3, tol=1e-9).fit(x, y)
    theirs = sklearn.linear_model.LogisticRegression(C=0.3, tol=1e-9).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
@pytest.mark.parametrize("count", [None, 7, 0.8])
def test_principal_components(count, solver):
    options = {"n_components": count, "svd_solver": solver, "whiten": count == 7}
    ours = classical.PCA(**options).fit(DIGITS[:, :20] @ np.diag(np.arange(1, 21.0)))
    theirs = sklearn.decomposition.PCA(**options).fit(DIGITS[:, :20] @ np.diag(np.arange(1, 21.0)))
    assert ours.components_.shape == theirs.components_.shape
    np.testing.assert_allclose(
        ours.explained_variance_, theirs.explained_variance_, rtol=1e-8, atol=1e-10
    )
    real = ours.explained_variance_ > 1e-9  # a pixel that is always 0 has any direction
    x = DIGITS[TEST, :20]
    np.testing.assert_allclose(
        ours.transform(x)[:, real], theirs.transform(x)[:, real], rtol=1e-6, atol=1e-7
    )
    back = ours.inverse_transform(ours.transform(x))
    np.testing.assert_allclose(back, theirs.inverse_transform(theirs.transform(x)), atol=1e-7)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_reach_the_same_likelihood(kind):
    x, _ = make_blobs(300, centers=3, n_features=3, random_state=2)
    options = {"covariance_type": kind, "random_state": 0, "tol": 1e-6}
    ours = classical.GaussianMixture(3, **options).fit(x)
    theirs = sklearn.mixture.GaussianMixture(3, **options).fit(x)
    assert ours.score(x) == pytest.approx(theirs.score(x), rel=1e-6)
    assert ours.bic(x) == pytest.approx(theirs.bic(x), rel=1e-6)
    assert ours.aic(x) == pytest.approx(theirs.aic(x), rel=1e-6)
    drawn, of = ours.sample(500)
    assert drawn.shape == (500, 3) and set(of) == {0, 1, 2}
    assert adjusted_mutual_info_score(of, ours.predict(drawn)) > 0.95


def test_k_means_is_that_of_scikit_learn_on_digits():
    ours = classical.KMeans(10, random_state=0).fit(DIGITS)
    theirs = sklearn.cluster.KMeans(10, random_state=0).fit(DIGITS)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9)
    assert adjusted_mutual_info_score(ours.labels_, theirs.labels_) > 0.999
    assert adjusted_mutual_info_score(LABELS, ours.labels_) > 0.7


def test_the_objective_of_k_means_never_rises():
    start = DIGITS[:10]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        values = [
            classical.KMeans(10, init=start, max_iter=turns, tol=0.0).fit(DIGITS).inertia_
            for turns in range(1, 12)
        ]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(values))
    assert values[-1] < 0.95 * values[0]


def test_a_cluster_that_loses_its_samples_takes_the_farthest_one():
    x = np.array([[0.0], [0.1], [10.0]])
    found = classical.KMeans(3, init=np.array([[0.0], [50.0], [60.0]])).fit(x)
    assert sorted(found.cluster_centers_.ravel()) == pytest.approx([0.0, 0.1, 10.0])


def test_small_batches_find_clusters_too():
    x, y = make_blobs(2000, centers=5, random_state=3)
    found = classical.MiniBatchKMeans(5, batch_size=100, random_state=0).fit(x)
    assert adjusted_mutual_info_score(y, found.labels_) > 0.9
    parts = classical.MiniBatchKMeans(5, random_state=0)
    for start in range(0, 2000, 100):
        parts.partial_fit(x[start : start + 100])
    assert adjusted_mutual_info_score(y, parts.predict(x)) > 0.9


def test_support_vectors_satisfy_the_optimality_conditions():
    """Karush, Kuhn and Tucker: α = 0 beyond the margin, α = C within it, between on it."""
    x, y = make_blobs(120, centers=2, cluster_std=3.0, random_state=0)
    model = classical.SVC(C=2.0, tol=1e-8).fit(x, y)
    sign = np.where(y == 1, 1.0, -1.0)
    alpha = np.zeros(len(x))
    alpha[model.support_] = model.dual_coef_[0] * sign[model.support_]
    margin = sign * model.decision_function(x)
    free = (alpha > 1e-9) & (alpha < 2.0 - 1e-9)
    assert free.any() and (alpha > 2.0 - 1e-9).any()
    assert (alpha >= 0).all() and (alpha <= 2.0).all()
    assert alpha @ sign == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(margin[free], 1.0, atol=1e-6)
    assert (margin[alpha < 1e-9] >= 1.0 - 1e-6).all()
    assert (margin[alpha > 2.0 - 1e-9] <= 1.0 + 1e-6).all()


def objective(table, loss, x, sign, alpha):
    """What SGDClassifier minimises, for two classes."""
    margin = sign * (x @ table[:-1] + table[-1])
    each = {
        "hinge": np.maximum(1 - margin, 0),
        "squared_hinge": np.maximum(1 - margin, 0) ** 2,
        "log_loss": np.logaddexp(0, -margin),
    }[loss]
    return each.mean() + alpha / 2 * np.sum(table[:-1] ** 2)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "log_loss"])
def test_stochastic_gradients_come_near_the_minimum(loss):
    odd, alpha = LABELS % 2, 1e-2
    model = classical.SGDClassifier(loss, alpha=alpha, average=True, random_state=0, tol=1e-4)
    model.fit(DIGITS, odd)
    found = np.append(model.coef_[0], model.intercept_)
    data = loss, DIGITS, 2 * odd - 1, alpha
    best = scipy.optimize.minimize(objective, found, data, method="L-BFGS-B").fun
    assert objective(found, *data) <= 1.05 * best


def test_estimators_fit_into_pipelines_and_take_tensors():
    chain = make_pipeline(classical.PCA(16, whiten=True), classical.KNeighborsClassifier(3))
    chain.fit(lm.asarray(DIGITS[TRAIN]), LABELS[TRAIN])
    assert chain.score(lm.asarray(DIGITS[TEST]), LABELS[TEST]) > 0.85


@pytest.mark.parametrize(
    "estimator, message",
    [
        (classical.KMeans(3, init="best"), "init"),
        (classical.KMeans(700), "n_clusters=700"),
        (classical.PCA(99), "n_components=99"),
        (classical.GaussianMixture(covariance_type="round"), "covariance_type"),
        (classical.SVC(kernel="cubic"), "kernel"),
        (classical.SVC(gamma=-1.0), "gamma"),
        (classical.SGDClassifier("zero"), "loss"),
        (classical.Ridge(-1.0), "alpha"),
        (classical.KNeighborsClassifier(weights="near"), "weights"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrong_options_are_named(estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(DIGITS[TRAIN], LABELS[TRAIN])
