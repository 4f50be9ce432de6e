"""The folder of a tuning: its study, which any tool for Optuna opens, and who may write to it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tastemaker.errors import TrainingError

if TYPE_CHECKING:
    import optuna

STUDY, RECIPE, LOCK = "study.db", "recipe.toml", ".lock"
"""Files of the folder."""
NAME = "tastemaker"
"""Of the study in its file."""
FULL = 4
"""Trials that have to end before any is cut short: the middle of fewer says little."""


@contextmanager
def opened(folder: Path | None, made_for: dict[str, Any], warm_up: int) -> "Iterator[optuna.Study]":
    """The study of a folder, begun or gone on with, and kept from others meanwhile."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=FULL, n_warmup_steps=warm_up)
    if folder is None:
        yield optuna.create_study(direction="maximize", pruner=pruner)
        return
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file: give a folder for the study.")
    if (folder / RECIPE).exists() and not (folder / STUDY).exists():
        raise TrainingError(f"{folder} has a {RECIPE} that no study made: give another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    from sqlalchemy.exc import DBAPIError

    with _alone(folder):
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{folder / STUDY}")
            study = optuna.create_study(
                study_name=NAME,
                storage=storage,
                direction="maximize",
                pruner=pruner,
                load_if_exists=True,
            )
        except DBAPIError as error:
            raise TrainingError(f"{folder / STUDY} can't be opened as a study: {error.orig}.") from None
        try:
            _check_same(folder, study, made_for)
            _fail_left_running(study)
            yield study
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _check_same(folder: Path, study: "optuna.Study", made_for: dict[str, Any]) -> None:
    now = json.loads(json.dumps(made_for))
    before = study.user_attrs.get("made_for")
    if before is None:
        study.set_user_attr("made_for", now)
        return
    words = {"data": "other data", "recipe": "another base recipe", "space": "another space"}
    for part, what in words.items():
        if before[part] != now[part]:
            raise TrainingError(
                f"{folder} holds a study of {what}, and values wouldn't compare: give another folder, or "
                "what the study began with."
            )


def _fail_left_running(study: "optuna.Study") -> None:
    """Nobody else is here, so what seems to be running was killed."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one at a time. The lock is SQLite's, which the system opens when its holder is killed."""
    path = folder / LOCK
    try:
        lock = sqlite3.connect(path, timeout=0, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise TrainingError(f"{folder} is being tuned by another process: wait for it.") from None
        raise TrainingError(f"Can't write to {folder}: {error}.") from None
    try:
        yield
    finally:
        lock.close()
        path.unlink(missing_ok=True)
