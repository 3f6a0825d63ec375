# SPDX-License-Identifier: MIT
"""xent.torch.linear_cross_entropy: random calls against PyTorch in float64, values and all
gradients; the extra keywords; and the ways through PyTorch's machinery.

XENT_CASES says how many, of which a tenth is taken here (20,000), XENT_SEED the first seed (1)."""

from __future__ import annotations

import copy
import os
import pickle
import random
import warnings
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

import xent  # noqa: E402
import xent.torch as drop_in  # noqa: E402
from drawn import Draw, described  # noqa: E402
from test_torch import EXTRAS  # noqa: E402
from xent.torch import _eager, _kernel, _operators  # noqa: E402

pytestmark = pytest.mark.ours
CASES = max(1, int(os.environ.get("XENT_CASES", "20000")) // 10)
SEED = int(os.environ.get("XENT_SEED", "1"))
SHOWN = 10
# Of a result, relative to the sum of magnitudes of what it is a sum of.
PRECISION = {
    torch.float64: 1e-13,
    torch.float32: 2e-6,
    torch.bfloat16: 8e-3,
    torch.float16: 2e-3,
}
CHUNKED = hasattr(torch.nn, "LinearCrossEntropyLoss")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---- random calls ----
@dataclass
class Case:
    """One call; options by PyTorch's names."""

    seed: int
    inputs: list[Any]  # features, weight, bias
    target: Any
    options: dict[str, Any]
    differentiated: list[bool]

    def __str__(self) -> str:
        options = {name: described(value) for name, value in self.options.items()}
        inputs = ", ".join(str(described(one)) for one in self.inputs)
        return f"{inputs}, target {described(self.target)}, {options}, {self.differentiated}"

    def call(self, function: Any, dtype: Any = None) -> tuple[Any, list[Any]]:
        """Loss and the gradients of what is differentiated."""
        leaves = [
            None if one is None else one.detach().to(dtype or one.dtype).requires_grad_(learns)
            for one, learns in zip(self.inputs, self.differentiated)
        ]
        loss = function(leaves[0], leaves[1], self.target, linear_bias=leaves[2], **self.options)
        wanted = [one for one in leaves if one is not None and one.requires_grad]
        if not wanted:
            return loss, []
        found = torch.autograd.grad(loss, wanted, self.upstream(loss), allow_unused=True)
        return loss.detach(), list(found)

    def upstream(self, loss: Any) -> Any:
        dice = random.Random(self.seed)
        if loss.ndim == 0 and dice.random() < 0.6:
            return torch.ones_like(loss)
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(loss.shape, generator=generator, dtype=torch.float64).to(loss.dtype)


def drawn(seed: int) -> Case:
    draw = Draw(seed)
    dice, generator = draw.dice, draw.generator
    shape = draw.shape()
    classes = shape[0] if len(shape) == 1 else shape[1]
    options = draw.options(classes)
    for name in ("size_average", "reduce"):
        options.pop(name, None)
    if options.get("weight") is not None:  # that no weight is negative is the library's rule
        options["weight"] = options["weight"].abs()
    target = draw.target(shape, options)
    depth = dice.choice([1, 2, 3, 8, 17, 70])
    dtype = dice.choice([torch.float64] * 5 + [torch.float32] * 3 + [torch.bfloat16, torch.float16])

    def made(*lengths: int) -> Any:
        values = torch.randn(lengths, generator=generator, dtype=torch.float64).to(dtype)
        return draw.laid_out(values)

    bias = made(classes) if dice.random() < 0.6 else None
    inputs = [made(*target.shape, depth), made(classes, depth), bias]
    differentiated = [dice.random() < 0.7 for _ in inputs]
    return Case(seed, inputs, target, options, differentiated)


def reference(
    input: Any, linear_weight: Any, target: Any, *, linear_bias: Any, **options: Any
) -> Any:
    """What PyTorch's function stands for, of labels of any shape and type."""
    logits = F.linear(input, linear_weight, linear_bias).reshape(target.numel(), len(linear_weight))
    if options.get("weight") is not None:
        options["weight"] = options["weight"].to(logits.dtype)
    loss = F.cross_entropy(logits, target.reshape(-1).long(), **options)
    return loss.reshape(target.shape) if options.get("reduction") == "none" else loss


def sizes(case: Case) -> list[float]:
    """What the gradients of features, weight and bias are sums of, in magnitude."""
    x, w, b = [None if one is None else one.double() for one in case.inputs]
    logits = F.linear(x, w, b).reshape(case.target.numel(), len(w)).detach().requires_grad_()
    options = dict(case.options)
    if options.get("weight") is not None:
        options["weight"] = options["weight"].double()

    def of_logits(**options: Any) -> Any:
        loss = F.cross_entropy(logits, case.target.reshape(-1).long(), **options)
        upstream = case.upstream(loss.reshape(case.target.shape) if loss.ndim else loss)
        return torch.autograd.grad(loss, logits, upstream.reshape(loss.shape))[0].abs()

    # With all of the label spread, gradients may cancel; not so with none of it.
    g = of_logits(**options) + of_logits(**{**options, "label_smoothing": 0.0})
    rows = x.abs().reshape(case.target.numel(), w.shape[1])
    # p - 1 is a difference of numbers up to 1.
    g = g + (g.amax(-1, keepdim=True) if g.numel() else 0)
    parts = (g @ w.abs(), g.T @ rows, g.sum(0))
    return [float(part.max()) if part.numel() else 0.0 for part in parts]


def told(case: Case, function: Any) -> str:
    """What is wrong with the function's outcome, or nothing."""
    loss, grads = case.call(function)
    exact, right = case.call(reference, torch.float64)
    precision = PRECISION[case.inputs[0].dtype]
    if loss.shape != exact.shape or loss.dtype != case.inputs[0].dtype:
        return f"loss {described(loss)}"
    largest = float(exact.abs().nan_to_num().max()) if exact.numel() else 0.0
    if not torch.allclose(
        loss.double(), exact, rtol=precision * 10, atol=precision * (10 + largest), equal_nan=True
    ):
        return f"loss {loss} where {exact} is expected"
    nothing = exact.ndim == 0 and bool(exact.isnan())
    sizes_of = sizes(case)
    learnt = [n for n, one in enumerate(case.inputs) if one is not None and case.differentiated[n]]
    for place, found, expected in zip(learnt, grads, right):
        like = case.inputs[place]
        if found.shape != like.shape or found.dtype != like.dtype:
            return f"gradient {place}: {described(found)}"
        expected = torch.zeros_like(expected) if nothing else expected
        atol = precision * 4 * sizes_of[place] if not nothing else 0.0
        if not torch.allclose(found.double(), expected, rtol=precision, atol=atol):
            worst = float((found.double() - expected).abs().max())
            return f"gradient {place} is off by {worst}, {atol} is allowed"
    return ""


def faults_of(function: Any, seeds: range) -> list[str]:
    faults: list[str] = []
    for seed in seeds:
        case = drawn(seed)
        what = told(case, function)
        if what:
            faults.append(f"XENT_SEED={seed} XENT_CASES=10: {case}: {what}")
            if len(faults) == SHOWN:
                break
    return faults


def test_against_the_original() -> None:
    faults = faults_of(drop_in.linear_cross_entropy, range(SEED, SEED + CASES))
    assert not faults, "\n".join([f"first {len(faults)} faults:", *faults])


def wrong_features(input: Any, *args: Any, **options: Any) -> Any:
    return drop_in.linear_cross_entropy(input + 1e-5 * (input - input.detach()), *args, **options)


def wrong_bias(*args: Any, linear_bias: Any, **options: Any) -> Any:
    loss = drop_in.linear_cross_entropy(*args, linear_bias=linear_bias, **options)
    zero = 0 if linear_bias is None else 1e-5 * (linear_bias - linear_bias.detach()).sum()
    return loss + zero


def wrong_mean(*args: Any, **options: Any) -> Any:
    if options.get("reduction", "mean") == "mean":
        options["reduction"] = "row_mean"
    return drop_in.linear_cross_entropy(*args, **options)


def wrong_loss(*args: Any, **options: Any) -> Any:
    return drop_in.linear_cross_entropy(*args, **options) + 1e-4


@pytest.mark.parametrize("wrong", [wrong_features, wrong_bias, wrong_mean, wrong_loss])
def test_what_is_wrong_is_found(wrong: Any) -> None:
    assert faults_of(wrong, range(1, 60))


# ---- one batch ----
def _case(
    extra: Any = (), shape: Any = (7,), depth: int = 4, classes: int = 5, dtype: Any = torch.float64
) -> tuple[list[Any], Any, dict[str, Any]]:
    """[features, weight, bias], target, options."""
    generator = torch.Generator().manual_seed(5)

    def made(*lengths: int) -> Any:
        return torch.randn(lengths, generator=generator, dtype=torch.float64).to(dtype)

    inputs = [made(*shape, depth), made(classes, depth), made(classes)]
    target = torch.randint(0, classes, shape, generator=generator)
    target.view(-1)[1] = -100
    options = dict(extra)
    for name, length in (("weight", (classes,)), ("row_weight", shape)):
        if options.get(name):
            options[name] = torch.rand(length, generator=generator, dtype=torch.float64).to(dtype)
    return [one.requires_grad_() for one in inputs], target, options


def _loss(inputs: Any, target: Any, **options: Any) -> Any:
    return drop_in.linear_cross_entropy(
        inputs[0], inputs[1], target, linear_bias=inputs[2], **options
    )


def _by_logits(inputs: Any, target: Any, **options: Any) -> Any:
    """The same by the plain form of logits, rows one after the other."""
    if options.get("row_weight") is not None:
        options["row_weight"] = options["row_weight"].flatten()
    logits = F.linear(*inputs).flatten(0, -2)
    loss = drop_in.cross_entropy(logits, target.flatten(), **options)
    return loss.reshape(target.shape) if options.get("reduction") == "none" else loss


def _grads(loss: Any, inputs: Any, **options: Any) -> Any:
    return torch.autograd.grad(loss, inputs, torch.ones_like(loss) * 0.7, **options)


@pytest.mark.parametrize("shape", [(7,), (3, 4)])
@pytest.mark.parametrize("extra", EXTRAS)
def test_extras(extra: Any, shape: Any) -> None:
    inputs, target, options = _case(extra, shape)
    ours, theirs = (f(inputs, target, **options) for f in (_loss, _by_logits))
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-14)
    for found, expected in zip(_grads(ours, inputs), _grads(theirs, inputs)):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_have_derivatives(extra: Any) -> None:
    inputs, target, options = _case(extra, (3,), 2, 3)

    def loss(*inputs: Any) -> Any:
        return _loss(inputs, target, **options)

    assert torch.autograd.gradcheck(loss, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(loss, inputs)


@pytest.mark.parametrize("learns", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1)])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives_of_some(learns: Any, reduction: str) -> None:
    inputs, target, _ = _case({}, (3,), 2, 3)
    inputs = [one.detach().requires_grad_(bool(learn)) for one, learn in zip(inputs, learns)]
    learnt = [one for one in inputs if one.requires_grad]

    def loss(*_: Any) -> Any:
        return _loss(inputs, target, reduction=reduction)

    assert torch.autograd.gradgradcheck(loss, learnt)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_composed_formula_is_the_library(extra: Any) -> None:
    """What torch.func and forward mode get is what everybody else gets."""
    inputs, target, options = _case(extra, (2, 3))

    def loss(*inputs: Any) -> Any:
        return _loss(inputs, target, **options).sum()

    direct = torch.autograd.grad(loss(*inputs), inputs)
    plain = tuple(one.detach() for one in inputs)
    composed = torch.func.grad(loss, argnums=(0, 1, 2))(*plain)
    torch.testing.assert_close(composed, direct, rtol=1e-11, atol=1e-14)
    v = tuple(map(torch.randn_like, plain))
    value, along = torch.func.jvp(loss, plain, v)
    torch.testing.assert_close(value, loss(*plain), rtol=1e-12, atol=0)
    total = sum((one * two).sum() for one, two in zip(direct, v))
    torch.testing.assert_close(along, total, rtol=1e-10, atol=1e-13)


