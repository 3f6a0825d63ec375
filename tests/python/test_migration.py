# SPDX-License-Identifier: MIT
"""docs/migration.md: its code runs and both sides of each pair agree, and what its tables say is
so.

A section's code needs the section's framework: torch, keras and tensorflow, jax and optax,
scikit-learn, onnx.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest
import xent

pytestmark = pytest.mark.ours
PAGE = (Path(__file__).parents[2] / "docs/migration.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"(?m)^## ", PAGE)[1:]}


def code(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.S)


(PREAMBLE,) = code(re.split(r"(?m)^## ", PAGE)[0])
BLOCKS = {name: len(code(text)) for name, text in SECTIONS.items()}


def array(value: Any) -> np.ndarray[Any, Any]:
    return np.asarray(value.detach() if hasattr(value, "detach") else value, np.float64)


def test_the_page_has_its_sections() -> None:
    assert list(BLOCKS.items()) == [
        ("PyTorch", 7),
        ("Keras and TensorFlow", 6),
        ("JAX and optax", 4),
        ("scikit-learn", 4),
        ("ONNX", 2),
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_both_sides_agree(section: str) -> None:
    names: dict[str, Any] = {}
    exec(PREAMBLE, names)
    for block in code(SECTIONS[section]):
        exec(block, names)
        theirs, ours = array(names.pop("theirs")), array(names.pop("ours"))
        assert theirs.shape == ours.shape
        np.testing.assert_allclose(ours, theirs, rtol=3e-6, atol=3e-7, err_msg=block)


X = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)
Y = np.array([0, 3, 1, 2, 2])
BAD = np.array([0, 3, 1, 2, 4])


def array_of_rows(logits: Any, labels: Any, **options: Any) -> np.ndarray[Any, Any]:
    return np.asarray(xent.cross_entropy(logits, labels, reduction="none", **options))


def with_gradient(
    function: Any, logits: Any, target: Any, *args: Any, **options: Any
) -> tuple[Any, Any]:
    leaf = logits.clone().requires_grad_()
    loss = function(leaf, target, *args, **options)
    loss.sum().backward()
    return loss.detach(), leaf.grad


class TestPyTorch:
    """The table of the section, from top to bottom."""

    @pytest.fixture
    def both(self) -> Any:
        import torch
        import xent.torch

        return torch.nn.functional.cross_entropy, xent.torch.cross_entropy

    def test_ignored_rows_are_not_read(self, both: Any) -> None:
        import torch

        logits, target = torch.tensor([[math.nan, 0.0], [1.0, 2.0]]), torch.tensor([-100, 0])
        theirs, ours = (with_gradient(function, logits, target)[1] for function in both)
        assert theirs[0].isnan().all() and (ours[0] == 0).all()
        assert torch.allclose(theirs[1], ours[1])

    def test_a_weight_of_0_takes_its_term_away(self, both: Any) -> None:
        import torch

        theirs, ours = (
            function(
                torch.tensor([[-math.inf, 0.0]]),
                torch.tensor([0]),
                torch.tensor([0.0, 1.0]),
                reduction="sum",
            )
            for function in both
        )
        assert theirs.isnan() and ours == 0

    def test_nothing_counted(self, both: Any) -> None:
        import torch

        (theirs, their_gradient), (ours, our_gradient) = (
            with_gradient(
                function, torch.ones(2, 2), torch.tensor([0, 0]), torch.tensor([0.0, 1.0])
            )
            for function in both
        )
        assert theirs.isnan() and ours.isnan()
        assert their_gradient.isnan().all() and (our_gradient == 0).all()

    def test_p_near_1_in_bf16(self, both: Any) -> None:
        import torch

        logits = torch.tensor([[7.0, 0.0]], dtype=torch.bfloat16)
        theirs, ours = (with_gradient(function, logits, torch.tensor([0]))[1] for function in both)
        assert theirs[0, 0] == 0
        assert ours[0, 0].item() == pytest.approx(-1 / (1 + math.exp(7)), rel=2**-8)

    def test_counts_in_bf16(self, both: Any) -> None:
        import torch

        logits, target = (
            torch.zeros(257, 2, dtype=torch.bfloat16),
            torch.zeros(257, dtype=torch.int64),
        )
        theirs, ours = (function(logits, target).item() for function in both)
        assert theirs == 0.6953125 and ours == 0.69140625
        assert abs(ours - math.log(2)) < abs(theirs - math.log(2))

    def test_the_same_bits(self, both: Any) -> None:
        import torch

        logits = torch.from_numpy(
            np.random.default_rng(5).standard_normal((1000, 333)).astype(np.float32)
        )
        target, threads, found = torch.arange(1000) % 333, torch.get_num_threads(), set()
        try:
            for number in (1, 2, 5):
                torch.set_num_threads(number)
                for laid_out in (logits, logits.t().contiguous().t()):
                    loss, gradient = with_gradient(both[1], laid_out, target)
                    found.add((loss.item(), gradient.contiguous().numpy().tobytes()))
        finally:
            torch.set_num_threads(threads)
        assert len(found) == 1

    def test_labels_of_any_integer_type(self, both: Any) -> None:
        import torch

        logits, target = torch.from_numpy(X), torch.from_numpy(Y)
        expected = both[0](logits, target)
        for dtype in (torch.int8, torch.int16, torch.int32):
            with pytest.raises(RuntimeError):
                both[0](logits, target.to(dtype))
            assert torch.allclose(both[1](logits, target.to(dtype)), expected)
        with pytest.raises(RuntimeError):
            both[0](logits.unsqueeze(-1), target.to(torch.uint8).unsqueeze(-1))
        both[1](logits.unsqueeze(-1), target.to(torch.uint8).unsqueeze(-1))

    def test_labels_are_not_compared_modulo_256(self, both: Any) -> None:
        import torch

        target = torch.tensor([0, 1], dtype=torch.uint8)
        theirs, ours = (
            function(
                torch.zeros(2, 3), target, ignore_index=-256, label_smoothing=0.1, reduction="none"
            )[0].item()
            for function in both
        )
        assert ours == pytest.approx(math.log(3)) and abs(theirs - math.log(3)) > 0.1

    def test_weights_of_another_type(self, both: Any) -> None:
        import torch

        logits, target, weight = (
            torch.from_numpy(X),
            torch.from_numpy(Y),
            torch.ones(4, dtype=torch.float64),
        )
        with pytest.raises(RuntimeError):
            both[0](logits, target, weight)
        assert torch.allclose(both[1](logits, target, weight), both[0](logits, target))

    def test_smoothing_out_of_range(self, both: Any) -> None:
        import torch

        logits, target = torch.from_numpy(X), torch.from_numpy(Y)
        for smoothing in (-0.5, math.nan):
            assert both[0](logits, target, label_smoothing=smoothing) == both[0](logits, target)
            with pytest.raises(ValueError, match="label_smoothing"):
                both[1](logits, target, label_smoothing=smoothing)

    def test_shapes_fit_exactly(self, both: Any) -> None:
        import torch

        for logits, target, options in (
            (
                torch.zeros(2, 3, 4),
                torch.zeros(2, 4, dtype=torch.int64),
                {"weight": torch.ones(1, 3)},
            ),
            (torch.zeros(3), torch.zeros(1, dtype=torch.int64), {}),
            (torch.zeros(2, 0), torch.full((2,), -100), {}),
        ):
            both[0](logits, target, **options)
            with pytest.raises(ValueError, match=r"shape|class"):
                both[1](logits, target, **options)

    def test_what_is_refused(self, both: Any) -> None:
        import torch

        for function in both:
            with pytest.raises(IndexError) as raised:
                function(torch.from_numpy(X), torch.from_numpy(BAD))
        for word in ("row [4]", "is 4", "4 classes", "[0, 4)"):
            assert word in str(raised.value)


class TestPyTorchLinear:
    """The rows of its table on linear_cross_entropy."""

    @pytest.fixture
    def case(self) -> Any:
        import torch

        generator = torch.Generator().manual_seed(1)
        x, w = (torch.randn(n, 40, generator=generator) for n in (6, 30))
        return x, w, torch.randint(0, 30, (6,), generator=generator)

    def test_logits_of_16_bits_are_float32(self, case: Any) -> None:
        import torch
        import xent.torch

        x, w, y = (one.bfloat16() if one.is_floating_point() else one for one in case)
        exact = torch.nn.functional.cross_entropy((x.double() @ w.double().T), y)
        theirs = torch.nn.functional.cross_entropy(torch.nn.functional.linear(x, w).float(), y)
        ours = xent.torch.linear_cross_entropy(x.float(), w.float(), y)
        assert xent.torch.linear_cross_entropy(x, w, y) == ours.bfloat16()
        assert abs(ours - exact) < 1e-5 < abs(theirs - exact)

    def test_float16_computes_gradients_in_backward(self, case: Any) -> None:
        import torch
        import xent.torch
        from xent.torch import _kernel

        x, w, y = case
        for dtype, calls in ((torch.float16, [0, 3]), (torch.float32, [3, 3])):
            made: list[int] = []
            original = _kernel.reduced

            def counting(*args: Any) -> Any:
                found = original(*args)  # noqa: B023
                made.append(len(found[1]))  # noqa: B023
                return found

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_kernel, "reduced", counting)
                loss = xent.torch.linear_cross_entropy(x.to(dtype).requires_grad_(), w.to(dtype), y)
                loss.backward()
            assert made == calls[: len(made)] and sum(made) == 3

    def test_rows_along_several_axes(self, case: Any) -> None:
        import torch
        import xent.torch

        x, w, y = case
        ours = xent.torch.linear_cross_entropy(x.view(2, 3, 40), w, y.view(2, 3))
        assert ours == xent.torch.linear_cross_entropy(x, w, y)
        if hasattr(torch.nn.functional, "linear_cross_entropy"):
            with pytest.raises(RuntimeError):
                torch.nn.functional.linear_cross_entropy(x.view(2, 3, 40), w, y.view(2, 3))

    def test_options_part_nothing(self, case: Any) -> None:
        import torch
        import xent.torch

        if not hasattr(torch.nn, "LinearCrossEntropyOptions"):
            pytest.skip("PyTorch has none before 2.13")
        options = torch.nn.LinearCrossEntropyOptions()
        ours = xent.torch.linear_cross_entropy(*case, options=options)
        assert ours == xent.torch.linear_cross_entropy(*case)
        x, w, y = case

        def loss(function: Any) -> Any:
            return torch.func.grad(lambda x: function(x, w, y, options=options))(x)

        assert loss(xent.torch.linear_cross_entropy).isfinite().all()
        with pytest.raises(RuntimeError):
            loss(torch.nn.functional.linear_cross_entropy)


class TestKeras:
    @pytest.fixture
    def loss(self) -> Any:
        import keras

        return keras.losses.SparseCategoricalCrossentropy

    @staticmethod
    def of_probabilities(rows: Any, labels: Any) -> float:
        return float(
            xent.cross_entropy(
                np.asarray(rows, np.float32), np.asarray(labels), logits_are="probabilities"
            )
        )

    def test_logits_as_probabilities(self, loss: Any) -> None:
        assert math.isfinite(float(loss()(Y, X)))
        assert math.isnan(self.of_probabilities(X, Y))

    def test_a_probability_of_0(self, loss: Any) -> None:
        assert float(loss()(np.array([0]), np.array([[0, 1]], np.float32))) == pytest.approx(
            16.118, abs=1e-3
        )
        assert self.of_probabilities([[0, 1]], [0]) == math.inf

    def test_sums(self, loss: Any) -> None:
        assert float(loss()(np.array([0]), np.full((1, 4), 0.2, np.float32))) == pytest.approx(
            math.log(4)
        )
        assert self.of_probabilities([[0.2] * 4], [0]) == pytest.approx(-math.log(0.2))

    def test_labels(self, loss: Any) -> None:
        expected = float(loss(from_logits=True)(Y, X))
        assert float(loss(from_logits=True)(Y[:, None], X)) == expected
        assert float(loss(from_logits=True)(Y + np.float32(0.7), X)) == expected
        with pytest.raises(xent.ShapeError, match="axis"):
            xent.cross_entropy(X, Y[:, None])
        with pytest.raises(xent.DtypeError, match="integers"):
            xent.cross_entropy(X, Y + np.float32(0.7))

    def test_every_row_ignored(self, loss: Any) -> None:
        labels = np.full(5, 2)
        assert float(loss(from_logits=True, ignore_class=2)(labels, X)) == 0
        with pytest.raises(xent.NothingCountedError):
            xent.cross_entropy(X, labels, ignore=2)
        assert xent.cross_entropy(X, labels, ignore=2, on_nothing_counted="zero") == 0

    def test_bad_labels(self) -> None:
        import tensorflow as tf

        function = tf.nn.sparse_softmax_cross_entropy_with_logits
        with pytest.raises(tf.errors.InvalidArgumentError, match="0 3 1 2 4"):
            function(labels=BAD, logits=X)
        with pytest.raises(xent.LabelError, match=r"row \[4\] is 4"):
            xent.cross_entropy(X, BAD)
        compiled = tf.function(lambda labels: function(labels=labels, logits=X), jit_compile=True)
        theirs = compiled(tf.constant(BAD)).numpy()
        ours = xent.cross_entropy(X, BAD, reduction="none", on_bad_label="nan")
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        assert np.isnan(ours).tolist() == [False] * 4 + [True]

    def test_bad_labels_on_jax(self) -> None:
        """In a process of its own, since Keras has one backend in each."""
        import subprocess
        import sys

        program = (
            "import keras, numpy as np; assert keras.backend.backend() == 'jax'; print(float("
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction='sum')("
            "np.array([0, 9]), np.zeros((2, 4), 'float32'))))"
        )
        told = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "jax"},
        ).stdout
        assert float(told) == pytest.approx(math.log(4))

    def test_bf16(self) -> None:
        import ml_dtypes
        import tensorflow as tf

        theirs = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=Y, logits=tf.cast(X, tf.bfloat16)
        )
        assert theirs.dtype == tf.bfloat16
        assert array_of_rows(X.astype(ml_dtypes.bfloat16), Y).dtype == np.float32


class TestOptax:
    @pytest.fixture
    def loss(self) -> Any:
        import optax

        return optax.softmax_cross_entropy_with_integer_labels

    def test_labels_too_large(self, loss: Any) -> None:
        ours = array_of_rows(X, BAD, on_bad_label="nan")
        np.testing.assert_allclose(ours, loss(X, BAD), rtol=1e-5)
        assert math.isnan(ours[4])

    def test_labels_below_0(self, loss: Any) -> None:
        last, negative = np.array([0, 3, 1, 2, 3]), np.array([0, 3, 1, 2, -1])
        np.testing.assert_array_equal(loss(X, negative), loss(X, last))
        with pytest.raises(xent.LabelError):
            xent.cross_entropy(X, negative)
        assert array_of_rows(X, negative, ignore=-1)[4] == 0

    def test_a_common_offset(self, loss: Any) -> None:
        logits = np.array([[0, -8]], np.float32)
        exact = math.log1p(math.exp(-8))
        assert float(loss(logits + np.float32(2**26), np.array([0]))[0]) == 0
        for offset in (0, 2**26):
            moved = logits + np.float32(offset)
            assert xent.cross_entropy(moved, np.array([0])) == pytest.approx(exact, rel=1e-6)

    def test_bf16(self, loss: Any) -> None:
        import ml_dtypes

        assert loss(X.astype(ml_dtypes.bfloat16), Y).dtype == ml_dtypes.bfloat16

    def test_no_distribution(self, loss: Any) -> None:
        nothing = np.full((1, 3), -np.inf, np.float32)
        assert math.isnan(loss(nothing, np.array([0]))[0]) and math.isnan(
            xent.cross_entropy(nothing, np.array([0]))
        )


class TestScikitLearnClassifier:
    @pytest.fixture
    def theirs(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression

    def test_l2_is_the_same_for_any_number_of_samples(self, theirs: Any) -> None:
        x, y = np.tile(X, (6, 1)).astype(float), np.tile(Y, 6)
        for rows in (slice(0, 5), slice(None)):
            ours = xent.LinearClassifier(l2=0.1, tol=1e-10).fit(x[rows], y[rows])
            other = theirs(C=1 / (0.1 * len(y[rows])), tol=1e-10).fit(x[rows], y[rows])
            np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-5)
            kept = ours.coef_ if rows.stop else kept
        np.testing.assert_allclose(ours.coef_, kept, atol=1e-8)

    def test_coefficients_are_read_only(self, theirs: Any) -> None:
        ours, other = xent.LinearClassifier().fit(X, Y), theirs().fit(X, Y)
        other.coef_ = 2 * other.coef_
        with pytest.raises(AttributeError):
            ours.coef_ = 2 * ours.coef_

    def test_nan_is_named(self, theirs: Any) -> None:
        spoilt = X.copy()
        spoilt[2, 1] = np.nan
        for estimator in (theirs(), xent.LinearClassifier()):
            with pytest.raises(ValueError, match="NaN"):
                estimator.fit(spoilt, Y)
        with pytest.raises(ValueError, match=r"\[2, 1\]"):
            xent.LinearClassifier().fit(spoilt, Y)


class TestScikitLearn:
    @pytest.fixture
    def loss(self) -> Any:
        from sklearn.metrics import log_loss

        return log_loss

    @pytest.mark.parametrize(("dtype", "clipped"), [(np.float64, 36.04), (np.float32, 15.94)])
    def test_a_probability_of_0(self, loss: Any, dtype: Any, clipped: float) -> None:
        p = np.array([[0, 1], [0, 1]], dtype)
        for function in (loss, xent.log_loss):
            assert function([0, 1], p, normalize=False) == pytest.approx(clipped, abs=0.01)
        assert xent.cross_entropy(p, np.array([0, 1]), logits_are="probabilities") == math.inf

    def test_labels(self, loss: Any) -> None:
        p = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
        with pytest.raises(ValueError, match="labels"):
            loss([0, 2], p)
        assert xent.cross_entropy(p, np.array([0, 2]), logits_are="probabilities") == pytest.approx(
            loss([0, 2], p, labels=[0, 1, 2])
        )

    def test_sums(self, loss: Any) -> None:
        p = np.full((2, 2), 0.2)
        with pytest.warns(UserWarning):
            loss([0, 1], p)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert xent.cross_entropy(
                p, np.array([0, 1]), logits_are="probabilities"
            ) == pytest.approx(-math.log(0.2))


class TestOnnx:
    @staticmethod
    def reference(logits: Any, labels: Any, **attributes: Any) -> float:
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        node = helper.make_node("SoftmaxCrossEntropyLoss", ["x", "y"], ["loss"], **attributes)
        graph = helper.make_graph(
            [node],
            "loss",
            [
                helper.make_tensor_value_info("x", 1, logits.shape),
                helper.make_tensor_value_info("y", 7, labels.shape),
            ],
            [helper.make_tensor_value_info("loss", 1, [])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(model).run(None, {"x": logits, "y": labels})
        return float(results[0])

    def test_large_losses(self) -> None:
        logits, labels = np.array([[0, 200]], np.float32), np.array([0])
        assert self.reference(logits, labels) == math.inf
        assert xent.cross_entropy(logits, labels) == 200

    def test_nothing_counted(self) -> None:
        labels = np.full(5, 2)
        assert math.isnan(self.reference(X, labels, ignore_index=2))
        assert math.isnan(xent.cross_entropy(X, labels, ignore=2, on_nothing_counted="nan"))

    def test_what_is_no_log_probability(self) -> None:
        lp = np.array([[0.25, -1.0]])
        assert math.isnan(xent.cross_entropy(lp, np.array([0]), logits_are="log_probabilities"))
        assert xent.cross_entropy(lp, np.array([1]), logits_are="log_probabilities") == 1
