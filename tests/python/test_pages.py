# SPDX-License-Identifier: MIT
"""The memory of large gradients: huge pages, and used again once nobody holds it."""

import pickle
import sys
import threading

import ml_dtypes  # noqa: F401 (bfloat16)
import numpy as np
import pytest
import xent
from xent import _pages

torch = pytest.importorskip("torch")
drop_in = pytest.importorskip("xent.torch")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is asked for pages")
ROWS, CLASSES = 300, 1000


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    """As if 4 KiB were large already."""
    monkeypatch.setattr(_pages, "_LEAST_KEPT", 4096)
    monkeypatch.setattr(_pages, "_kept", [])


def _batch(seed=0, rows=ROWS):
    dice = np.random.default_rng(seed)
    return dice.normal(size=(rows, CLASSES)).astype(np.float32), dice.integers(0, CLASSES, rows)


def numpy_gradient(x, y):
    return xent.cross_entropy_with_grad(x, y)[1]


def torch_gradient(x, y):
    logits = torch.from_numpy(x).requires_grad_()
    return torch.autograd.grad(drop_in.cross_entropy(logits, torch.from_numpy(y)), logits)[0]


def values(gradient):
    return np.asarray(gradient).copy()


def address(gradient):
    return np.asarray(gradient).__array_interface__["data"][0]


@pytest.fixture(params=[numpy_gradient, torch_gradient])
def gradient(request):
    return request.param


def test_memory_is_used_again(gradient):
    (x, y), (z, _) = _batch(), _batch(1)
    first = gradient(x, y)
    expected, place = values(first), address(first)
    del first
    (block,) = _pages._kept
    other = gradient(z, y)
    assert address(other) == place and not _pages._kept
    del other
    again = gradient(x, y)
    assert address(again) == place
    np.testing.assert_array_equal(np.asarray(again), expected)
    del again
    assert _pages._kept[0] is block


def test_never_while_anybody_holds_it(gradient):
    (x, y), (z, _) = _batch(), _batch(1)
    held = gradient(x, y)
    expected = values(held)
    part = held[7:9]
    assert address(gradient(z, y)) != address(held)
    del held
    for _ in range(3):
        gradient(z, y)
    np.testing.assert_array_equal(np.asarray(part), expected[7:9])


def test_from_one_to_the_other():
    """One block is kept for both; what is viewed as the other's holds it as well."""
    x, y = _batch()
    tensor = torch_gradient(x, y)
    expected, place = values(tensor), address(tensor)
    array = tensor.numpy()
    del tensor
    assert address(numpy_gradient(x, y)) != place
    np.testing.assert_array_equal(array, expected)
    del array
    assert address(numpy_gradient(x, y)) == place


