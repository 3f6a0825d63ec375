# SPDX-License-Identifier: MIT
"""xent.torch beyond PyTorch's own tests: the extra keywords and their derivatives, what happens to
saved tensors, who computes what, and the ways through PyTorch's machinery."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref

import naive
import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

import xent  # noqa: E402
import xent.torch as drop_in  # noqa: E402
from xent.torch import _eager, _formula, _kernel, _operators  # noqa: E402
from xent.torch._spec import Rows  # noqa: E402

EXTRAS = [
    {"z_loss": 0.3},
    {"softcap": 2.0},
    {"logit_scale": 0.7},
    {"row_weight": True},
    {"reduction": "row_mean", "weight": True},
    {"denominator": 7.0},
    {
        "z_loss": 0.1,
        "softcap": 3.0,
        "logit_scale": 1.5,
        "label_smoothing": 0.2,
        "weight": True,
        "row_weight": True,
    },
    {"reduction": "sum", "z_loss": 0.1, "row_weight": True},
    {
        "reduction": "none",
        "z_loss": 0.1,
        "softcap": 3.0,
        "label_smoothing": 0.2,
        "weight": True,
        "row_weight": True,
    },
]


def _case(extra, shape=(5, 4, 3), dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True)
    y = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    y.view(-1)[1] = -100
    options = dict(extra)
    if options.get("weight"):
        options["weight"] = torch.rand(shape[1], dtype=dtype, generator=generator)
    if options.get("row_weight"):
        options["row_weight"] = torch.rand(y.shape, dtype=dtype, generator=generator)
    return x, y, options


def _for_numpy(options):
    renamed = {"weight": "class_weight"}
    arrays = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    return {renamed.get(name, name): value for name, value in arrays.items()}


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_against_the_formula(extra):
    x, y, options = _case(extra)
    loss = drop_in.cross_entropy(x, y, **options)
    loss.sum().backward()
    expected, grad, _ = naive.cross_entropy(
        x.detach().numpy(), y.numpy(), class_axis=1, ignore=-100, **_for_numpy(options)
    )
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), grad, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_have_derivatives(extra):
    x, y, options = _case(extra, (3, 4))
    assert torch.autograd.gradcheck(
        lambda x: drop_in.cross_entropy(x, y, **options), x, check_forward_ad=True
    )
    assert torch.autograd.gradgradcheck(lambda x: drop_in.cross_entropy(x, y, **options), x)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_composed_formula_is_the_library(extra):
    """What torch.func and forward mode get is what everybody else gets."""
    x, y, options = _case(extra)

    def loss(x):
        return drop_in.cross_entropy(x, y, **options).sum()

    direct = torch.autograd.grad(loss(x), x)[0]
    composed = torch.func.grad(loss)(x.detach())
    torch.testing.assert_close(composed, direct, rtol=1e-11, atol=1e-14)
    v = torch.randn_like(x)
    value, along = torch.func.jvp(loss, (x.detach(),), (v,))
    torch.testing.assert_close(value, loss(x).detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(along, (direct * v).sum(), rtol=1e-10, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS[-3:-1])
def test_operators(extra):
    """Every operator, as PyTorch checks them, and compiled."""
    x, y, options = _case(extra)
    numbers = (-100, 0, 0.1, options.get("z_loss", 0.0), options.get("softcap", 0.0), 1.0)
    inputs = (x, y, options.get("weight"), options.get("row_weight"))
    for reduction, with_grad in ((0, True), (1, False)):
        arguments = (*inputs, *numbers, reduction, 0.0, with_grad)
        torch.library.opcheck(_operators.plain.reduced, arguments)
    torch.library.opcheck(_operators.plain.by_row, (*inputs, *numbers))
    upstream = torch.randn(y.shape, dtype=x.dtype, requires_grad=True)
    torch.library.opcheck(_operators.plain.by_row_backward, (upstream, *inputs, *numbers, True))


@pytest.mark.parametrize("extra", EXTRAS[-3:])
def test_compiled(extra):
    x, y, options = _case(extra)
    compiled = torch.compile(
        lambda x: drop_in.cross_entropy(2 * x, y, **options).sum(),
        fullgraph=True,
        backend="aot_eager",
    )
    compiled(x).backward()
    grad, x.grad = x.grad, None
    loss = drop_in.cross_entropy(2 * x, y, **options).sum()
    loss.backward()
    torch.testing.assert_close(grad, x.grad, rtol=1e-14, atol=0)
    inside = torch.compile(
        torch.func.grad(lambda x: drop_in.cross_entropy(2 * x, y, **options).sum()),
        fullgraph=True,
        backend="aot_eager",
    )
    torch.testing.assert_close(inside(x.detach()), x.grad, rtol=1e-11, atol=1e-15)


# ---- saved tensors ----
def test_the_saved_gradient_is_never_written():
    x, y, _ = _case({})
    loss = drop_in.cross_entropy(x, y)
    expected = torch.autograd.grad(F.cross_entropy(x, y), x)[0]
    for times in (1, 2, 3):
        loss.backward(retain_graph=True)  # adds to x.grad, which must not be what was saved
        torch.testing.assert_close(x.grad, times * expected)
    x.grad.zero_()
    loss.backward()
    torch.testing.assert_close(x.grad, expected)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_the_gradient_is_handed_over_once():
    """An upstream of 1, nobody asking again: the buffer of forward itself, no copy of it."""
    x, y, _ = _case({}, (64, 50))
    made = []
    original = _kernel.reduced

    def recording(*args):
        result = original(*args)
        made.append(result[1][0].data_ptr())
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_kernel, "reduced", recording)
        (grad,) = torch.autograd.grad(drop_in.cross_entropy(x, y), x)
        assert grad.data_ptr() == made[-1]
        loss = drop_in.cross_entropy(x, y)
        (kept,) = torch.autograd.grad(loss, x, retain_graph=True)
        assert kept.data_ptr() != made[-1]
        (halved,) = torch.autograd.grad(loss / 2, x)
        assert halved.data_ptr() != made[-1]
    assert torch.equal(grad, kept) and torch.equal(halved, grad / 2)


def test_logits_used_twice():
    """As another function's input and as the loss's: gradients in place would be wrong."""
    x, y, _ = _case({}, (6, 5))

    def both(cross_entropy):
        z = torch.tanh(x)
        return cross_entropy(z, y) + (z * z).sum() + cross_entropy(torch.softmax(z, 1), y)

    ours = torch.autograd.grad(both(drop_in.cross_entropy), x)[0]
    theirs = torch.autograd.grad(both(F.cross_entropy), x)[0]
    torch.testing.assert_close(ours, theirs)


def test_changed_logits_matter_only_where_they_are_read_again():
    """By second derivatives, and by the first of the rows' losses."""
    x, y, _ = _case({}, (6, 5))
    leaf = x.detach().clone().requires_grad_()
    for reduction in ("mean", "sum", "row_mean"):
        z = leaf * 1
        loss = drop_in.cross_entropy(z, y, reduction=reduction)
        expected = torch.autograd.grad(drop_in.cross_entropy(x, y, reduction=reduction), x)[0]
        with torch.no_grad():
            z.zero_()
        (grad,) = torch.autograd.grad(loss, leaf, retain_graph=True)
        assert torch.equal(grad, expected)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.autograd.grad(loss, leaf, create_graph=True)
    rows = drop_in.cross_entropy(z := leaf * 1, y, reduction="none")
    with torch.no_grad():
        z.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        rows.sum().backward()


