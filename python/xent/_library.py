# SPDX-License-Identifier: MIT
"""libxent.so, and what its headers say: structs and constants mirrored, functions declared."""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path

MAX_NDIM = 8
SMALL = 1 << 16  # so many logits at most stay on the calling thread anyway
OK = 0
NOTHING_COUNTED = 5

# enum of element types
F32, F64, BF16, F16, I8, U8, I16, U16, I32, U32, I64, U64 = range(1, 13)

LOGITS_ARE = {"logits": 0, "probabilities": 1, "log_probabilities": 2}
REDUCTION = {"mean": 0, "row_mean": 1, "sum": 2}
ON_BAD_LABEL = {"error": 0, "ignore": 1, "nan": 2}
ON_NOTHING_COUNTED = {"error": 0, "nan": 1, "zero": 2}
TRAINING_METHOD = {"lbfgs": 0, "sgd": 1, "adam": 2}
TRAINING_ENDED = {"converged": 1, "at_rest": 2, "iterations": 3, "patience": 4, "diverged": 5}


class Tensor(ctypes.Structure):
    """struct xent_tensor"""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("ndim", c_int32),
        ("shape", c_int64 * MAX_NDIM),
        ("stride", c_int64 * MAX_NDIM),
    ]


class Options(ctypes.Structure):
    """struct xent_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("logits_are", c_int32),
        ("class_axis", c_int32),
        ("reduction", c_int32),
        ("on_bad_label", c_int32),
        ("on_nothing_counted", c_int32),
        ("threads", c_int32),
        ("denominator", c_double),
        ("label_smoothing", c_double),
        ("z_loss", c_double),
        ("softcap", c_double),
        ("logit_scale", c_double),
        ("ignore", c_void_p),
        ("ignore_count", c_size_t),
        ("class_weight", c_void_p),
        ("row_weight", c_void_p),
        ("executor", c_void_p),
    ]


class Outputs(ctypes.Structure):
    """struct xent_outputs"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("loss", c_void_p),
        ("lse", c_void_p),
        ("prediction", c_void_p),
        ("label_probability", c_void_p),
        ("entropy", c_void_p),
        ("grad", c_void_p),
        ("probability", c_void_p),
    ]


class LinearOutputs(ctypes.Structure):
    """struct xent_linear_outputs"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("loss", c_void_p),
        ("lse", c_void_p),
        ("prediction", c_void_p),
        ("label_probability", c_void_p),
        ("entropy", c_void_p),
        ("grad_features", c_void_p),
        ("grad_weight", c_void_p),
        ("grad_bias", c_void_p),
        ("logits", c_void_p),
    ]


class Total(ctypes.Structure):
    """struct xent_total"""

    _fields_ = [
        ("rows", c_int64),
        ("counted", c_int64),
        ("ignored", c_int64),
        ("bad", c_int64),
        ("nonfinite", c_int64),
        ("correct", c_int64),
        ("first_bad_row", c_int64),
        ("first_bad_label", c_int64),
        ("first_nonfinite_row", c_int64),
        ("loss_sum", c_double),
        ("loss_sum_low", c_double),
        ("weight_sum", c_double),
        ("weight_sum_low", c_double),
        ("reserved", c_int64 * 3),
    ]


class Error(ctypes.Structure):
    """struct xent_error"""

    _fields_ = [("message", c_char * 512)]


class Evidence(ctypes.Structure):
    """struct xent_evidence"""

    _fields_ = [("name", c_char_p), ("value", c_double)]


class Finding(ctypes.Structure):
    """struct xent_finding"""

    _fields_ = [
        ("id", c_char_p),
        ("severity", c_int32),
        ("unscorable", c_int32),
        ("evidence_count", c_int32),
        ("reserved", c_int32),
        ("evidence", c_void_p),
        ("message", c_char_p),
        ("fix", c_char_p),
    ]


class TrainingOptions(ctypes.Structure):
    """struct xent_training_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("method", c_int32),
        ("dtype", c_int32),
        ("on_bad_label", c_int32),
        ("threads", c_int32),
        ("standardize", c_int32),
        ("max_iterations", c_int32),
        ("patience", c_int32),
        ("precondition", c_int32),
        ("history", c_int32),
        ("batch_rows", c_int32),
        ("seed", c_uint64),
        ("l2", c_double),
        ("label_smoothing", c_double),
        ("scale", c_double),
        ("tolerance", c_double),
        ("learning_rate", c_double),
        ("rate_decay", c_double),
        ("momentum", c_double),
        ("ignore", c_void_p),
        ("ignore_count", c_size_t),
        ("class_weight", c_void_p),
        ("executor", c_void_p),
    ]