def _operator_inputs(extra: Any) -> tuple[Any, Any]:
    inputs, target, options = _case(extra, (4,), 3, 5)
    numbers = (-100, 0, 0.1, options.get("z_loss", 0.0), options.get("softcap", 0.0), 1.0)
    return (*inputs, target, options.get("weight"), options.get("row_weight")), numbers


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS[-3:-1])
def test_operators(extra: Any) -> None:
    """Every operator, as PyTorch checks them, and compiled."""
    inputs, numbers = _operator_inputs(extra)
    form = _operators.linear
    for reduction, wanted in ((0, (True, True, True)), (1, (False, True, False))):
        torch.library.opcheck(form.reduced, (*inputs, *numbers, reduction, 0.0, *wanted))
    torch.library.opcheck(form.by_row, (*inputs, *numbers))
    upstream = torch.randn(4, dtype=torch.float64, requires_grad=True)
    wanted = (True, False, True)
    torch.library.opcheck(form.by_row_backward, (upstream, *inputs, *numbers, *wanted))
    without = (*inputs[:2], None, *inputs[3:])
    torch.library.opcheck(form.reduced, (*without, *numbers, 0, 0.0, True, True, False))


@pytest.mark.parametrize("extra", EXTRAS[-3:])
def test_compiled(extra: Any) -> None:
    inputs, target, options = _case(extra)
    compiled = torch.compile(
        lambda *inputs: _loss((2 * inputs[0], *inputs[1:]), target, **options).sum(),
        fullgraph=True,
        backend="aot_eager",
    )
    found = torch.autograd.grad(compiled(*inputs), inputs)
    expected = torch.autograd.grad(
        _loss((2 * inputs[0], *inputs[1:]), target, **options).sum(), inputs
    )
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_vmap(reduction: str) -> None:
    inputs, target, _ = _case({}, (4, 6))
    weight, bias = (one.detach() for one in inputs[1:])

    def loss(x: Any, y: Any) -> Any:
        return _loss((x, weight, bias), y, reduction=reduction, z_loss=0.1)

    features = inputs[0].detach()
    expected = torch.stack([loss(x, y) for x, y in zip(features, target)])
    torch.testing.assert_close(torch.vmap(loss)(features, target), expected)


