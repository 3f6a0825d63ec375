#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills `xent train` at random moments: kill_training.py XENT [TIMES]

Every time the checkpoint must be whole, the model absent or whole, and --resume (which is killed again now and then) must
end with the bits of a training that nobody disturbed. L-BFGS and Adam take turns. Needs NumPy.
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

METHODS = (("--l2", "1e-6", "--tolerance", "0", "--iterations", "60", "--validation", "0.1"),
           ("--method", "adam", "--epochs", "12", "--standardize", "--l2", "1e-6"))


def save_data(folder):
    dice = np.random.default_rng(2)
    labels = dice.integers(0, 20, 20000)
    features = dice.normal(size=(20000, 100)) + np.eye(20, 100)[labels]
    np.save(os.path.join(folder, "x.npy"), features.astype(np.float32))
    np.save(os.path.join(folder, "y.npy"), labels)


def is_whole(path):
    """Whether a .safetensors file ends where its header says."""
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    return 8 + size + max(entry["data_offsets"][1] for entry in header.values()) == len(data)


class Trial:
    """One training in a folder of its own, to be killed."""

    def __init__(self, xent, folder, words):
        self.folder, self.model = folder, os.path.join(folder, "m.safetensors")
        self.checkpoint = self.model + ".checkpoint"
        self.lasts = 0.0  # seconds
        self.command = [xent, "train", "x.npy", "y.npy", "--model", "m.safetensors", "--checkpoint", "0", "--quiet", *words]

    def run(self):
        """Undisturbed, to the end; returns the model."""
        subprocess.run([*self.command, "--resume"], cwd=self.folder, stdout=subprocess.DEVNULL, check=True)
        with open(self.model, "rb") as file:
            return file.read()

    def kill(self, dice):
        """Returns what was there at that moment; None if it had come to its end before. Moments are spread over the time
        that it seems to take, which depends on what else the machine does."""
        process = subprocess.Popen([*self.command, "--resume"], cwd=self.folder, stdout=subprocess.DEVNULL)
        time.sleep(dice.random() * self.lasts)
        if process.poll() is not None:
            self.lasts *= 0.8
            return None
        process.kill()
        process.wait()
        self.lasts *= 1.05
        found = "checkpoint" if os.path.exists(self.checkpoint) else "nothing"
        if found == "checkpoint" and not is_whole(self.checkpoint):
            sys.exit("a checkpoint is not whole")
        return "model" if os.path.exists(self.model) else found

    def clean(self):
        for name in os.listdir(self.folder):
            if name.startswith((".xent-", "m.safetensors")):
                os.remove(os.path.join(self.folder, name))


def main():
    xent, times = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 6
    dice, found = random.Random(times), {"nothing": 0, "checkpoint": 0, "model": 0}
    with tempfile.TemporaryDirectory() as folder:
        save_data(folder)
        trials = [Trial(xent, folder, words) for words in METHODS]
        wanted = []
        for trial in trials:
            begun = time.monotonic()
            wanted.append(trial.run())
            trial.lasts = time.monotonic() - begun
            trial.clean()
        rounds = 0
        while sum(found.values()) < times:
            trial, model = trials[rounds % 2], wanted[rounds % 2]
            rounds += 1
            for _ in range(dice.choice((1, 1, 2, 3))):
                state = trial.kill(dice)
                found.update({state: found[state] + 1} if state else {})
            if trial.run() != model:
                sys.exit(f"{' '.join(trial.command)}: killed and gone on with, it ends with other bits")
            trial.clean()
    print(f"killed {sum(found.values())} times: {found['nothing']} before a checkpoint, {found['checkpoint']} at one, "
          f"{found['model']} after the model; always the same bits")
    if times >= 100 and min(found["nothing"], found["checkpoint"]) == 0:
        sys.exit("the moments were badly spread")


if __name__ == "__main__":
    main()
