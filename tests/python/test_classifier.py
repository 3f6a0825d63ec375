# SPDX-License-Identifier: MIT
"""xent.LinearClassifier: scikit-learn's own checks, the optimum, and the files that it shares with
`xent train` and `xent predict`."""

import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xent
from xent import LinearClassifier

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"


def _batch(classes=3, rows=60, depth=5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((rows, depth)) * [1, 3, 0.5, 1, 2] + [0, 5, 0, -1, 0]).astype(dtype)
    y = (X @ rng.standard_normal((depth, classes)) + rng.gumbel(size=(rows, classes))).argmax(1)
    return X, y


# ---- scikit-learn's checks ----
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["lbfgs", "sgd", "adam"])
def test_checks_of_scikit_learn(method):
    """All with a tolerance as tight as its comparison of weighted with repeated samples (1e-7) asks
    of a problem whose l2 is so small; and all but that one with the usual parameters. In batches
    a repeated sample is another batch."""
    tight = LinearClassifier(l2=1e-3, tol=1e-12)
    usual = LinearClassifier(method=method, learning_rate=0.01 if method == "adam" else None)
    for estimator, excepted in ((tight, set()), (usual, {EQUIVALENCE})):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
        assert set(failed) <= excepted, failed
        assert sum(r["status"] == "passed" for r in results) > 50
        if method != "lbfgs":
            break


def test_tools_of_scikit_learn():
    X, y = load_digits(return_X_y=True)
    assert is_classifier(LinearClassifier())
    assert cross_val_score(LinearClassifier(l2=1e-3), X[:600] / 16, y[:600], cv=3).min() > 0.8
    pipeline = make_pipeline(StandardScaler(), LinearClassifier(l2=1e-2)).fit(X[:600], y[:600])
    assert pipeline.score(X[600:], y[600:]) > 0.85
    other = clone(LinearClassifier(l2=3.0, class_weight={0: 2.0}))
    assert other.get_params()["l2"] == 3.0 and other.class_weight == {0: 2.0}


def test_parameters():
    classifier = LinearClassifier(l2=0.5)
    assert repr(classifier) == "LinearClassifier(l2=0.5)"
    assert classifier.set_params(tol=1e-3, method="adam") is classifier
    assert repr(classifier) == "LinearClassifier(l2=0.5, method='adam', tol=0.001)"
    with pytest.raises(ValueError, match="Invalid parameter 'C' for estimator"):
        classifier.set_params(C=1)


# ---- the optimum ----
def _gradient(classifier, X, y, weights=None, by_class=None):
    """Of the objective at the fitted model."""
    prepared = X if classifier.mean_ is None else (X - classifier.mean_) * classifier.scale_
    labels = np.searchsorted(classifier.classes_, y)
    _, grads = xent.linear_cross_entropy_with_grad(
        prepared, classifier.weight_, labels, classifier.bias_, gradients=("weight", "bias"),
        row_weight=weights, class_weight=by_class, label_smoothing=classifier.label_smoothing,
    )  # fmt: skip
    return max(abs(grads.weight + classifier.l2 * classifier.weight_).max(), abs(grads.bias).max())


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"label_smoothing": 0.2}])
def test_the_gradient_of_the_objective_is_0(classes, options):
    X, y = _batch(classes)
    weights = np.random.default_rng(1).random(len(y)) + 0.1
    fitted = LinearClassifier(l2=0.01, tol=1e-9, **options).fit(X, y, weights)
    assert _gradient(fitted, X, y, weights) < 2e-9
    assert not abs(fitted.weight_.mean(axis=0)).max() > 1e-15
    looser = LinearClassifier(l2=0.01, tol=1e-3, **options).fit(X, y, weights)
    assert 1e-9 < _gradient(looser, X, y, weights) < 2e-3 and looser.n_iter_ < fitted.n_iter_


