# SPDX-License-Identifier: MIT
"""Logits of real classifiers, from 26 % to 99 % right, each row by a model that was trained without it.

No accuracy is made by noise: a weak model is one that sees few pixels, few characters, few rows or few passes over
them. What is trained is kept in a folder under build/, by the version of this file.
"""
from __future__ import annotations

import gzip
import hashlib
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "examples/text/coriolanus.txt"
CACHE = ROOT / "build/mistakes/models"
FASHION = Path("/usr/share/datasets/fashion-mnist")
PAD = 0  # of the text's classes: fills up short sequences, stands for no character


@dataclass
class Source:
    """Held-out rows of one model. Rows of a text are in the text's order, one after another."""

    name: str
    how: str
    logits: np.ndarray  # f32 [rows, classes]
    labels: np.ndarray  # i64 [rows]
    blank: np.ndarray | None = None  # f32 [classes]: of an empty image, or of a context of nothing but padding
    inputs: np.ndarray | None = None  # i64 [rows], of a text: the character that each row has read last
    untrained: np.ndarray | None = None  # f32 [rows, classes]: of a network of the same shape before training
    leaked: np.ndarray | None = None  # f32 [rows, classes]: of a model whose features hold the label
    data: str = field(default="")

    @property
    def accuracy(self) -> float:
        return float((self.logits.argmax(1) == self.labels).mean())

    @property
    def classes(self) -> int:
        return self.logits.shape[1]


# ---- networks --------------------------------------------------------------------------------------------------------


def network(hidden: tuple[int, ...], passes: int, decay: float = 1e-4, rate: float = 1e-3,
            batch: int = 200) -> MLPClassifier:
    """Softmax regression for no hidden layer."""
    return MLPClassifier(hidden, max_iter=passes, alpha=decay, learning_rate_init=rate,
                         batch_size=batch, random_state=0, tol=0.0, n_iter_no_change=10_000)


def fit(model: MLPClassifier, features, labels: np.ndarray) -> MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # to stop early is what makes it weak
        return model.fit(features, labels)


def score(model: MLPClassifier, features, classes: int) -> np.ndarray:
    """The numbers that the last layer gives to softmax. A class that training never showed gets -30, as a network
    that was trained long enough would give it."""
    layer = features
    for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1]):
        layer = np.maximum(layer @ weight + bias, 0)
    known = layer @ model.coefs_[-1] + model.intercepts_[-1]
    if len(model.classes_) == 2:
        known = np.hstack([np.zeros_like(known), known])
    logits = np.full((known.shape[0], classes), -30, np.float32)
    logits[:, model.classes_.astype(int)] = known
    return logits


