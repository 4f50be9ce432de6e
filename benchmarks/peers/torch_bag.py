"""PyTorch: `EmbeddingBag` and Adagrad in a plain loop.

Tried on one core, in examples/s (a 5th-generation EPYC that was also doing other work):
    history on W1: sparse bag, padded 28k, without padding 40k; dense gradient and fused Adagrad 54k; a
        matrix of counts in place of the bag 78k.
    history and tables on W2b: sparse bag, padded 16.2k, without padding 16.4k; dense gradient and fused
        Adagrad 18.2k. Sparse gradients win where few rows of a table change: W3-1M 14.3k.
    loss on W2b: `torch.compile` 15.7k against 16.2k. On W2a `logsumexp` 2.2k and slices of the batch, 16 to
        64 examples each with gradients by hand, 2.0k, against 2.6k of `cross_entropy` over the whole.
    memory that is freed is kept: W2b 15.0k to 16.2k, W2a 1.2k to 2.6k (the machine was busier in the first).
"""

import ctypes
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits

os.environ.update(limits())
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.trial import FIRST_ACCUMULATOR, LEARNING_RATE, SPREAD, Chunk, Trial, answer, prepare

FEW_ITEMS = 10_000  # up to here a (B, N) matrix of counts is cheaper than a bag
MANY_ITEMS = 500_000  # from here an update of every row is dearer than sorting the rows that changed
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Else the (B, N) logits are mapped and zeroed by the kernel anew in each step."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


class Towers(nn.Module):
    """The loss of a batch."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        work = trial.workload
        self.items = work.items
        self.over_all = work.negatives == "all"
        self.categories = torch.from_numpy(trial.categories).long().T.contiguous()  # (C, N)
        self.log_share = torch.from_numpy(trial.log_share)
        self.history = nn.EmbeddingBag(work.items, work.dim, mode="mean", sparse=work.items >= MANY_ITEMS)
        self.id = nn.Embedding(work.items, work.dim, sparse=not self.over_all)
        self.category = nn.ModuleList(nn.Embedding(values, work.dim) for values in work.categories)
        for table in (self.history, self.id, *self.category):
            nn.init.uniform_(table.weight, -SPREAD, SPREAD)
        layers: list[nn.Module] = []
        width = work.dim + work.numbers
        for narrower in work.hidden:
            layers += [nn.Linear(width, narrower), nn.ReLU()]
            width = narrower
        self.dense = nn.Sequential(*layers[:-1])

    def forward(self, history: Tensor, numbers: Tensor, label: Tensor, shared: Tensor) -> Tensor:
        user = self.dense(torch.cat([self.mean(history), numbers], 1))  # (B, D)
        if self.over_all:
            item = self.id.weight
            for table, values in zip(self.category, self.categories, strict=True):
                item = item + table(values)
            return functional.cross_entropy(user @ item.T, label, reduction="sum")
        rows = torch.cat([label, shared])
        item = self.id(rows)
        for table, values in zip(self.category, self.categories, strict=True):
            item = item + table(values[rows])
        logits = torch.addmm(-self.log_share[rows], user, item.T)  # (B, B + S)
        accident = (label[:, None] == rows).fill_diagonal_(False)
        own = torch.arange(len(label))
        return functional.cross_entropy(logits.masked_fill_(accident, -torch.inf), own, reduction="sum")

    def mean(self, history: Tensor) -> Tensor:
        """(B, D) of the history's vectors."""
        there = history >= 0
        lengths = there.sum(1)
        if self.items <= FEW_ITEMS:
            # The last column counts what isn't there.
            places = torch.where(there, history, self.items).long()
            counts = torch.zeros(len(history), self.items + 1)
            counts.scatter_add_(1, places, torch.ones(1, 1).expand(places.shape))
            return counts[:, :-1] @ self.history.weight / lengths[:, None]
        return self.history(history[there], torch.cumsum(lengths, 0) - lengths)


def main() -> None:
    keep_freed_memory()
    trial = prepare()
    torch.manual_seed(trial.seed)
    torch.set_num_threads(trial.threads)
    torch.set_num_interop_threads(trial.threads)
    model = Towers(trial)
    sparse = [table.weight for table in model.modules() if getattr(table, "sparse", False)]
    dense = [weight for weight in model.parameters() if all(weight is not other for other in sparse)]
    adagrad = {"lr": LEARNING_RATE, "initial_accumulator_value": FIRST_ACCUMULATOR}
    optimizers = [torch.optim.Adagrad(dense, fused=True, **adagrad)]
    if sparse:
        optimizers.append(torch.optim.Adagrad(sparse, **adagrad))
    size, batches = trial.workload.batch, len(trial.shared)
    history = torch.from_numpy(trial.examples.history)
    numbers = torch.from_numpy(trial.examples.numbers)
    label = torch.from_numpy(trial.examples.label).long()
    shared = torch.from_numpy(trial.shared).long()
    step = 0

    def loss_of(batch: int) -> Tensor:
        at = slice(batch * size, (batch + 1) * size)
        return model(history[at], numbers[at], label[at], shared[batch])

    def train(chunks: int, steps: int) -> list[Chunk]:
        nonlocal step
        timed = []
        for _ in range(chunks):
            start, total = time.perf_counter(), 0.0
            for _ in range(steps):
                loss = loss_of(step % batches)
                for optimizer in optimizers:
                    optimizer.zero_grad()
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
                total += loss.item()
                step += 1
            timed.append(Chunk(time.perf_counter() - start, total / steps / size))
        return timed

    with torch.no_grad():
        first_loss = loss_of(0).item() / size
    answer("torch_bag", trial, ["torch"], first_loss, train)


if __name__ == "__main__":
    main()
