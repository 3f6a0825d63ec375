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


class Library:
    def __init__(self, path):
        self.shared = ctypes.CDLL(path)
        self.shared.xent_version.restype = self.shared.xent_isa.restype = ctypes.c_char_p
        self.shared.xent_total_loss.restype = c_double
        self.version = self.shared.xent_version().decode()
        self.isa = self.shared.xent_isa().decode()

    def loss_and_gradient(self, logits, labels, gradient, dtype):
        """A function without arguments for the mean loss; gradient may be the logits."""
        rows, classes = logits.shape
        tensors = [Tensor(array.ctypes.data, DTYPES[kind], array.ndim, (rows, classes), (stride, 1))
                   for array, kind, stride in ((logits, dtype, classes), (labels, "i64", 1), (gradient, dtype, classes))]
        outputs = Outputs(ctypes.sizeof(Outputs), grad=ctypes.pointer(tensors[2]))
        total, error = (c_int64 * 16)(), ctypes.create_string_buffer(512)
        words = [ctypes.byref(tensors[0]), ctypes.byref(tensors[1]), None, ctypes.byref(outputs), total, error]

        def call():
            if self.shared.xent_cross_entropy(*words) != 0:
                raise RuntimeError(error.value.decode())
            return self.shared.xent_total_loss(total, None)
        return call
