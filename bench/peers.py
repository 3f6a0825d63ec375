#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the library beside PyTorch, JAX and oneDNN: peers.py [--quick | --smoke] [--threads N] LIBXENT.SO > peers.json

PyTorch, JAX and oneDNN have a process each; in all of them the library is loaded too and takes turns. Everyone computes the mean loss and its gradient from the same logits, in the same precision, on the same cores. All is done
twice: with glibc's allocator as it comes, and with one that keeps its memory, so that page faults are told apart.
"""
import argparse
import ctypes
import datetime
import json
import os
import resource
import subprocess
import sys
import time

SHAPES = [(65536, 10), (8192, 1000), (512, 50257), (256, 131072)]
TINY_SHAPES = [(300, 10), (4, 1000)]
ROWS_TRIED, WARM_UP = 8, 4
# How far gradients may be from the formula in double, as a share of what is added. PyTorch holds the sums of bf16 rows
# in bf16.
TOLERANCE = {"f32": 1e-3, "bf16": 0.1}


def log(*words):
    print(*words, file=sys.stderr, flush=True)


# ---- what takes turns; each is made for a batch and gives a call, and how to see its gradient ------------------------


class Batch:
    def __init__(self, rows, classes, dtype):
        import ml_dtypes
        import numpy as np
        random = np.random.default_rng(7)
        self.dtype = dtype
        self.logits = (2 * random.standard_normal((rows, classes), np.float32)).astype(
            ml_dtypes.bfloat16 if dtype == "bf16" else np.float32)
        self.labels = random.integers(0, classes, rows, np.int64)
        self.overwritten = self.logits.copy()
        self.buffer = np.zeros_like(self.logits)

    def restore(self):
        self.overwritten[...] = self.logits

    def error(self, gradient):
        """The largest deviation of some rows of a gradient, as a share of what is added."""
        import numpy as np
        worst, rows = 0.0, len(self.labels)
        for row in range(0, rows, max(1, rows // ROWS_TRIED)):
            x = self.logits[row].astype(np.float64)
            p = np.exp(x - x.max())
            p /= p.sum()
            hot = np.arange(len(x)) == self.labels[row]
            off = np.abs(np.asarray(gradient[row]).astype(np.float64) * rows - (p - hot))
            worst = max(worst, float((off / (p + np.abs(p - hot))).max()))
        return worst


def memcpy(batch):
    words = batch.buffer.ctypes.data, batch.logits.ctypes.data, batch.logits.nbytes
    return (lambda: ctypes.memmove(*words)), None


def xent_in_place(batch):
    call = LIBRARY.loss_and_gradient(batch.overwritten, batch.labels, batch.overwritten, batch.dtype)
    return call, lambda: batch.overwritten


def xent_out_of_place(batch):
    return LIBRARY.loss_and_gradient(batch.logits, batch.labels, batch.buffer, batch.dtype), lambda: batch.buffer


def torch_logits(batch):
    import numpy as np
    import torch
    if batch.dtype == "bf16":
        return torch.from_numpy(batch.logits.view(np.uint16)).view(torch.bfloat16).requires_grad_()
    return torch.from_numpy(batch.logits).requires_grad_()


def torch_steps(batch, loss):
    import torch
    x, y = torch_logits(batch), torch.from_numpy(batch.labels)

    def call():
        x.grad = None
        loss(x, y).backward()
    return call, lambda: x.grad.float().numpy()


def torch_eager(batch):
    import torch
    return torch_steps(batch, torch.nn.functional.cross_entropy)


def torch_compile(batch):
    import torch
    torch._dynamo.config.recompile_limit = 64
    return torch_steps(batch, torch.compile(torch.nn.functional.cross_entropy, dynamic=False, fullgraph=True))


def onednn(batch):
    from onednn import OneDNN
    call, gradient = OneDNN().log_softmax(batch.logits, batch.labels, batch.dtype)
    return call, lambda: gradient


def jax_jit(batch):
    import jax
    import optax
    x, y = jax.numpy.asarray(batch.logits), jax.numpy.asarray(batch.labels.astype("int32"))
    step = jax.jit(jax.value_and_grad(
        lambda x, y: optax.softmax_cross_entropy_with_integer_labels(x, y).mean()))
    kept = [step(x, y)]

    def call():
        kept[0] = None
        kept[0] = jax.block_until_ready(step(x, y))
    return call, lambda: kept[0][1]


# glibc's malloc as it comes; and so that free memory stays with the process: no mappings for large blocks, no trimming,
# and one heap for all threads, since the others cannot hold large blocks.
ALLOCATORS = {"malloc": {}, "kept": {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:"
                                     f"glibc.malloc.trim_threshold={2 ** 64 - 1}"}}
OURS = [memcpy, xent_in_place, xent_out_of_place]
PEERS = {"torch": [torch_eager, torch_compile], "jax": [jax_jit], "onednn": [onednn]}


# ---- one process -----------------------------------------------------------------------------------------------------


def make_ready(contender, batch):
    """Its call, warm, and the deviation of its gradient; what does not work or is wrong is an exception."""
    call, gradient = contender(batch)
    for _ in range(WARM_UP):
        batch.restore()
        call()
    if gradient is None:
        return call, None
    error = batch.error(gradient())
    if error > TOLERANCE[batch.dtype]:
        raise RuntimeError(f"its gradient is off by {error:.2g}")
    return call, error


def sample(call):
    faults, begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    call()
    spent = time.perf_counter() - begun
    return spent, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults


def take_turns(batch, calls, seconds, least):
    """Samples of every call: (seconds, page faults); the first of them is another one each time."""
    samples, begun = {name: [] for name in calls}, time.perf_counter()
    names = list(calls)
    while len(samples[names[0]]) < least or (
            time.perf_counter() - begun < seconds and len(samples[names[0]]) < 1000):
        turn = len(samples[names[0]]) % len(names)
        for name in names[turn:] + names[:turn]:
            batch.restore()
            samples[name].append(sample(calls[name]))
    return samples


def quartiles(values):
    values = sorted(values)
    return [float(f"{values[round(part * (len(values) - 1))]:.4g}") for part in (0.25, 0.5, 0.75)]


def run_case(peers, shape, dtype, options):
    batch, calls, errors, missing = Batch(*shape, dtype), {}, {}, {}
    for contender in OURS + peers:
        name = contender.__name__
        try:
            calls[name], errors[name] = make_ready(contender, batch)
        except Exception as reason:  # of any peer: it is reported, and the others go on
            if contender in OURS:
                raise
            missing[name] = f"{type(reason).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}"
    samples = take_turns(batch, calls, options.seconds, options.least)
    return {
        "dtype": dtype, "shape": shape, "repetitions": len(samples["memcpy"]),
        "seconds": {name: quartiles([spent for spent, _ in taken]) for name, taken in samples.items()},
        "faults": {name: quartiles([faults for _, faults in taken])[1] for name, taken in samples.items()},
        "errors": {name: float(f"{error:.2g}") for name, error in errors.items() if error is not None},
        "missing": missing}


def versions():
    import importlib.metadata
    found = {}
    for name in ("torch", "jax", "jaxlib", "optax", "numpy", "ml_dtypes"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    try:
        from onednn import OneDNN
        found["oneDNN"] = OneDNN().version
    except (ImportError, OSError, RuntimeError):
        pass
    return found


def work(options):
    """What the process of one framework does; prints a line of JSON for each case."""
    global LIBRARY
    from library import Library
    LIBRARY = Library(options.library)
    for dtype in ("f32", "bf16"):
        for shape in options.shapes:
            found = run_case(PEERS[options.process], shape, dtype, options)
            times = {name: spent[1] for name, spent in found["seconds"].items()}
            log(f"{options.process} {options.allocator:6} {dtype:4} {list(shape)}", " ".join(
                f"{name} {spent / times['xent_out_of_place']:.2f}" for name, spent in times.items()),
                *(f"{name}: {why}" for name, why in found["missing"].items()))
            print(json.dumps({"process": options.process, "allocator": options.allocator, **found}), flush=True)


# ---- all of it -------------------------------------------------------------------------------------------------------


def environment(options, allocator):
    many = str(options.threads)
    cache = os.path.join(sys.prefix, "compiled")
    return {**os.environ, **ALLOCATORS[allocator], "OMP_NUM_THREADS": many, "MKL_NUM_THREADS": many, "OPENBLAS_NUM_THREADS": many,
            "JAX_PLATFORMS": "cpu", "TORCHINDUCTOR_CACHE_DIR": cache,
            "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=" + ("false" if options.threads == 1 else "true")}


def start(process, allocator, options):
    words = [sys.executable, __file__, options.library, "--process", process, "--allocator", allocator]
    words += ["--threads", str(options.threads)]
    words += ["--quick"] * options.quick + ["--smoke"] * options.smoke
    done = subprocess.run(words, env=environment(options, allocator), stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        log(f"the process of {process}, {allocator}, ended with {done.returncode}")
    return lines, done.returncode


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--process", choices=list(PEERS), help="only the part of one process")
    parser.add_argument("--allocator", choices=list(ALLOCATORS), default="malloc", help="how --process was started")
    options = parser.parse_args()
    options.least = 2 if options.smoke else 3 if options.quick else 5
    options.seconds = 0 if options.smoke else 0.3 if options.quick else 1.5
    options.shapes = TINY_SHAPES if options.smoke else SHAPES
    return options


def main():
    options = read_options()
    if options.process:
        work(options)
        return 0
    cores = sorted(os.sched_getaffinity(0))[-options.threads:]
    os.sched_setaffinity(0, cores)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from library import Library
    library = Library(options.library)
    lines, codes = [], []
    for process in PEERS:
        for allocator in ALLOCATORS:
            found, code = start(process, allocator, options)
            lines += found
            codes.append(code)
    print(json.dumps({
        "date": datetime.date.today().isoformat(), "version": library.version, "isa": library.isa,
        "threads": options.threads, "first_core": cores[0], "versions": versions(), "cases": lines}, indent=1))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
