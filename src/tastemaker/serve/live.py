"""Which models answer in this process: the live one, those being tried, and how another takes their place.

A model is opened beside the one that answers, verified, asked its golden requests and warmed; then one
reference is changed. A request holds on to the model that it began with.
"""

import asyncio
import ctypes
import gc
import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.errors import BundleError, RegistryError, TastemakerError, UnknownItemError
from tastemaker.recipe import PlacementRecipe, Recipe
from tastemaker.recommend import Recommender
from tastemaker.registry import Reference, Registry, Trial
from tastemaker.retrieve.half import let_go
from tastemaker.serve import paging
from tastemaker.serve.histories import made_at
from tastemaker.serve.saved import Saved, serving
from tastemaker.serve.settings import Settings
from tastemaker.serve.store import ItemChange, Store
from tastemaker.serve.watch import logs

LOOK_S = 0.25
"""How often it is looked whether another model should answer."""
FRESH_DAYS = 30.0
"""A log whose newest event was so much older than the bundle is of another time, and stays there."""
DAY_S = 86_400.0
HOME = "home"
"""The placement of a list that says none."""


@dataclass
class Model:
    """One model that answers.

    Attributes:
        version: of its bundle, before any item came or went.
        own: its recipe before any placement was saved by hand; None where that is what it has.
    """

    version: str
    recommender: Recommender
    own: Recipe | None = None

    @property
    def base(self) -> Recipe:
        """Its recipe before any saved placement."""
        return self.recommender.recipe if self.own is None else self.own

    @cached_property
    def is_of_now(self) -> bool:
        """Whether its log goes on today. Else, and without a clock, time stands still after a person's newest
        event: what is new or popular is so as of then."""
        log = self.recommender.bundle.histories
        if not log.is_clock or not len(log.times):
            return False
        return made_at(self.recommender.bundle) - float(log.times.max()) < FRESH_DAYS * DAY_S

    @cached_property
    def placements(self) -> dict[str, PlacementRecipe]:
        """All that there are, by name."""
        return self.recommender.recipe.known_placements

    def placement(self, name: str) -> PlacementRecipe:
        """Empty for none in particular. Raises RecipeError where there is no such one."""
        found = self.placements.get(name)
        return self.recommender.recipe.placement(name) if found is None else found

    @cached_property
    def is_home_plain(self) -> bool:
        """Whether nothing is said of the home page, so that it is a list as every other."""
        recipe = self.recommender.recipe
        return self.placements[HOME] == PlacementRecipe() and HOME not in recipe.reranking.named_placements

    @cached_property
    def shown_as(self) -> paging.Hashes:
        """(N,) what cursors call each item."""
        return paging.hashes(self.recommender.catalogue.ids)

    def shown(self, cursor: str) -> tuple[paging.Hashes, list[str]]:
        """What a cursor says was shown, and those ids of it that there still are. Raises TastemakerError."""
        shown = paging.shown_before(cursor)
        rows = np.flatnonzero(np.isin(self.shown_as, shown))
        return shown, self.recommender.catalogue.id_list(rows.tolist())


@dataclass(frozen=True)
class Standing:
    """What answers, at one moment.

    Attributes:
        number: of the registry's reference; 0 for one bundle alone.
        live: what answers.
        trials: with the models that are being tried.
    """

    number: int
    live: Model
    trials: tuple[tuple[Trial, Model], ...] = ()

    def of(self, person: str, placement: str) -> tuple[Model, Model | None]:
        """Who answers this person at this placement, and who is asked too without being shown.

        The same person is always with the same one, as long as a trial's share stays or grows.
        """
        answering, shadow = self.live, None
        for trial, model in self.trials:
            if trial.placement in ("", placement) and _drawn(person, trial) < trial.share:
                if trial.kind == "canary":
                    answering = model
                else:
                    shadow = model
        return answering, shadow


