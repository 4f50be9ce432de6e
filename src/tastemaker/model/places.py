"""What each place of a list teaches each head: labels in, losses out.

A place was looked at with a chance θ of its own, and only what was looked at can be chosen. So clicks
say P(click) = θ × P(click | looked at), and the second factor is what a ranker is for. The same holds
for every head that is known of whatever was shown. A head that is known of chosen places alone (dwell;
likes, where the log has none of what wasn't clicked) needs no θ: what was chosen was looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from keras import ops

from tastemaker.errors import TrainingError
from tastemaker.features.lessons import HEADS, Head, Lessons

Floats = npt.NDArray[np.float32]

MOST = 20.0
"""What a click counts for at most under `inverse`: one from a place that is hardly looked at must not
outweigh a batch. It makes the estimate a little biased, and far less noisy."""


@dataclass(frozen=True)
class HeadLosses:
    """The heads that a log has labels for, and what an error of each costs.

    A head's loss is divided by what its best constant costs, so that each starts near 1 and they are simply
    added: how much a head is worth is for the objective to say, not for how often its label is 1.

    Attributes:
        heads: H names, in the order of `HEADS`.
        through_looks: (H,) whether θ stands between the head and its label.
        known: (H,) share of places whose label is known.
        start: (H,) the best constant output.
        unit: (H,) what that costs, in nats a known place.
        seconds: mean of what was watched; 1 without such a head.
        spread: of log1p seconds of what was clicked; 1 without.
    """

    heads: tuple[Head, ...]
    through_looks: npt.NDArray[np.bool_]
    known: Floats
    start: Floats
    unit: Floats
    seconds: float
    spread: float

    @classmethod
    def fit(cls, lessons: Lessons) -> Self:
        """What `lessons` have labels of.

        Raises: TrainingError where nothing was ever clicked.
        """
        labels = labels_of(lessons)
        clicked = labels["click"] == 1
        if not clicked.any():
            raise TrainingError("Nothing that was shown was ever clicked: there is no order to learn.")
        heads = tuple(head for head in HEADS if head in labels and np.isfinite(labels[head]).any())
        known = {head: np.isfinite(labels[head]) for head in heads}
        watched = labels["watch_time"][labels["watch_time"] > 0] if "watch_time" in heads else np.ones(1)
        seconds = float(watched.mean()) if len(watched) else 1.0
        spread = max(float(np.nanstd(labels["dwell"])), 1e-3) if "dwell" in heads else 1.0
        start, unit = [], []
        for head in heads:
            values = labels[head][known[head]]
            if head == "dwell":
                start.append(values.mean())
                unit.append(0.5)
                continue
            share = float(np.clip((values > 0).mean(), 1e-4, 1 - 1e-4))
            if head == "watch_time":
                start.append(np.log(share * seconds))
                unit.append((1 + share) * np.log(1 + share) - share * np.log(share))
                continue
            start.append(np.log(share / (1 - share)))
            unit.append(-share * np.log(share) - (1 - share) * np.log(1 - share))
        return cls(
            heads=heads,
            through_looks=np.array([bool((known[head] & ~clicked).any()) for head in heads]),
            known=np.array([known[head].mean() for head in heads], np.float32),
            start=np.array(start, np.float32),
            unit=np.array(unit, np.float32),
            seconds=seconds,
            spread=spread,
        )

    def targets(self, lessons: Lessons, looks: Floats | None = None) -> tuple[Floats, Floats]:
        """(M, H) what each output should be, and (M, H) what missing it counts.

        Args:
            looks: (M,) θ of each place, above 0: what was chosen there counts as 1 / θ, at most `MOST`,
                which makes the sum over places an unbiased estimate of the loss had all been looked at
                (as Saito et al., WSDM 2020). None: as 1.
        """
        labels = labels_of(lessons)
        stack = np.stack([labels.get(head, np.full(lessons.size, np.nan)) for head in self.heads], 1)
        is_known = np.isfinite(stack)
        stack = np.nan_to_num(stack)
        boost = np.ones(lessons.size) if looks is None else np.minimum(1 / looks, MOST)
        wanted, weight = stack.copy(), is_known / (self.known * self.unit)
        for h, head in enumerate(self.heads):
            if head == "watch_time":
                # Covington et al. (RecSys 2016) weigh a watch by its seconds and everything else by 1, and
                # call the odds the mean time. They are that over 1 − P(click), which is much where clicks
                # are many; so here what was watched counts as 1 on the other side, too, and it is exact.
                heavy = stack[:, h] / self.seconds * boost
                wanted[:, h] = heavy / (1 + heavy)
                weight[:, h] *= 1 + heavy
            elif self.through_looks[h]:
                wanted[:, h] *= boost
        return wanted.astype(np.float32), weight.astype(np.float32)

    def each(self, outputs: Any, wanted: Any, weight: Any, log_look: Any = None) -> Any:
        """Losses of places by head; their mean over places is a head's loss.

        Args:
            outputs: (M, H) click, completion, like: logits; watch_time: log of the expected seconds;
                dwell: log1p seconds.
            wanted, weight: (M, H) of `targets`.
            log_look: (M,) log θ, at most 0, learnt beside the outputs; None: every place is looked at.
        Returns: (M, H), in units of the best constant's.
        """
        columns = []
        for h, head in enumerate(self.heads):
            output, target = outputs[:, h], wanted[:, h]
            looks = log_look if self.through_looks[h] else None
            if head == "dwell":
                loss = 0.5 * ops.square((output - target) / self.spread)
            elif head == "watch_time":
                # The odds are a mean and not a chance, so here θ times them is a sum of logs.
                logit = output - float(np.log(self.seconds))
                loss = logistic(logit if looks is None else logit + looks, target)
            else:
                loss = logistic(output, target) if looks is None else looked_at(output, target, looks)
            columns.append(loss)
        return ops.stack(columns, axis=1) * weight


def logistic(logit: Any, target: Any) -> Any:
    """−target · log σ(logit) − (1 − target) · log(1 − σ(logit)), in nats; a target may be above 1."""
    return ops.softplus(logit) - target * logit


def looked_at(logit: Any, target: Any, log_look: Any) -> Any:
    """The same of a chance that is a product: P = θ · σ(logit), with log θ ≤ 0.

    As in PAL (Guo et al., RecSys 2019), which is the position-based click model.
    """
    log_chance = log_look + ops.log_sigmoid(logit)
    # At P = 1 the other way would cost infinitely much.
    log_other = ops.log(-ops.expm1(ops.minimum(log_chance, -1e-6)))
    return -target * log_chance - (1 - target) * log_other


def listwise(logit: Any, wanted: Any, lists: Any, count: int, log_times: Any = 0.0) -> Any:
    """Cross-entropy of finding what was chosen among all that its list has.

    Args:
        logit: (M,), places of one list together.
        wanted: (M,) 1 where chosen, else 0.
        lists: (M,) int32, rising: which list a place belongs to.
        count: S of lists.
        log_times: (M,) log of how many places of its list each stands for.
    Returns: (S,) nats; the mean over the chosen where a list has several, 0 where it has none.
    """
    highest = ops.stop_gradient(ops.segment_max(logit, lists, num_segments=count))
    logit = logit - ops.take(highest, lists)
    sums = ops.segment_sum(ops.exp(logit + log_times), lists, num_segments=count)
    each = (ops.take(ops.log(sums), lists) - logit) * wanted
    chosen = ops.segment_sum(wanted, lists, num_segments=count)
    return ops.segment_sum(each, lists, num_segments=count) / ops.maximum(chosen, 1.0)


def labels_of(lessons: Lessons) -> Mapping[str, Floats]:
    """Labels by head, dwell among them: log1p seconds of what was clicked, NaN elsewhere."""
    labels: dict[str, Floats] = {head: lessons.labels[head] for head in HEADS if head in lessons.labels}
    if "click" not in labels:
        raise TrainingError("Lessons without clicks: a ranker learns from what was chosen.")
    if "watch_time" in labels:
        chosen = (labels["click"] == 1) & (labels["watch_time"] > 0)
        with np.errstate(invalid="ignore"):
            labels["dwell"] = np.where(chosen, np.log1p(labels["watch_time"]), np.nan).astype(np.float32)
    return labels
