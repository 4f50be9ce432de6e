"""Runs an exported tower with LiteRT: the network as it was trained, without TensorFlow."""

import re
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Tower:
    """A small network as a function of arrays; many threads may call it at once.

    Args:
        model: the bytes of a `.tflite` file with one signature and one output.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._local = threading.local()

    @property
    def _interpreter(self) -> Any:
        # An interpreter holds the arrays of its last call, so each thread has its own.
        if not hasattr(self._local, "interpreter"):
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self._model, num_threads=1)
            self._local.interpreter = interpreter
            self._local.output = interpreter.get_output_details()[0]["index"]
            # Keras names an input "serving_default_history:0"; we know it as "history".
            self._local.inputs = {
                re.sub("^(serving_default|serve)_", "", detail["name"]).split(":")[0]: detail["index"]
                for detail in interpreter.get_input_details()
            }
            # Some towers answer one at a time, see `model.export`.
            self._local.is_alone = all(
                detail["shape_signature"][0] == 1 for detail in interpreter.get_input_details()
            )
            if self._local.is_alone:
                interpreter.allocate_tensors()
            self._local.batch = None
        return self._local.interpreter

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Names of the inputs and their shapes without the batch."""
        details = self._interpreter.get_input_details()
        names = {index: name for name, index in self._local.inputs.items()}
        return {names[detail["index"]]: tuple(int(n) for n in detail["shape"][1:]) for detail in details}

    def __call__(self, **arrays: npt.NDArray[Any]) -> Floats:
        """(B, …) arrays by input name → (B, D); arrays that the network has no input for are ignored."""
        interpreter = self._interpreter
        given = {index: arrays[name] for name, index in self._local.inputs.items()}
        batch = len(next(iter(given.values())))
        if self._local.is_alone:
            return self._one_by_one(interpreter, given, batch)
        if batch != self._local.batch:
            for index, array in given.items():
                interpreter.resize_tensor_input(index, array.shape)
            interpreter.allocate_tensors()
            self._local.batch = batch
        for index, array in given.items():
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        output: Floats = interpreter.get_tensor(self._local.output)
        return output

    def _one_by_one(self, interpreter: Any, given: dict[int, npt.NDArray[Any]], batch: int) -> Floats:
        (width,) = interpreter.get_output_details()[0]["shape"][1:]
        outputs = np.empty((batch, width), np.float32)
        for row in range(batch):
            for index, array in given.items():
                interpreter.set_tensor(index, array[row : row + 1])
            interpreter.invoke()
            outputs[row] = interpreter.get_tensor(self._local.output)[0]
        return outputs
