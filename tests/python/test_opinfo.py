# SPDX-License-Identifier: MIT
"""PyTorch's own samples for cross_entropy, judged by PyTorch's own references.

The samples, the error inputs and the reference functions are those of torch.testing._internal in
the installed package: OpInfo for the function, ModuleInfo for the module. Each sample also goes
through gradcheck, gradgradcheck, forward mode, torch.func, opcheck and torch.compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import make_tensor
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
from torch.testing._internal.common_nn import cross_entropy_loss_reference
from torch.utils._python_dispatch import TorchDispatchMode

OP = next(op for op in op_db if op.name == "nn.functional.cross_entropy")
MODULE = next(info for info in module_db if info.module_cls is torch.nn.CrossEntropyLoss)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# The result may be off by its own rounding, and that of what PyTorch holds in the same type.
TOLERANCE = {torch.float64: 1e-13, torch.float32: 3e-6, torch.bfloat16: 3e-2, torch.float16: 4e-3}


def samples(dtype: torch.dtype, requires_grad: bool = True) -> list[Any]:
    torch.manual_seed(20240613)
    return list(OP.sample_inputs("cpu", dtype, requires_grad=requires_grad))


def described(sample: Any) -> str:
    target = sample.args[0]
    kind = "probabilities" if target.is_floating_point() else "indices"
    options = [
        f"{name}={'given' if isinstance(value, torch.Tensor) else value}"
        for name, value in sample.kwargs.items()
    ]
    return "-".join([kind, "x".join(map(str, sample.input.shape)), *options])


NAMES = [described(sample) for sample in samples(torch.float32)]
EVERY = range(len(NAMES))
INDICES = [number for number in EVERY if NAMES[number].startswith("indices")]
every_sample = pytest.mark.parametrize("number", EVERY, ids=NAMES.__getitem__)
index_samples = pytest.mark.parametrize("number", INDICES, ids=NAMES.__getitem__)


def of_the_input(
    function: Callable[..., torch.Tensor], sample: Any
) -> Callable[[torch.Tensor], torch.Tensor]:
    target, options = sample.args[0].detach(), sample.kwargs
    return lambda logits: function(logits, target, **options)


def assert_near(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    """Equal but for some roundings of that dtype."""
    assert found.shape == expected.shape
    torch.testing.assert_close(
        found.double(),
        expected.double(),
        rtol=TOLERANCE[dtype],
        atol=TOLERANCE[dtype],
        equal_nan=True,
    )


def with_gradient(
    function: Callable[[torch.Tensor], torch.Tensor], logits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = logits.detach().clone().requires_grad_()
    loss = function(leaf)
    upstream = torch.linspace(-1, 2, loss.numel(), dtype=loss.dtype).reshape(loss.shape)
    return loss.detach(), torch.autograd.grad(loss, leaf, upstream)[0]


def in_double(value: Any) -> Any:
    return (
        value.detach().double()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
    )


def test_there_are_as_many_samples_as_were_counted() -> None:
    assert (len(NAMES), len(INDICES)) == (21, 11)


@pytest.mark.suite("OpInfo: value and gradient against the reference, four types")
@every_sample
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reference(drop_in: Any, number: int, dtype: torch.dtype) -> None:
    sample = samples(dtype)[number]
    loss, gradient = with_gradient(of_the_input(drop_in.cross_entropy, sample), sample.input)
    assert loss.dtype == gradient.dtype == dtype
    exact = {name: in_double(value) for name, value in sample.kwargs.items()}
    target = in_double(sample.args[0])
    expected = with_gradient(
        lambda logits: cross_entropy_loss_reference(logits, target, **exact),
        in_double(sample.input),
    )
    # Weights can be negative, so that the denominator nearly vanishes: as exact as that allows.
    size = max(1.0, float(expected[0].abs().max()), float(expected[1].abs().max()))
    assert_near(loss / size, expected[0] / size, dtype)
    assert_near(gradient / size, expected[1] / size, dtype)


@pytest.mark.suite("OpInfo: bit for bit what PyTorch gives where its own function is called")
@pytest.mark.parametrize("number", [n for n in EVERY if n not in INDICES], ids=NAMES.__getitem__)
def test_probabilities_are_handed_over(drop_in: Any, number: int) -> None:
    sample = samples(torch.float32)[number]
    found = with_gradient(of_the_input(drop_in.cross_entropy, sample), sample.input)
    expected = with_gradient(of_the_input(torch.nn.functional.cross_entropy, sample), sample.input)
    assert all(torch.equal(a, b) for a, b in zip(found, expected))


@pytest.mark.suite("OpInfo: gradcheck, forward mode included")
@every_sample
def test_gradcheck(drop_in: Any, number: int) -> None:
    sample = samples(torch.float64)[number]
    assert torch.autograd.gradcheck(
        of_the_input(drop_in.cross_entropy, sample),
        sample.input,
        check_forward_ad=OP.supports_forward_ad,
    )


@pytest.mark.suite("OpInfo: gradcheck with batched gradients")
@every_sample
def test_gradcheck_batched(drop_in: Any, number: int) -> None:
    sample = samples(torch.float64)[number]
    assert torch.autograd.gradcheck(
        of_the_input(drop_in.cross_entropy, sample), sample.input, check_batched_grad=True
    )


@pytest.mark.suite("OpInfo: gradgradcheck")
@every_sample
def test_gradgradcheck(drop_in: Any, number: int) -> None:
    sample = samples(torch.float64)[number]
    assert torch.autograd.gradgradcheck(of_the_input(drop_in.cross_entropy, sample), sample.input)


@pytest.mark.suite("OpInfo: torch.func grad, hessian, and vmap of grad over samples")
@every_sample
def test_func(drop_in: Any, number: int) -> None:
    sample = samples(torch.float64, requires_grad=False)[number]
    ours, theirs = (
        of_the_input(f, sample) for f in (drop_in.cross_entropy, torch.nn.functional.cross_entropy)
    )
    for transform in (torch.func.grad, torch.func.hessian):
        found, expected = (
            transform(lambda x, f=f: f(x).sum())(sample.input) for f in (ours, theirs)
        )
        assert_near(found, expected, torch.float64)
    several = torch.stack([sample.input, sample.input.flip(0), sample.input * 0.5])
    found, expected = (
        torch.func.vmap(torch.func.grad(lambda x, f=f: f(x).sum()))(several) for f in (ours, theirs)
    )
    assert_near(found, expected, torch.float64)


class Recorded(TorchDispatchMode):
    """Collects the calls of operators of a namespace, below autograd, those of derivatives too."""

    def __init__(self, namespace: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.namespace = namespace
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == self.namespace:
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


@pytest.mark.ours
@pytest.mark.suite("OpInfo: torch.library.opcheck of every operator that a sample calls")
@index_samples
@pytest.mark.parametrize("requires_grad", [True, False], ids=["gradient", "loss"])
def test_opcheck(drop_in: Any, number: int, requires_grad: bool) -> None:
    sample = samples(torch.float64, requires_grad)[number]
    with Recorded("xent") as recorded:
        loss = of_the_input(drop_in.cross_entropy, sample)(sample.input)
        if requires_grad:
            torch.autograd.grad(loss, sample.input, torch.ones_like(loss))
    assert recorded.calls, "the sample did not reach an operator of xent's"
    differentiable = (sample.input.shape, sample.args[0].shape)  # logits, and what comes from above
    for operator, args, kwargs in recorded.calls:
        fresh = [
            value.detach().requires_grad_(
                requires_grad and value.is_floating_point() and value.shape in differentiable
            )
            if isinstance(value, torch.Tensor)
            else value
            for value in args
        ]
        found = torch.library.opcheck(operator, tuple(fresh), kwargs)
        assert set(found.values()) == {"SUCCESS"}


@pytest.mark.suite(
    "OpInfo: torch.compile(fullgraph=True), no graph break, the numbers of eager mode"
)
@every_sample
def test_compile(drop_in: Any, number: int) -> None:
    torch._dynamo.reset()
    sample = samples(torch.float64)[number]
    function = of_the_input(drop_in.cross_entropy, sample)
    explained = torch._dynamo.explain(function)(sample.input)
    assert (explained.graph_break_count, explained.graph_count) == (0, 1)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for found, expected in zip(
        with_gradient(compiled, sample.input), with_gradient(function, sample.input)
    ):
        assert_near(found, expected, torch.float64)


@pytest.mark.suite("OpInfo: torch.compile with the default compiler, sizes that change")
@pytest.mark.parametrize("dynamic", [False, True])
def test_compile_for_good(drop_in: Any, dynamic: bool) -> None:
    torch._dynamo.reset()

    def step(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = drop_in.cross_entropy(logits * 2, target, label_smoothing=0.1)
        return loss * 3

    compiled = torch.compile(step, fullgraph=True, dynamic=dynamic)
    for rows in (5, 7, 9):
        logits, target = torch.randn(rows, 11), torch.randint(0, 11, (rows,))
        found = with_gradient(lambda x: compiled(x, target), logits)
        expected = with_gradient(
            lambda x: torch.nn.functional.cross_entropy(x * 2, target, label_smoothing=0.1) * 3,
            logits,
        )
        for one, other in zip(found, expected):
            assert_near(one, other, torch.float32)


def module_inputs(dtype: torch.dtype) -> list[Any]:
    torch.manual_seed(20240613)
    return list(MODULE.module_inputs_func(MODULE, "cpu", dtype, requires_grad=True, training=True))


MODULE_NAMES = [given.desc for given in module_inputs(torch.float32)]


@pytest.mark.suite("ModuleInfo: CrossEntropyLoss against the reference")
@pytest.mark.parametrize("number", range(len(MODULE_NAMES)), ids=MODULE_NAMES.__getitem__)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_module(drop_in: Any, number: int, dtype: torch.dtype) -> None:
    given = module_inputs(dtype)[number]
    module = drop_in.CrossEntropyLoss(
        *given.constructor_input.args, **given.constructor_input.kwargs
    ).to(dtype)
    logits, target = given.forward_input.args
    found = with_gradient(lambda x: module(x, target.detach()), logits)
    original = torch.nn.CrossEntropyLoss(
        *given.constructor_input.args, **given.constructor_input.kwargs
    ).to(dtype)
    expected = with_gradient(lambda x: original(x, target.detach()), logits)
    reference = given.reference_fn(module, logits.detach(), target.detach())
    size = max(1.0, float(expected[0].abs().max()), float(expected[1].abs().max()))
    assert_near(found[0] / size, reference.reshape(found[0].shape) / size, dtype)
    assert_near(found[1] / size, expected[1] / size, dtype)


def module_errors() -> list[Any]:
    return list(
        MODULE.module_error_inputs_func(
            MODULE, "cpu", torch.float32, requires_grad=False, training=True
        )
    )


@pytest.mark.suite("ModuleInfo: what is refused, with which exception")
@pytest.mark.parametrize(
    "number", range(len(module_errors())), ids=lambda n: module_errors()[n].error_regex
)
def test_module_errors(drop_in: Any, number: int) -> None:
    error = module_errors()[number]
    assert error.error_on == ModuleErrorEnum.FORWARD_ERROR
    given = error.module_error_input
    module = drop_in.CrossEntropyLoss(
        *given.constructor_input.args, **given.constructor_input.kwargs
    )
    with pytest.raises(error.error_type):
        module(*given.forward_input.args, **given.forward_input.kwargs)


def test_the_references_are_pytorchs() -> None:
    """The reference agrees with the function whose place is taken: a change of either is seen."""
    logits, target = (
        make_tensor((4, 3, 2), device="cpu", dtype=torch.float64),
        torch.tensor([[0, 1]] * 4),
    )
    assert_near(
        cross_entropy_loss_reference(logits, target, label_smoothing=0.3),
        torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.3),
        torch.float64,
    )
