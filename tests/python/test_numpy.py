# SPDX-License-Identifier: MIT
"""xent.cross_entropy and what goes with it, on NumPy arrays: against the formula row by row, and
among themselves."""

import threading
import time

import ml_dtypes
import naive
import numpy as np
import pytest
import xent
from hypothesis import given, settings
from hypothesis import strategies as st

TYPES = {
    np.float32: (2e-6, 2e-7),
    np.float64: (1e-14, 1e-15),
    np.float16: (2e-6, 1e-3),
    ml_dtypes.bfloat16: (2e-6, 8e-3),
}


@st.composite
def options_of(draw, rng, shape, classes):
    """Any options for labels of this shape."""
    options = {}
    if draw(st.booleans()):
        options["label_smoothing"] = draw(st.floats(0, 1))
    if draw(st.booleans()):
        options["z_loss"] = draw(st.floats(0, 1))
    if draw(st.booleans()):
        options["softcap"] = draw(st.floats(1, 40))
    if draw(st.booleans()):
        options["logit_scale"] = draw(st.floats(0.1, 2))
    if draw(st.booleans()):
        options["class_weight"] = rng.random(classes) + 0.1
    if draw(st.booleans()):
        options["row_weight"] = (rng.random(shape) + 0.1).astype(np.float32)
    if draw(st.booleans()):
        options["denominator"] = draw(st.floats(0.5, 50))
    options["reduction"] = draw(st.sampled_from(["mean", "row_mean", "sum", "none"]))
    if options["reduction"] == "none":
        options.pop("denominator", None)
    return options


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = draw(st.lists(st.integers(1, 4), min_size=0, max_size=3))
    classes = draw(st.integers(1, 70))
    axis = draw(st.integers(0, len(shape)))
    dtype = draw(st.sampled_from(list(TYPES)))
    logits = (rng.standard_normal(shape[:axis] + [classes] + shape[axis:]) * 3).astype(dtype)
    labels = rng.integers(0, classes, shape).astype(
        draw(st.sampled_from([np.int64, np.uint8, np.int16]))
    )
    options = {"class_axis": axis, **draw(options_of(rng, shape, classes))}
    if draw(st.booleans()) and labels.size > 1:
        options["ignore"] = int(labels.flat[0])
        labels.flat[-1] = (options["ignore"] + 1) % classes
    return logits, labels, options


@settings(max_examples=300, deadline=None)
@given(cases())
def test_against_the_formula(case):
    logits, labels, options = case
    if options.get("ignore") is not None and np.all(labels == options["ignore"]):
        options["on_nothing_counted"] = "zero"
        assert np.all(xent.cross_entropy(logits, labels, **options) == 0)
        return
    loss, grad = xent.cross_entropy_with_grad(logits, labels, **options)
    expected, expected_grad, size = naive.cross_entropy(logits, labels, **options)
    of_loss, of_grad = TYPES[logits.dtype.type]
    np.testing.assert_allclose(loss, expected, rtol=of_loss, atol=of_loss * 10)
    np.testing.assert_allclose(
        grad.astype(np.longdouble), expected_grad, rtol=of_grad * 10, atol=of_grad * (size + 1e-3)
    )
    assert grad.dtype == logits.dtype and grad.shape == logits.shape
    again = xent.cross_entropy(logits, labels, **options)
    assert np.array_equal(loss, again)


def _batch(rows=50, classes=17, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, classes)).astype(dtype), rng.integers(0, classes, rows)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (32, 10), (7, 1000), (300, 300)])
def test_the_short_way_gives_the_same_bits(shape, dtype):
    logits, labels = _batch(*shape, dtype)
    short = xent.cross_entropy_with_grad(logits, labels)
    general = xent.cross_entropy_with_grad(logits, labels, threads=-1)
    assert short[0] == general[0] == xent.cross_entropy(logits, labels)
    assert np.array_equal(short[1], general[1])
    assert isinstance(short[0], float) and isinstance(general[0], float)
    assert short[1].dtype == general[1].dtype == logits.dtype
    with pytest.raises(xent.LabelError, match=f" is {shape[1]}, but"):
        xent.cross_entropy_with_grad(logits, labels * 0 + shape[1])
    read_only = logits.copy()
    read_only.flags.writeable = False
    for same in (read_only, np.asfortranarray(logits), logits[:, None]):
        again = xent.cross_entropy_with_grad(same, labels[:, None] if same.ndim == 3 else labels)
        assert again[0] == short[0]
        assert np.array_equal(again[1].reshape(shape), short[1])


def test_any_threads_and_layout_give_the_same_bits():
    logits, labels = _batch(1000, 300)
    loss, grad = xent.cross_entropy_with_grad(logits, labels, threads=1)
    for threads in (0, 2, 3, -1):
        found = xent.cross_entropy_with_grad(logits, labels, threads=threads)
        assert found[0] == loss and np.array_equal(found[1], grad)
    for laid in (
        np.asfortranarray(logits),
        np.repeat(logits, 2, 1)[:, ::2],
        logits[::-1].copy()[::-1],
    ):
        found = xent.cross_entropy_with_grad(laid, labels)
        assert found[0] == loss and np.array_equal(found[1], grad)
    found = xent.cross_entropy_with_grad(logits.T, labels, class_axis=0)
    assert found[0] == loss and np.array_equal(found[1], grad.T)