@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learn_s_coefficients(classes):
    X, y = _batch(classes)
    l2 = 0.01
    C = 1 / (l2 * len(y)) * (2 if classes == 2 else 1)
    theirs = LogisticRegression(C=C, tol=1e-10, max_iter=5000).fit(X, y)
    ours = LinearClassifier(l2=l2, tol=1e-10).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_model_explains_itself(classes, standardize):
    X, y = _batch(classes)
    fitted = LinearClassifier(standardize=standardize).fit(X, y)
    np.testing.assert_allclose(
        np.squeeze(X @ fitted.coef_.T + fitted.intercept_), fitted.decision_function(X), atol=1e-12
    )
    p = fitted.predict_proba(X)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(np.log(p), fitted.predict_log_proba(X), atol=1e-12)
    assert np.array_equal(fitted.predict(X), p.argmax(1))
    assert fitted.score(X, y) == np.mean(p.argmax(1) == y)
    far = fitted.predict_log_proba(X * 1e4)
    assert np.isfinite(far).all() and far.min() < -1000


def test_class_weights():
    X, y = _batch()
    by_class = {0: 3.0, 2: 0.5}
    weights = np.array([3.0, 1.0, 0.5])[y]
    one = LinearClassifier(class_weight=by_class, tol=1e-10).fit(X, y)
    other = LinearClassifier(tol=1e-10).fit(X, y, weights)
    np.testing.assert_allclose(one.weight_, other.weight_, rtol=1e-4, atol=1e-5)
    balanced = LinearClassifier(class_weight="balanced", tol=1e-10).fit(X, y)
    counts = dict(enumerate(len(y) / (3 * np.bincount(y))))
    named = LinearClassifier(class_weight=counts, tol=1e-10).fit(X, y)
    assert np.array_equal(balanced.weight_, named.weight_)
    for wrong, says in (("even", "none of 'balanced'"), ({7: 1.0}, "no class of y"), (3, "a int")):
        with pytest.raises(ValueError, match=says):
            LinearClassifier(class_weight=wrong).fit(X, y)


def test_any_threads_give_the_same_bits():
    X, y = _batch(5, 3000)
    models = [LinearClassifier(n_jobs=n).fit(X, y) for n in (None, 1, 2, 3)]
    for model in models[1:]:
        assert np.array_equal(model.weight_, models[0].weight_)
        assert np.array_equal(model.predict_proba(X), models[0].predict_proba(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.int32])
def test_types_of_samples(dtype):
    X, y = load_digits(return_X_y=True)
    X = X[:500].astype(dtype)
    fitted = LinearClassifier(standardize=True, l2=1e-3).fit(X, y[:500])
    wide = dtype == np.int32
    assert fitted.weight_.dtype == (np.float64 if wide else np.float32)
    assert fitted.score(X, y[:500]) > 0.95 and fitted.decision_function(X).shape == (500, 10)


@pytest.mark.parametrize("method", ["sgd", "adam"])
def test_batches(method):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    given = {
        "method": method,
        "max_iter": 20,
        "batch_size": 32,
        "learning_rate": {"sgd": 0.1, "adam": 0.01}[method],
    }
    one, same, other = (LinearClassifier(random_state=n, **given).fit(X, y) for n in (1, 1, 2))
    assert np.array_equal(one.weight_, same.weight_)
    assert not np.array_equal(one.weight_, other.weight_)
    assert one.score(X, y) > 0.93 and one.n_iter_ == 20
    from_sklearn = LinearClassifier(random_state=np.random.RandomState(1), **given).fit(X, y)
    assert from_sklearn.score(X, y) > 0.93


def _epochs(X, y, orders, batch, rate):
    """Weight and bias that SGD leaves, with these rows in each epoch."""
    weight, bias = np.zeros((y.max() + 1, X.shape[1])), np.zeros(y.max() + 1)
    pace, pace_of_bias = np.zeros_like(weight), np.zeros_like(bias)
    for order in orders:
        for at in range(0, len(order), batch):
            rows = order[at : at + batch]
            logits = X[rows] @ weight.T + bias
            slope = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - np.eye(len(bias))[y[rows]]
            pace = 0.9 * pace + slope.T @ X[rows] / len(rows)
            pace_of_bias = 0.9 * pace_of_bias + slope.mean(0)
            weight, bias = weight - rate * pace, bias - rate * pace_of_bias
    return weight - weight.mean(0), bias - bias.mean()