def test_logits_are_let_go_of():
    """By backward, though the loss is still there; and at once where hooks keep what is saved."""
    x, y, _ = _case({}, (6, 5))
    loss = drop_in.cross_entropy(z := x * 1, y)
    alive, z = weakref.ref(z), None
    torch.autograd.grad(loss, x, retain_graph=True)
    assert alive() is not None
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    assert torch.autograd.grad(first.square().sum(), x, retain_graph=True)[0].any()
    first = None
    loss.backward()
    assert alive() is None
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        loss = drop_in.cross_entropy(z := x * 1, y)
    alive, z = weakref.ref(z), None
    if hasattr(torch._C._autograd, "_top_saved_tensors_default_hooks"):  # not in PyTorch 2.5
        assert alive() is None
    loss.backward()


def test_nothing_is_kept_alive():
    x, y, _ = _case({}, (64, 50))
    drop_in.cross_entropy(x, y).backward()
    x.grad = None
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(o, torch.Tensor) for o in gc.get_objects())
        for reduction in ("mean", "none"):
            for _ in range(5):
                drop_in.cross_entropy(x, y, reduction=reduction).sum().backward()
                drop_in.cross_entropy(x, y, reduction=reduction)
        assert sum(isinstance(o, torch.Tensor) for o in gc.get_objects()) <= before + 1
    finally:
        gc.enable()


