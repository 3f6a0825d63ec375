# SPDX-License-Identifier: MIT
"""What xent.torch refuses, and that a refused call leaves nothing behind for the next one."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

import xent  # noqa: E402
import xent.torch as drop_in  # noqa: E402
from xent import _call  # noqa: E402

X = torch.randn((6, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 4, 2, 2, 1, 3])


def test_the_call_after_a_refused_one():
    expected = drop_in.cross_entropy(X, Y).item()
    with pytest.raises(xent.ArgumentError, match="does not fit 64 bits"):
        drop_in.cross_entropy(X, Y, ignore_index=2**70)
    assert drop_in.cross_entropy(X, Y).item() == expected == F.cross_entropy(X, Y).item()


@pytest.mark.parametrize("packing", ["_PACK_OPTIONS", "_PACK_OUTPUTS"])
def test_the_call_after_one_that_was_interrupted_while_packing(packing):
    class Interrupted:
        size = getattr(_call, packing).size

        def pack_into(self, *args):
            raise KeyboardInterrupt

    expected = drop_in.cross_entropy(X, Y).item()
    other = drop_in.cross_entropy(X, Y, ignore_index=2).item()
    assert other != expected
    drop_in.cross_entropy(X, Y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_call, packing, Interrupted())
        with pytest.raises(KeyboardInterrupt):
            drop_in.cross_entropy(X, Y, ignore_index=2)
    assert drop_in.cross_entropy(X, Y).item() == expected
    assert drop_in.cross_entropy(X, Y, ignore_index=2).item() == other


@pytest.mark.parametrize("options", [{}, {"z_loss": 0.1}])
def test_ignored_labels_that_are_none(options):
    for label in (1.5, "2", None, torch.tensor(1.5)):
        with pytest.raises(TypeError, match="ignore_index=.* must be a whole number") as refusal:
            drop_in.cross_entropy(X, Y, ignore_index=label, **options)
        assert isinstance(refusal.value, xent.XentError)
    for label in (2**63, -(2**63) - 1, 2**70):
        with pytest.raises(ValueError, match="does not fit 64 bits") as refusal:
            drop_in.cross_entropy(X, Y, ignore_index=label, **options)
        assert isinstance(refusal.value, xent.XentError)
    expected = drop_in.cross_entropy(X, Y, ignore_index=2, **options)
    assert torch.equal(
        drop_in.cross_entropy(X, Y, ignore_index=torch.tensor(2), **options), expected
    )


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((X.numpy(), Y), "input"),
        ((X.tolist(), Y), "input"),
        ((X, Y.numpy()), "target"),
        ((X, Y.tolist()), "target"),
        ((X, None), "target"),
        ((X, Y, [1.0] * 5), "weight"),
    ],
)
def test_no_tensors(arguments, name):
    with pytest.raises(TypeError, match=f"^{name} is a .* must be a torch.Tensor") as refusal:
        drop_in.cross_entropy(*arguments)
    assert isinstance(refusal.value, xent.XentError)
    with pytest.raises(TypeError, match="^row_weight is a list"):
        drop_in.cross_entropy(X, Y, row_weight=[1.0] * 6)


@pytest.mark.parametrize("name", ["label_smoothing", "z_loss", "softcap", "logit_scale"])
def test_no_numbers(name):
    with pytest.raises(TypeError, match=f"{name}='a' must be a number") as refusal:
        drop_in.cross_entropy(X, Y, **{name: "a"})
    assert isinstance(refusal.value, xent.XentError)
    with pytest.raises(xent.ArgumentError, match=f"{name} is a whole number larger"):
        drop_in.cross_entropy(X, Y, **{name: 10**400})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("z_loss", 0.0),
        ("z_loss", 0.1),
        ("softcap", 2.0),
        ("logit_scale", 1.0),
        ("denominator", 3.0),
    ],
)
def test_numbers_that_are_to_be_learnt(name, value):
    learnt = torch.tensor(value, requires_grad=True)
    with pytest.raises(xent.ArgumentError, match=rf"{name} requires a gradient.*{name}\.item"):
        drop_in.cross_entropy(X, Y, **{name: learnt})
    expected = drop_in.cross_entropy(X, Y, **{name: learnt.item()})
    assert torch.equal(drop_in.cross_entropy(X, Y, **{name: learnt.detach()}), expected)
    with torch.no_grad():
        assert torch.equal(drop_in.cross_entropy(X, Y, **{name: learnt}), expected)


def test_row_weights_that_are_learnt_elsewhere():
    weight = torch.rand(6, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        loss = drop_in.cross_entropy(X, Y, row_weight=weight)
    assert torch.equal(loss, drop_in.cross_entropy(X, Y, row_weight=weight.detach()))


def test_lazily_negated_tensors_have_other_memory():
    negated = torch._neg_view(X)
    with pytest.raises(xent.ArgumentError, match="resolve_neg"):
        xent.cross_entropy(negated, Y)
    assert xent.cross_entropy(negated.resolve_neg(), Y) == xent.cross_entropy(-X.numpy(), Y)


def test_other_default_devices():
    """Of the calls, and already when xent.torch is imported."""
    with torch.device("meta"):
        ours = drop_in.cross_entropy(X, Y), drop_in.cross_entropy(X, Y, reduction="none").sum()
    assert not any(loss.is_meta for loss in ours)
    torch.testing.assert_close(ours[1] / 6, ours[0])
    program = """
import torch
torch.set_default_device("meta")
import xent.torch
assert xent.torch._kernel.is_in_memory(torch.zeros(2, device="cpu"))
assert not xent.torch._kernel.is_in_memory(torch.zeros(2))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_torchscript_has_no_such_options():
    """Which docs/migration.md says; what PyTorch recommends instead goes."""
    with pytest.raises(torch.jit.frontend.NotSupportedError, match="keyword-only"):
        torch.jit.script(drop_in.CrossEntropyLoss())
    traced = torch.jit.trace(drop_in.CrossEntropyLoss(), (X, Y))
    assert torch.equal(traced(X.flip(0), Y), drop_in.cross_entropy(X.flip(0), Y))
