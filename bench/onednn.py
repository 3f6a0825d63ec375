# SPDX-License-Identifier: MIT
"""oneDNN's log-softmax through its C interface (version 3), forward and backward in buffers of their own."""
import ctypes
import glob
import os
import sys

import numpy as np

# The numbers of dnnl_types.h.
BF16, F32, AB, CPU, IN_ORDER, FORWARD_TRAINING, SOFTMAX_LOG = 2, 3, 3, 1, 1, 64, 0x30001
SRC, DST, DIFF_SRC, DIFF_DST = 1, 17, 129, 145


class Argument(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_int), ("memory", ctypes.c_void_p)]


class Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


class OneDNN:
    def __init__(self):
        found = glob.glob(os.path.join(sys.prefix, "lib", "libdnnl.so*"))
        if not found:
            raise ImportError("there is no libdnnl.so in " + os.path.join(sys.prefix, "lib"))
        self.shared = ctypes.CDLL(min(found))
        self.shared.dnnl_version.restype = ctypes.POINTER(Version)
        version = self.shared.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        self.engine = self.make("dnnl_engine_create", CPU, ctypes.c_size_t(0))
        self.stream = self.make("dnnl_stream_create", self.engine, IN_ORDER)

    def do(self, name, *words):
        status = getattr(self.shared, name)(*words)
        if status != 0:
            raise RuntimeError(f"{name}: status {status}")

    def make(self, name, *words):
        made = ctypes.c_void_p()
        self.do(name, ctypes.byref(made), *words)
        return made

    def log_softmax(self, logits, labels, dtype):
        """A function that runs it forward and backward, and the gradient that it fills. The upstream gradient, -1/rows
        at the labels, is made before; so this is less work than the loss."""
        rows, classes = logits.shape
        element = BF16 if dtype == "bf16" else F32
        desc = self.make("dnnl_memory_desc_create_with_tag", 2, (ctypes.c_int64 * 2)(rows, classes), element, AB)
        forward = self.make("dnnl_softmax_forward_primitive_desc_create", self.engine, FORWARD_TRAINING, SOFTMAX_LOG,
                            desc, desc, 1, None)
        backward = self.make("dnnl_softmax_backward_primitive_desc_create", self.engine, SOFTMAX_LOG, desc, desc, desc,
                             1, forward, None)
        forward, backward = self.make("dnnl_primitive_create", forward), self.make("dnnl_primitive_create", backward)
        upstream = np.zeros(logits.shape, logits.dtype)
        upstream[np.arange(rows), labels] = -1 / rows
        gradient, result = np.zeros_like(logits), np.zeros_like(logits)
        src, dst, diff_src, diff_dst = (
            self.make("dnnl_memory_create", desc, self.engine, ctypes.c_void_p(array.ctypes.data))
            for array in (logits, result, gradient, upstream))
        first = (Argument * 2)((SRC, src), (DST, dst))
        second = (Argument * 3)((DST, dst), (DIFF_DST, diff_dst), (DIFF_SRC, diff_src))

        def call():
            self.do("dnnl_primitive_execute", forward, self.stream, 2, first)
            self.do("dnnl_primitive_execute", backward, self.stream, 3, second)
            self.do("dnnl_stream_wait", self.stream)
            return upstream, result, gradient  # which live as long as the call can be made
        return call, gradient