def test_checkpointing_and_anomaly_mode():
    from torch.utils.checkpoint import checkpoint

    x, y, _ = _case({}, (6, 5))
    expected = torch.autograd.grad(F.cross_entropy(x, y), x)[0]
    for reentrant in (False, True):
        loss = checkpoint(lambda x: drop_in.cross_entropy(x, y), x, use_reentrant=reentrant)
        torch.testing.assert_close(
            torch.autograd.grad(loss, x)[0] if not reentrant else expected, expected
        )
    with torch.autograd.detect_anomaly(check_nan=True):
        torch.testing.assert_close(torch.autograd.grad(drop_in.cross_entropy(x, y), x)[0], expected)
        with pytest.raises(RuntimeError, match="nan values"):
            drop_in.cross_entropy(x * torch.tensor(float("nan")), y).backward()


def test_saved_tensor_hooks():
    x, y, _ = _case({}, (6, 5))
    expected = torch.autograd.grad(F.cross_entropy(x, y), x)[0]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True), torch.from_numpy):
        loss = drop_in.cross_entropy(x, y)
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], expected)


def test_no_grad_and_inference_mode():
    x, y, _ = _case({}, (6, 5))
    expected = F.cross_entropy(x, y).item()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            loss = drop_in.cross_entropy(x, y)
            assert not loss.requires_grad and loss.item() == pytest.approx(expected, rel=1e-14)
            inside = x * 1
            assert drop_in.cross_entropy(inside, y).item() == loss.item()


def test_views_that_are_no_numbers_in_memory():
    x, y, _ = _case({}, (6, 5))
    plain = x.detach()
    negated = torch._neg_view(plain)
    torch.testing.assert_close(drop_in.cross_entropy(negated, y), F.cross_entropy(-plain, y))
    weight = torch.rand(5, dtype=torch.float64)
    ours = drop_in.cross_entropy(
        plain, y, torch._neg_view(-weight), row_weight=torch._neg_view(-torch.ones(6))
    )
    torch.testing.assert_close(ours, F.cross_entropy(plain, y, weight))
    torch.testing.assert_close(
        drop_in.cross_entropy(plain, torch._neg_view(-y)), F.cross_entropy(plain, y)
    )
    for upstream in (torch.ones(()).expand(6), torch._neg_view(torch.ones(6)), torch.zeros(6)):
        (ours,) = torch.autograd.grad(
            drop_in.cross_entropy(x, y, reduction="none"), x, upstream.double()
        )
        (theirs,) = torch.autograd.grad(
            F.cross_entropy(x, y, reduction="none"), x, upstream.double()
        )
        torch.testing.assert_close(ours, theirs)
    fake = torch.empty(6, 5, device="meta")
    assert drop_in.cross_entropy(fake, torch.empty(6, dtype=torch.long, device="meta")).is_meta


def test_the_way_around_the_dispatcher_is_for_plain_tensors():
    x, y, _ = _case({}, (6, 5))
    assert _eager.is_plain(x, y, None, None) and _eager.is_plain(torch.nn.Parameter(x), y)
    assert not _eager.is_plain(torch._neg_view(x), y) and not _eager.is_plain(x, torch._neg_view(y))
    assert not _eager.is_plain(x, y, torch._neg_view(x))
    assert not _eager.is_plain(torch._efficientzerotensor((6, 5)), y)
    seen = []

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with Watching():
        drop_in.cross_entropy(x, y)
    assert "xent.cross_entropy.default" in seen


