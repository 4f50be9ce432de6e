"""What a training tells to other tools, epoch by epoch: TensorBoard's files, MLflow."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tastemaker.errors import TrainingError


class ToTensorBoard(keras.callbacks.Callback):
    """Writes every figure of an epoch as a scalar.

    Args:
        folder: a run of its own for each `stage` is made in it.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        super().__init__()
        if importlib.util.find_spec("tensorboard") is None:
            raise TrainingError("TensorBoard isn't installed: pip install 'tastemaker[tensorboard]'.")
        try:
            (folder / stage).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"Can't write to {folder}: {error.strerror or error}.") from None
        self.writer = tf.summary.create_file_writer(str(folder / stage))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self.writer.as_default():
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value, step=epoch + 1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.writer.close()


class ToMlflow(keras.callbacks.Callback):
    """Logs every figure of an epoch to MLflow at the tracking address `uri`; wants `mlflow-skinny`."""

    def __init__(self, uri: str, stage: str, knobs: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            import mlflow
        except ImportError:
            raise TrainingError("MLflow isn't installed: pip install 'tastemaker[mlflow]'.") from None
        self.mlflow, self.uri, self.stage, self.knobs = mlflow, uri, stage, knobs

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        try:
            self.mlflow.set_tracking_uri(self.uri)
            self.mlflow.set_experiment("tastemaker")
            self.mlflow.start_run(run_name=self.stage)
            self.mlflow.log_params(dict(self.knobs))
        except self.mlflow.exceptions.MlflowException as error:
            raise TrainingError(f"MLflow at {self.uri}: {str(error).splitlines()[0]}") from None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        # "@" is no letter of a metric's name there.
        figures = {name.replace("@", "_at_"): float(value) for name, value in (logs or {}).items()}
        self.mlflow.log_metrics(figures, step=epoch + 1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.mlflow.end_run()