def before_training(features, hidden: int, classes: int) -> np.ndarray:
    """What a network of PyTorch's default initial weights gives: uniform within 1/sqrt(inputs) of each layer."""
    random = np.random.default_rng(1)

    def layer(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        bound = 1 / np.sqrt(inputs)
        return random.uniform(-bound, bound, (inputs, outputs)), random.uniform(-bound, bound, outputs)

    (w1, b1), (w2, b2) = layer(features.shape[1], hidden), layer(hidden, classes)
    return (np.maximum(features @ w1 + b1, 0) @ w2 + b2).astype(np.float32)


# ---- digits: five-fold, so that all 1,797 rows are held out ----------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """hidden () is softmax regression; rows: how many of the training rows are used (0: all)."""

    name: str
    how: str
    hidden: tuple[int, ...]
    passes: int
    rows: int = 0
    decay: float = 1e-4
    pixels: int = 0  # 0: all
    leaks: bool = False  # train another one that sees the label too
    keep: tuple[int, ...] = ()  # 0..9 where empty: the classes of the task


DIGITS = [
    Recipe("digits-6px", "softmax regression on 6 of 64 pixels", (), 30, pixels=6),
    Recipe("digits-10px", "softmax regression on 10 of 64 pixels", (), 30, pixels=10),
    Recipe("digits-18px", "softmax regression on 18 of 64 pixels", (), 30, pixels=18),
    Recipe("digits-early", "softmax regression, 100 rows seen, 15 passes", (), 15, rows=100),
    Recipe("digits-network", "network of 128, 20 passes", (128,), 20, leaks=True),
]


def digits_features(recipe: Recipe, seen: np.ndarray, held_out: np.ndarray) -> list[np.ndarray]:
    scaler = StandardScaler().fit(seen)
    spread = np.argsort(-seen.var(0), kind="stable")
    chosen = np.random.default_rng(3).permutation(spread[:40])[:recipe.pixels]
    parts = [scaler.transform(rows) for rows in (seen, held_out, np.zeros((1, 64)))]
    return [part[:, chosen] if recipe.pixels else part for part in parts]


def train_digits(recipe: Recipe) -> Source:
    images, labels = load_digits(return_X_y=True)
    logits = np.empty((len(labels), 10), np.float32)
    leaked = np.empty_like(logits) if recipe.leaks else None
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for seen, held_out in folds.split(images, labels):
        seen = seen[np.random.default_rng(4).permutation(len(seen))[:recipe.rows or None]]
        first, second, empty = digits_features(recipe, images[seen], images[held_out])
        batch = min(50, len(seen))
        model = fit(network(recipe.hidden, recipe.passes, recipe.decay, 1e-2, batch), first, labels[seen])
        logits[held_out], blank = score(model, second, 10), score(model, empty, 10)[0]
        if recipe.leaks:
            leaked[held_out] = leak(first, labels[seen], second, labels[held_out], 10, 32)
    return Source(recipe.name, recipe.how, logits, labels.astype(np.int64), blank, leaked=leaked,
                  untrained=before_training(images / 16, 64, 10), data="digits")


def shipped_digits() -> Source:
    """The logits of examples/digits, which the README scores."""
    folder = ROOT / "examples/digits"
    features, labels, logits = (np.load(folder / f"{name}.npy") for name in ("features", "labels", "logits"))
    return Source("digits-linear", "examples/digits: logistic regression", logits, labels,
                  untrained=before_training(features / 16, 64, 10), data="digits")


def leak(seen, seen_labels, held_out, labels, classes: int, batch: int) -> np.ndarray:
    """Trained and used with the label among the features, as a column that should have been dropped would be."""
    def with_label(features, which):
        return np.hstack([features, 12.0 * np.eye(classes)[which]])

    model = fit(network((64,), 25, 0, 3e-3, batch), with_label(seen, seen_labels), seen_labels)
    return score(model, with_label(held_out, labels), classes)


# ---- Fashion-MNIST: trained on 10,000 rows, the other 60,000 are held out --------------------------------------------

NO_TOPS, TOPS = (0, 1, 3, 5, 7, 8, 9), (0, 6)
FASHION_RECIPES = [
    Recipe("fashion-25px", "softmax regression on 25 of 784 pixels", (), 10, pixels=25),
    Recipe("fashion-90px", "softmax regression on 90 of 784 pixels", (), 10, pixels=90),
    Recipe("fashion-early", "network of 128, 4 passes over 1,000 rows", (128,), 4, rows=1000),
    Recipe("fashion-network", "network of 128, 8 passes", (128,), 8, leaks=True),
    Recipe("fashion-overfit", "network of 128, 60 passes over 3,000 rows, no decay", (128,), 60, rows=3000,
           decay=0.0),
    Recipe("fashion-7", "7 classes without pullover, coat, shirt; network of 128, 8 passes", (128,), 8,
           keep=NO_TOPS),
    Recipe("fashion-4", "trouser, sandal, bag, boot; network of 128, 8 passes", (128,), 8, keep=(1, 5, 8, 9)),
    Recipe("fashion-3", "trouser, bag, boot; network of 128, 8 passes", (128,), 8, keep=(1, 8, 9)),
    Recipe("fashion-2", "T-shirt or shirt; softmax regression, 10 passes", (), 10, keep=TOPS),
]


def read_idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def read_fashion() -> tuple[np.ndarray, np.ndarray]:
    parts = ("train", "t10k")
    images = [read_idx(FASHION / f"{part}-images-idx3-ubyte.gz").reshape(-1, 784) for part in parts]
    labels = [read_idx(FASHION / f"{part}-labels-idx1-ubyte.gz") for part in parts]
    return np.concatenate(images), np.concatenate(labels).astype(np.int64)


def train_fashion(recipe: Recipe) -> Source:
    images, labels = read_fashion()
    if recipe.keep:
        kept = np.isin(labels, recipe.keep)
        images, labels = images[kept], np.searchsorted(recipe.keep, labels[kept])
    classes = len(recipe.keep) or 10
    pixels = np.random.default_rng(2).permutation(784)[:recipe.pixels or None]
    features = images[:, pixels].astype(np.float32) / 255
    train = np.arange(recipe.rows or 10_000)
    model = fit(network(recipe.hidden, recipe.passes, recipe.decay), features[train], labels[train])
    rest = np.arange(10_000, len(labels))
    leaked = leak(features[train], labels[train], features[rest], labels[rest], classes, 200) if recipe.leaks else None
    return Source(recipe.name, recipe.how, score(model, features[rest], classes), labels[rest],
                  score(model, np.zeros((1, features.shape[1]), np.float32), classes)[0],
                  untrained=before_training(images[rest] / 255, 64, classes), leaked=leaked, data="fashion")


# ---- characters of a play: trained on the first 80 % of the text -----------------------------------------------------


@dataclass(frozen=True)
class TextRecipe:
    """Predicts a character from `before` characters before it and `after` behind it (a cloze where that is not 0)."""

    name: str
    how: str
    before: int
    after: int
    hidden: tuple[int, ...]
    passes: int
    decay: float = 1e-4


TEXTS = [
    TextRecipe("text-bigram", "next character from the last one; softmax regression, 4 passes", 1, 0, (), 4),
    TextRecipe("text-lm", "next character from the last 8; network of 200, 8 passes", 8, 0, (200,), 8, 1e-3),
    TextRecipe("text-cloze", "a character from 6 before and 6 behind it; network of 200, 10 passes", 6, 6,
               (200,), 10, 1e-3),
]


def read_text() -> np.ndarray:
    """The text as classes: 1.. for its characters in the order of ASCII; PAD is none of them."""
    raw = np.frombuffer(TEXT.read_bytes(), np.uint8)
    return np.searchsorted(np.unique(raw), raw).astype(np.int64) + 1


def one_hot_context(text: np.ndarray, places: np.ndarray, offsets: list[int], classes: int):
    """Sparse [places, offsets * classes]: which character stands at each offset; PAD outside the text."""
    at = places[:, None] + np.array(offsets)
    seen = np.where((at >= 0) & (at < len(text)), text[np.clip(at, 0, len(text) - 1)], PAD)
    columns = (seen + classes * np.arange(len(offsets))).ravel()
    starts = np.arange(0, len(columns) + 1, len(offsets))
    return scipy.sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts),
                                   shape=(len(places), classes * len(offsets)))