# ---- what is computed, and when ----
def _recorded(calls: list[Any]) -> Any:
    original = _kernel.reduced

    def recording(*args: Any) -> Any:
        result = original(*args)
        calls.append((args, result))
        return result

    return recording


def test_only_what_is_learnt_is_computed_in_forward() -> None:
    inputs, target, _ = _case()
    calls: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_kernel, "reduced", _recorded(calls))
        loss = _loss([inputs[0], inputs[1].detach(), inputs[2]], target)
        ((_, (_, grads, _)),) = calls
        assert [grad is not None for grad in grads] == [True, False, True]
        found = torch.autograd.grad(loss, [inputs[0], inputs[2]])
        assert len(calls) == 1
        assert [one.data_ptr() for one in found] == [grads[0].data_ptr(), grads[2].data_ptr()]
        assert not _loss([one.detach() for one in inputs], target).requires_grad
        assert not any(grad is not None for grad in calls[-1][1][1])


def test_saved_gradients_are_never_written() -> None:
    inputs, target, _ = _case()
    loss = _loss(inputs, target)
    expected = torch.autograd.grad(_by_logits(inputs, target), inputs)
    for times in (1, 2, 3):
        loss.backward(retain_graph=True)
        torch.testing.assert_close([one.grad for one in inputs], [times * one for one in expected])
    halved = torch.autograd.grad(loss / 2, inputs)
    torch.testing.assert_close(halved, tuple(one / 2 for one in expected))
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_changed_weights_matter_only_where_they_are_read_again() -> None:
    inputs, target, _ = _case()
    expected = torch.autograd.grad(_loss(inputs, target), inputs)
    loss, rows = _loss(inputs, target), _loss(inputs, target, reduction="none")
    with torch.no_grad():
        inputs[1].zero_()
    found = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert all(map(torch.equal, found, expected))
    for call in (lambda: torch.autograd.grad(loss, inputs, create_graph=True), rows.sum().backward):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            call()


