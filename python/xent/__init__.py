# SPDX-License-Identifier: MIT
"""xent: sparse categorical cross-entropy (softmax cross-entropy with integer class labels).

    loss = xent.cross_entropy(logits, labels)
    loss, grad = xent.cross_entropy_with_grad(logits, labels, ignore=-100, label_smoothing=0.1)

One input gives one result, bit for bit, on any number of threads and any instruction set; a batch
that means nothing is refused with a sentence that says why. `xent.torch` is a drop-in for PyTorch's
`cross_entropy`; it is imported on its own.
"""

from ._check import Diagnosis, Finding, check
from ._classifier import LinearClassifier
from ._errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    LabelError,
    NothingCountedError,
    OverlapError,
    ScratchError,
    ShapeError,
    XentError,
)
from ._functions import count_labels, cross_entropy, cross_entropy_with_grad, row_outputs
from ._library import isa, thread_count, version
from ._linear import LinearGradients, linear_cross_entropy, linear_cross_entropy_with_grad
from ._log_loss import log_loss
from ._options import Options
from ._total import Total

__version__ = version()

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "Diagnosis",
    "DtypeError",
    "Finding",
    "LabelError",
    "LinearClassifier",
    "LinearGradients",
    "NothingCountedError",
    "Options",
    "OverlapError",
    "ScratchError",
    "ShapeError",
    "Total",
    "XentError",
    "check",
    "count_labels",
    "cross_entropy",
    "cross_entropy_with_grad",
    "isa",
    "linear_cross_entropy",
    "linear_cross_entropy_with_grad",
    "log_loss",
    "row_outputs",
    "thread_count",
    "version",
]
