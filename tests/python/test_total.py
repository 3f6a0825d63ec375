# SPDX-License-Identifier: MIT
"""xent.Total: sums and counts, their merge, and gradients of parts that add up to the whole's."""

import copy
import math
import pickle

import numpy as np
import pytest
import xent


def _batch(rows, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 8, rows)
    return rng.standard_normal((rows, 8)), labels, rng.random(rows)


def test_fields():
    logits = np.zeros((6, 4))
    logits[0, 2] = 1
    logits[3] = np.nan
    labels = np.array([2, 1, -1, 0, 7, 3])
    loss, total = xent.cross_entropy(
        logits, labels, ignore=-1, on_bad_label="ignore", return_total=True
    )
    assert (total.rows, total.counted, total.ignored, total.bad) == (6, 4, 1, 1)
    assert (total.nonfinite, total.first_nonfinite_row) == (1, 3)
    assert (total.first_bad_row, total.first_bad_label) == (4, 7)
    assert total.correct == 1 and total.accuracy == 0.25 and total.weight_sum == 4
    assert math.isnan(loss) and math.isnan(total.loss_sum) and math.isnan(total.loss())
    empty = xent.Total()
    assert (empty.rows, empty.first_bad_row, empty.first_bad_label, empty.first_nonfinite_row) == (
        0,
        None,
        None,
        None,
    )
    assert math.isnan(empty.loss()) and math.isnan(empty.accuracy)
    assert empty.loss(on_nothing_counted="zero") == 0
    assert "6 rows (4 counted, 1 ignored, 1 bad, 1 not finite), 1 correct" in repr(total)


def test_loss():
    logits, labels, weight = _batch(40)
    for reduction in ("mean", "row_mean", "sum"):
        loss, total = xent.cross_entropy(
            logits, labels, ignore=-1, row_weight=weight, reduction=reduction, return_total=True
        )
        assert total.loss(reduction) == loss
    assert (
        total.loss(denominator=10) == total.loss("sum") / 10 == pytest.approx(total.loss_sum / 10)
    )
    with pytest.raises(xent.ArgumentError, match="'average' is none of"):
        total.loss("average")


def test_merge():
    logits, labels, weight = _batch(100)
    whole = xent.cross_entropy(logits, labels, ignore=-1, row_weight=weight, return_total=True)
    merged, added = xent.Total(), xent.Total()
    for part in (slice(0, 7), slice(7, 60), slice(60, 100)):
        _, total = xent.cross_entropy(
            logits[part], labels[part], ignore=-1, row_weight=weight[part], return_total=True
        )
        assert merged.merge(total) is merged
        added = added + total
    assert added == merged and added is not merged
    assert merged.loss() == whole[0]
    assert (merged.rows, merged.counted, merged.correct) == (
        100,
        whole[1].counted,
        whole[1].correct,
    )
    twice = merged + merged
    merged += merged
    assert merged == twice and twice.rows == 200 and twice.loss() == whole[0]
    with pytest.raises(TypeError):
        merged += 1


def test_it_travels():
    logits, labels, _ = _batch(10)
    _, total = xent.cross_entropy(logits, labels, ignore=-1, return_total=True)
    for again in (
        pickle.loads(pickle.dumps(total)),
        copy.deepcopy(total),
        xent.Total(bytes(total)),
    ):
        assert again == total and again is not total
    assert len(bytes(total)) == 128 and total != xent.Total() and total != 1
    with pytest.raises(ValueError):
        xent.Total(b"short")


@pytest.mark.parametrize("reduction", ["mean", "row_mean"])
def test_gradients_of_parts_are_the_whole_batch_s(reduction):
    logits, labels, weight = _batch(90)
    options = {"ignore": -1, "reduction": reduction}
    loss, grad, total = xent.cross_entropy_with_grad(
        logits, labels, row_weight=weight, return_total=True, **options
    )
    counted = xent.count_labels(labels, 8, row_weight=weight, **options)
    assert (counted.rows, counted.counted, counted.weight_sum) == (
        90,
        total.counted,
        total.weight_sum,
    )
    denominator = counted.weight_sum if reduction == "mean" else counted.counted
    sums, grads = xent.Total(), []
    for part in (slice(0, 31), slice(31, 90)):
        _, of_part, found = xent.cross_entropy_with_grad(
            logits[part],
            labels[part],
            row_weight=weight[part],
            denominator=denominator,
            return_total=True,
            **options,
        )
        sums += found
        grads.append(of_part)
    assert np.array_equal(np.concatenate(grads), grad)
    assert sums.loss(reduction) == loss


def test_count_labels_refuses():
    with pytest.raises(xent.LabelError, match="the label of row"):
        xent.count_labels([0, 3], 3)
    with pytest.raises(xent.ArgumentError, match="classes='x' must be a whole number"):
        xent.count_labels([0, 1], "x")
    assert xent.count_labels([0, 3], 3, on_bad_label="ignore").bad == 1


def test_what_is_asked_of_a_total_that_it_has_not():
    total = xent.count_labels([0, 1], 3)
    with pytest.raises(xent.ArgumentError, match="reduction='none' asks for each row's loss"):
        total.loss("none")
    with pytest.raises(TypeError, match="other is a int but must be an xent.Total") as refusal:
        total.merge(3)
    assert isinstance(refusal.value, xent.XentError) and total.rows == 2


def test_numbers_beyond_float64():
    with pytest.raises(xent.ArgumentError, match="z_loss is a whole number larger"):
        xent.cross_entropy([[0.0, 1.0]], [0], z_loss=10**400)