def test_checkpointing() -> None:
    from torch.utils.checkpoint import checkpoint

    inputs, target, _ = _case()
    expected = torch.autograd.grad(_loss(inputs, target), inputs)
    for dtype in (torch.float64, torch.float16):
        some = [one.detach().to(dtype).requires_grad_() for one in inputs]
        loss = checkpoint(lambda *some: _loss(some, target), *some, use_reentrant=False)
        found = torch.autograd.grad(loss, some)
        precise = (
            {"rtol": 1e-13, "atol": 1e-15}
            if dtype is torch.float64
            else {"rtol": 0.01, "atol": 1e-3}
        )
        torch.testing.assert_close([one.double() for one in found], list(expected), **precise)


def test_the_short_way_and_the_operators_give_the_same_bits() -> None:
    inputs, numbers = _operator_inputs({})
    short, _ = _eager.reduced(inputs, drop_in._spec.Rows(*numbers), 0, 0.0, False)
    long = _operators.linear.reduced(*inputs, *numbers, 0, 0.0, True, True, True)[0]
    late = _operators.linear.reduced(*inputs, *numbers, 0, 0.0, False, False, False)[0]
    grads = [torch.autograd.grad(loss, inputs[:3]) for loss in (short, long, late)]
    assert short == long == late
    assert all(torch.equal(a, b) for other in grads[1:] for a, b in zip(grads[0], other))


