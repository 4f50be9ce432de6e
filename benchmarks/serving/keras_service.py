"""The same service, with its networks asked by Keras for every request, as a tutorial would.

python -m benchmarks.serving.keras_service BUNDLE --call predict --port 8001 --store FILE --no-auth
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tastemaker.model.export
import tastemaker.model.history
import tastemaker.model.ranking_network  # noqa: F401  registers our layers
from tastemaker.bundle import Bundle
from tastemaker.retrieve import tower

CALLS = ("predict", "call")


class KerasTower:
    """What `Tower` is, by Keras."""

    def __init__(self, model: Any, how: str) -> None:
        self._model, self._how = model, how
        self._names = [each.name for each in model.inputs]
        self.inputs = {each.name: tuple(each.shape[1:]) for each in model.inputs}

    def __call__(self, **arrays: Any) -> Any:
        given = {name: np.asarray(arrays[name]) for name in self._names}
        if self._how == "predict":
            return self._model.predict(given, verbose=0)
        return np.asarray(self._model(given, training=False))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("bundle", type=Path)
    words.add_argument("--call", choices=CALLS, default="predict")
    asked, others = words.parse_known_args()
    bundle = Bundle.open(asked.bundle)
    models = {bundle.towers[name]: opened(bundle.originals[name]) for name in ("query_tower", "ranker")}
    plain = tower.Tower
    made = partial(_made, models, plain, asked.call)
    from tastemaker.rank import ranker
    from tastemaker.retrieve import nearest

    nearest.Tower = ranker.Tower = made  # type: ignore[assignment, misc]
    sys.argv = ["tastemaker", "serve", str(asked.bundle), *others]
    from tastemaker.cli import main as command

    command()


def _made(models: dict[bytes, Any], plain: Any, how: str, content: bytes) -> Any:
    return KerasTower(models[content], how) if content in models else plain(content)


def opened(file: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(file)
        return keras.models.load_model(path, compile=False, safe_mode=True)


if __name__ == "__main__":
    main()
