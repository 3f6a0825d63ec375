# SPDX-License-Identifier: MIT
"""xent.log_loss gives what sklearn.metrics.log_loss gives, and refuses what it refuses."""

import warnings

import numpy as np
import pytest
import xent

theirs = pytest.importorskip("sklearn.metrics").log_loss

KINDS = {
    "numbers": np.array([3, 5, 9, 5, 3, 9, 9]),
    "negative": np.array([-1, 5, 9, 5, -1, 9, 9]),
    "strings": np.array(["egg", "ham", "spam", "ham", "egg", "spam", "spam"]),
    "objects": np.array(["egg", "ham", "spam", "ham", "egg", "spam", "spam"], object),
    "one-hot": np.eye(3, dtype=int)[[0, 1, 2, 1, 0, 2, 2]],
}


def _probabilities(rows, classes, dtype=np.float64):
    p = np.random.default_rng(rows).random((rows, classes)) + 0.01
    return (p / p.sum(1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_as_scikit_learn(kind, normalize, weighted):
    p = _probabilities(7, 3)
    options = {"normalize": normalize, "sample_weight": np.arange(1.0, 8) if weighted else None}
    assert xent.log_loss(KINDS[kind], p, **options) == pytest.approx(
        theirs(KINDS[kind], p, **options), rel=1e-14
    )
    assert xent.log_loss(KINDS[kind].tolist(), p.tolist(), **options) == xent.log_loss(
        KINDS[kind], p, **options
    )


@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_certainty_is_clipped(dtype, near):
    p = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype)
    expected = theirs([0, 1, 2, 1], p)
    assert np.isfinite(expected) and expected > 3
    assert xent.log_loss([0, 1, 2, 1], p) == pytest.approx(expected, rel=near)


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_two_classes(shape):
    p = _probabilities(6, 2)[:, 1].reshape(shape)
    for y in ([0, 1, 1, 0, 1, 0], [False, True, True, False, True, False], list("nyynyn")):
        assert xent.log_loss(y, p) == pytest.approx(theirs(y, p), rel=1e-14)


def test_labels():
    p = _probabilities(4, 3)
    options = {"labels": [2, 0, 1]}
    assert xent.log_loss([0, 2, 0, 2], p, **options) == pytest.approx(
        theirs([0, 2, 0, 2], p, **options), rel=1e-14
    )
    one = [1, 1, 1, 1]
    assert xent.log_loss(one, p[:, 0], labels=[0, 1]) == pytest.approx(
        theirs(one, p[:, 0], labels=[0, 1]), rel=1e-14
    )


REFUSED = [
    ([0, 1, 2], _probabilities(4, 3), {}, "y_true has 3 rows and y_pred 4"),
    (
        [0, 1, 0, 1],
        _probabilities(4, 3),
        {},
        r"y_true has 2 classes, \[0, 1\], but y_pred has 3 columns",
    ),
    ([0, 1, 0, 1], _probabilities(4, 3), {"labels": [0, 1]}, "labels names 2 classes"),
    ([1, 1, 1, 1], _probabilities(4, 2), {}, r"only the classes \[1\]"),
    (
        [0, 1, 2, 9],
        _probabilities(4, 3),
        {"labels": [0, 1, 2]},
        r"y_true\[3\] is .*9.*none of labels",
    ),
    ([0, 1, 0, 1], [[2.0, -1], [0, 1], [0, 1], [0, 1]], {}, r"y_pred\[0, 0\] is 2.0"),
    ([0, 1], [[np.nan, 1.0], [0, 1]], {}, r"y_pred\[0, 0\] is nan"),
    ([0, 1], [["a", "b"], ["c", "d"]], {}, "must be probabilities"),
    ([0, 1], np.zeros((2, 2, 2)), {}, r"must be \[n, classes\]"),
    ([0, 1], _probabilities(2, 2), {"sample_weight": [1.0]}, "row_weight has shape"),
]


@pytest.mark.parametrize(("y", "p", "options", "says"), REFUSED)
def test_refusals(y, p, options, says):
    with pytest.raises(Exception):  # noqa: B017
        theirs(y, p, **options)
    with pytest.raises(xent.XentError, match=says):
        xent.log_loss(y, p, **options)


def test_a_matrix_that_is_not_one_hot():
    with pytest.raises(xent.LabelError, match="row 1 of y_true"):
        xent.log_loss([[1, 0], [1, 1]], _probabilities(2, 2))


def test_sums_are_looked_at():
    p = np.array([[0.5, 0.5], [0.2, 0.3]])
    with pytest.warns(UserWarning, match="row 1 of y_pred add up to 0.5"):
        ours = xent.log_loss([0, 1], p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours == pytest.approx(theirs([0, 1], p), rel=1e-14)
        warnings.simplefilter("error")
        xent.log_loss([0, 1], _probabilities(2, 2))