def test_the_bits_are_numpy_s() -> None:
    inputs, target, _ = _case({}, (40,), 20, 30, torch.float32)
    target = target.clamp(min=0)
    loss = _loss(inputs, target)
    value, grads = xent.linear_cross_entropy_with_grad(
        *(one.detach().numpy() for one in inputs[:2]), target.numpy(), inputs[2].detach().numpy()
    )
    assert loss == torch.tensor(value, dtype=torch.float32)
    for found, expected in zip(torch.autograd.grad(loss, inputs), grads):
        assert torch.equal(found, torch.from_numpy(expected))


# ---- 16 bits ----
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_half_precision(dtype: Any, reduction: str) -> None:
    """Logits are float32, and so are sums over rows, of which there are more than 256."""
    inputs, target, _ = _case({}, (600,), 20, 30, dtype)
    wide = [one.detach().double().requires_grad_() for one in inputs]
    loss, exact = (_loss(some, target, reduction=reduction) for some in (inputs, wide))
    assert loss.dtype == dtype
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(loss.double(), exact, rtol=eps, atol=1e-5)
    upstream = torch.ones_like(exact)
    found = torch.autograd.grad(loss, inputs, upstream.to(dtype))
    for one, right in zip(found, torch.autograd.grad(exact, wide, upstream)):
        assert one.dtype == dtype
        torch.testing.assert_close(
            one.double(), right, rtol=eps, atol=float(right.abs().max()) * 1e-4
        )


@pytest.mark.parametrize("reduction", ["mean", "row_mean", "sum"])
@pytest.mark.parametrize("upstream", [1024.0, -1024.0, 1.0, 0.0])
def test_a_scaled_loss_lifts_float16_gradients_above_underflow(
    reduction: str, upstream: float
) -> None:
    inputs, target, options = _case(
        {"weight": True, "row_weight": True}, (2000,), 4, 50, torch.float16
    )
    options["reduction"] = reduction
    if reduction == "sum":
        options["denominator"] = 1e6
    exact = [one.detach().double().requires_grad_() for one in inputs]
    wide = {k: v.double() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    right = torch.autograd.grad(upstream * _loss(exact, target, **wide), exact)
    found = torch.autograd.grad(upstream * _loss(inputs, target, **options).float(), inputs)
    for one, expected in zip(found, right):
        torch.testing.assert_close(one.double(), expected, rtol=2e-3, atol=1e-7)


def test_nothing_counted_in_float16() -> None:
    inputs, target, _ = _case({}, dtype=torch.float16)
    loss = _loss(inputs, torch.full_like(target, -100))
    assert loss.isnan()
    assert not any(grad.any() for grad in torch.autograd.grad(1024 * loss, inputs))


def test_autocast() -> None:
    inputs, target, _ = _case({}, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = _loss(inputs, target)
        theirs = F.cross_entropy(F.linear(*inputs), target)
    assert ours.dtype == theirs.dtype == torch.float32
    rounded = [one.detach().bfloat16().double() for one in inputs]
    torch.testing.assert_close(
        ours.double(), F.cross_entropy(F.linear(*rounded), target), rtol=1e-6, atol=0
    )
    for one, other in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs)):
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.02)


