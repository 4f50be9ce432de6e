"""A chart becomes a page, and the places of an older map are read back from its page, table or bundle.

Arrays stand in the page as base64 of little-endian integers: a map of 19,158 titles is 3 MB so, 6 MB as
plain JSON.
"""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.catalogue import PAD
from tastemaker.errors import DataError
from tastemaker.evaluation.map.alignment import Older
from tastemaker.evaluation.map.chart import Chart
from tastemaker.pages import style
from tastemaker.pages.page import page
from tastemaker.recipe import Role

FORMAT = 1
FINE = 65_535
LONGEST = 240
"""Letters of a text shown."""
SIZES = (0.01, 0.05, 0.25)
"""Shares of the items, most popular first, that are drawn larger: three sizes, and the plain one."""
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def html(chart: Chart) -> str:
    """The page: everything it needs inside, nothing fetched."""
    section = chart.section()
    return page(
        "map.html",
        title="Map of the catalogue",
        scripts=("map_plane.js", "map_search.js", "map_lasso.js", "map.js"),
        styles=("map.css",),
        data=contents(chart),
        lead=section.lead,
        notes=section.notes,
        version=chart.name,
    )


def contents(chart: Chart) -> dict[str, Any]:
    """What the page is told. Items that are drawn come first, then those that are only neighbours of them."""
    catalogue, n, section = chart.recommender.catalogue, len(chart.rows), chart.section()
    place = np.full(catalogue.size + 1, -1, np.int64)  # the last entry is what PAD leads to
    place[chart.rows] = np.arange(n)
    beyond = np.setdiff1d(chart.likeness.rows[chart.likeness.rows != PAD], chart.rows)
    place[beyond] = n + np.arange(len(beyond))
    shown = np.concatenate([chart.rows, beyond]).astype(np.int32)
    low, grain = chart.places.min(0), float(np.ptp(chart.places, 0).max() or 1.0) / FINE
    steps, scale = _quantised(chart.likeness.scores)
    titles, ids = [catalogue.titles[row] for row in shown], chart.ids
    return {
        "format": FORMAT,
        "version": chart.name,
        "lead": section.lead,
        "notes": list(section.notes),
        "count": n,
        "titles": titles,
        "ids": None if ids == titles[:n] else ids,
        "xy": _packed(np.round((chart.places - low) / grain), "<u2"),
        "origin": low.tolist(),
        "grain": grain,
        "sizes": _packed(np.searchsorted(np.array(SIZES), np.arange(n) / n, side="right"), "u1"),
        "listed": chart.likeness.rows.shape[1],
        "neighbours": _packed(place[chart.likeness.rows], "<i4"),
        "scores": _packed(steps, "<u2"),
        "scale": scale,
        "colours": [
            {
                "name": colour.name,
                "labels": list(colour.labels),
                "counts": np.bincount(colour.codes, minlength=len(colour.labels)).tolist(),
                "codes": _packed(colour.codes, "u1"),
                "plain": colour.plain,
                "ordered": colour.is_ordered,
                "note": colour.note,
            }
            for colour in chart.colours
        ],
        "colour": chart.colour,
        "regions": [{"name": each.name, "centre": each.centre} for each in chart.regions],
        "details": _details(chart, shown),
        "palette": {"light": style.PALETTE, "dark": style.DARK_PALETTE},
        "ramp": {"light": style.RAMP, "dark": style.DARK_RAMP},
    }


def older(path: Path, chart_of: Callable[[Path], Chart]) -> Older:
    """Where an older map has its items.

    Args:
        path: a page or a table that `tastemaker explore` wrote, or a bundle.
        chart_of: charts a bundle, as the new one will be.
    Raises: DataError when it can't be read; BundleError.
    """
    if path.suffix == ".html":
        return _of_page(path)
    if path.suffix in (".csv", ".parquet"):
        try:
            frame = (
                pl.read_csv(path, schema_overrides={"item_id": pl.String})
                if path.suffix == ".csv"
                else pl.read_parquet(path)
            )
            places = frame.select(pl.col("x", "y").cast(pl.Float64)).to_numpy()
            return Older(path.name, frame["item_id"].to_list(), places)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"{path} is no table of item_id, x and y: {str(error).splitlines()[0]}."
            ) from None
    found = chart_of(path)
    return Older(found.name, found.ids, found.places)


def _of_page(path: Path) -> Older:
    try:
        data = _DATA.search(path.read_text(encoding="utf-8"))
        told = json.loads(data[1]) if data else {}
        if told.get("format") != FORMAT:
            raise ValueError
        steps = np.frombuffer(base64.b64decode(told["xy"]), "<u2").reshape(told["count"], 2)
        places = np.array(told["origin"]) + float(told["grain"]) * steps
        return Older(path.name, (told["ids"] or told["titles"])[: told["count"]], places)
    except OSError as error:
        raise DataError(f"Can't read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path} is no map that this version of `tastemaker explore` wrote.") from None


def _packed(values: npt.ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(np.asarray(values).astype(kind)).tobytes()).decode()


def _quantised(scores: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    """Scores in FINE steps from the lowest to the highest there is, and these two."""
    known = np.isfinite(scores)
    low, high = (float(scores[known].min()), float(scores[known].max())) if known.any() else (0.0, 1.0)
    grain = (high - low or 1.0) / FINE
    return np.round((np.where(known, scores, low) - low) / grain), (low, low + grain * FINE)


def _details(chart: Chart, shown: npt.NDArray[np.int32]) -> list[dict[str, Any]]:
    """What else is known of the items in `shown`, as people read it; each text once."""
    catalogue = chart.recommender.catalogue
    hidden = {catalogue.id_column, catalogue.title_column}
    found = []
    for column in catalogue.columns:
        if column.name in hidden or column.name not in catalogue.frame.columns:
            continue
        values = catalogue.frame[column.name][shown]
        if column.role is Role.CATEGORIES:
            texts = [", ".join(filter(None, each or [])) for each in values.to_list()]
        elif column.role in (Role.NUMBER, Role.POPULARITY):
            texts = ["" if each is None or each != each else f"{each:,.10g}" for each in values.to_list()]
        else:
            texts = ["" if each is None else _cut(str(each)) for each in values.to_list()]
        found.append(_dictionary(column.name, texts))
    if catalogue.popularity is None and chart.counts.any():
        found.append(_dictionary("events", [f"{chart.counts[row]:,.10g}" for row in shown]))
    named = [chart.region.labels[code] for code in chart.region.codes]
    found.append(_dictionary(chart.region.name, named + [""] * (len(shown) - len(named))))
    return found


def _dictionary(name: str, texts: list[str]) -> dict[str, Any]:
    values = list(dict.fromkeys(texts))
    number = {text: place for place, text in enumerate(values)}
    return {"name": name, "values": values, "codes": _packed([number[text] for text in texts], "<i4")}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
