# SPDX-License-Identifier: MIT
"""LinearClassifier: softmax regression with the conventions of scikit-learn's estimators, which it
needs not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Optional

import numpy as np

from . import _library, _model, _samples, _training
from ._arrays import any_view, own_view
from ._call import View
from ._errors import ArgumentError, LabelError
from ._functions import row_outputs
from ._linear import linear_rows
from ._options import choice, integer, real

Array = np.ndarray[Any, Any]
_BLOCK_ROWS = 1 << 16


class LinearClassifier:
    """Softmax regression (multinomial logistic regression): a linear classifier that minimises

        mean loss + l2/2 * |weight|^2,

    where the mean is weighted by samples and classes, and the bias is free. scikit-learn's
    LogisticRegression has the same objective for three classes and more with l2 = 1/(C*n_samples);
    for two classes its single row of coefficients is the difference of the two here, and l2 = 2/(C*
    n_samples) gives the same.

    l2               strength of the regularisation [1e-4]
    tol              L-BFGS ends when no entry of the objective's gradient is larger [1e-6]
    max_iter         most iterations of L-BFGS, or epochs of the others [1000]
    standardize      whether each feature is first brought to mean 0 and variance 1 [False]
    class_weight     None, "balanced" (n_samples / (n_classes * samples of the class)) or a dict of
                     weights by class
    method           "lbfgs", or in batches "sgd" or "adam"
    label_smoothing  share of each label that is spread over all classes [0]
    learning_rate    of SGD and Adam [None: 0.1 and 0.001]
    batch_size       rows of a batch of SGD and Adam [256]
    warm_start       whether `fit` begins where the last one ended [False]
    random_state     of the order of samples in SGD and Adam: a seed, a generator, or None
    n_jobs           at most this many threads; the result is the same [None: all]

    After `fit`: coef_ and intercept_ (of the samples as they are given), classes_, n_features_in_,
    n_iter_, feature_names_in_ where X has names for its columns; weight_, bias_, mean_ and scale_
    are the model of the standardised samples, as a file holds it. One X gives one model, bit for
    bit, on any number of threads; float64 samples give a float64 model, others a float32 one.
    `save` and `load` exchange models with `xent train` and `xent predict`.
    """

    weight_: Array
    bias_: Array
    mean_: Optional[Array]
    scale_: Optional[Array]
    classes_: Array
    n_features_in_: int
    n_iter_: int

    def __init__(
        self,
        *,
        l2: float = 1e-4,
        tol: float = 1e-6,
        max_iter: int = 1000,
        standardize: bool = False,
        class_weight: Any = None,
        method: str = "lbfgs",
        label_smoothing: float = 0.0,
        learning_rate: Optional[float] = None,
        batch_size: int = 256,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: Optional[int] = None,
    ) -> None:
        self.l2 = l2
        self.tol = tol
        self.max_iter = max_iter
        self.standardize = standardize
        self.class_weight = class_weight
        self.method = method
        self.label_smoothing = label_smoothing
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    # ---- parameters ----
    @classmethod
    def _names(cls) -> list[str]:
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **parameters: Any) -> LinearClassifier:
        """Sets parameters by name."""
        names = self._names()
        for name, value in parameters.items():
            if name not in names:
                raise ArgumentError(
                    f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: "
                    f"{names}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(usual[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        # Who asks for them has it.
        from sklearn.utils import (  # type: ignore[import-untyped,unused-ignore]
            ClassifierTags, InputTags, Tags, TargetTags,
        )  # fmt: skip

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weight_")

    # ---- training ----
    def _options(self, dtype: Any) -> dict[str, Any]:
        number = choice("method", self.method, _library.TRAINING_METHOD)
        iterations = integer("max_iter", self.max_iter, 32)
        if iterations < 1:
            raise ArgumentError(f"max_iter={iterations} must be 1 or more.")
        rate = 0.0 if self.learning_rate is None else real("learning_rate", self.learning_rate)
        return {
            "method": number,
            "dtype": _library.F64 if dtype == np.float64 else _library.F32,
            "threads": -1 if self.n_jobs is None else integer("n_jobs", self.n_jobs, 32),
            "standardize": int(bool(self.standardize)),
            "max_iterations": iterations,
            "batch_rows": integer("batch_size", self.batch_size, 32),
            "l2": real("l2", self.l2),
            "label_smoothing": real("label_smoothing", self.label_smoothing),
            "tolerance": real("tol", self.tol),
            "learning_rate": rate,
            "momentum": 0.9,
        }

    def _passes(
        self, X: Array, labels: Array, weights: Optional[Array]
    ) -> Iterator[list[_training.Rows]]:
        """All rows, pass after pass: as they are, or for batches in a random order."""
        whole = _rows(X, labels, weights)
        if self.method == "lbfgs":
            while True:
                yield [whole]
        state = self.random_state
        dice = state if hasattr(state, "permutation") else np.random.default_rng(state)
        while True:
            order = dice.permutation(len(X))
            parts = (order[at : at + _BLOCK_ROWS] for at in range(0, len(X), _BLOCK_ROWS))
            yield [
                _rows(X[part], labels[part], None if weights is None else weights[part])
                for part in parts
            ]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearClassifier:
        """Fits the classifier to samples X [N, D] and their classes y [N]."""
        name = type(self).__name__
        rows = _samples.samples(X, name)
        found = _samples.targets(y, len(rows), name)
        classes, labels = np.unique(found, return_inverse=True)
        if len(classes) < 2:
            raise LabelError(
                f"y has 1 class, {classes.tolist()[0]!r}: a classifier needs samples of at least "
                f"two."
            )
        weights = _samples.sample_weights(sample_weight, len(rows))
        by_class = _samples.class_weights(self.class_weight, classes, labels, weights)
        start = self._start(classes, rows.shape[1])
        dtype = np.float64 if rows.dtype == np.float64 else np.float32
        outcome = _training.train(
            self._passes(rows, labels, weights), len(classes), rows.shape[1],
            None if by_class is None else own_view(by_class), start, **self._options(dtype),
        )  # fmt: skip
        if not np.isfinite(outcome.parameters.weight).all():
            raise ArgumentError(
                f"{self.method} diverged, and no weight is finite any more: set a learning_rate "
                f"smaller than {self.learning_rate}, or standardize=True."
            )
        self._take(_model.Model(*outcome.parameters, classes))
        self.n_iter_ = outcome.iterations
        self._set_names(X)
        self._tell(outcome)
        return self

    def _start(self, classes: Array, features: int) -> Optional[tuple[View, View]]:
        if not self.warm_start or not self.__sklearn_is_fitted__() or self.standardize:
            return None
        if self.weight_.shape[1] != features or not np.array_equal(self.classes_, classes):
            raise ArgumentError(
                f"warm_start=True begins with a model of {self.weight_.shape[1]} features and "
                f"classes {self.classes_[:5].tolist()}, but there are {features} features and "
                f"classes {classes[:5].tolist()} now: set warm_start=False."
            )
        return own_view(self.weight_), own_view(self.bias_)

    def _take(self, model: _model.Model) -> None:
        self.weight_, self.bias_, self.mean_, self.scale_, self.classes_ = model
        self.n_features_in_ = self.weight_.shape[1]

    def _set_names(self, X: Any) -> None:
        names = _samples.names_of(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _tell(self, outcome: _training.Outcome) -> None:
        ended = outcome.ended
        far = max(100 * self.tol, 1e-3)  # from what rounding errors of usual samples leave
        if ended == _library.TRAINING_ENDED["at_rest"] and outcome.gradient > far and self.tol > 0:
            _samples.warn(
                "ConvergenceWarning",
                f"lbfgs came to rest with a gradient of {outcome.gradient:.2g}, far from tol="
                f"{self.tol:g}: samples with numbers as large, or as far from 0, leave rounding "
                f"errors where the least objective is looked for. Set standardize=True, or pass "
                f"float64 samples.",
            )
        if ended == _library.TRAINING_ENDED["diverged"]:
            _samples.warn(
                "ConvergenceWarning",
                f"{self.method} diverged: the model is the one of the epoch before. Set a smaller "
                f"learning_rate, or standardize=True.",
            )
        if ended == _library.TRAINING_ENDED["iterations"] and self.method == "lbfgs":
            _samples.warn(
                "ConvergenceWarning",
                f"lbfgs did not converge within max_iter={self.max_iter} iterations: set more, a "
                f"larger tol, or standardize=True.",
            )

    # ---- the fitted model ----
    def _fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise _samples.not_fitted(type(self).__name__)

    def _of_samples(self) -> tuple[Array, Array]:
        """Weight and bias of samples that are not standardised, in float64."""
        self._fitted()
        scale = 1.0 if self.scale_ is None else self.scale_
        weight = self.weight_.astype(np.float64) * scale
        bias = self.bias_.astype(np.float64)
        return weight, bias if self.mean_ is None else bias - weight @ self.mean_

    @property
    def coef_(self) -> Array:
        """Weights of the samples as they are given: [C, D], of two classes their difference
        [1, D]."""
        weight, _ = self._of_samples()
        return weight if len(weight) > 2 else weight[1:] - weight[:1]

    @property
    def intercept_(self) -> Array:
        """[C], of two classes their difference [1]."""
        _, bias = self._of_samples()
        return bias if len(bias) > 2 else bias[1:] - bias[:1]

    def _rows(self, name: str, X: Any) -> Array:
        """What `linear_rows` gives of samples."""
        self._fitted()
        _samples.check_names(getattr(self, "feature_names_in_", None), X, type(self).__name__)
        rows = _samples.samples(X, type(self).__name__, self.n_features_in_)
        if self.mean_ is not None or self.scale_ is not None or rows.dtype != self.weight_.dtype:
            rows = _training.prepared(rows, self.mean_, self.scale_, self.weight_.dtype)
        threads = -1 if self.n_jobs is None else integer("n_jobs", self.n_jobs, 32)
        return linear_rows(name, rows, self.weight_, self.bias_, threads)

    def decision_function(self, X: Any) -> Array:
        """The logits [N, C]; of two classes those of the second above those of the first [N]."""
        logits = self._rows("logits", X)
        found: Array = logits if logits.shape[1] > 2 else logits[:, 1] - logits[:, 0]
        return found

    def predict(self, X: Any) -> Array:
        """The class of each sample: the one of the largest logit, the first on ties."""
        numbers = self._rows("prediction", X)
        found: Array = self.classes_[numbers]
        return found

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class [N, C]."""
        logits = self._rows("logits", X)
        nothing = np.zeros(len(logits), np.int8)
        return row_outputs(logits, nothing, "probability")["probability"]

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of the probability of each class, also of those that are nearly 0."""
        logits = self._rows("logits", X)
        nothing = np.zeros(len(logits), np.int8)
        lse = row_outputs(logits, nothing, "lse")["lse"]
        found: Array = logits - lse[:, None]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of the samples whose class is predicted."""
        found = self.predict(X)
        right = found == _samples.targets(y, len(found), type(self).__name__)
        return float(np.average(right, weights=_samples.sample_weights(sample_weight, len(found))))

    # ---- files ----
    def save(self, path: _model.Path) -> None:
        """Writes the model as a .safetensors file, which `xent predict` and any reader of the
        format take; whole, or not at all."""
        self._fitted()
        parameters = (self.weight_, self.bias_, self.mean_, self.scale_)
        _model.save(path, _model.Model(*parameters, self.classes_))

    @classmethod
    def load(cls, path: _model.Path) -> LinearClassifier:
        """A classifier from a .safetensors file that `save`, `xent train` or another program
        wrote; its parameters are the usual ones, of which a file knows nothing."""
        model = _model.load(path)
        made = cls(standardize=model.mean is not None)
        made._take(model)
        made.n_iter_ = 0
        return made


def _rows(X: Array, labels: Array, weights: Optional[Array]) -> _training.Rows:
    weighed = None if weights is None else own_view(weights)
    return any_view(X, "X"), own_view(labels.astype(np.int64, copy=False)), weighed
