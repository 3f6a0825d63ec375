# SPDX-License-Identifier: MIT
"""ONNX's own node tests of SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss, all 52, with the
data that they ship.

The data are those of the last `onnx` wheel that holds them (1.22.0; later ones generate the cases
anew). ONNX counts classes along axis 1, whatever the number of axes, and has no ignored label
unless the node names one.

The "log-probabilities" of their NegativeLogLikelihoodLoss data are drawn from [0, 1): no
probability has such a logarithm, and xent answers with NaN, so that logits passed by mistake never
look plausible. The node is linear in them, so the data are moved down by 1 for xent and the results
moved back; that the data as they are give NaN is a test of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

FOLDER = Path(onnx.backend.test.__file__).parent / "data" / "node"
CASES = sorted(
    path
    for pattern in ("test_sce_*", "test_nllloss_*")
    for path in FOLDER.glob(pattern)
    if not path.name.endswith("_expanded")
)
# ONNX computes in float32, as a softmax and its logarithm: its expectations are off by some ulps.
RTOL, ATOL = 2e-6, 2e-7


class Case:
    """One node with its inputs and the outputs that are expected of it."""

    def __init__(self, folder: Path) -> None:
        self.node = onnx.load(str(folder / "model.onnx")).graph.node[0]
        data = folder / "test_data_set_0"
        self.inputs = [
            self.read(data / f"input_{i}.pb") for i, name in enumerate(self.node.input) if name
        ]
        self.outputs = [
            self.read(data / f"output_{i}.pb") for i, name in enumerate(self.node.output) if name
        ]
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}
        self.reduction = attributes.pop("reduction", b"mean").decode()
        self.ignore = attributes.pop("ignore_index", None)
        assert not attributes, f"attributes that nobody has heard of: {attributes}"
        self.weight = self.inputs[2] if len(self.inputs) > 2 else None

    @staticmethod
    def read(path: Path) -> np.ndarray:
        return numpy_helper.to_array(onnx.load_tensor(str(path)))


def is_nll(case: Case) -> bool:
    return str(case.node.op_type) == "NegativeLogLikelihoodLoss"


def options(case: Case) -> dict[str, Any]:
    return {
        "class_axis": 1,
        "reduction": case.reduction,
        "class_weight": case.weight,
        "ignore": () if case.ignore is None else case.ignore,
        "logits_are": "log_probabilities" if is_nll(case) else "logits",
    }


def label_weights(labels: np.ndarray, case: Case) -> np.ndarray:
    """What each row counts: the weight of its label's class, 0 where the label is ignored."""
    ignored = np.zeros(labels.shape, bool) if case.ignore is None else labels == case.ignore
    weight = (
        np.ones(int(labels.max()) + 1) if case.weight is None else case.weight.astype(np.float64)
    )
    return np.where(ignored, 0.0, weight[np.where(ignored, 0, labels)])


def by_xent(logits: np.ndarray, labels: np.ndarray, case: Case) -> np.ndarray:
    import xent

    if not is_nll(case):
        return np.asarray(xent.cross_entropy(logits, labels, **options(case)))
    moved = np.asarray(xent.cross_entropy(logits.astype(np.float64) - 1, labels, **options(case)))
    weights = label_weights(labels, case)
    moved_by = {"none": weights, "sum": weights.sum(), "mean": 1.0}[case.reduction]
    return np.asarray(moved - moved_by)


def by_torch(logits: np.ndarray, labels: np.ndarray, case: Case) -> np.ndarray:
    import torch

    functional = torch.nn.functional
    loss = functional.nll_loss if is_nll(case) else functional.cross_entropy
    weight = None if case.weight is None else torch.from_numpy(case.weight.copy())
    return loss(
        torch.from_numpy(logits.copy()),
        torch.from_numpy(labels.astype(np.int64)),
        weight=weight,
        ignore_index=-(2**40) if case.ignore is None else case.ignore,
        reduction=case.reduction,
    ).numpy()


def by_drop_in(logits: np.ndarray, labels: np.ndarray, case: Case) -> np.ndarray:
    import torch
    import xent.torch

    weight = None if case.weight is None else torch.from_numpy(case.weight.copy())
    loss = xent.torch.cross_entropy(
        torch.from_numpy(logits.copy()),
        torch.from_numpy(labels.astype(np.int64)),
        weight=weight,
        ignore_index=-(2**40) if case.ignore is None else case.ignore,
        reduction=case.reduction,
    )
    return np.asarray(loss)


def log_probabilities(logits: np.ndarray, loss: Any, case: Case) -> np.ndarray:
    """Every class's log-probability: minus the loss of rows that have it as their label."""
    plain = Case.__new__(Case)
    plain.node, plain.reduction, plain.ignore, plain.weight = case.node, "none", None, None
    columns = []
    for label in range(logits.shape[1]):
        labels = np.full(logits.shape[:1] + logits.shape[2:], label, np.int64)
        columns.append(-loss(logits, labels, plain))
    return np.stack(columns, axis=1)


def check(case: Case, loss: Any) -> None:
    logits, labels = case.inputs[:2]
    found = loss(logits, labels, case)
    assert found.shape == case.outputs[0].shape
    np.testing.assert_allclose(found, case.outputs[0], rtol=RTOL, atol=ATOL)
    if len(case.outputs) > 1:
        np.testing.assert_allclose(
            log_probabilities(logits, loss, case), case.outputs[1], rtol=RTOL, atol=ATOL
        )


def test_there_are_52() -> None:
    names = [path.name for path in CASES]
    assert len(names) == 52
    assert sum(name.startswith("test_sce_") for name in names) == 34
    assert sum(len(Case(path).outputs) == 2 for path in CASES) == 17


every_case = pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)


@pytest.mark.suite("ONNX node tests, NumPy function (log-probabilities moved below 0)")
@every_case
def test_node(implementation: str, folder: Path) -> None:
    check(Case(folder), by_xent if implementation == "xent" else by_torch)


@pytest.mark.ours
@pytest.mark.suite("ONNX node tests, PyTorch drop-in")
@every_case
def test_node_by_the_drop_in(folder: Path) -> None:
    case = Case(folder)
    if is_nll(case):
        pytest.skip(
            "log-probabilities are F.nll_loss in PyTorch, whose place the drop-in does not take"
        )
    check(case, by_drop_in)


@pytest.mark.ours
@pytest.mark.parametrize(
    "folder", [path for path in CASES if is_nll(Case(path))], ids=lambda folder: folder.name
)
def test_what_is_no_log_probability_gives_nan(folder: Path) -> None:
    import xent

    case = Case(folder)
    logits, labels = case.inputs[:2]
    found = xent.cross_entropy(logits, labels, **{**options(case), "reduction": "none"})
    counted = label_weights(labels, case) > 0
    of_label = np.take_along_axis(
        logits, np.expand_dims(np.where(counted, labels, 0), 1), 1
    ).squeeze(1)
    assert (np.isnan(found) == (counted & (of_label > 2**-6))).all()
