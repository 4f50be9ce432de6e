"""Out of Keras, into files that serving can read without TensorFlow."""

import contextlib
import io
import tempfile
from pathlib import Path

import keras


def to_litert(model: keras.Model) -> bytes:
    """The model as a `.tflite` file; its inputs keep their names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="litert", verbose=False)
        return path.read_bytes()


def to_keras(model: keras.Model) -> bytes:
    """The model as a `.keras` file, to go on training from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