@dataclass
class Live:
    """The models of one process; all of it belongs to one event loop.

    Attributes:
        refused: why the last model that should have answered doesn't, by version.
        items_at: number of the last change of items that the models know of.
        saved: placements that somebody saved by hand.
    """

    settings: Settings
    store: Store
    standing: Standing
    registry: Registry | None = None
    refused: dict[str, str] = field(default_factory=dict)
    items_at: int = 0
    swapped: int = 0
    saved: Saved = field(init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever changes what stands does so alone: no model comes in without items that came while it was
    opened, and none that was wanted before another comes after it."""

    def __post_init__(self) -> None:
        self.saved = Saved(self.settings.saved)

    @classmethod
    async def started(cls, settings: Settings, store: Store) -> "Live":
        """With the model that the settings name, warm.

        Raises: BundleError, RegistryError.
        """
        registry = None if settings.registry is None else Registry.opened(settings.registry)
        if registry is None:
            assert settings.bundle is not None
            live = cls(settings, store, Standing(0, opened(settings.bundle, settings)))
        else:
            reference = registry.reference()
            if reference.live is None:
                raise RegistryError(
                    f"Nothing is live in {settings.registry}: see `tastemaker models promote`."
                )
            model = opened(registry.folder(reference.live), settings)
            live = cls(settings, store, Standing(reference.number, model), registry)
            await live._try(reference)
        await live.hear_of_items()
        live.look_at_saved()
        warm(live.standing.live)
        return live

    # --- another model ----------------------------------------------------------------------

    async def watch(self) -> None:
        """Look, for as long as the process lives, whether another model or other items are wanted."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (TastemakerError, OSError) as error:
                logs.logger().error("looking_failed", reason=logs.told(error))

    async def look(self) -> None:
        """Do what the registry and the store say by now. Raises: StoreError, RegistryError."""
        async with self._turn:
            if self.registry is not None:
                reference = self.registry.reference()
                if reference.number != self.standing.number:
                    await self._follow(reference)
            self.look_at_saved()
            await self._hear()

    async def _follow(self, reference: Reference) -> None:
        assert self.registry is not None
        assert reference.live is not None
        known = {model.version: model for model in self._models()}
        try:
            model = known.get(reference.live) or await self._opened(reference.live)
        except (BundleError, RegistryError) as error:
            self._refuse(reference.live, error)
            self.standing = Standing(reference.number, self.standing.live, self.standing.trials)
            return
        before = self.standing.live.version
        self.standing = Standing(reference.number, model, self.standing.trials)
        await self._try(reference)
        if model.version != before:
            self.swapped += 1
            self.refused.pop(model.version, None)
            logs.logger().info("model_swapped", version=model.version, number=reference.number)

    async def _try(self, reference: Reference) -> None:
        known = {model.version: model for model in self._models()}
        trials = []
        for trial in reference.trials:
            try:
                model = known.get(trial.version) or await self._opened(trial.version)
            except (BundleError, RegistryError) as error:
                self._refuse(trial.version, error)
                continue
            known[trial.version] = model
            trials.append((trial, model))
        self.standing = Standing(self.standing.number, self.standing.live, tuple(trials))

    async def _opened(self, version: str) -> Model:
        """In a thread, so that others are answered meanwhile."""
        assert self.registry is not None
        folder, after = self.registry.folder(version), self.items_at
        changes = await self.store.item_changes(0) if after else []

        def open() -> Model:
            model = opened(folder, self.settings)
            model = changed(model, [change for change in changes if change.number <= after])
            model = placed(model, self.saved.recipe)
            warm(model)
            return model

        return await asyncio.to_thread(open)

    def _refuse(self, version: str, error: TastemakerError) -> None:
        self.refused[version] = str(error)
        logs.logger().error("model_refused", version=version, reason=logs.told(error))

    def _models(self) -> list[Model]:
        return [self.standing.live, *(model for _, model in self.standing.trials)]

    # --- other placements -------------------------------------------------------------------

    async def hear_of_saved(self) -> None:
        """Take up placements that were saved or deleted since."""
        async with self._turn:
            self.look_at_saved()

    def look_at_saved(self) -> None:
        """The same for whoever has the turn."""
        if not self.saved.look():
            return
        standing, saved = self.standing, self.saved.recipe
        models = {model.version: placed(model, saved) for model in self._models()}
        trials = tuple((trial, models[model.version]) for trial, model in standing.trials)
        self.standing = Standing(standing.number, models[standing.live.version], trials)
        logs.logger().info("placements_changed", count=len(saved.placements))

    # --- other items ------------------------------------------------------------------------

    async def hear_of_items(self) -> None:
        """Take up items that came, changed or went since. Raises: StoreError."""
        async with self._turn:
            await self._hear()

    async def _hear(self) -> None:
        changes = await self.store.item_changes(self.items_at)
        if not changes:
            return
        standing, last = self.standing, changes[-1].number
        models = {model.version: model for model in self._models()}

        def change() -> dict[str, Model]:
            now = {version: changed(model, changes) for version, model in models.items()}
            for version, model in now.items():
                if model is not models[version]:
                    warm(model)
            return now

        now = await asyncio.to_thread(change)
        trials = tuple((trial, now[model.version]) for trial, model in standing.trials)
        self.standing = Standing(standing.number, now[standing.live.version], trials)
        self.items_at = last


def opened(folder: Path, settings: Settings) -> Model:
    """A model from its folder, verified, its golden requests asked. Raises BundleError."""
    recommender = Recommender.load(folder)
    version = recommender.bundle.version
    placements = settings.placements
    if placements is not None:
        recommender = recommender.with_placements(placements)
    return Model(version, recommender)


def placed(model: Model, saved: Recipe) -> Model:
    """The model with placements that were saved by hand, as far as it can serve them."""
    own = model.base
    recommender = serving(model.recommender, own, saved)
    if recommender is model.recommender:
        return model
    other = Model(model.version, recommender, own)
    if "shown_as" in model.__dict__:
        other.shown_as = model.shown_as
    return other


def changed(model: Model, changes: Sequence[ItemChange]) -> Model:
    """The model with items that came, changed or went after its bundle was made, or that it doesn't know.

    What it can't take is told in the log, and left out: the other items are none the worse for it.
    """
    recommender, made = model.recommender, made_at(model.recommender.bundle)
    for change in changes:
        if change.at <= made and (change.columns is None or change.item_id in recommender.catalogue):
            continue
        try:
            if change.columns is None:
                recommender = recommender.without([change.item_id])
            else:
                column = recommender.catalogue.id_column
                recommender = recommender.with_items({**change.columns, column: change.item_id})
        except UnknownItemError:
            continue
        except TastemakerError as error:
            logs.logger().error("item_refused", version=model.version, reason=type(error).__name__)
    return model if recommender is model.recommender else Model(model.version, recommender, model.own)


def warm(model: Model) -> None:
    """Make what is made when first asked for, so that no request waits for it."""
    recommender = model.recommender
    log, ids = recommender.bundle.histories, recommender.catalogue.ids
    if not ids:
        return
    known = np.flatnonzero(np.diff(log.offsets))
    if len(known):
        recommender.recommend(user_id=log.user_ids[int(known[0])], k=10, explain=False)
    recommender.recommend(history=[ids[0]], k=10, explain=False)
    recommender.recommend(history=[], k=10, explain=False)
    _settle(recommender.bundle.arrays.values())


def _settle(arrays: Iterable[npt.NDArray[Any]]) -> None:
    """What was made to be kept isn't looked through again for what can be let go, and what making it took
    goes back to the system."""
    for array in arrays:
        let_go(array, is_picked=True)
    gc.collect()
    gc.freeze()
    gc.enable()
    with suppress(OSError, AttributeError):  # other systems than Linux have other ways
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _drawn(person: str, trial: Trial) -> float:
    """From 0 to 1, the same for the same person and trial."""
    said = f"{trial.kind}\0{trial.placement}\0{trial.version}\0{person}".encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest()) / 2.0**64
