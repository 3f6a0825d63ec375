# SPDX-License-Identifier: MIT
"""xent.linear_cross_entropy and its gradients on NumPy arrays: against the formula row by row, bit
for bit against the plain form of the same products, and among themselves."""

from fractions import Fraction

import ml_dtypes
import naive
import numpy as np
import pytest
import xent
from hypothesis import given, settings
from hypothesis import strategies as st
from test_numpy import options_of

# Of a loss, and of a gradient relative to what is added: rounding of the type, and of the lanes.
TYPES = {
    np.float32: (1e-5, 1e-5),
    np.float64: (1e-13, 1e-13),
    np.float16: (1e-5, 2e-3),
    ml_dtypes.bfloat16: (1e-5, 1.6e-2),
}


def _batch(rows=50, depth=6, classes=17, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, depth)).astype(dtype)
    weight = rng.standard_normal((classes, depth)).astype(dtype)
    bias = rng.standard_normal(classes).astype(dtype)
    return features, weight, rng.integers(0, classes, rows), bias


def _same(one, other):
    """Losses and gradients of two calls, bit for bit."""
    return np.array_equal(one[0], other[0], equal_nan=True) and all(
        (a is None) == (b is None) and (a is None or np.array_equal(a, b, equal_nan=True))
        for a, b in zip(one[1], other[1])
    )


# ---- the formula ----
@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = draw(st.lists(st.integers(1, 4), min_size=0, max_size=3))
    classes, depth = draw(st.integers(1, 70)), draw(st.integers(0, 20))
    dtype = draw(st.sampled_from(list(TYPES)))
    features = rng.standard_normal((*shape, depth)).astype(dtype)
    weight = rng.standard_normal((classes, depth)).astype(dtype)
    bias = rng.standard_normal(classes).astype(dtype) if draw(st.booleans()) else None
    labels = rng.integers(0, classes, shape)
    options = draw(options_of(rng, shape, classes))
    if draw(st.booleans()) and labels.size > 1:
        options["ignore"] = int(labels.flat[0])
        labels.flat[-1] = (options["ignore"] + 1) % classes
    return features, weight, labels, bias, options


def _exact(features, weight, labels, bias, options):
    """Loss, gradients, and for each gradient the size of what it is a sum of."""
    x, w = (np.asarray(part).astype(np.longdouble) for part in (features, weight))
    b = 0 if bias is None else np.asarray(bias).astype(np.longdouble)
    loss, g, size = naive.cross_entropy(x @ w.T + b, labels, **options)
    flat, rows = g.reshape(labels.size, -1), x.reshape(labels.size, -1)
    sizes = (abs(w).sum(), abs(rows).sum(), 1 + len(rows))
    return loss, (g @ w, flat.T @ rows, flat.sum(0)), [size * part for part in sizes]


@settings(max_examples=200, deadline=None)
@given(cases())
def test_against_the_formula(case):
    features, weight, labels, bias, options = case
    if options.get("ignore") is not None and np.all(labels == options["ignore"]):
        options["on_nothing_counted"] = "zero"
        loss, gradients = xent.linear_cross_entropy_with_grad(*case[:4], **options)
        assert np.all(loss == 0) and not any(np.any(part) for part in gradients if part is not None)
        return
    loss, found = xent.linear_cross_entropy_with_grad(*case[:4], **options)
    expected, exact, sizes = _exact(*case)
    of_loss, of_grad = TYPES[features.dtype.type]
    np.testing.assert_allclose(loss, expected, rtol=of_loss, atol=of_loss * 30)
    for part, right, size, like in zip(found, exact, sizes, (features, weight, bias)):
        if like is None:
            assert part is None
            continue
        assert part.dtype == like.dtype and part.shape == like.shape
        np.testing.assert_allclose(
            part.astype(np.longdouble), right, rtol=of_grad, atol=of_grad * (size + 1e-3) / 10
        )
    assert np.array_equal(loss, xent.linear_cross_entropy(*case[:4], **options))


