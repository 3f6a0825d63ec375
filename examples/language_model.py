#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a small language model twice, with PyTorch's loss and with xent's, and compares the two
step by step.

    python examples/language_model.py --svg curves.svg

One changed import is the whole difference between the two. Both models begin with the same weights,
see the same words of Coriolanus in the same order, and take turns, so that a slow moment of the
machine meets both. What is printed: the losses, how far the two curves ever are apart, and the time
of a whole step (forward, loss, backward, optimizer) with each.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

TEXT = Path(__file__).parent / "text" / "coriolanus.txt"
LENGTH, BATCH = 64, 16
Loss = Callable[..., Tensor]


def words() -> tuple[Tensor, int]:
    """The play as numbers, one for each word, mark or end of line, and how many there are."""
    found = re.findall(r"[A-Za-z']+|[^A-Za-z' ]", TEXT.read_text(encoding="ascii"))
    number = {word: i for i, (word, _) in enumerate(Counter(found).most_common())}
    return torch.tensor([number[word] for word in found]), len(number)


def batches(text: Tensor, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of the text, and the same moved on by one word: what is to be foretold."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        begins = torch.randint(0, len(text) - LENGTH - 1, (BATCH,), generator=generator)
        pieces = torch.stack([text[begin : begin + LENGTH + 1] for begin in begins.tolist()])
        yield pieces[:, :-1], pieces[:, 1:]


class LanguageModel(nn.Module):
    """One block of a transformer; the words' vectors serve at the way in and at the way out."""

    def __init__(self, vocabulary: int, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.word, self.place = nn.Embedding(vocabulary, width), nn.Embedding(LENGTH, width)
        nn.init.normal_(self.word.weight, std=0.1)
        nn.init.normal_(self.place.weight, std=0.1)
        self.before_attention, self.before_layers = nn.LayerNorm(width), nn.LayerNorm(width)
        self.at_end = nn.LayerNorm(width)
        self.mixing, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def attention(self, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        query, key, value = (
            part.view(rows, length, self.heads, -1).transpose(1, 2)
            for part in self.mixing(x).split(width, dim=-1)
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed: Tensor = self.mixed(seen.transpose(1, 2).reshape(x.shape))
        return mixed

    def forward(self, words: Tensor) -> Tensor:
        """Logits [rows, length, vocabulary] of the word that follows each one."""
        x = self.word(words) + self.place.weight[: words.shape[1]]
        x = x + self.attention(self.before_attention(x))
        x = x + self.layers(self.before_layers(x))
        end: Tensor = self.at_end(x)
        return end @ self.word.weight.T


@dataclass
class Training:
    """A model, its optimizer and its loss; keeps each step's loss and seconds."""

    name: str
    loss: Loss
    model: LanguageModel
    optimizer: torch.optim.Optimizer = field(init=False)
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5, momentum=0.9)

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        begun = time.perf_counter()
        logits = self.model(inputs)
        loss = self.loss(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append(loss.item())
        self.seconds.append(time.perf_counter() - begun)


def train(losses: dict[str, Loss], steps: int, dtype: torch.dtype, seed: int = 1) -> list[Training]:
    """Trains a model with each of the losses, in turns, from the same beginning."""
    text, vocabulary = words()
    trainings = []
    for name, loss in losses.items():
        torch.manual_seed(seed)
        trainings.append(Training(name, loss, LanguageModel(vocabulary).to(dtype)))
    for number, (inputs, targets) in zip(range(steps), batches(text, seed)):
        for training in trainings[:: 1 if number % 2 else -1]:
            training.step(inputs, targets)
    return trainings


def distance(one: Training, other: Training) -> float:
    """How far two curves are ever apart, as a share of the loss."""
    return max(abs(a - b) / abs(b) for a, b in zip(one.losses, other.losses))


def draw(path: Path, trainings: list[Training], title: str) -> None:
    """Both curves, and what is between them, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "xent"
    from matplotlib import pyplot

    figure, (curves, apart) = pyplot.subplots(
        2, 1, figsize=(7, 5.5), sharex=True, height_ratios=(2, 1)
    )
    for training, colour, width in zip(trainings, ("#e69f00", "#0072b2"), (4, 1.5)):
        curves.plot(training.losses, label=training.name, color=colour, linewidth=width)
    curves.set(ylabel="mean loss", title=title)
    curves.legend(frameon=False)
    one, other = trainings
    differences = {
        step: abs(a - b) / abs(b)
        for step, (a, b) in enumerate(zip(other.losses, one.losses))
        if a != b
    }
    apart.semilogy(list(differences), list(differences.values()), ".", color="#009e73")
    apart.set(xlabel="step (a dot where the two differ)", ylabel="relative difference")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--dtype", choices=["float32", "float64", "bfloat16"], default="float64")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="draw both curves there (needs matplotlib)"
    )
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)

    import xent.torch

    losses: dict[str, Loss] = {
        "torch.nn.functional.cross_entropy": torch.nn.functional.cross_entropy,
        "xent.torch.cross_entropy": xent.torch.cross_entropy,
    }
    trainings = train(losses, given.steps, getattr(torch, given.dtype))
    print(f"{'':36}{'first loss':>12}{'last loss':>12}{'a step takes':>16}")
    for training in trainings:
        middle = statistics.median(training.seconds)
        print(
            f"{training.name:36}{training.losses[0]:12.6f}{training.losses[-1]:12.6f}"
            f"{1e3 * middle:13.2f} ms"
        )
    print(f"largest relative difference of the losses: {distance(trainings[1], trainings[0]):.1e}")
    if given.svg:
        draw(
            given.svg,
            trainings,
            f"A language model of {TEXT.stem.title()}, {given.steps} steps in {given.dtype}",
        )


if __name__ == "__main__":
    main()