# ---- rows that need care ----
def test_rows_that_do_not_count() -> None:
    inputs, target, _ = _case()
    spoilt = inputs[0].detach().clone()
    spoilt[1] = torch.nan
    some = [spoilt.requires_grad_(), *inputs[1:]]
    expected = _loss(inputs, target)
    for loss in (_loss(some, target), _loss(some, target, reduction="none").sum() / 6):
        torch.testing.assert_close(loss, expected)
        grads = torch.autograd.grad(loss, some, create_graph=True)
        torch.testing.assert_close(
            grads[1:], torch.autograd.grad(expected, inputs[1:], retain_graph=True)
        )
        assert not grads[0][1].any()
        second = torch.autograd.grad(sum(grad.square().sum() for grad in grads), some)
        assert all(grad.isfinite().all() for grad in second)
    composed = torch.func.grad(
        lambda w: _loss((spoilt.detach(), w, inputs[2].detach()), target, z_loss=1e-30)
    )(inputs[1].detach())
    torch.testing.assert_close(composed, torch.autograd.grad(expected, inputs[1])[0])


def test_empty_and_all_ignored() -> None:
    inputs, target, _ = _case()
    for some, labels in (
        ([inputs[0][:0], *inputs[1:]], target[:0]),
        (inputs, torch.full_like(target, -100)),
    ):
        loss = _loss(some, labels)
        assert loss.isnan() and F.cross_entropy(F.linear(*some), labels).isnan()
        assert not any(grad.any() for grad in torch.autograd.grad(loss, inputs))
        assert _loss(some, labels, reduction="sum") == 0
        assert _loss(some, labels, reduction="none").shape == labels.shape


def test_negative_class_weights_are_pytorch_s() -> None:
    inputs, target, _ = _case()
    weight = torch.tensor([1.0, -2, 0.5, 3, 0], dtype=torch.float64)
    for reduction in ("mean", "sum", "none"):
        ours = _loss(inputs, target, weight=weight, reduction=reduction)
        theirs = F.cross_entropy(F.linear(*inputs), target, weight, reduction=reduction)
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(_grads(ours, inputs), _grads(theirs, inputs))


def test_bad_labels() -> None:
    inputs, target, _ = _case()
    target[3] = 5
    with pytest.raises(IndexError, match=r"the label of row \[3\] is 5"):
        _loss(inputs, target)
    assert _loss(inputs, target, on_bad_label="nan").isnan()
    kept = [0, 2, 4, 5, 6]
    expected = _loss([inputs[0][kept], *inputs[1:]], target[kept])
    ignored, total = _loss(inputs, target, on_bad_label="ignore", return_total=True)
    torch.testing.assert_close(ignored, expected)
    assert (total.bad, total.ignored, total.first_bad_row) == (1, 1, 3)


