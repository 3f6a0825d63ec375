#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the linear form: linear_torch.py [--quick | --smoke] [--threads N] > linear_torch.json

Needs the package xent and PyTorch installed. Mean loss of features times weight plus bias, and the gradients of all three, forward and backward, in f32: by xent.torch.linear_cross_entropy, by
torch.nn.functional.linear and cross_entropy, and by PyTorch's own linear_cross_entropy that parts the batch, where there is one. They take turns in one process, and on one thread it is the processor's time that counts, so that a busy machine disturbs little; the most memory that a call takes besides
its inputs is measured in a process for each.
"""
import argparse
import datetime
import gc
import json
import os
import subprocess
import sys
import time

import calls
import peers

# Rows, features, classes.
SHAPES = [(4096, 768, 32768), (4096, 64, 50257)]
TINY_SHAPES = [(200, 8, 3000)]
TOLERANCE = 1e-3


class Batch:
    def __init__(self, rows, depth, classes):
        import torch
        generator = torch.Generator().manual_seed(7)
        scale = 2 / depth ** 0.5  # logits of deviation 2
        self.features = torch.randn((rows, depth), generator=generator).requires_grad_()
        self.weight = (scale * torch.randn((classes, depth), generator=generator)).requires_grad_()
        self.bias = torch.zeros(classes).requires_grad_()
        self.labels = torch.randint(0, classes, (rows,), generator=generator)
        self.learnt = (self.features, self.weight, self.bias)

    def restore(self):
        """Gradients are new in each call."""
        for one in self.learnt:
            one.grad = None


def steps(batch, loss):
    def call():
        loss(batch.features, batch.weight, batch.bias, batch.labels).backward()
    return call


def xent_linear(batch):
    import xent.torch
    return steps(batch, lambda x, w, b, y: xent.torch.linear_cross_entropy(x, w, y, linear_bias=b))


def torch_linear(batch):
    from torch.nn import functional
    return steps(batch, lambda x, w, b, y: functional.cross_entropy(functional.linear(x, w, b), y))


def torch_chunked(batch):
    import torch
    parts = torch.nn.LinearCrossEntropyOptions()
    return steps(batch, lambda x, w, b, y: torch.nn.functional.linear_cross_entropy(
        x, w, y, linear_bias=b, options=parts))


CONTENDERS = [xent_linear, torch_linear, torch_chunked]


def contenders():
    import torch
    return CONTENDERS if hasattr(torch.nn, "LinearCrossEntropyOptions") else CONTENDERS[:2]


def error(batch, call, right):
    """How far the gradients of a call are from those given, as a share of the largest entry."""
    batch.restore()
    call()
    return max(float((one.grad - other).abs().max() / other.abs().max()) for one, other in zip(batch.learnt, right))


def take_turns(batch, made, turns, clock):
    """Seconds of every call, by name; the first of them is another one each turn."""
    samples, names = {name: [] for name in made}, list(made)
    for turn in range(turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            batch.restore()
            begun = clock()
            made[name]()
            samples[name].append(clock() - begun)
    return samples


def run_case(shape, options):
    batch = Batch(*shape)
    made = {contender.__name__: contender(batch) for contender in contenders()}
    made["torch_linear"]()
    right = [one.grad for one in batch.learnt]
    errors = {name: error(batch, call, right) for name, call in made.items()}
    for name, off in errors.items():
        if off > TOLERANCE:
            raise RuntimeError(f"the gradients of {name} are off by {off:.2g}")
    del right
    clock = time.process_time if options.threads == 1 else time.perf_counter
    samples = take_turns(batch, made, options.least, clock)
    found = {name: peers.quartiles(taken) for name, taken in samples.items()}
    peers.log(f"linear f32 {list(shape)}", ", ".join(f"{name} {times[1]:.3f} s" for name, times in found.items()))
    return {"dtype": "f32", "shape": shape, "repetitions": options.least, "seconds": found}


def peak(contender, shape):
    """How much the resident memory grows above what was there before a call, gradients included, and how much of it
    those take."""
    contender(Batch(16, 4, 10))()  # whatever is loaded or started once
    batch = Batch(*shape)
    call = contender(batch)
    gc.collect()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins anew
    before = calls.status("VmRSS")
    call()
    return calls.status("VmHWM") - before, sum(one.grad.nbytes for one in batch.learnt)


def memory(options):
    """Bytes of the gradients, and {name: most bytes of a call besides its inputs}; each has a process of its own."""
    cases = []
    for number, shape in enumerate(options.shapes):
        found = {}
        for contender in contenders():
            name = contender.__name__
            words = [sys.executable, __file__, "--peak", name, str(number), *["--smoke"] * options.smoke]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            found[name], gradients = map(int, done.stdout.split())
            peers.log(f"memory of {name} {list(shape)}: {found[name] / 2 ** 20:.0f} MiB")
        cases.append({"shape": shape, "gradients": gradients, "bytes": found})
    return cases


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", metavar=("CONTENDER", "SHAPE"), nargs=2, help="only print the memory of this one")
    options = parser.parse_args()
    options.least = 2 if options.smoke else 3 if options.quick else 5
    options.shapes = TINY_SHAPES if options.smoke else SHAPES
    return options


def main():
    options = read_options()
    calls.limit_threads(options.threads)
    import torch
    torch.set_num_threads(options.threads)
    if options.peak:
        name, number = options.peak
        contender = next(each for each in CONTENDERS if each.__name__ == name)
        print(*peak(contender, options.shapes[int(number)]))
        return
    import xent
    load = os.getloadavg()[0]
    cases = [run_case(shape, options) for shape in options.shapes]
    print(json.dumps({
        "date": datetime.date.today().isoformat(), "version": xent.version(), "isa": xent.isa(), "threads": options.threads,
        "load": load, "versions": peers.versions(), "cases": cases, "memory": memory(options)}, indent=1))


if __name__ == "__main__":
    main()