def test_out():
    logits, labels = _batch()
    loss, grad = xent.cross_entropy_with_grad(logits, labels)
    before = logits.copy()
    out = np.empty_like(logits)
    assert xent.cross_entropy_with_grad(logits, labels, out=out)[1] is out
    assert np.array_equal(out, grad) and np.array_equal(logits, before)
    again = xent.cross_entropy_with_grad(logits, labels, out=logits)
    assert again[0] == loss and again[1] is logits and np.array_equal(logits, grad)
    with pytest.raises(xent.ShapeError, match=r"\[50, 16\]"):
        xent.cross_entropy_with_grad(before, labels, out=np.empty((50, 16), np.float32))
    with pytest.raises(xent.DtypeError, match="float64"):
        xent.cross_entropy_with_grad(before, labels, out=np.empty(before.shape))
    with pytest.raises(xent.OverlapError):
        xent.cross_entropy_with_grad(before[1:], labels[1:], out=before[:-1])
    with pytest.raises(xent.ArgumentError, match="list"):
        xent.cross_entropy_with_grad(before, labels, out=[])
    out.flags.writeable = False
    with pytest.raises(xent.ArgumentError, match="read-only"):
        xent.cross_entropy_with_grad(before, labels, out=out)


def test_inputs_stay_as_they_are():
    logits, labels = _batch()
    before = logits.copy(), labels.copy()
    for options in ({}, {"label_smoothing": 0.1}):
        xent.cross_entropy_with_grad(logits, labels, **options)
        assert np.array_equal(before[0], logits) and np.array_equal(before[1], labels)


