# SPDX-License-Identifier: MIT
"""What may be passed as an array, how it is read without a copy, and what is refused how."""

import ctypes

import ml_dtypes
import numpy as np
import pytest
import xent
from xent import _arrays, _dlpack

LOGITS = np.random.default_rng(1).standard_normal((6, 5)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 4, 0])
EXPECTED = xent.cross_entropy_with_grad(LOGITS, LABELS)


def _is_expected(found):
    assert found[0] == EXPECTED[0]
    assert np.array_equal(found[1], EXPECTED[1])


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
)
def test_every_integer_type(dtype):
    _is_expected(xent.cross_entropy_with_grad(LOGITS, LABELS.astype(dtype)))


def test_labels_are_never_rounded():
    with pytest.raises(xent.LabelError, match=str((1 << 63) + 1)):
        xent.cross_entropy(
            np.zeros((1, 3)), np.array([(1 << 63) + 1], np.uint64), on_bad_label="error"
        )


def test_read_only():
    logits, labels = LOGITS.copy(), LABELS.copy()
    logits.flags.writeable = labels.flags.writeable = False
    _is_expected(xent.cross_entropy_with_grad(logits, labels))
    _is_expected(
        xent.cross_entropy_with_grad(
            np.frombuffer(LOGITS.tobytes(), np.float32).reshape(6, 5), labels
        )
    )


def test_foreign_byte_order():
    _is_expected(xent.cross_entropy_with_grad(LOGITS.astype(">f4"), LABELS.astype(">i8")))
    with pytest.raises(xent.DtypeError, match="float32"):
        xent.cross_entropy_with_grad(LOGITS, LABELS, out=np.empty((6, 5), ">f4"))


def test_strides_of_parts_of_elements():
    packed = np.zeros(6, [("tag", "u1"), ("x", "f4", 5), ("y", "i8")])
    packed["x"], packed["y"] = LOGITS, LABELS
    assert packed["y"].strides[0] % 8
    _is_expected(xent.cross_entropy_with_grad(packed["x"], packed["y"]))
    with pytest.raises(xent.ShapeError, match="whole elements"):
        xent.cross_entropy_with_grad(LOGITS, LABELS, out=packed["x"])


def test_sequences():
    assert xent.cross_entropy([[1, 2, 3], [3, 2, 1]], [0, 1]) == xent.cross_entropy(
        np.array([[1.0, 2, 3], [3, 2, 1]]), np.array([0, 1])
    )
    assert xent.cross_entropy([1.0, 2.0], 1) == xent.cross_entropy(np.array([[1.0, 2.0]]), [1])
    assert np.isnan(xent.cross_entropy(np.zeros((0, 3)), []))


def test_bf16():
    logits = LOGITS.astype(ml_dtypes.bfloat16)
    loss, grad = xent.cross_entropy_with_grad(logits, LABELS)
    assert grad.dtype == ml_dtypes.bfloat16
    assert loss == pytest.approx(xent.cross_entropy(logits.astype(float), LABELS), rel=1e-6)