class TrainingReport(ctypes.Structure):
    """struct xent_training_report"""

    _fields_ = [
        ("pass", c_int32),
        ("ended", c_int32),
        ("is_best", c_int32),
        ("reserved_int", c_int32),
        ("passes", c_int64),
        ("iterations", c_int64),
        ("constant_features", c_int64),
        ("first_constant_feature", c_int64),
        ("objective", c_double),
        ("loss", c_double),
        ("accuracy", c_double),
        ("gradient", c_double),
        ("step", c_double),
        ("held_out_loss", c_double),
        ("held_out_accuracy", c_double),
        ("total", Total),
        ("held_out", Total),
        ("reserved", c_double * 4),
    ]


class TrainingParameters(ctypes.Structure):
    """struct xent_training_parameters"""

    _fields_ = [("weight", Tensor), ("bias", Tensor), ("mean", Tensor), ("scale", Tensor)]


# CDLL lets go of the interpreter's lock while a function runs.
_library = ctypes.CDLL(str(Path(__file__).with_name("libxent.so")))

cross_entropy = _library.xent_cross_entropy
cross_entropy.argtypes = [c_void_p] * 6
cross_entropy.restype = c_int32

linear_cross_entropy = _library.xent_linear_cross_entropy
linear_cross_entropy.argtypes = [c_void_p] * 8
linear_cross_entropy.restype = c_int32

mean_loss_f32 = _library.xent_mean_loss_f32
mean_loss_f32.argtypes = [c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p]
mean_loss_f32.restype = c_int32

count_labels = _library.xent_count_labels
count_labels.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_void_p]
count_labels.restype = c_int32

total_merge = _library.xent_total_merge
total_merge.argtypes = [c_void_p, c_void_p]
total_merge.restype = None

total_loss = _library.xent_total_loss
total_loss.argtypes = [c_void_p, c_void_p]
total_loss.restype = c_double

diagnose = _library.xent_diagnose
diagnose.argtypes = [c_void_p] * 5
diagnose.restype = c_int32

diagnosis_count = _library.xent_diagnosis_count
diagnosis_count.argtypes = [c_void_p]
diagnosis_count.restype = c_int32

diagnosis_finding = _library.xent_diagnosis_finding
diagnosis_finding.argtypes = [c_void_p, c_int32]
diagnosis_finding.restype = c_void_p

diagnosis_scorable = _library.xent_diagnosis_scorable
diagnosis_scorable.argtypes = [c_void_p]
diagnosis_scorable.restype = c_int32

diagnosis_total = _library.xent_diagnosis_total
diagnosis_total.argtypes = [c_void_p]
diagnosis_total.restype = Total

diagnosis_free = _library.xent_diagnosis_free
diagnosis_free.argtypes = [c_void_p]
diagnosis_free.restype = None

training_begin = _library.xent_training_begin
training_begin.argtypes = [c_int64, c_int64, c_void_p, c_void_p, c_void_p]
training_begin.restype = c_int32

training_set = _library.xent_training_set
training_set.argtypes = [c_void_p] * 4
training_set.restype = c_int32

training_add = _library.xent_training_add
training_add.argtypes = [c_void_p] * 5
training_add.restype = c_int32

training_step = _library.xent_training_step
training_step.argtypes = [c_void_p] * 3
training_step.restype = c_int32

training_model = _library.xent_training_model
training_model.argtypes = [c_void_p] * 3
training_model.restype = c_int32

training_free = _library.xent_training_free
training_free.argtypes = [c_void_p]
training_free.restype = None

prepare_features = _library.xent_prepare_features
prepare_features.argtypes = [c_void_p] * 5
prepare_features.restype = c_int32

_library.xent_version.restype = c_char_p
_library.xent_isa.restype = c_char_p
_library.xent_thread_count.restype = c_int32


def version() -> str:
    """The library's version, "major.minor.patch"."""
    return str(_library.xent_version().decode())


def isa() -> str:
    """The instruction set in use: "scalar", "avx2", "avx512" or "neon"."""
    return str(_library.xent_isa().decode())


def thread_count() -> int:
    """How many threads `threads=-1` means here."""
    return int(_library.xent_thread_count())
