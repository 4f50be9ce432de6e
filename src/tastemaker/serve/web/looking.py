"""Which model the page looks at: the live one, another of the registry, or one made of a file that was tried.

Looking changes nothing: nothing is written down, no trial answers, and a model that is only looked at never
answers anybody else.
"""

import asyncio
from collections import OrderedDict
from pathlib import Path

from tastemaker.errors import TastemakerError
from tastemaker.serve.live import Live, Model, opened, warm
from tastemaker.serve.settings import Settings
from tastemaker.serve.web.jobs import Jobs

KEPT = 2
"""Models beside those that answer that are held open."""
TRY = "try-"
"""What the names of tries begin with."""


class Looking:
    """The models that one process shows on its page; belongs to its event loop."""

    def __init__(self, settings: Settings, live: Live, jobs: Jobs | None) -> None:
        self._settings, self._live, self._jobs = settings, live, jobs
        self._kept: OrderedDict[str, Model] = OrderedDict()
        self._turn = asyncio.Lock()

    async def model(self, name: str = "") -> Model:
        """The one called `name`, a version or a try; empty for the live one.

        Raises: TastemakerError where there is none, BundleError where it is damaged.
        """
        standing = self._live.standing
        for model in (standing.live, *(model for _, model in standing.trials)):
            if name in ("", model.version):
                return model
        async with self._turn:
            if name not in self._kept:
                folder, settings = self.folder(name), self._settings
                self._kept[name] = await asyncio.to_thread(_opened, folder, settings, name.startswith(TRY))
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return self._kept[name]

    def folder(self, name: str = "") -> Path:
        """Where the bundle of a model lies. Raises TastemakerError where there is none."""
        settings, live = self._settings, self._live
        version = name or live.standing.live.version
        if settings.bundle is not None and version == live.standing.live.version:
            return settings.bundle.resolve()
        if name.startswith(TRY) and self._jobs is not None:
            found = self._jobs.folder(name) / "bundle"
            if name.removeprefix(TRY).isalnum() and found.is_dir():
                return found
        elif live.registry is not None:
            return live.registry.folder(version)
        raise TastemakerError(f"There is no model {name[:80]!r} here.")

    def forget(self, name: str) -> None:
        """It is gone."""
        self._kept.pop(name, None)


def _opened(folder: Path, settings: Settings, is_plain: bool) -> Model:
    """
    Args:
        is_plain: with the placements that its own recipe has.
    """
    model = opened(folder, settings.model_copy(update={"recipe": None}) if is_plain else settings)
    warm(model)
    return model