class Interface:
    """Has the array interface and nothing else."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self.kept = array


def test_the_array_interface_is_read_in_place():
    wrapped = Interface(LOGITS)
    _is_expected(xent.cross_entropy_with_grad(wrapped, Interface(LABELS)))
    assert _arrays.logits_view(wrapped).address == LOGITS.ctypes.data


REFUSED = [
    (LOGITS.astype(object), LABELS, "logits have dtype object"),
    (LOGITS, LABELS.astype(object), "labels have dtype object"),
    ([[1.0, 2.0], [1.0]], [0, 1], "logits is no array of numbers"),
    (LOGITS.astype(int), LABELS, r"logits.astype\(numpy.float32\)"),
    (LOGITS.astype(complex), LABELS, "complex"),
    (LOGITS.astype(np.longdouble), LABELS, "longdouble|float128"),
    (LOGITS, LABELS.astype(float), r"labels.astype\(numpy.int64\)"),
    (LOGITS, LABELS > 2, "False and True are classes 0 and 1"),
    (LOGITS, np.array(list("abcdea")), "number the classes first"),
    (np.ma.masked_array(LOGITS, LOGITS > 0), LABELS, "masked array, whose mask would be lost"),
    (LOGITS.astype(ml_dtypes.float8_e4m3fn), LABELS, "float8_e4m3fn"),
    (np.zeros((1,) * 9), np.zeros((1,) * 8, int), "9"),
]


@pytest.mark.parametrize(("logits", "labels", "says"), REFUSED)
def test_refusals(logits, labels, says):
    with pytest.raises(xent.XentError, match=says):
        xent.cross_entropy(logits, labels)


def test_refused_weights():
    with pytest.raises(xent.DtypeError, match="class_weight has dtype object"):
        xent.cross_entropy(LOGITS, LABELS, class_weight=np.ones(5, object))
    with pytest.raises(xent.DtypeError, match="row_weight has dtype complex"):
        xent.cross_entropy(LOGITS, LABELS, row_weight=np.ones(6, complex))
    mask = LABELS > 1
    masked = xent.cross_entropy(LOGITS, LABELS, row_weight=mask)
    assert masked == pytest.approx(xent.cross_entropy(LOGITS[mask], LABELS[mask]), rel=1e-15)


class Exporter:
    """An array that only speaks DLPack, as version 0.8 or 1."""

    def __init__(self, array, versioned, device=(1, 0)):
        self.array, self.versioned, self.device = array, versioned, device

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        if not self.versioned:
            if options:
                raise TypeError("what is max_version?")
            return self.array.__dlpack__()
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("versioned", [False, True])
def test_dlpack_is_read_in_place(versioned):
    if versioned and np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("this NumPy exports version 0.8 only")
    logits = np.asfortranarray(LOGITS)
    _is_expected(
        xent.cross_entropy_with_grad(Exporter(logits, versioned), Exporter(LABELS, versioned))
    )
    view = _arrays.logits_view(Exporter(logits, versioned))
    assert view.address == logits.ctypes.data and view.stride == (1, 6)
    part = logits[1:, 2:]
    assert _arrays.logits_view(Exporter(part, versioned)).address == part.ctypes.data
    assert _arrays.logits_view(Exporter(np.float32([[1, 2]]), versioned)).shape == (1, 2)


class Offset(Exporter):
    """Says where its memory begins by an offset, as DLPack allows."""

    def __dlpack__(self, **options):
        capsule = super().__dlpack__(**options)
        tensor = _dlpack._tensor_of(capsule, "test")
        tensor.data -= 20
        tensor.byte_offset = 20
        return capsule


def test_dlpack_with_an_offset():
    _is_expected(xent.cross_entropy_with_grad(Offset(LOGITS, False), Offset(LABELS, False)))


def test_dlpack_lets_go():
    import sys

    logits = LOGITS.copy()
    before = sys.getrefcount(logits)
    for _ in range(10):
        xent.cross_entropy(Exporter(logits, False), LABELS)
    assert sys.getrefcount(logits) == before


def test_dlpack_refusals():
    with pytest.raises(xent.ArgumentError, match=r"on device \(2, 0\)"):
        xent.cross_entropy(Exporter(LOGITS, False, (2, 0)), LABELS)
    with pytest.raises(xent.DtypeError, match="128 bits"):
        xent.cross_entropy(Exporter(LOGITS.astype(complex), False), LABELS)


class WithoutDevice:
    def __dlpack__(self):
        return LOGITS.__dlpack__()


class Gives(Exporter):
    """Something else than a new capsule."""

    def __dlpack__(self, **options):
        return self.array


def test_dlpack_broken():
    with pytest.raises(xent.ArgumentError, match="no __dlpack_device__"):
        xent.cross_entropy(WithoutDevice(), LABELS)
    used = LOGITS.__dlpack__()
    np.from_dlpack(Gives(used, False))
    for given in (used, LOGITS, None):
        with pytest.raises(xent.ArgumentError, match="no DLPack capsule that is still unused"):
            xent.cross_entropy(Gives(given, False), LABELS)


def test_the_longest_sentence_fits():
    logits = np.zeros((3,) * 8)
    with pytest.raises(xent.ShapeError) as refusal:
        xent.cross_entropy(logits, np.zeros((4,) * 8, int))
    assert len(str(refusal.value)) < ctypes.sizeof(ctypes.c_char * 512)
