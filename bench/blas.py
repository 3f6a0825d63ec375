# SPDX-License-Identifier: MIT
"""OpenBLAS' product of f32 matrices through its C interface, on one thread or as many as asked."""
import ctypes
import ctypes.util
from ctypes import c_float, c_int, c_void_p

# The numbers of cblas.h.
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112


class OpenBLAS:
    def __init__(self, threads):
        found = ctypes.util.find_library("openblas")
        if not found:
            raise ImportError("there is no libopenblas (Debian package libopenblas0)")
        self.shared = ctypes.CDLL(found)
        self.shared.openblas_get_config.restype = ctypes.c_char_p
        self.version = " ".join(self.shared.openblas_get_config().decode().split()[1:2])
        self.shared.openblas_set_num_threads(threads)
        self.shared.cblas_sgemm.argtypes = [c_int] * 6 + [c_float, c_void_p, c_int, c_void_p, c_int, c_float, c_void_p, c_int]
        self.shared.cblas_sgemm.restype = None

    def product(self, a, b, out):
        """A function without arguments that computes out = a b; a and b are contiguous or transposed so."""
        rows, depth = a.shape
        words = [ROW_MAJOR, *(AS_IT_IS if part.flags.c_contiguous else TRANSPOSED for part in (a, b)),
                 rows, b.shape[1], depth, 1.0]
        for part in (a, b):
            words += [part.ctypes.data, max(part.strides) // part.itemsize]
        words += [0.0, out.ctypes.data, out.shape[1]]
        return lambda: self.shared.cblas_sgemm(*words)
