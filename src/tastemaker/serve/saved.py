"""Placements that somebody saved by hand: a recipe file that every worker reads again when it has changed.

What the file says is laid over the placements of the model, or of the recipe beside it. A file that can't be
read changes nothing, and a placement that a model can't serve is left out of that model alone.
"""

import fcntl
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tastemaker.errors import RecipeError, TastemakerError
from tastemaker.recipe import PlacementRecipe, Recipe, RerankingRecipe
from tastemaker.recommend import Recommender
from tastemaker.serve.watch import logs

LARGEST = 1 << 20
"""Bytes of the file."""
TOLD = 300
"""Characters of what is wrong with it."""

Mark = tuple[int, int, int] | None


class Saved:
    """The file of one service; each worker has its own view of it.

    Args:
        path: of the file, which needn't be there; None where nothing can be saved.

    Attributes:
        recipe: what it said when it could last be read.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.recipe = Recipe()
        self._mark: Mark = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.recipe.placements)

    def look(self) -> bool:
        """Whether it says something else than before; what can't be read is told in the log."""
        if self.path is None:
            return False
        try:
            mark = _mark(self.path)
            if mark == self._mark:
                return False
            self._mark = mark
            found = _read(self.path)
        except (RecipeError, OSError) as error:
            logs.logger().error("placements_refused", reason=" ".join(str(error).split())[:TOLD])
            return False
        is_other, self.recipe = found != self.recipe, found
        return is_other

    def put(self, name: str, place: PlacementRecipe, reranking: RerankingRecipe) -> None:
        """Save one. Raises RecipeError where that can't be, or the file is broken."""
        table = place.model_dump(mode="json", exclude_none=True)
        rules = reranking.model_dump(mode="json", exclude_none=True, exclude={"placements"})
        with self._alone() as path:
            recipe = _read(path)
            _write(path, recipe.placements | {name: table}, recipe.reranking.placements | {name: rules})

    def drop(self, name: str) -> bool:
        """Whether there was one of that name; it is gone. Raises as `put`."""
        with self._alone() as path:
            recipe = _read(path)
            if name not in recipe.placements:
                return False
            tables, rules = dict(recipe.placements), dict(recipe.reranking.placements)
            del tables[name]
            rules.pop(name, None)
            _write(path, tables, rules)
        return True

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """While no other worker changes it."""
        if self.path is None:
            raise RecipeError("This service was started without a place for saved placements.")
        try:
            lock = os.open(
                self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise RecipeError(f"Can't save placements: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.path
        except OSError as error:
            raise RecipeError(f"Can't save placements: {error.strerror}.") from None
        finally:
            os.close(lock)


def laid(recipe: Recipe, saved: Recipe) -> Recipe:
    """A recipe with saved placements in the places of its own."""
    reranking = recipe.reranking
    rules = {**reranking.placements, **saved.reranking.placements}
    return recipe.model_copy(
        update={
            "placements": {**recipe.placements, **saved.placements},
            "reranking": reranking.model_copy(update={"placements": rules}),
        }
    )


def serving(recommender: Recommender, own: Recipe, saved: Recipe) -> Recommender:
    """A recommender with the saved placements that it can serve, over those of a recipe; the others are told
    in the log."""
    if not saved.placements:
        return recommender if recommender.recipe is own else recommender.with_placements(own)
    try:
        return recommender.with_placements(laid(own, saved))
    except TastemakerError:
        fitting = own
        for name in saved.placements:
            one = _only(saved, name)
            try:
                recommender.with_placements(laid(own, one))
            except TastemakerError as error:
                logs.logger().error("placement_left_out", placement=name, reason=str(error)[:TOLD])
            else:
                fitting = laid(fitting, one)
        return recommender.with_placements(fitting)


def _only(saved: Recipe, name: str) -> Recipe:
    rules = saved.reranking.placements
    return saved.model_copy(
        update={
            "placements": {name: saved.placements[name]},
            "reranking": RerankingRecipe(placements={name: rules[name]} if name in rules else {}),
        }
    )


def _mark(path: Path) -> Mark:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Recipe:
    """Raises: RecipeError, OSError."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe is nothing to wait for
    except FileNotFoundError:
        return Recipe()
    with open(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise RecipeError(f"{path.name} is no file.")
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise RecipeError(f"{path.name} is larger than {LARGEST >> 20} MiB.")
    try:
        values = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"{path.name} is no TOML: {error}") from None
    rules = values.get("reranking", {})
    if (
        not isinstance(rules, dict)
        or not values.keys() <= {"placements", "reranking"}
        or rules.keys() - {"placements"}
    ):
        # No `base`, above all: what others wrote names no file to be read.
        raise RecipeError(f"{path.name} may say [placements] and [reranking.placements], and nothing else.")
    recipe = Recipe.of(values)
    strange = recipe.reranking.placements.keys() - recipe.placements.keys()
    if strange:
        raise RecipeError(f"{path.name} has rules for {min(strange)!r}, but no such placement.")
    return recipe


def _write(path: Path, tables: dict[str, Any], rules: dict[str, Any]) -> None:
    """Beside it and renamed, so that nobody reads half of it."""
    recipe = Recipe.of({"placements": tables, "reranking": {"placements": rules}})
    content = recipe.as_toml()
    if len(content.encode()) > LARGEST:
        raise RecipeError("There are too many saved placements: delete one first.")
    partial = path.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
