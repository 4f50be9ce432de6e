"""Columns become bags and dense numbers: fitted once on the training rows, saved, the same in serving.

Which tables a role fills (`tables` says how), all of them in the shapes of `schema`:

    category            `Language`             a bag of one
    categories          `genres`               a bag of its values
    number, popularity  `Hours Viewed`         a bag of one bucket, and a dense number
    date                `Release Date/year`    a bag of one bucket of years
                        `Release Date/age`     a dense number: days before the newest date of fitting
    title, text         `Title/words`          a bag of words
                        `Title/ngrams`         a bag of character n-grams; of titles in Latin letters too
    title, also         `Title/name/ngrams`    a bag of n-grams of what stands before the first ":"
                        `Title/sounds/ngrams`  a bag of n-grams of how it sounds
                        `Title/year`           as a number, where half of the titles carry one: (1995)
                        `Title/script`         as a category, where titles differ in it
                        `Title/ending`         likewise: numbered (Season 2), unnumbered, none
    title and texts     a pre-trained vector (`vectors`) as dense numbers, where the recipe asks for one

Users' columns are encoded likewise: a `Catalogue` of people.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.data.titles import ending, franchise_name, native_half, script, title_year, without_year
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.features.sounds import romanised, sounds
from tastemaker.features.tables import Numbers, Texts, Values
from tastemaker.features.vectors import TextVectors
from tastemaker.recipe import FeatureRecipe, Role

View = Literal[
    "value", "values", "number", "year", "age", "text", "title_year", "script", "ending",
    "title", "title+spelling", "name", "sounds",
]  # fmt: skip
"""What is taken from a column; `title` is a text without its year, `spelling` what it writes in another
script, in Latin letters, `name` what stands before its first ":" """

_NO_DENSE, _NO_BAG = {"year"}, {"age"}
"""Views whose number is used as a bucket only, or as a dense number only."""

FEW = 100
"""In fewer rows than this, a value met once may be all there is: `min_count` is 1."""


class Part(BaseModel):
    """One view of one column, and the table fitted on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    column: str
    view: View
    table: Values | Numbers | Texts
    newest: date | None = None
    """from which ages are counted"""


