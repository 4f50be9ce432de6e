"""A blind study as two files: `rate.html`, which raters get, and `key.json`, which they don't.

The page holds titles, their metadata and an opaque name of the study; which side is whose stands in the key
alone. Sides are drawn so that each model stands left as often as right.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.errors import DataError
from tastemaker.evaluation.raters.asking import Ask, Query
from tastemaker.recipe import Role

Kind = Literal["question", "repeat", "check"]
Side = Literal["a", "b", "chance"]

FORMAT = "tastemaker raters 1"
PAGE, KEY = "rate.html", "key.json"
"""Files of the folder."""
RECENT = 5
"""Titles of a person's history that raters are shown, the newest first."""
TEXT = 160
"""Letters of a description."""
YES_AND_NO = {"yes", "no", "true", "false", "0", "1", "y", "n"}


@dataclass(frozen=True)
class Asked:
    """One question as the key knows it.

    Attributes:
        number: from 1, in the order of the page.
        kind: a repeat is an earlier question with its sides swapped; a check has a list drawn by chance.
        repeats: number of the question that it repeats.
        query: id of the person or the item.
        left, right: whose list stands there.
        left_ids, right_ids: the lists.
    """

    number: int
    kind: Kind
    repeats: int | None
    query: str
    left: Side
    right: Side
    left_ids: tuple[str, ...]
    right_ids: tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """Attributes:
    study: the name that the page has too; it says nothing.
    a, b: what the two are called.
    identical: questions left out because both gave the same list.
    """

    study: str
    a: str
    b: str
    ask: Ask
    k: int
    seed: int
    identical: int
    questions: tuple[Asked, ...]

    def as_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, folder: Path) -> "Key":
        """Raises DataError with one line where there is no key, or it isn't one."""
        path = folder / KEY
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError
            fields = [
                each | {side: tuple(each[side]) for side in ("left_ids", "right_ids")}
                for each in values.pop("questions")
            ]
            key = cls(**values, questions=tuple(Asked(**each) for each in fields))
            if not all(isinstance(each, str) for each in (key.study, key.a, key.b)):
                raise ValueError
            return key
        except OSError as error:
            raise DataError(f"Can't read {path}: {error.strerror}. Give the folder of a study.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DataError(f"{path} is no key of a study.") from None


def plan(
    queries: Sequence[Query],
    lists: tuple[Rows, Rows],
    checks: Sequence[tuple[Query, Rows, Rows]],
    repeats: int,
    catalogue: Catalogue,
    rng: np.random.Generator,
) -> tuple[Asked, ...]:
    """The questions in the order of the page.

    Args:
        queries: B that the two are compared on.
        lists: (B, k) twice, of `a` and of `b`.
        checks: a query, a model's list (k,) and one by chance (k,).
        repeats: how many are asked again, in the last third, of those in the first half.
    """
    places = rng.permutation(len(queries))
    sides = rng.permutation(_half(len(queries), rng))
    main = [
        _asked("question", queries[place], lists[0][place], lists[1][place], "b", bool(side), catalogue)
        for place, side in zip(places, sides, strict=True)
    ]
    for at, (query, ours, chance), side in zip(
        rng.integers(0, len(main) + 1, len(checks)),
        checks,
        rng.permutation(_half(len(checks), rng)),
        strict=True,
    ):
        main.insert(int(at), _asked("check", query, ours, chance, "chance", bool(side), catalogue))
    early = [n for n, each in enumerate(main[: (len(main) + 1) // 2]) if each.kind == "question"]
    again = rng.permutation(early)[:repeats]
    order: list[tuple[Asked, Asked | None]] = [(each, None) for each in main]
    for n in again:
        at = int(rng.integers(2 * len(main) // 3 + 1, len(order) + 1))
        order.insert(at, (_swapped(main[int(n)]), main[int(n)]))
    numbers = {id(each): number for number, (each, _) in enumerate(order, 1)}
    return tuple(
        Asked(**{**_fields(each), "number": number, "repeats": None if of is None else numbers[id(of)]})
        for number, (each, of) in enumerate(order, 1)
    )


def page_data(key: Key, queries: Mapping[str, Query], catalogue: Catalogue) -> dict[str, Any]:
    """What the page may know: no id, no name, no score, no side."""
    cards = Cards(catalogue)
    questions = []
    for asked in key.questions:
        rows = queries[asked.query].rows[-RECENT:][::-1]
        questions.append(
            {
                "number": asked.number,
                "about": [cards.of(row) for row in rows],
                "left": [cards.of(int(row)) for row in catalogue.rows(asked.left_ids)],
                "right": [cards.of(int(row)) for row in catalogue.rows(asked.right_ids)],
            }
        )
    return {"format": FORMAT, "study": key.study, "ask": key.ask, "questions": questions}


def write(folder: Path, key: Key, html: str) -> None:
    """Both files. Raises DataError where the folder holds a study: answers to it would be lost."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: give a folder for the study.")
    for name in (PAGE, KEY):
        if (folder / name).exists():
            raise DataError(f"{folder} holds a study already: give another folder, or take it away first.")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(key.as_json(), ensure_ascii=False, indent=1)
    (folder / KEY).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE).write_text(html, encoding="utf-8")


class Cards:
    """Items as raters see them: a title, and a line of what is known of it."""

    def __init__(self, catalogue: Catalogue) -> None:
        if catalogue.title_column is None:
            raise DataError("The catalogue has no titles, so there is nothing that raters could judge by.")
        self.titles = catalogue.titles
        self.frame = catalogue.frame
        self.roles = {column.name: column.role for column in catalogue.columns}
        short = (Role.CATEGORY, Role.CATEGORIES, Role.DATE)
        self.columns = [name for name in catalogue.by_role(*short) if not self._is_yes_or_no(name)]
        self.texts = catalogue.by_role(Role.TEXT)

    def of(self, row: int) -> dict[str, str]:
        values = self.frame.row(row, named=True)
        facts = [self._told(name, values[name]) for name in self.columns]
        card = {"title": self.titles[row], "facts": " · ".join(fact for fact in facts if fact)}
        text = next((str(values[name]) for name in self.texts if values[name]), "")
        if text:
            card["text"] = text if len(text) <= TEXT else text[: TEXT - 1].rstrip() + "…"
        return card

    def _told(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if self.roles[name] == Role.DATE:
            return str(value.year)
        return ", ".join(value) if isinstance(value, list) else str(value)

    def _is_yes_or_no(self, name: str) -> bool:
        """Such a value says nothing without the name of its column."""
        if self.roles[name] != Role.CATEGORY:
            return False
        return {value.lower() for value in self.frame[name].drop_nulls().unique()} <= YES_AND_NO


def _half(count: int, rng: np.random.Generator) -> list[bool]:
    """As many of one kind as of the other; of an odd number, one more of either."""
    most = (count + int(rng.integers(2))) // 2
    return [n < most for n in range(count)]


def _asked(
    kind: Kind, query: Query, ours: Rows, theirs: Rows, other: Side, is_left: bool, catalogue: Catalogue
) -> Asked:
    ids = [tuple(catalogue.id_list(rows[rows != PAD].tolist())) for rows in (ours, theirs)]
    if is_left:
        return Asked(0, kind, None, query.id, "a", other, ids[0], ids[1])
    return Asked(0, kind, None, query.id, other, "a", ids[1], ids[0])


def _swapped(asked: Asked) -> Asked:
    return Asked(0, "repeat", None, asked.query, asked.right, asked.left, asked.right_ids, asked.left_ids)


def _fields(asked: Asked) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