@pytest.mark.parametrize("standardize", [False, True])
def test_order_of_batches(standardize, monkeypatch):
    """Each epoch brings every row once, in the next of the random orders; so do blocks of rows."""
    X, y = _batch(rows=150)
    monkeypatch.setattr("xent._classifier._BLOCK_ROWS", 64)
    fitted = LinearClassifier(
        method="sgd", batch_size=7, max_iter=3, random_state=5, l2=0, standardize=standardize
    ).fit(X, y)
    dice = np.random.default_rng(5)
    orders = [dice.permutation(150) for _ in range(3 + standardize)]
    u = StandardScaler().fit_transform(X) if standardize else X
    weight, bias = _epochs(u, y, orders[standardize:], 7, 0.1)
    np.testing.assert_allclose(fitted.weight_, weight, atol=1e-9)
    np.testing.assert_allclose(fitted.bias_, bias, atol=1e-9)


def test_warnings_about_convergence():
    X, y = _batch()
    with pytest.warns(ConvergenceWarning, match="max_iter=2 iterations"):
        LinearClassifier(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"sgd diverged, .* smaller than 1e\+35"):
        LinearClassifier(method="sgd", learning_rate=1e35, max_iter=5).fit(
            X.astype(np.float32) * 1000000, y
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearClassifier().fit(X, y)


def test_numbers_that_leave_no_precision():
    X, y = load_digits(return_X_y=True)
    far = (X + 1e6).astype(np.float32)
    with pytest.warns(ConvergenceWarning, match=r"came to rest with a gradient of .*float64"):
        LinearClassifier().fit(far, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearClassifier(standardize=True).fit(far, y)
        LinearClassifier(tol=1e-9).fit(X.astype(np.float32), y)


def test_warm_start():
    X, y = _batch()
    fitted = LinearClassifier(warm_start=True).fit(X, y)
    first = fitted.n_iter_
    assert fitted.fit(X, y).n_iter_ < first / 2
    with pytest.raises(ValueError, match="warm_start=True begins with a model of 5 features"):
        fitted.fit(X[:, :4], y)


# ---- refusals ----
def test_names_of_columns():
    class Table:
        def __init__(self, X, columns):
            self.X, self.columns = X, columns

        def __array__(self, dtype=None, copy=None):
            return self.X

    X, y = _batch()
    fitted = LinearClassifier().fit(Table(X, list("abcde")), y)
    assert list(fitted.feature_names_in_) == list("abcde")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(Table(X, list("abcde")))
    for columns, says in ((list("abced"), "same order"), (list("abcdf"), "unseen at fit time")):
        with pytest.raises(ValueError, match=says):
            fitted.predict(Table(X, columns))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X)
    assert not hasattr(fitted.fit(X, y), "feature_names_in_")


REFUSED = [
    ({"l2": -1}, "l2"),
    ({"l2": "much"}, "l2='much' must be a number"),
    ({"tol": float("nan")}, "tolerance"),
    ({"method": "newton"}, "method='newton' is none of 'lbfgs', 'sgd', 'adam'"),
    ({"max_iter": 0}, "max_iter=0 must be 1 or more"),
    ({"batch_size": 0, "method": "sgd"}, "batch"),
    ({"label_smoothing": 2}, "label_smoothing"),
    ({"n_jobs": 1.5}, "n_jobs=1.5 must be a whole number"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_refusals(options, says):
    X, y = _batch()
    with pytest.raises(xent.XentError, match=says) as refusal:
        LinearClassifier(**options).fit(X, y)
    assert "XENT_" not in str(refusal.value) and "options." not in str(refusal.value)


def test_samples_and_targets_that_are_none():
    X, y = _batch()
    with pytest.raises(ValueError, match="y has 1 class, 0: a"):
        LinearClassifier().fit(X, np.zeros(len(y), int))
    with pytest.raises(ValueError, match=r"one-hot.*y.argmax\(axis=1\)"):
        LinearClassifier().fit(X, np.eye(3)[y])
    for weight in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"sample_weight\[4\] is {weight:g}"):
            LinearClassifier().fit(X, y, np.where(np.arange(len(y)) == 4, weight, 1))
    with pytest.raises(FileNotFoundError, match="'none/m.safetensors'"):
        LinearClassifier().fit(X, y).save("none/m.safetensors")
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        LinearClassifier().fit(X, y + 0.5)
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"first nan at \[3, 2\]"):
        LinearClassifier().fit(X, y)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        LinearClassifier().predict(X)
    with pytest.raises(ValueError, match="weight"):
        LinearClassifier().fit(_batch()[0], y, -np.ones(len(y)))


def test_scikit_learn_is_not_needed(tmp_path):
    program = f"""
import sys, numpy, xent
X = numpy.arange(12.0).reshape(6, 2) % 5
c = xent.LinearClassifier(l2=0.1).fit(X, ["a", "b", "a", "b", "a", "b"])
c.predict_proba(X), c.score(X, ["a"] * 6), c.get_params(), repr(c)
c.save({str(tmp_path / "m.safetensors")!r})
xent.LinearClassifier.load({str(tmp_path / "m.safetensors")!r}).predict(X)
try:
    xent.LinearClassifier().predict(X)
except (ValueError, AttributeError) as error:
    assert "not fitted" in str(error)
assert not [name for name in sys.modules if name.startswith("sklearn")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pickle():
    X, y = _batch()
    fitted = LinearClassifier().fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


# ---- files ----
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("names", [[3, -7, 2**60], ["ham", "spam", "Äpfel \U0001f34f"]])
def test_save_and_load(tmp_path, standardize, names):
    from safetensors import safe_open

    X, y = _batch()
    y = np.array(names)[y]
    path = tmp_path / "model.safetensors"
    for dtype in (np.float64, np.float32):
        some = X.astype(dtype)
        fitted = LinearClassifier(standardize=standardize).fit(some, y)
        fitted.save(path)
        loaded = LinearClassifier.load(path)
        assert np.array_equal(loaded.predict(some), fitted.predict(some))
        assert np.array_equal(loaded.predict_proba(some), fitted.predict_proba(some))
        assert np.array_equal(loaded.classes_, fitted.classes_) and loaded.n_features_in_ == 5
        assert loaded.weight_.dtype == dtype
        with safe_open(path, "np") as file:
            wanted = {"weight", "bias"} | ({"mean", "scale"} if standardize else set())
            assert set(file.keys()) == wanted
            assert np.array_equal(file.get_tensor("weight"), fitted.weight_)
            assert json.loads(file.metadata()["classes"]) == sorted(names)
            assert file.metadata()["xent"] == "classifier 1"
    assert os.listdir(tmp_path) == ["model.safetensors"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_files_of_others(tmp_path):
    """Without bias and names, of other types."""
    from safetensors.numpy import save_file

    weight = np.arange(6, dtype=np.float16).reshape(3, 2)
    save_file({"weight": weight, "more": np.zeros(3, np.int64)}, tmp_path / "half.safetensors")
    loaded = LinearClassifier.load(tmp_path / "half.safetensors")
    assert loaded.predict(np.array([[1.0, 1.0], [-1.0, -1.0]])).tolist() == [2, 0]
    assert loaded.weight_.dtype == np.float32 and not loaded.bias_.any()
    with pytest.raises(ValueError, match="classes are float64"):
        X, y = _batch()
        LinearClassifier().fit(X, y.astype(float)).save(tmp_path / "floats.safetensors")
    with pytest.raises(FileNotFoundError):
        LinearClassifier.load(tmp_path / "none.safetensors")


def _file(head, data=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def _entry(dtype="F32", shape=(2, 1), end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, end]}


HOSTILE = [
    (b"", "no .safetensors file"),
    (struct.pack("<Q", 2**63) + b"{}", "no .safetensors file"),
    (_file(b"{" * 100000), "no JSON"),
    (_file(b'{"weight": 1, "weight": 2}'), "a name is there twice"),
    (_file([]), "no object of tensors"),
    (_file({"__metadata__": []}), "no object of tensors"),
    (_file({}), "no tensor 'weight'"),
    (_file({"weight": 3}), "none of F32"),
    (_file({"weight": _entry("I64")}, bytes(8)), "none of F32"),
    (_file({"weight": _entry(shape=(-2, -1))}, bytes(8)), "none of F32"),
    (_file({"weight": _entry(shape=(True, 2))}, bytes(8)), "none of F32"),
    (_file({"weight": _entry(shape=(2**40, 2**40))}, bytes(8)), "not whole"),
    (_file({"weight": _entry()}, bytes(7)), "not whole"),
    (_file({"weight": _entry(end=4)}, bytes(8)), "not whole"),
    (_file({"weight": _entry(shape=(2,))}, bytes(8)), r"shape \[C, D\]"),
    (_file({"weight": _entry(shape=(0, 4), end=0)}), r"shape \[C, D\]"),
    (_file({"weight": _entry()}, struct.pack("<2f", 1, float("nan"))), "NaN or infinity"),
    (_file({"weight": _entry(), "bias": _entry()}, bytes(8)), r"'bias' of shape \[2, 1\]"),
    (_file({"weight": _entry(), "__metadata__": {"classes": "[1]"}}, bytes(8)), "2 classes"),
    (_file({"weight": _entry(), "__metadata__": {"classes": '[1, "a"]'}}, bytes(8)), "2 classes"),
    (_file({"weight": _entry(), "__metadata__": {"classes": "[true, 1]"}}, bytes(8)), "2 classes"),
    (_file({"weight": _entry(), "__metadata__": {"classes": "[1e300, 1]"}}, bytes(8)), "2 classes"),
    (_file({"weight": _entry(), "__metadata__": {"classes": 7}}, bytes(8)), "2 classes"),
]


@pytest.mark.parametrize(("content", "says"), HOSTILE)
def test_hostile_files(tmp_path, content, says):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(xent.ArgumentError, match=says) as refusal:
        LinearClassifier.load(path)
    assert str(path) in str(refusal.value)


def test_files_that_are_cut_off(tmp_path):
    X, y = _batch()
    LinearClassifier(standardize=True).fit(X, y).save(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "part").write_bytes(content[:length])
        with pytest.raises(xent.ArgumentError):
            LinearClassifier.load(tmp_path / "part")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    X, y = _batch()
    fitted = LinearClassifier().fit(X, y)
    fitted.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    with pytest.MonkeyPatch.context() as patch:

        def full(number):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            fitted.save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"] and (tmp_path / "model").read_bytes() == before


def _command():
    """The command, if it is built and knows the verb."""
    root = Path(__file__).resolve().parents[2]
    given = os.environ.get("XENT_COMMAND")
    for path in (
        [Path(given)] if given else [root / "build/test/gcc/xent", root / "build/release/xent"]
    ):
        if (
            path.exists()
            and not subprocess.run([path, "predict", "--help"], capture_output=True).returncode
        ):
            return path
    return None


@pytest.mark.parametrize("standardize", [False, True])
def test_models_are_exchanged_with_the_command(tmp_path, standardize):
    command = _command()
    if command is None:
        pytest.skip("no command with the verb predict is built: make")
    X, y = load_digits(return_X_y=True)
    X = X[:600].astype(np.float32)
    fitted = LinearClassifier(standardize=standardize, l2=1e-3).fit(X, y[:600])
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", y[:600])
    fitted.save(tmp_path / "ours.safetensors")

    def run(*words):
        subprocess.run([command, *words], check=True, cwd=tmp_path, capture_output=True)

    run("predict", "ours.safetensors", "x.npy", "-o", "classes.npy")
    assert np.array_equal(np.load(tmp_path / "classes.npy"), fitted.predict(X))
    run("predict", "ours.safetensors", "x.npy", "--probabilities", "-o", "p.npy")
    assert np.array_equal(np.load(tmp_path / "p.npy"), fitted.predict_proba(X))
    words = [
        "train",
        "x.npy",
        "y.npy",
        "--model",
        "theirs.safetensors",
        "--l2",
        "1e-3",
        "--tolerance",
        "1e-6",
    ]
    run(*words, *["--standardize"] * standardize)
    theirs = LinearClassifier.load(tmp_path / "theirs.safetensors")
    assert theirs.score(X, y[:600]) == fitted.score(X, y[:600])
    np.testing.assert_allclose(theirs.predict_proba(X), fitted.predict_proba(X), atol=1e-3)