def test_subclasses():
    class Marked(torch.Tensor):
        pass

    x, y, _ = _case({}, (6, 5))
    loss = drop_in.cross_entropy(x.detach().as_subclass(Marked), y)
    assert type(loss) is Marked and loss.item() == drop_in.cross_entropy(x, y).item()


# ---- extras ----
def test_total():
    x, y, options = _case({"weight": True})
    y[0, 0] = 99
    loss, total = drop_in.cross_entropy(x, y, **options, on_bad_label="ignore", return_total=True)
    assert isinstance(total, xent.Total)
    assert (total.rows, total.ignored, total.bad, total.first_bad_label) == (15, 1, 1, 99)
    assert total.loss() == loss.item() and loss.requires_grad
    rows, same = drop_in.cross_entropy(
        x, y, **options, on_bad_label="ignore", return_total=True, reduction="none"
    )
    assert same == total and rows.shape == y.shape
    assert (
        drop_in.cross_entropy(x.detach(), y, **options, on_bad_label="ignore", return_total=True)[1]
        == total
    )
    with pytest.raises(xent.ArgumentError, match="which PyTorch computes with and"):
        drop_in.cross_entropy(x, y.clamp(max=2), -options["weight"], return_total=True)


def test_gradients_of_parts_are_the_whole_batch_s():
    x, y, _ = _case({}, (40, 6))
    drop_in.cross_entropy(x, y).backward()
    whole, x.grad = x.grad, None
    counted = int((y != -100).sum())
    for part in (slice(0, 13), slice(13, 40)):
        drop_in.cross_entropy(x[part], y[part], denominator=counted).backward()
    assert torch.equal(x.grad, whole)
    x.grad = None
    drop_in.cross_entropy(x, y, denominator=torch.tensor(counted)).backward()
    assert torch.equal(x.grad, whole)


def test_bad_labels():
    x, y, _ = _case({}, (6, 5))
    y[2] = 5
    with pytest.raises(IndexError, match=r"the label of row \[2\] is 5") as refusal:
        drop_in.cross_entropy(x, y)
    assert isinstance(refusal.value, xent.LabelError)
    y[2] = -1
    with pytest.raises(xent.LabelError, match="declare it: ignore_index=-1"):
        drop_in.cross_entropy(x, y)
    assert torch.isnan(drop_in.cross_entropy(x, y, on_bad_label="nan"))
    kept = torch.tensor([0, 3, 4, 5])
    ignored = drop_in.cross_entropy(x, y, on_bad_label="ignore")
    torch.testing.assert_close(ignored, F.cross_entropy(x[kept], y[kept]))
    through = torch.func.grad(lambda x: drop_in.cross_entropy(x, y, on_bad_label="ignore"))(
        x.detach()
    )
    torch.testing.assert_close(through, torch.autograd.grad(ignored, x)[0])
    # Nobody can raise there: never a plausible number.
    assert torch.isnan(
        torch.func.grad(lambda x: drop_in.cross_entropy(x, y, z_loss=0.1))(x.detach())
    ).any()


MISUSES = [
    ({"row_weight": torch.ones(6, requires_grad=True)}, "row_weight.detach"),
    ({"denominator": 2, "reduction": "none"}, "reduction='none' does not form"),
    ({"denominator": 0.0}, "must be finite and > 0"),
    ({"reduction": "average"}, "'average' is none of 'mean', 'row_mean', 'sum', 'none'"),
    ({"on_bad_label": "skip"}, "'skip' is none of"),
    ({"z_loss": -1.0}, "^z_loss=-1 must be finite"),
    ({"softcap": "much"}, "must be a number"),
    ({"row_weight": torch.ones(5)}, r"row_weight has shape \[5\]"),
]


@pytest.mark.parametrize(("options", "says"), MISUSES)
def test_misuses(options, says):
    x, y, _ = _case({}, (6, 5))
    with pytest.raises(xent.XentError, match=says):
        drop_in.cross_entropy(x, y, **options)


