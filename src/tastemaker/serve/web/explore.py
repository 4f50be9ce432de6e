"""One item and what is like it: what is known of it, how popular it is, what its neighbours share with it."""

import asyncio
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import polars as pl
from fastapi import APIRouter, Query

from tastemaker.data.catalogue import Catalogue
from tastemaker.evaluation.map.colours import popularity
from tastemaker.explain import bonds, word_counts
from tastemaker.recipe import Role
from tastemaker.recommend import Recommender
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role as Key
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.facts import ItemId, ModelName
from tastemaker.serve.web.telling import about, listed

BEGIN = 12
"""Items that somebody is shown who hasn't looked for any."""
BARS = 24
GREATEST = 5
"""Values of a column that are named."""
LONGEST = 2000
"""Letters of a text."""
KNOWN = (Role.DATE, Role.CATEGORY, Role.CATEGORIES, Role.NUMBER, Role.POPULARITY, Role.TEXT)


def routes(service: Service) -> APIRouter:
    router, looking = APIRouter(include_in_schema=False), service.looking
    read = needs(Key.READ)
    words: WeakKeyDictionary[Recommender, Any] = WeakKeyDictionary()

    @router.get("/page/api/catalogue", openapi_extra=read)
    async def catalogue(name: ModelName = "") -> Any:
        """What there is, in short, and some of it to begin with."""
        recommender = (await looking.model(name)).recommender
        return Json(await asyncio.to_thread(_beginning, recommender))

    @router.get("/page/api/item", openapi_extra=read)
    async def item(id: ItemId, name: ModelName = "") -> Any:
        """All that is known of an item."""
        recommender = (await looking.model(name)).recommender
        row = recommender.row(id)
        return Json(await asyncio.to_thread(_told, recommender, row))

    @router.get("/page/api/similar", openapi_extra=read)
    async def similar(
        id: ItemId,
        k: Annotated[int, Query(ge=1, le=100)] = 12,
        all_seasons: bool = False,
        name: ModelName = "",
    ) -> Any:
        """Its neighbours, and what each shares with it."""
        recommender = (await looking.model(name)).recommender
        row = recommender.row(id)
        async with service.turns:
            slate = recommender.similar(item_id=id, k=k, all_seasons=all_seasons)
        items = listed(recommender.catalogue, slate)

        def shared() -> list[Any]:
            if recommender not in words:
                words[recommender] = word_counts(recommender.catalogue)
            rows = recommender.catalogue.rows([each.item_id for each in slate])
            return bonds(recommender, row, rows, words[recommender])

        for each, found in zip(items, await asyncio.to_thread(shared), strict=True):
            each["shared"] = [bond.as_json() for bond in found]
        return Json({"items": items, "notes": list(slate.notes)})

    return router


def _told(recommender: Recommender, row: int) -> dict[str, Any]:
    catalogue = recommender.catalogue
    return {
        "item_id": catalogue.ids[row],
        "title": catalogue.titles[row],
        "about": about(catalogue, row),
        "columns": _columns(catalogue, row),
        "popularity": _popularity(recommender, row),
    }


def _columns(catalogue: Catalogue, row: int) -> list[dict[str, Any]]:
    """Value by value as people read them; the page writes numbers."""
    found = []
    for column in catalogue.columns:
        if column.role not in KNOWN or column.name not in catalogue.frame.columns:
            continue
        value = catalogue.frame[column.name][row]
        if column.role is Role.CATEGORIES:
            told: Any = [str(each) for each in ([] if value is None else value) if each]
        elif column.role in (Role.NUMBER, Role.POPULARITY):
            told = None if value is None or value != value else float(value)
        else:
            told = None if value is None else str(value)[:LONGEST]
        found.append({"name": column.name, "role": str(column.role), "value": told})
    if catalogue.title_column is not None and catalogue.id_column != catalogue.title_column:
        found.append({"name": catalogue.id_column, "role": "id", "value": catalogue.ids[row]})
    return found


def _popularity(recommender: Recommender, row: int) -> dict[str, Any] | None:
    """None where nothing is known of how popular anything is."""
    _, figures = popularity(recommender)
    if not figures.any():
        return None
    figure = float(figures[row])
    bars, bar = _bars(figures, figure)
    return {
        "name": _counted(recommender),
        "figure": figure,
        "rank": int((figures > figure).sum()) + 1,
        "of": len(figures),
        "bars": bars,
        "bar": bar,
        "none": int((figures <= 0).sum()),
    }


def _counted(recommender: Recommender) -> str:
    """The catalogue's own column; empty where events are counted."""
    return next(iter(recommender.catalogue.by_role(Role.POPULARITY)), "")


def _bars(figures: npt.NDArray[np.float64], figure: float) -> tuple[list[dict[str, Any]], int | None]:
    """How many items have about how much, in steps that multiply, and in which of them `figure` falls."""
    known = figures[figures > 0]
    low, high = float(known.min()), float(known.max())
    edges = np.geomspace(low, high, BARS + 1) if high > low else np.array([low, high])
    if (known == np.round(known)).all() and high > low:
        edges = np.unique(np.round(edges))  # between 1 and 2 events there is nothing to have
    count = len(edges) - 1
    steps = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, count - 1)
    items = np.bincount(steps, minlength=count)
    bars = [
        {"low": float(edges[step]), "high": float(edges[step + 1]), "items": int(items[step])}
        for step in range(count)
    ]
    own = int(np.clip(np.searchsorted(edges, figure, side="right") - 1, 0, count - 1)) if figure > 0 else None
    return bars, own


def _beginning(recommender: Recommender) -> dict[str, Any]:
    catalogue = recommender.catalogue
    _, figures = popularity(recommender)
    numbers = recommender.series.numbers
    best, seen = [], set()
    for row in np.argsort(-figures, kind="stable").tolist():
        if numbers[row] not in seen:  # each series once
            seen.add(numbers[row])
            best.append(row)
        if len(best) == BEGIN:
            break
    return {
        "is_ranked": bool(figures.any()),
        "counted": _counted(recommender),
        "items": [
            {"item_id": catalogue.ids[row], "title": catalogue.titles[row], "about": about(catalogue, row)}
            for row in best
        ],
        "columns": [
            told
            for column in catalogue.columns
            if column.name in catalogue.frame.columns
            and (told := _summary(column.name, column.role, catalogue.frame[column.name])) is not None
        ],
    }


def _summary(name: str, role: Role, values: pl.Series) -> dict[str, Any] | None:
    """A column in a line; None of those that a line says nothing of."""
    told: dict[str, Any] = {"name": name, "role": str(role)}
    if role in (Role.CATEGORY, Role.CATEGORIES):
        flat = values.explode() if role is Role.CATEGORIES else values
        counts = flat.drop_nulls().value_counts(sort=True)
        greatest = [{"value": value, "items": items} for value, items in counts.head(GREATEST).iter_rows()]
        return told | {"values": greatest, "different": counts.height}
    known = values.drop_nulls()
    if role in (Role.DATE, Role.NUMBER, Role.POPULARITY) and len(known):
        low, high = known.min(), known.max()
        if role is Role.DATE:
            low, high = str(low), str(high)
        return told | {"low": low, "high": high, "known": len(known)}
    return None