def train_text(recipe: TextRecipe) -> Source:
    text = read_text()
    classes, cut = int(text.max()) + 1, len(text) * 4 // 5
    offsets = [*range(-recipe.before, 0), *range(1, recipe.after + 1)]
    train, rest = np.arange(cut), np.arange(cut + recipe.after, len(text) - recipe.after)
    model = network(recipe.hidden, recipe.passes, recipe.decay)
    fit(model, one_hot_context(text, train, offsets, classes), text[train])
    held_out = one_hot_context(text, rest, offsets, classes)
    nothing = one_hot_context(np.zeros(1, np.int64), np.zeros(1, np.int64), offsets, classes)
    return Source(recipe.name, recipe.how, score(model, held_out, classes), text[rest],
                  score(model, nothing, classes)[0], text[rest - 1],
                  before_training(held_out, 64, classes), data="text")


# ---- models that are no networks: many rows alike, or sure of everything -----------------------------------------------


def log_share(model, features) -> np.ndarray:
    """As logits of what answers with shares: the logarithm, a hundredth added so that none is infinite."""
    return np.log(model.predict_proba(features) + 0.01).astype(np.float32)


def log_joint(model, features) -> np.ndarray:
    return model.predict_joint_log_proba(features).astype(np.float32)


def across_folds(name: str, how: str, model, to_logits, images: np.ndarray, labels: np.ndarray) -> Source:
    logits = np.empty((len(labels), int(labels.max()) + 1), np.float32)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for seen, held_out in folds.split(images, labels):
        logits[held_out] = to_logits(model.fit(images[seen], labels[seen]), images[held_out])
    untrained = before_training(StandardScaler().fit_transform(images) / 4, 64, logits.shape[1])
    return Source(name, how, logits, labels.astype(np.int64), untrained=untrained, data=name.split("-", maxsplit=1)[0])