def test_extras_that_pytorch_has_not():
    x, y, _ = _case({}, (6, 5))
    with pytest.raises(xent.DtypeError, match="class probabilities"):
        drop_in.cross_entropy(x, torch.softmax(x, 1), z_loss=0.1)
    with pytest.raises(xent.ArgumentError, match="row_weight is torch.strided on meta"):
        drop_in.cross_entropy(x, y, row_weight=torch.ones(6, device="meta"))
    with pytest.raises(xent.ArgumentError, match="on meta"):
        drop_in.cross_entropy(x.to("meta"), y.to("meta"), softcap=1.0)
    many = torch.zeros((2, 5) + (1,) * 7), torch.zeros((2,) + (1,) * 7, dtype=torch.long)
    assert drop_in.cross_entropy(*many) == F.cross_entropy(*many)
    with pytest.raises(xent.ArgumentError, match="of 9 axes"):
        drop_in.cross_entropy(*many, z_loss=0.1)
    with pytest.raises(xent.ArgumentError, match="Python object"):
        torch.func.grad(lambda x: drop_in.cross_entropy(x, y, return_total=True)[0])(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    x, y, options = _case({"weight": True, "row_weight": True}, (30, 40), dtype=dtype)
    for reduction in ("mean", "none"):
        x.grad = None
        loss = drop_in.cross_entropy(x, y, **options, reduction=reduction)
        assert loss.dtype == dtype
        loss.sum().backward()
        exact = x.detach().double().requires_grad_()
        wide = {name: value.double() for name, value in options.items()}
        expected = drop_in.cross_entropy(exact, y, **wide, reduction=reduction)
        expected.sum().backward()
        torch.testing.assert_close(loss.double(), expected, rtol=8e-3, atol=1e-4)
        torch.testing.assert_close(x.grad.double(), exact.grad, rtol=8e-3, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = drop_in.cross_entropy(x, y), F.cross_entropy(x, y)
    assert ours.dtype == theirs.dtype
    torch.testing.assert_close(ours, theirs)


def test_module():
    x, y, _ = _case({}, (6, 5))
    weight = torch.rand(5, dtype=torch.float64)
    module = drop_in.CrossEntropyLoss(weight, label_smoothing=0.1, z_loss=0.2, softcap=5.0)
    expected = drop_in.cross_entropy(x, y, weight, label_smoothing=0.1, z_loss=0.2, softcap=5.0)
    for one in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(one(x, y), expected)
    rows = torch.rand(6, dtype=torch.float64)
    plain = drop_in.CrossEntropyLoss()
    assert torch.equal(plain(x, y, rows), drop_in.cross_entropy(x, y, row_weight=rows))
    assert isinstance(plain, torch.nn.CrossEntropyLoss)
    doubled = weight * 2
    module.load_state_dict(torch.nn.CrossEntropyLoss(doubled).state_dict())
    assert torch.equal(module.weight, doubled)


def test_threads():
    """Threads that train at once get what each gets alone."""
    results, wanted = {}, {}

    def step(seed):
        x, y, _ = _case({}, (50 + seed, 30), torch.float32, seed)
        for _ in range(50):
            x.grad = None
            drop_in.cross_entropy(x, y).backward()
        return x.grad

    for seed in range(4):
        wanted[seed] = step(seed)
    workers = [
        threading.Thread(target=lambda seed=seed: results.update({seed: step(seed)}))
        for seed in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(results[seed], wanted[seed]) for seed in range(4))


def test_the_short_way_and_the_operators_give_the_same_bits():
    x, y, _ = _case({}, (50, 30), torch.float32)
    rows = Rows(label_smoothing=0.1)
    inputs = (x, y, None, None)
    short, _ = _eager.reduced(inputs, rows, 0, 0.0, False)
    long = _operators.plain.reduced(*inputs, *rows, 0, 0.0, True)[0]
    assert torch.equal(short, long)
    assert torch.equal(torch.autograd.grad(short, x)[0], torch.autograd.grad(long, x)[0])
    late = _operators.plain.reduced(*inputs, *rows, 0, 0.0, False)[0]
    assert torch.equal(
        torch.autograd.grad(late, x)[0],
        torch.autograd.grad(_eager.reduced(inputs, rows, 0, 0.0, False)[0], x)[0],
    )


def _small(classes=10):
    """What takes the shortest way."""
    x, y, _ = _case({}, (32, classes), torch.float32)
    return x, y.clamp(min=0)


def _by_operators(x, y, **rows):
    """The loss of the long way, by its name in the dispatcher."""
    return _operators.plain.reduced(x, y, None, None, *Rows(**rows), 0, 0.0, True)[0]


def test_the_shortest_way_is_taken_and_gives_the_same_bits():
    for classes in (1, 10, 2048):
        x, y = _small(classes)
        short, long = _eager.mean(x, y, -100), _by_operators(x, y)
        assert torch.equal(short, long) and short.dtype is torch.float32
        for graph in (False, True):
            ours = torch.autograd.grad(short, x, retain_graph=True, create_graph=graph)[0]
            theirs = torch.autograd.grad(long, x, retain_graph=True, create_graph=graph)[0]
            assert torch.equal(ours, theirs)
        (of_ours,) = torch.autograd.grad(ours.square().sum(), x)
        (of_theirs,) = torch.autograd.grad(theirs.square().sum(), x)
        assert torch.equal(of_ours, of_theirs)
        with torch.no_grad():
            assert torch.equal(_eager.mean(x, y, -100), long)
        assert torch.equal(_eager.mean(x.detach(), y, -100), long)


def test_the_shortest_way_is_left_where_it_would_be_wrong():
    x, y = _small()
    ignored = y.clone()
    ignored[3] = -100
    wide = torch.randn(32, 2049)
    for logits, labels, ignore_index in (
        (x, ignored, -100),
        (x, y, int(y[0])),
        (x, y, True),
        (x, y.int(), -100),
        (x.double(), y, -100),
        (x.t(), y[:10], -100),
        (x[:, ::2], y % 5, -100),
        (x, y[:31], -100),
        (x, torch.stack([y, y], 1)[:, 0], -100),
        (x[0], y[0], -100),
        (x[:0], y[:0], -100),
        (wide, y, -100),
        (torch._neg_view(x), y, -100),
        (x, torch._neg_view(y), -100),
        (torch._efficientzerotensor((32, 10)), y, -100),
        (x, y + 5, -100),
    ):
        assert _eager.mean(logits, labels, ignore_index) is None
    for logits, labels in ((x, ignored), (x.double(), y), (x[:, ::2], y % 5), (x[0], y[0])):
        ours = torch.autograd.grad(drop_in.cross_entropy(logits, labels), x)[0]
        theirs = torch.autograd.grad(F.cross_entropy(logits, labels), x)[0]
        torch.testing.assert_close(ours, theirs)
    with pytest.raises(xent.LabelError, match="is 12, but the logits have 10 classes"):
        drop_in.cross_entropy(x, torch.full_like(y, 12))
    with pytest.raises(xent.ArgumentError, match="requires a gradient"):
        drop_in.cross_entropy(x, y, label_smoothing=torch.zeros((), requires_grad=True))


def test_the_shortest_way_and_what_becomes_of_its_inputs():
    x, y = _small()
    z = x * 1
    expected = torch.autograd.grad(_by_operators(x, y), x)[0]
    loss, made = drop_in.cross_entropy(z, y), y.clone()
    with torch.no_grad():
        z.zero_()
    y.zero_()
    assert torch.equal(torch.autograd.grad(loss, x, retain_graph=True)[0], expected)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, x, create_graph=True)
    with torch.inference_mode():  # such tensors count no changes
        labels = made.clone()
    (grad,) = torch.autograd.grad(drop_in.cross_entropy(x, labels), x)
    assert torch.equal(grad, expected)
    with torch.inference_mode():
        assert drop_in.cross_entropy(x, labels) == F.cross_entropy(x, labels)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        loss = drop_in.cross_entropy(x, made)
    assert kept
    assert torch.equal(torch.autograd.grad(loss, x)[0], expected)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_batches_of_upstreams(reduction, dtype):
    """One of which looks like a tensor in memory."""
    x, y, _ = _case({}, (6, 5), dtype)
    loss = drop_in.cross_entropy(x, y, reduction=reduction)
    upstream = torch.arange(1, 4, dtype=dtype).reshape(3, *[1] * loss.dim()).expand(3, *loss.shape)
    (together,) = torch.autograd.grad(loss, x, upstream, retain_graph=True, is_grads_batched=True)
    for one, found in zip(upstream, together):
        (grad,) = torch.autograd.grad(loss, x, one, retain_graph=True)
        torch.testing.assert_close(found, grad)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_vmap(reduction):
    x = torch.randn(4, 6, 5, dtype=torch.float64)
    y = torch.randint(0, 5, (4, 6))

    def loss(x, y):
        return drop_in.cross_entropy(x, y, reduction=reduction, z_loss=0.1)

    torch.testing.assert_close(torch.vmap(loss)(x, y), torch.stack(list(map(loss, x, y))))


def test_numpy_functions_take_tensors():
    x, y, _ = _case({}, (6, 5), torch.bfloat16)
    x, y = x.detach(), y.clamp(min=0)
    loss, grad = xent.cross_entropy_with_grad(x, y)
    assert loss == pytest.approx(F.cross_entropy(x.double(), y).item(), rel=1e-6)
    assert grad.dtype.name == "bfloat16"
    weights = torch.rand(5), torch.rand(6)
    loss = xent.cross_entropy(x.float(), y, class_weight=weights[0], row_weight=weights[1].half())
    options = {"weight": weights[0], "row_weight": weights[1].half()}
    assert loss == pytest.approx(drop_in.cross_entropy(x.float(), y, **options).item(), rel=1e-6)
    with pytest.raises(xent.DtypeError, match="class_weight has elements"):
        xent.cross_entropy(x.float(), y, class_weight=weights[0].bfloat16())
    with pytest.raises(xent.ArgumentError, match="does not give its memory away"):
        xent.cross_entropy(x.float().requires_grad_(), y)


@pytest.mark.slow
def test_peak_memory():
    """Loss and gradient need one buffer of the logits' size besides them."""
    program = """
import re, sys, torch
import xent.torch, torch.nn.functional
x = torch.full((2048, 8192), 0.5, requires_grad=True)
y = torch.zeros(2048, dtype=torch.long)
function = {"xent": xent.torch, "torch": torch.nn.functional}[sys.argv[1]].cross_entropy
function(torch.ones(2, 8192, requires_grad=True), y[:2]).backward()
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

before = peak()
function(x, y).backward()
print((peak() - before) / x.nbytes)
"""

    def buffers(name):
        return float(
            subprocess.run(
                [sys.executable, "-c", program, name], check=True, capture_output=True
            ).stdout
        )

    ours, theirs = buffers("xent"), buffers("torch")
    assert 0.9 < ours < 1.1, ours
    assert theirs > 1.8, theirs


def test_the_formula_of_odd_weights_is_pytorch_s():
    x, y, _ = _case({}, (8, 5))
    weight = torch.tensor([1.0, -2, 0.5, 3, 0], dtype=torch.float64)
    for options in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}):
        ours, theirs = (
            drop_in.cross_entropy(x, y, weight, **options),
            F.cross_entropy(x, y, weight, **options),
        )
        torch.testing.assert_close(ours, theirs)
        v = torch.rand_like(ours)
        torch.testing.assert_close(
            torch.autograd.grad(ours, x, v)[0], torch.autograd.grad(theirs, x, v)[0]
        )
    y[0] = 7
    with pytest.raises(IndexError):
        drop_in.cross_entropy(x, y, weight)
    assert _formula.loss((x, y, None, None), Rows(), 0, 0.0).isnan()


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0])
def test_the_weight_of_a_class_that_no_label_names(odd):
    x, y, _ = _case({}, (8, 5))
    y = y.clamp(max=3)
    weight = torch.tensor([0.5, 1, 2, 3, odd], dtype=torch.float64)
    for reduction in ("mean", "sum", "none"):
        ours, theirs = (
            function(x, y, weight, reduction=reduction)
            for function in (drop_in.cross_entropy, F.cross_entropy)
        )
        torch.testing.assert_close(ours, theirs)
        assert ours.isfinite().all()
        v = torch.rand_like(ours)
        torch.testing.assert_close(
            torch.autograd.grad(ours, x, v)[0], torch.autograd.grad(theirs, x, v)[0]
        )
    # Named by an ignored label's place holder, 0, alone.
    y[y == 0] = -100
    odd_first = torch.tensor([odd, 1, 2, 3, 1], dtype=torch.float64)
    torch.testing.assert_close(
        drop_in.cross_entropy(x, y, odd_first), F.cross_entropy(x, y, odd_first)
    )