def test_sizes(gradient):
    """What is kept serves sizes down to half of its own; another size takes its place."""
    kept = []
    for rows in (ROWS, ROWS + 1, ROWS, ROWS // 2 + 1, ROWS // 2):
        gradient(*_batch(rows=rows))
        kept.append([len(block) // CLASSES // 4 for block in _pages._kept])
    assert kept == [[ROWS], [ROWS + 1], [ROWS + 1], [ROWS + 1], [ROWS // 2]]


def test_arrays_and_tensors_like_any(gradient):
    made = gradient(*_batch())
    copy = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(np.asarray(copy), np.asarray(made))
    made *= 2
    np.testing.assert_array_equal(np.asarray(made), 2 * np.asarray(copy))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_types(dtype):
    x, y = _batch()
    logits = torch.from_numpy(x).to(getattr(torch, dtype)).requires_grad_()
    (made,) = torch.autograd.grad(drop_in.cross_entropy(logits, torch.from_numpy(y)), logits)
    assert made.dtype == logits.dtype and made.shape == logits.shape and made.is_contiguous()
    assert len(_pages._kept) == 0
    array = xent.cross_entropy_with_grad(x.astype(np.dtype(dtype)), y)[1]
    assert array.dtype == np.dtype(dtype) and array.shape == x.shape and array.flags.writeable
    np.testing.assert_array_equal(array.astype(float), made.double().numpy())


def test_strides_stay_those_of_the_logits():
    x, y = _batch()
    logits = torch.from_numpy(x).t().contiguous().t().requires_grad_()
    (made,) = torch.autograd.grad(drop_in.cross_entropy(logits, torch.from_numpy(y)), logits)
    assert made.stride() == logits.stride()
    np.testing.assert_array_equal(made.numpy(), torch_gradient(x, y).numpy())


def test_without_memory_of_its_own(monkeypatch, gradient):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    x, y = _batch()
    expected = values(gradient(x, y))
    _pages._kept.clear()
    monkeypatch.setattr(_pages.mmap, "mmap", refuse)
    np.testing.assert_array_equal(np.asarray(gradient(x, y)), expected)


def test_advice_may_be_refused(monkeypatch, gradient):
    """Nothing is kept then, since the system could not have it."""
    monkeypatch.setattr(_pages, "_advise", lambda *_: -1)
    (x, y), (z, _) = _batch(), _batch(1)
    held = gradient(x, y)
    expected = values(held)
    gradient(z, y)
    assert not _pages._kept
    np.testing.assert_array_equal(np.asarray(held), expected)


def test_no_views():
    """What autograd refuses to do to views can be done to large gradients, too."""
    x, y = _batch()
    made = torch_gradient(x, y)
    assert not made._is_view()
    made.detach_()
    logits, target = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)
    losses = drop_in.cross_entropy(logits, target, reduction="none")
    (made,) = torch.autograd.grad(losses, logits, torch.ones(ROWS))
    made.mul_(torch.full((1,), 2.0, requires_grad=True))
    assert made.requires_grad


def test_the_linear_form(monkeypatch):
    """Two large gradients in a call: neither is where the other is, or where those before are."""
    dice = np.random.default_rng(5)
    features, labels = dice.normal(size=(ROWS, 40)).astype(np.float32), dice.integers(0, 50, ROWS)
    weight = dice.normal(size=(50, 40)).astype(np.float32)
    held = [xent.linear_cross_entropy_with_grad(features, weight, labels)[1] for _ in range(2)]
    del held[0]
    held.append(xent.linear_cross_entropy_with_grad(features, weight, labels)[1])
    xent.linear_cross_entropy_with_grad(2 * features, 2 * weight, labels)
    monkeypatch.setattr(_pages, "_LEAST_KEPT", 1 << 25)
    expected = xent.linear_cross_entropy_with_grad(features, weight, labels)[1]
    for found in held:
        np.testing.assert_array_equal(found.features, expected.features)
        np.testing.assert_array_equal(found.weight, expected.weight)
        assert not found.features.flags.owndata and not found.weight.flags.owndata


def test_threads(gradient):
    batches = [_batch(seed) for seed in range(4)]
    expected = [values(gradient(*batch)) for batch in batches]
    wrong = []

    def work(i):
        for _ in range(30):
            made = gradient(*batches[i])
            if not np.array_equal(np.asarray(made), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(_pages._kept) == 1


def test_small_ones_are_nobodys_business(monkeypatch, gradient):
    monkeypatch.setattr(_pages, "_LEAST_KEPT", 1 << 25)
    gradient(*_batch())
    assert not _pages._kept


def test_huge_pages_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(_pages, "_LEAST_KEPT", 1 << 25)
    monkeypatch.setattr(_pages, "_advise", lambda *words: asked.append(words))
    for rows in (8, 1200):
        grad = torch_gradient(*_batch(rows=rows))
    ((begin, size, what),) = asked
    first, page = address(grad), _pages.mmap.PAGESIZE
    assert begin % page == size % page == 0
    assert first <= begin < first + page
    assert first + grad.nbytes - page < begin + size <= first + grad.nbytes
    assert what == 14
