"""Out of Keras, into files that serving can read without TensorFlow."""

import contextlib
import io
import tempfile
from pathlib import Path

import keras
import tensorflow as tf


def to_litert(model: keras.Model, *, alone: bool = False) -> bytes:
    """The model as a `.tflite` file; its inputs keep their names.

    Args:
        alone: it answers one at a time, every shape in it being known. LiteRT's faster kernels (XNNPACK) give
            wrong answers now and then where a graph works shapes out from the size of a batch, as networks
            over sequences do: right at the first call, wrong at the second of the same size.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        with contextlib.redirect_stdout(io.StringIO()):
            if alone:
                return _alone(model, folder)
            model.export(path, format="litert", verbose=False)
        return path.read_bytes()


def _alone(model: keras.Model, folder: str) -> bytes:
    archive = keras.export.ExportArchive()
    archive.track(model)
    one = {
        each.name: keras.InputSpec(shape=(1, *each.shape[1:]), dtype=each.dtype, name=each.name)
        for each in model.inputs
    }
    archive.add_endpoint("serve", lambda inputs: model(inputs, training=False), input_signature=[one])
    archive.write_out(folder, verbose=False)
    converted: bytes = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"]).convert()
    return converted


def to_keras(model: keras.Model) -> bytes:
    """The model as a `.keras` file, to go on training from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