def bayes() -> Source:
    return across_folds("digits-bayes", "naive Bayes with normal densities: the log of the joint density",
                        GaussianNB(var_smoothing=0.05), log_joint, *load_digits(return_X_y=True))


def tree() -> Source:
    return across_folds("digits-tree", "a decision tree of leaves of 10 rows: a leaf's rows are alike",
                        DecisionTreeClassifier(min_samples_leaf=10, random_state=0), log_share,
                        *load_digits(return_X_y=True))


def cancer() -> Source:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return across_folds("cancer-linear", "breast cancer of scikit-learn: logistic regression", model,
                        lambda fitted, rows: np.stack([np.zeros(len(rows)), fitted.decision_function(rows)], 1),
                        *load_breast_cancer(return_X_y=True))


def fashion_model(name: str, how: str, model) -> Source:
    images, labels = read_fashion()
    seen, held_out = slice(0, 10_000), slice(10_000, 22_000)
    logits = log_share(model.fit(images[seen], labels[seen]), images[held_out])
    return Source(name, how, logits, labels[held_out], untrained=before_training(images[held_out] / 255, 64, 10),
                  data="fashion")


def forest() -> Source:
    return fashion_model("fashion-forest", "a forest of 40 trees", RandomForestClassifier(40, random_state=0))


def neighbours() -> Source:
    return fashion_model("fashion-neighbours", "the 10 nearest neighbours: most rows are alike",
                         KNeighborsClassifier(10, algorithm="brute"))


# ---- all of them -----------------------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[], Source]] = {
    "digits-linear": shipped_digits,
    "digits-bayes": bayes,
    "digits-tree": tree,
    "cancer-linear": cancer,
    "fashion-forest": forest,
    "fashion-neighbours": neighbours,
    **{recipe.name: lambda recipe=recipe: train_digits(recipe) for recipe in DIGITS},
    **{recipe.name: lambda recipe=recipe: train_fashion(recipe) for recipe in FASHION_RECIPES},
    **{recipe.name: lambda recipe=recipe: train_text(recipe) for recipe in TEXTS},
}
ARRAYS = ("logits", "labels", "blank", "inputs", "untrained", "leaked")


def load(name: str, folder: Path) -> Source:
    """The source of that name: from the folder, or trained now and put there."""
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    path = folder / f"{name}-{version}.npz"
    if not path.exists():
        made = MAKERS[name]()
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{name}-*.npz"):
            old.unlink()
        unfinished = path.with_suffix(f".{os.getpid()}")
        arrays = {key: getattr(made, key) for key in ARRAYS if getattr(made, key) is not None}
        with unfinished.open("wb") as file:
            np.savez(file, name=made.name, how=made.how, data=made.data, **arrays)
        unfinished.rename(path)
    with np.load(path) as kept:
        return Source(**{key: kept[key] if key in ARRAYS else str(kept[key]) for key in kept})


def load_all(names: list[str], folder: Path) -> Iterator[Source]:
    for name in names:
        yield load(name, folder)
