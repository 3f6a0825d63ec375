#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes features.npy, labels.npy and logits.npy beside this script, from scikit-learn's bundled digits.

The logits are honest: five-fold cross-validation scores every digit with a multinomial logistic
regression that was fitted without it. Run it where scikit-learn is installed (1.9.1 made the files kept here):

    python3 make_digits.py
"""
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold


def held_out_logits(features, labels):
    logits = np.empty((len(labels), 10))
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for seen, held_out in folds.split(features, labels):
        model = LogisticRegression(max_iter=10_000, random_state=0)
        model.fit(features[seen] / 16.0, labels[seen])
        logits[held_out] = model.decision_function(features[held_out] / 16.0)
    return logits


def mean_loss(logits, labels):
    largest = logits.max(axis=1)
    lse = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return (lse - logits[np.arange(len(labels)), labels]).mean()


def main():
    digits = load_digits()
    arrays = {
        "features": digits.data.astype("u1"),
        "labels": digits.target.astype("<i8"),
        "logits": held_out_logits(digits.data, digits.target).astype("<f4"),
    }
    folder = Path(__file__).resolve().parent
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array))
        print(f"{name}.npy  {array.dtype}  {list(array.shape)}")
    logits, labels = arrays["logits"].astype("f8"), arrays["labels"]
    print(f"mean loss {mean_loss(logits, labels):.6f}  accuracy {(logits.argmax(1) == labels).mean():.4f}")


if __name__ == "__main__":
    main()