# ---- what is refused, and what PyTorch computes ----
REFUSED = [
    ({"target": torch.zeros(6, dtype=torch.long)}, RuntimeError, r"labels have shape \[6\]"),
    ({"target": torch.zeros((7, 1), dtype=torch.long)}, RuntimeError, "labels have shape"),
    ({"weight_of": torch.zeros(4, 5).double()}, RuntimeError, "linear_weight has shape .* transposed"),
    ({"weight_of": torch.zeros(5, 4)}, RuntimeError, "linear_weight has dtype f32 but features"),
    ({"bias": torch.zeros(4).double()}, RuntimeError, r"linear_bias has shape \[4\]"),
    ({"label_smoothing": 2.0}, RuntimeError, "label_smoothing=2 must lie in"),
    ({"reduction": "average"}, ValueError, "'average' is none of"),
    ({"weight": torch.ones(4)}, RuntimeError, r"class_weight has shape \[4\]"),
    ({"denominator": 2, "reduction": "none"}, ValueError, "reduction='none' does not form"),
    ({"row_weight": torch.ones(7, requires_grad=True)}, ValueError, "row_weight.detach"),
    ({"z_loss": torch.tensor(1.0, requires_grad=True)}, ValueError, "z_loss requires a gradient"),
    ({"target": [0] * 7}, TypeError, "target is a list"),
    ({"weight_of": None}, TypeError, "linear_weight is a NoneType"),
    ({"bias": 3}, TypeError, "linear_bias is a int"),
    ({"ignore_index": 1.5}, TypeError, "ignore_index=1.5 must be a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "says"), REFUSED)
def test_refusals(given: Any, kind: Any, says: str) -> None:
    inputs, target, _ = _case()
    options = dict(given)
    target = options.pop("target", target)
    inputs[1] = options.pop("weight_of", inputs[1])
    inputs[2] = options.pop("bias", inputs[2])
    with pytest.raises(kind, match=says) as refusal:
        _loss(inputs, target, **options)
    assert isinstance(refusal.value, xent.XentError)


@pytest.mark.skipif(not CHUNKED, reason="PyTorch has no such function before 2.13")
def test_what_pytorch_computes() -> None:
    inputs, target, _ = _case()
    y = torch.softmax(torch.randn(7, 5).double(), 1)
    theirs = F.linear_cross_entropy(inputs[0], inputs[1], y, linear_bias=inputs[2])
    assert torch.equal(_loss(inputs, y), theirs)
    with pytest.raises(xent.DtypeError, match="class probabilities"):
        _loss(inputs, y, z_loss=0.1)
    parts = torch.randn(5, 3, 4).double()
    several = torch.randint(0, 5, (7, 3))
    ours = drop_in.linear_cross_entropy(inputs[0], parts, several)
    assert torch.equal(ours, F.linear_cross_entropy(inputs[0], parts, several))
    with pytest.raises(xent.ArgumentError, match=r"linear_weight torch.float64 \[5, 3, 4\]"):
        drop_in.linear_cross_entropy(inputs[0], parts, several, softcap=1.0)
    meta = [one.to("meta") for one in inputs]
    assert _loss(meta, target.to("meta")).is_meta
    # However PyTorch would part the batch.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parted = _loss(inputs, target, options=torch.nn.LinearCrossEntropyOptions())
    assert torch.equal(parted, _loss(inputs, target))


@pytest.mark.skipif(not CHUNKED, reason="PyTorch has no such module before 2.13")
def test_module() -> None:
    inputs, target, _ = _case({}, dtype=torch.float32)
    weight = torch.rand(5)
    given = {"bias": True, "weight": weight, "label_smoothing": 0.1}
    module = drop_in.LinearCrossEntropyLoss(4, 5, **given, z_loss=0.2)
    theirs = torch.nn.LinearCrossEntropyLoss(4, 5, **given)
    assert isinstance(module, torch.nn.LinearCrossEntropyLoss)
    module.load_state_dict(theirs.state_dict())
    part = (module.linear.weight, module.linear.bias)
    options = {"weight": weight, "label_smoothing": 0.1}
    expected = _loss((inputs[0], *part), target, z_loss=0.2, **options)
    for one in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(one(inputs[0], target), expected)
    module.z_loss = 0.0
    torch.testing.assert_close(module(inputs[0], target), theirs(inputs[0], target))
    module(inputs[0], target).backward()
    assert module.linear.weight.grad.any() and module.linear.bias.grad.any()
    rows = torch.rand(7)
    weighted = _loss((inputs[0], *part), target, row_weight=rows, **options)
    assert torch.equal(module(inputs[0], target, rows), weighted)
    several = drop_in.LinearCrossEntropyLoss(4, 5, out_features=(3,))
    assert several(inputs[0], torch.zeros(7, 3, dtype=torch.long)).requires_grad


def test_subclasses() -> None:
    class Marked(torch.Tensor):
        pass

    inputs, target, _ = _case()
    plain = [one.detach() for one in inputs]
    loss = _loss([plain[0].as_subclass(Marked), *plain[1:]], target)
    assert type(loss) is Marked and loss.item() == _loss(plain, target).item()


def test_no_logits_are_held() -> None:
    """Nothing of the size of the logits is allocated by PyTorch, and the call's own memory is let
    go of."""
    inputs, target, _ = _case({}, (3000,), 4, 20000, torch.float32)
    from torch.utils._python_dispatch import TorchDispatchMode

    class Sizes(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found = func(*args, **(kwargs or {}))
            for one in found if isinstance(found, tuple) else (found,):
                if isinstance(one, torch.Tensor):
                    self.largest = max(self.largest, one.numel())
            return found

    with Sizes() as sizes_seen:
        _loss(inputs, target).backward()
    assert 0 < sizes_seen.largest <= max(one.numel() for one in inputs)