@dataclass(frozen=True)
class Encoder:
    """What turns columns into `Encoded`, fitted on the training rows alone."""

    parts: tuple[Part, ...]
    vectors: TextVectors | None = None

    @classmethod
    def fit(cls, catalogue: Catalogue, recipe: FeatureRecipe, rows: Rows | None = None) -> Self:
        """Fit on `rows` of the catalogue; None for all. A column that is empty there gives no field.

        Raises: RecipeError where the recipe asks for vectors whose package isn't installed.
        """
        frame = catalogue.frame if rows is None else catalogue.frame[rows]
        if frame.height < FEW:
            recipe = recipe.model_copy(update={"min_count": 1})
        found = (
            part
            for column in catalogue.columns
            if column.name in frame.columns and frame.height
            for part in _fitted(column.name, column.role, frame[column.name], recipe)
        )
        vectors = None
        if recipe.vectors != "none":
            vectors = TextVectors.fit(catalogue, frame, recipe.vectors)
        return cls(tuple(found), vectors)

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(part.table.field(part.name) for part in self.parts if part.view not in _NO_BAG)

    @property
    def dense_names(self) -> tuple[str, ...]:
        """(M,) what each dense number is."""
        names = tuple(
            part.name for part in self.parts if isinstance(part.table, Numbers) and part.view not in _NO_DENSE
        )
        return names + (() if self.vectors is None else (self.vectors.model,) * self.vectors.dim)

    def encode(self, things: Catalogue | pl.DataFrame) -> Encoded:
        """Bags and numbers of every row; a column that `things` lacks counts as missing throughout.

        Raises: RecipeError where it has vectors whose package isn't installed.
        """
        frame = things.frame if isinstance(things, Catalogue) else things
        bags: list[Bag] = []
        dense: list[npt.NDArray[np.float32]] = []
        for part in self.parts:
            column = (
                frame[part.column]
                if part.column in frame.columns
                else pl.repeat(None, frame.height, eager=True)
            )
            match part.table:
                case Numbers() as numbers:
                    bag, number = numbers.encode(_numbers(part.view, column, part.newest))
                    bags += [bag] * (part.view not in _NO_BAG)
                    dense += [number] * (part.view not in _NO_DENSE)
                case Values() as values:
                    bags.append(values.encode(_cells(part.view, column)))
                case Texts() as texts:
                    bags.append(texts.encode(_texts(part.view, column)))
        numbers_of_all = np.stack(dense, 1) if dense else np.zeros((frame.height, 0), np.float32)
        if self.vectors is None:
            return Encoded(self.fields, tuple(bags), numbers_of_all)
        of_texts = self.vectors.encode(frame)
        return Encoded(
            self.fields, tuple(bags), np.concatenate([numbers_of_all, of_texts], 1), of_texts.shape[1]
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values for `encoders.json`; `from_json` gives an encoder that encodes alike."""
        values: dict[str, Any] = {"parts": [part.model_dump(mode="json") for part in self.parts]}
        return values if self.vectors is None else values | {"vectors": self.vectors.model_dump(mode="json")}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        vectors = values.get("vectors")
        return cls(
            tuple(Part.model_validate(part) for part in values["parts"]),
            None if vectors is None else TextVectors.model_validate(vectors),
        )


def _fitted(name: str, role: Role, column: pl.Series, recipe: FeatureRecipe) -> Iterator[Part]:
    match role:
        case Role.CATEGORY:
            yield from _values(name, name, "value", column, recipe)
        case Role.CATEGORIES:
            yield from _values(name, name, "values", column, recipe)
        case Role.NUMBER | Role.POPULARITY:
            yield from _number(name, name, "number", column, recipe)
        case Role.DATE:
            newest = column.cast(pl.Date).max()
            if isinstance(newest, date):
                yield from _number(f"{name}/year", name, "year", column, recipe)
                yield from _number(f"{name}/age", name, "age", column, recipe, newest)
        case Role.TEXT:
            yield from _pieces(name, {"words": "text", "ngrams": "text"}, column, recipe)
        case Role.TITLE:
            views: dict[str, View] = {"words": "title"}
            views["ngrams"] = "title+spelling" if recipe.sounds else "title"
            if recipe.names:
                views["name/ngrams"] = "name"
            if recipe.sounds:
                views["sounds/ngrams"] = "sounds"
            yield from _pieces(name, views, column, recipe)
            with_year = np.isfinite(_numbers("title_year", column, None))
            if with_year.mean() >= 0.5:
                yield from _number(f"{name}/year", name, "title_year", column, recipe)
            for view in ("script", "ending"):
                for part in _values(f"{name}/{view}", name, view, column, recipe):
                    if isinstance(part.table, Values) and len(part.table.values) > 1:
                        yield part


def _values(name: str, column: str, view: View, values: pl.Series, recipe: FeatureRecipe) -> Iterator[Part]:
    kind: Literal["category", "categories"] = "categories" if view == "values" else "category"
    table = Values.fit(kind, _cells(view, values), recipe.min_count)
    if table:
        yield Part(name=name, column=column, view=view, table=table)


def _number(
    name: str, column: str, view: View, values: pl.Series, recipe: FeatureRecipe, newest: date | None = None
) -> Iterator[Part]:
    may_log = view in ("number", "age")
    table = Numbers.fit(_numbers(view, values, newest), recipe.buckets, may_log=may_log)
    if table:
        yield Part(name=name, column=column, view=view, table=table, newest=newest)


def _pieces(
    column: str, views: Mapping[str, View], values: pl.Series, recipe: FeatureRecipe
) -> Iterator[Part]:
    """A table for each of `views`, whose names end in the piece that is cut from them."""
    for name, view in views.items():
        table = Texts.fit(
            "words" if name.endswith("words") else "ngrams",
            _texts(view, values),
            ngrams=recipe.ngrams,
            hash_rows=recipe.hash_rows,
            min_count=recipe.min_count,
            max_text=recipe.max_text,
        )
        if table:
            yield Part(name=f"{column}/{name}", column=column, view=view, table=table)


def _cells(view: View, column: pl.Series) -> list[list[str]]:
    """(N,) lists of values, empty where missing."""
    cells = column.to_list()
    match view:
        case "values":
            return [[str(value) for value in cell if value is not None] if cell else [] for cell in cells]
        case "script":
            found = [script(native_half(cell) or cell) if cell else None for cell in cells]
        case "ending":
            found = [ending(cell) if cell else None for cell in cells]
        case _:
            found = [None if cell is None else str(cell) for cell in cells]
    return [[] if value is None else [value] for value in found]


def _numbers(view: View, column: pl.Series, newest: date | None) -> npt.NDArray[np.float64]:
    """(N,) nan where missing."""
    match view:
        case "year":
            column = column.cast(pl.Date).dt.year()
        case "age":
            column = pl.Series([newest], dtype=pl.Date) - column.cast(pl.Date)
            column = column.dt.total_days().clip(lower_bound=0)
        case "title_year":
            column = pl.Series([title_year(cell) if cell else None for cell in column], dtype=pl.Float64)
        case _:
            pass
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _texts(view: View, column: pl.Series) -> Sequence[str | None]:
    """(N,) None where missing."""
    cells: list[str | None] = column.to_list()
    read = _READ.get(view)
    return [read(cell) if cell else None for cell in cells] if read else cells


_READ: dict[View, Callable[[str], str]] = {
    "title": without_year,
    "title+spelling": lambda title: f"{without_year(title)} {romanised(title)}",
    "name": franchise_name,
    "sounds": sounds,
}