def _by_every_way(x, y, **options):
    """Loss and gradient, eager, by torch.func and by forward mode along ones."""

    def loss(x):
        return drop_in.cross_entropy(x, y, z_loss=0.1, **options).sum()

    x = x.detach().requires_grad_()
    value = loss(x)
    (grad,) = torch.autograd.grad(value, x)
    composed, again = torch.func.grad_and_value(loss)(x.detach())
    along = torch.func.jvp(loss, (x.detach(),), (torch.ones_like(x),))[1]
    return (value.detach(), grad, grad.sum()), (again, composed, along)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "row_mean"])
def test_rows_of_weight_0_are_0_whatever_their_logits(reduction):
    x, y, _ = _case({}, (6, 5))
    x = x.detach().clone()
    x[2] = torch.nan
    weight = torch.tensor([1.0, 1, 0, 2, 1, 1], dtype=torch.float64)
    eager, composed = _by_every_way(x, y, row_weight=weight, reduction=reduction)
    assert eager[0].isfinite() and not eager[1][2].any()
    torch.testing.assert_close(composed, eager, rtol=1e-11, atol=1e-14)
    (second,) = torch.autograd.grad(
        torch.autograd.grad(
            drop_in.cross_entropy(x.requires_grad_(), y, row_weight=weight, reduction=reduction)
            .sum(), x, create_graph=True,
        )[0].sum(), x,
    )  # fmt: skip
    assert second.isfinite().all()


