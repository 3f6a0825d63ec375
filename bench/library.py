# SPDX-License-Identifier: MIT
"""The library through its shared object: loss and gradient of NumPy arrays [rows, classes]."""
import ctypes
from ctypes import c_double, c_int32, c_int64, c_size_t, c_void_p

DTYPES = {"f32": 1, "bf16": 3, "i64": 11}


class Tensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_int32), ("ndim", c_int32), ("shape", c_int64 * 8),
                ("stride", c_int64 * 8)]


class Outputs(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t)] + [(name, ctypes.POINTER(Tensor)) for name in (
        "loss", "lse", "prediction", "label_probability", "entropy", "grad", "probability")]


class LinearOutputs(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t)] + [(name, ctypes.POINTER(Tensor)) for name in (
        "loss", "lse", "prediction", "label_probability", "entropy", "grad_features", "grad_weight", "grad_bias", "logits")]


def tensor(array, dtype):
    """The view of a contiguous NumPy array, which must live as long."""
    strides = [step // array.itemsize for step in array.strides]
    return Tensor(array.ctypes.data, DTYPES[dtype], array.ndim, array.shape, tuple(strides))


class Library:
    def __init__(self, path):
        self.shared = ctypes.CDLL(path)
        self.shared.xent_version.restype = self.shared.xent_isa.restype = ctypes.c_char_p
        self.shared.xent_total_loss.restype = c_double
        self.version = self.shared.xent_version().decode()
        self.isa = self.shared.xent_isa().decode()

    def loss_and_gradient(self, logits, labels, gradient, dtype):
        """A function without arguments for the mean loss; gradient may be the logits."""
        tensors = [tensor(array, kind) for array, kind in ((logits, dtype), (labels, "i64"), (gradient, dtype))]
        outputs = Outputs(ctypes.sizeof(Outputs), grad=ctypes.pointer(tensors[2]))
        total, error = (c_int64 * 16)(), ctypes.create_string_buffer(512)
        words = [ctypes.byref(tensors[0]), ctypes.byref(tensors[1]), None, ctypes.byref(outputs), total, error]

        def call():
            if self.shared.xent_cross_entropy(*words) != 0:
                raise RuntimeError(error.value.decode())
            return self.shared.xent_total_loss(total, None)
        return call

    def linear(self, features, weight, labels, wanted, total=True):
        """A function without arguments for the linear form of f32 arrays; wanted: arrays by name of the output."""
        tensors = [tensor(array, kind) for array, kind in ((features, "f32"), (weight, "f32"), (labels, "i64"))]
        outputs = LinearOutputs(ctypes.sizeof(LinearOutputs), **{
            name: ctypes.pointer(tensor(array, "f32")) for name, array in wanted.items()})
        found, error = (c_int64 * 16)() if total else None, ctypes.create_string_buffer(512)
        words = [*map(ctypes.byref, tensors[:2]), None, ctypes.byref(tensors[2]), None, ctypes.byref(outputs), found, error]

        def call():
            if self.shared.xent_linear_cross_entropy(*words) != 0:
                raise RuntimeError(error.value.decode())
            return self.shared.xent_total_loss(found, None) if total else None
        return call