# ---- the bits ----
def _fma(a, b, c, dtype):
    """a*b + c rounded once."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = dtype(float(exact))
    around = (near, np.nextafter(near, dtype(-np.inf)), np.nextafter(near, dtype(np.inf)))
    bits = np.dtype(f"i{np.dtype(dtype).itemsize}")
    return min(around, key=lambda one: (abs(Fraction(float(one)) - exact), int(one.view(bits)) & 1))


def _chain(a, b, start, dtype):
    """a @ b as the library adds: an fma for each k, in order."""
    found = np.empty((a.shape[0], b.shape[1]), dtype)
    for i, j in np.ndindex(found.shape):
        total = dtype(start[j])
        for k in range(a.shape[1]):
            total = _fma(a[i, k], b[k, j], total, dtype)
        found[i, j] = total
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduction": "sum", "label_smoothing": 0.1, "z_loss": 0.2, "softcap": 3.0},
        {"reduction": "none", "row_weight": np.arange(9.0), "class_weight": np.arange(1, 12.0)},
    ],
)
def test_the_bits_are_those_of_the_plain_form_of_the_same_products(dtype, options):
    features, weight, labels, bias = _batch(9, 5, 11, dtype)
    logits = _chain(features, weight.T, bias, dtype)
    expected, g = xent.cross_entropy_with_grad(logits, labels, **options)
    loss, found = xent.linear_cross_entropy_with_grad(features, weight, labels, bias, **options)
    assert np.array_equal(loss, expected)
    none = np.zeros(11, dtype)
    assert np.array_equal(found.features, _chain(g, weight, none, dtype))
    # A row of weight 0 has no part at all.
    heard = g.any(axis=1)
    assert np.array_equal(found.weight, _chain(g[heard].T, features[heard], none, dtype))
    ones = np.ones((heard.sum(), 1), dtype)
    assert np.array_equal(found.bias, _chain(g[heard].T, ones, none, dtype)[:, 0])


def test_any_threads_and_layout_give_the_same_bits():
    features, weight, labels, bias = _batch(700, 40, 300)
    expected = xent.linear_cross_entropy_with_grad(features, weight, labels, bias, threads=1)
    for threads in (0, 2, 3, -1):
        found = xent.linear_cross_entropy_with_grad(features, weight, labels, bias, threads=threads)
        assert _same(found, expected)
    laid = [
        np.asfortranarray(features), np.asfortranarray(weight), np.repeat(labels, 2)[::2],
        bias[::-1].copy()[::-1],
    ]  # fmt: skip
    assert _same(xent.linear_cross_entropy_with_grad(*laid), expected)
    loss, shaped = xent.linear_cross_entropy_with_grad(
        features.reshape(7, 100, 40), weight, labels.reshape(7, 100), bias
    )
    assert loss == expected[0] and shaped.features.shape == (7, 100, 40)
    assert np.array_equal(shaped.features.reshape(700, 40), expected[1].features)


# ---- what is asked for ----
def test_only_the_gradients_that_are_asked_for():
    features, weight, labels, bias = _batch()
    loss, whole = xent.linear_cross_entropy_with_grad(features, weight, labels, bias)
    assert isinstance(whole, xent.LinearGradients) and isinstance(loss, float)
    for asked in (("weight",), ("bias", "features"), "bias", ()):
        again, found = xent.linear_cross_entropy_with_grad(
            features, weight, labels, bias, gradients=asked
        )
        assert again == loss
        for name in whole._fields:
            part = getattr(found, name)
            assert (part is not None) == (name in asked)
            assert part is None or np.array_equal(part, getattr(whole, name))
    without = xent.linear_cross_entropy_with_grad(features, weight, labels)[1]
    assert without.bias is None
    # The gradient of a bias that is 0.
    of_none = xent.linear_cross_entropy_with_grad(features, weight, labels, gradients=["bias"])[1]
    zero = xent.linear_cross_entropy_with_grad(features, weight, labels, np.zeros_like(bias))[1]
    assert np.array_equal(of_none.bias, zero.bias)
    with pytest.raises(
        xent.ArgumentError, match="'logits' is none of 'features', 'weight', 'bias'"
    ):
        xent.linear_cross_entropy_with_grad(features, weight, labels, gradients=["logits"])


def test_types_of_the_weights_gradient():
    features, weight, labels, bias = _batch(600, 8, 5)
    exact = xent.linear_cross_entropy_with_grad(
        *(part.astype(float) for part in (features, weight)), labels, bias.astype(float)
    )[1]
    wide = xent.linear_cross_entropy_with_grad(
        features, weight, labels, bias, grad_weight_dtype=np.float64
    )[1]
    assert wide.weight.dtype == wide.bias.dtype == np.float64
    assert wide.features.dtype == np.float32
    np.testing.assert_allclose(wide.weight, exact.weight, rtol=1e-5, atol=1e-7)
    small = [part.astype(ml_dtypes.bfloat16) for part in (features, weight, bias)]
    for dtype in (None, np.float32, np.float64):
        found = xent.linear_cross_entropy_with_grad(
            small[0], small[1], labels, small[2], grad_weight_dtype=dtype
        )[1]
        assert found.weight.dtype == found.bias.dtype == (dtype or ml_dtypes.bfloat16)
        assert found.features.dtype == ml_dtypes.bfloat16
    wider_bias = small[2].astype(np.float32)
    assert xent.linear_cross_entropy(small[0], small[1], labels, wider_bias) == (
        xent.linear_cross_entropy(small[0], small[1], labels, small[2])
    )
    with pytest.raises(xent.DtypeError, match="grad_weight has dtype f32"):
        xent.linear_cross_entropy_with_grad(
            features.astype(float), weight.astype(float), labels, grad_weight_dtype=np.float32
        )


def test_out():
    features, weight, labels, bias = _batch()
    loss, whole = xent.linear_cross_entropy_with_grad(features, weight, labels, bias)
    out = {"weight": np.empty(weight.shape), "features": np.empty_like(features)}
    again, found = xent.linear_cross_entropy_with_grad(features, weight, labels, bias, out=out)
    assert again == loss and found.weight is out["weight"] and found.features is out["features"]
    assert np.array_equal(found.features, whole.features)
    assert np.array_equal(found.bias, whole.bias)
    np.testing.assert_allclose(found.weight, whole.weight, rtol=1e-5, atol=1e-7)

    def given(**out):
        return xent.linear_cross_entropy_with_grad(features, weight, labels, out=out)

    with pytest.raises(xent.ShapeError, match=r"grad_weight has shape \[16, 6\]"):
        given(weight=np.empty((16, 6), np.float32))
    with pytest.raises(xent.OverlapError):
        given(features=features)
    with pytest.raises(xent.ArgumentError, match=r"out\['weight'\] is a list"):
        given(weight=[])
    with pytest.raises(xent.DtypeError, match=r"out\['weight'\] has dtype complex128"):
        given(weight=np.empty(weight.shape, complex))
    with pytest.raises(xent.ArgumentError, match="'bias', which is no gradient that is wanted"):
        given(bias=bias.copy())
    fixed = np.empty_like(weight)
    fixed.flags.writeable = False
    with pytest.raises(xent.ArgumentError, match="read-only"):
        given(weight=fixed)


def test_inputs_stay_as_they_are():
    batch = _batch()
    before = [part.copy() for part in batch]
    xent.linear_cross_entropy_with_grad(*batch, label_smoothing=0.1)
    assert all(np.array_equal(*pair) for pair in zip(before, batch))


def test_totals_and_parts():
    features, weight, labels, bias = _batch()
    labels[7] = -1
    loss, found, total = xent.linear_cross_entropy_with_grad(
        features, weight, labels, bias, ignore=-1, return_total=True
    )
    assert (total.rows, total.ignored) == (50, 1) and total.loss() == loss
    whole = xent.count_labels(labels, 17, ignore=-1)
    merged, parts = xent.Total(), []
    for part in (slice(0, 20), slice(20, 50)):
        _, gradients, of_part = xent.linear_cross_entropy_with_grad(
            features[part], weight, labels[part], bias, ignore=-1, return_total=True,
            denominator=whole.weight_sum,
        )  # fmt: skip
        merged += of_part
        parts.append(gradients)
    assert merged.loss() == pytest.approx(loss, rel=1e-15)
    assert np.array_equal(np.concatenate([part.features for part in parts]), found.features)
    np.testing.assert_allclose(
        sum(part.weight for part in parts), found.weight, rtol=1e-4, atol=1e-7
    )


# ---- rows that need care ----
def test_rows_that_do_not_count_are_not_read():
    features, weight, labels, bias = _batch()
    expected = xent.linear_cross_entropy_with_grad(features[5:], weight, labels[5:], bias)
    labels[:5] = -1
    features[:3], features[3:5] = np.nan, np.inf
    loss, found = xent.linear_cross_entropy_with_grad(features, weight, labels, bias, ignore=-1)
    assert loss == expected[0] and not found.features[:5].any()
    assert np.array_equal(found.features[5:], expected[1].features)
    assert np.array_equal(found.weight, expected[1].weight)
    labels[:5] = 0
    weights = np.ones(50)
    weights[:5] = 0
    loss, found = xent.linear_cross_entropy_with_grad(
        features, weight, labels, bias, row_weight=weights
    )
    assert loss == expected[0] and np.array_equal(found.weight, expected[1].weight)
    assert np.isnan(xent.linear_cross_entropy(features, weight, labels, bias))


def test_nothing_there():
    features, weight, labels, bias = _batch()
    for given in ({"ignore": range(17)}, {"row_weight": np.zeros(50)}):
        with pytest.raises(xent.NothingCountedError):
            xent.linear_cross_entropy(features, weight, labels, bias, **given)
        loss, found = xent.linear_cross_entropy_with_grad(
            features, weight, labels, bias, on_nothing_counted="zero", **given
        )
        assert loss == 0 and not any(part.any() for part in found)
    loss, found = xent.linear_cross_entropy_with_grad(features[:0], weight, labels[:0], bias)
    assert np.isnan(loss) and found.features.shape == (0, 6)
    assert not found.weight.any() and not found.bias.any()
    # Without features the bias is all there is.
    alone = xent.linear_cross_entropy_with_grad(features[:, :0], weight[:, :0], labels, bias)
    plain = xent.cross_entropy(np.tile(bias, (50, 1)), labels)
    assert alone[0] == plain and alone[1].weight.shape == (17, 0) and alone[1].bias.any()


def test_one_row():
    features, weight, labels, bias = _batch(1)
    loss, found = xent.linear_cross_entropy_with_grad(features[0], weight, labels[0], bias)
    expected = xent.linear_cross_entropy_with_grad(features, weight, labels, bias)
    assert loss == expected[0] and np.array_equal(found.features, expected[1].features[0])
    lists = [part.tolist() for part in (features[0], weight, bias)]
    assert xent.linear_cross_entropy(lists[0], lists[1], int(labels[0]), lists[2]) == pytest.approx(
        loss, rel=1e-6
    )


REFUSED = [
    ({"weight": np.zeros((6, 17), np.float32)}, xent.ShapeError, "It looks transposed"),
    ({"weight": np.zeros(6, np.float32)}, xent.ShapeError, r"weight must have shape \[C, 6\]"),
    ({"weight": np.float32(1)}, xent.ShapeError, "weight"),
    ({"weight": np.zeros((17, 6))}, xent.DtypeError, "weight has dtype f64 but features"),
    ({"weight": np.zeros((17, 6), int)}, xent.DtypeError, "weight has dtype int64 but must be"),
    ({"features": np.zeros((50, 6), int)}, xent.DtypeError, "features have dtype int64 but must"),
    ({"features": [[1, 2], [3]]}, xent.ShapeError, "features is no array of numbers"),
    ({"bias": np.zeros(16, np.float32)}, xent.ShapeError, r"bias has shape \[16\]"),
    ({"bias": np.zeros(17)}, xent.DtypeError, "bias has dtype f64"),
    ({"labels": np.zeros(49, int)}, xent.ShapeError, r"labels have shape \[49\]"),
    ({"labels": np.full(50, 17)}, xent.LabelError, r"the label of row \[0\] is 17"),
    ({"labels": np.zeros(50)}, xent.DtypeError, "labels have dtype float64"),
    ({"class_axis": 0}, xent.ArgumentError, "class_axis=0 must be -1 here"),
    ({"logits_are": "probabilities"}, xent.ArgumentError, "logits_are must be 'logits' here"),
    ({"denominator": 3, "reduction": "none"}, xent.ArgumentError, "reduction='none' does not form"),
    ({"smoothing": 0.1}, TypeError, "there is no option 'smoothing'"),
]


@pytest.mark.parametrize(("given", "kind", "says"), REFUSED)
def test_refusals(given, kind, says):
    arguments = {**dict(zip(("features", "weight", "labels", "bias"), _batch())), **given}
    before = xent.linear_cross_entropy(*_batch())
    for function in (xent.linear_cross_entropy, xent.linear_cross_entropy_with_grad):
        with pytest.raises(kind, match=says) as refusal:
            function(**arguments)
        assert "XENT_" not in str(refusal.value) and "options." not in str(refusal.value)
    assert xent.linear_cross_entropy(*_batch()) == before