@pytest.mark.parametrize("extra", ["weights", "labels"])
def test_nothing_counted_teaches_nothing(extra):
    x, y, _ = _case({}, (6, 5))
    weight = torch.zeros(6, dtype=torch.float64) if extra == "weights" else None
    y = y if extra == "weights" else torch.full_like(y, -100)
    eager, composed = _by_every_way(x, y, row_weight=weight)
    for value, grad, along in (eager, composed):
        assert value.isnan() and not grad.any() and along == 0


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_traced_before_dispatch(reduction):
    from torch.fx.experimental.proxy_tensor import make_fx

    x, y, _ = _case({}, (6, 5))
    x = x.detach()
    traced = make_fx(
        lambda x, y: drop_in.cross_entropy(x, y, reduction=reduction), pre_dispatch=True
    )(x, y)
    for other, labels in ((x, y), (2 * x + 1, y.roll(1)), (x.flip(0), y)):
        expected = F.cross_entropy(other, labels, reduction=reduction)
        torch.testing.assert_close(traced(other, labels), expected)


@pytest.mark.parametrize("reduction", ["mean", "row_mean", "sum"])
@pytest.mark.parametrize("upstream", [1024.0, -1024.0])
def test_a_scaled_loss_lifts_float16_gradients_above_underflow(reduction, upstream):
    x, y, options = _case({"weight": True, "row_weight": True}, (400, 500), torch.float16)
    options["reduction"] = reduction
    if reduction == "sum":
        options["denominator"] = 1e6
    exact = x.detach().double().requires_grad_()
    wide = {k: v.double() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    (upstream * drop_in.cross_entropy(exact, y, **wide)).backward()
    loss = drop_in.cross_entropy(x, y, **options)
    (grad,) = torch.autograd.grad(upstream * loss, x, retain_graph=True)
    torch.testing.assert_close(grad.double(), exact.grad, rtol=1e-3, atol=4e-8)
    with torch.no_grad():
        x.add_(1)  # then what is left of forward has to do
    (coarse,) = torch.autograd.grad(upstream * loss, x)
    torch.testing.assert_close(coarse.double(), exact.grad, rtol=1e-3, atol=1024 * 6e-8)
