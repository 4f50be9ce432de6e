"""What long work tells while it runs; whoever called decides how to show it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Progress(NamedTuple):
    """Where a long piece of work stands.

    stage: what is being done, in a few words.
    step, steps: done and in all, within the stage.
    loss: mean training loss of the epoch so far, in nats; None where nothing is learnt.
    rate: examples a second.
    note: anything else worth a word, e.g. the newest validation score.
    """

    stage: str
    step: int
    steps: int
    loss: float | None = None
    rate: float | None = None
    note: str = ""


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Trail:
    """What a training leaves behind while it runs, each where it is wanted.

    Attributes:
        checkpoints: folder to go on from when it is cut off; the same training, asked for again, does.
        tensorboard: folder for TensorBoard.
        mlflow: tracking address of MLflow.
    """

    checkpoints: Path | None = None
    tensorboard: Path | None = None
    mlflow: str | None = None


NO_TRAIL = Trail()
