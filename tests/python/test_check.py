# SPDX-License-Identifier: MIT
"""xent.check on real digits and on what people do to them."""

import numpy as np
import pytest
import xent

DIGITS = __file__.rsplit("tests", 1)[0] + "examples/digits/"
LOGITS = np.load(DIGITS + "logits.npy")
LABELS = np.load(DIGITS + "labels.npy")
SOFTMAX = np.exp(LOGITS - LOGITS.max(1, keepdims=True))
SOFTMAX /= SOFTMAX.sum(1, keepdims=True)


def test_a_clean_batch():
    found = xent.check(LOGITS, LABELS)
    assert not found and found.scorable
    assert all(finding.severity == "note" for finding in found)
    loss, total = xent.cross_entropy(LOGITS, LABELS, return_total=True)
    assert found.total == total and found.total.loss() == loss


MISTAKES = [
    ("labels-shifted", LOGITS, np.roll(LABELS, 1), {}),
    ("probabilities-as-logits", SOFTMAX, LABELS, {}),
    ("labels-one-based", LOGITS[LABELS < 9], LABELS[LABELS < 9] + 1, {}),
    ("labels-shuffled", LOGITS, np.random.default_rng(1).permutation(LABELS), {}),
    ("batch-mismatch", LOGITS, LABELS[:-1], {}),
    ("float-labels", LOGITS, LABELS.astype(float), {}),
    ("one-hot-labels", LOGITS, np.eye(10, dtype=int)[LABELS], {}),
    ("classes-first", np.ascontiguousarray(LOGITS.T), LABELS, {}),
]


@pytest.mark.parametrize(("name", "logits", "labels", "options"), MISTAKES)
def test_mistakes(name, logits, labels, options):
    found = xent.check(logits, labels, **options)
    assert found and found[0].id == name and name in found
    assert found[0].severity == "mistake"
    assert found[0].message and found[0].fix
    assert "XENT_" not in repr(found) and "options." not in repr(found)
    assert f"mistake {name}: " in str(found[0]) and str(found[0]) in repr(found)
    if found.scorable:
        xent.cross_entropy(logits, labels)
    else:
        assert found[0].unscorable
        with pytest.raises(xent.XentError):
            xent.cross_entropy(logits, labels)


def test_evidence():
    (finding, *_) = xent.check(LOGITS, np.roll(LABELS, 1))
    assert finding.evidence["agreement"] < 0.2 < finding.evidence["agreement_after"]
    assert abs(finding.evidence["shift"]) == 1


def test_options():
    labels = LABELS.astype(np.int64)
    labels[::10] = -1
    assert not xent.check(LOGITS, labels, ignore=-1)
    assert xent.check(LOGITS, labels)
    assert not xent.check(SOFTMAX, LABELS, logits_are="probabilities")
    assert not xent.check(np.asfortranarray(LOGITS.T), LABELS, class_axis=0)
    with pytest.raises(xent.ArgumentError):
        xent.check(LOGITS, LABELS, threads=-2)


def test_what_is_no_array_of_numbers():
    with pytest.raises(xent.DtypeError, match="labels has dtype <U1"):
        xent.check(LOGITS[:2], np.array(["a", "b"]))
    assert not xent.check(LOGITS.tolist(), LABELS.tolist())


def test_a_sequence():
    found = xent.check(LOGITS, np.roll(LABELS, 1))
    assert len(found) == len(list(found)) == len(found[:]) and found[-1] in found
    assert "no-such-finding" not in found
    with pytest.raises(IndexError):
        found[len(found)]