def test_row_outputs():
    logits, labels = _batch(dtype=np.float64)
    labels[3] = -1
    names = ("loss", "lse", "prediction", "label_probability", "entropy", "probability")
    found = xent.row_outputs(logits, labels, names, ignore=-1)
    assert tuple(found) == names
    z = logits - logits.max(1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    kept = labels >= 0
    rows = np.arange(len(labels))[kept]
    np.testing.assert_allclose(found["probability"][kept], p[kept], rtol=1e-14)
    np.testing.assert_allclose(found["label_probability"][kept], p[rows, labels[kept]], rtol=1e-14)
    np.testing.assert_allclose(found["loss"][kept], -np.log(p[rows, labels[kept]]), rtol=1e-13)
    np.testing.assert_allclose(found["lse"][kept], np.log(np.exp(logits).sum(1))[kept], rtol=1e-13)
    np.testing.assert_allclose(found["entropy"][kept], -(p * np.log(p)).sum(1)[kept], rtol=1e-13)
    assert np.array_equal(found["prediction"][kept], logits.argmax(1)[kept])
    assert found["prediction"][3] == -1 and found["loss"][3] == 0
    assert list(xent.row_outputs(logits, labels, "lse", ignore=-1)) == ["lse"]
    assert np.all(xent.row_outputs(logits, np.full(50, -1), ignore=-1)["loss"] == 0)
    with pytest.raises(xent.ArgumentError, match="'losses' is none of 'loss'"):
        xent.row_outputs(logits, labels, ["losses"])


def test_probabilities():
    logits, labels = _batch(dtype=np.float64)
    p = xent.row_outputs(logits, labels, "probability")["probability"]
    loss = xent.cross_entropy(logits, labels)
    assert abs(xent.cross_entropy(p, labels, logits_are="probabilities") - loss) < 1e-13
    assert abs(xent.cross_entropy(np.log(p), labels, logits_are="log_probabilities") - loss) < 1e-13
    with pytest.raises(xent.ArgumentError, match="logits_are='probabilities' says"):
        xent.cross_entropy(p, labels, logits_are="probabilities", z_loss=0.1)


REFUSED = [
    ({"labels": [0, 1]}, xent.ShapeError, r"labels must have shape \[4\]"),
    ({"labels": [0, 1, 2, 3]}, xent.LabelError, r"the label of row \[3\] is 3"),
    ({"labels": [0, 1, 2, -100]}, xent.LabelError, r"declare it: ignore=-100"),
    ({"labels": [1, 2, 3, 1]}, IndexError, "subtract 1 from every label"),
    ({"label_smoothing": 10}, xent.ArgumentError, "^label_smoothing=10 must lie in"),
    (
        {"reduction": "average"},
        xent.ArgumentError,
        "'average' is none of 'mean', 'row_mean', 'sum', 'none'",
    ),
    ({"reduction": ["mean"]}, xent.ArgumentError, "is none of"),
    ({"class_axis": 2}, xent.ArgumentError, "class_axis=2 is not an axis"),
    ({"class_axis": 1.5}, xent.ArgumentError, "whole number"),
    ({"class_axis": 1 << 40}, xent.ArgumentError, "does not fit 32 bits"),
    ({"ignore": 1 << 63}, xent.ArgumentError, "does not fit 64 bits"),
    ({"ignore": "x"}, xent.ArgumentError, "whole number"),
    ({"ignore": 1.0}, xent.ArgumentError, "must be a label or a sequence"),
    ({"denominator": 0}, xent.ArgumentError, "must be finite and > 0"),
    ({"denominator": float("nan")}, ValueError, "must be finite and > 0"),
    ({"denominator": float("inf")}, ValueError, "must be finite"),
    ({"denominator": 3, "reduction": "none"}, xent.ArgumentError, "reduction='none' does not form"),
    ({"softcap": "much"}, xent.ArgumentError, "softcap='much' must be a number"),
    ({"threads": -2}, xent.ArgumentError, "^threads=-2 must be"),
    ({"class_weight": [1, 2]}, xent.ShapeError, "class_weight has shape"),
    ({"class_weight": [1, -2, 3]}, xent.ArgumentError, r"class_weight\[1\]"),
    ({"row_weight": [1, 2, 3]}, xent.ShapeError, "row_weight has shape"),
    ({"ignore": [0, 1, 2]}, xent.NothingCountedError, "on_nothing_counted='nan' or 'zero'"),
    ({"smoothing": 0.1}, TypeError, "there is no option 'smoothing'"),
]


@pytest.mark.parametrize(("given", "kind", "says"), REFUSED)
def test_refusals(given, kind, says):
    options = {"labels": [0, 1, 2, 0], **given}
    logits, labels = np.zeros((4, 3), np.float32), np.array(options.pop("labels"))
    with pytest.raises(kind, match=says) as refusal:
        xent.cross_entropy_with_grad(logits, labels, **options)
    assert "XENT_" not in str(refusal.value) and "options." not in str(refusal.value)
    with pytest.raises(kind):
        xent.cross_entropy(logits, labels, **options)


def test_after_a_refusal():
    """What a refused call left behind must not reach the next one."""
    logits, labels = _batch()
    expected = xent.cross_entropy(logits, labels, label_smoothing=0.1)
    for _ in range(3):
        with pytest.raises(xent.ShapeError):
            xent.cross_entropy(logits, labels, class_weight=np.ones(3), row_weight=np.ones(50))
        assert xent.cross_entropy(logits, labels, label_smoothing=0.1) == expected
    many = list(range(1000, 1100))
    assert xent.cross_entropy(logits, labels, ignore=many, label_smoothing=0.1) == expected
    assert xent.cross_entropy(logits, labels, ignore=[*many, 3]) == xent.cross_entropy(
        logits, labels, ignore=3
    )


def test_policies():
    logits, labels = _batch()
    labels[5] = 99
    assert np.isnan(xent.cross_entropy(logits, labels, on_bad_label="nan"))
    without = np.delete(np.arange(50), 5)
    loss, total = xent.cross_entropy(logits, labels, on_bad_label="ignore", return_total=True)
    assert loss == pytest.approx(xent.cross_entropy(logits[without], labels[without]), rel=1e-15)
    assert (total.bad, total.first_bad_row, total.first_bad_label) == (1, 5, 99)
    nothing = np.zeros((0, 3)), np.zeros(0, int)
    assert np.isnan(xent.cross_entropy(*nothing))
    assert xent.cross_entropy(*nothing, reduction="sum") == 0
    assert xent.cross_entropy_with_grad(*nothing)[1].shape == (0, 3)


def test_threads_of_python():
    """Calls from several threads neither disturb each other nor hold the interpreter up."""
    logits, labels = _batch(64, 100)
    expected = xent.cross_entropy_with_grad(logits, labels, z_loss=0.1)
    wrong = []

    def work(seed):
        mine = _batch(60 + seed, 100, seed=seed)
        first = xent.cross_entropy_with_grad(*mine, z_loss=0.1)
        for _ in range(200):
            again = xent.cross_entropy_with_grad(*mine, z_loss=0.1)
            if again[0] != first[0] or not np.array_equal(again[1], first[1]):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(100):
        again = xent.cross_entropy_with_grad(logits, labels, z_loss=0.1)
        assert again[0] == expected[0] and np.array_equal(again[1], expected[1])
    for worker in workers:
        worker.join()
    assert not wrong


def test_the_interpreter_goes_on_meanwhile():
    logits = np.zeros((4000, 10000), np.float32)
    labels = np.zeros(4000, int)
    span, steps = [0.0, 0.0], []

    def work():
        span[0] = time.perf_counter()
        xent.cross_entropy_with_grad(logits, labels, threads=1, out=logits)
        span[1] = time.perf_counter()

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        steps.append(time.perf_counter())
        time.sleep(0)
    worker.join()
    middle = (span[1] - span[0]) / 10
    within = [step for step in steps if span[0] + middle < step < span[1] - middle]
    assert len(within) > 3, f"{len(within)} steps in {span[1] - span[0]} s"
