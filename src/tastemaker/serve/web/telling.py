"""Items and lists as the page shows them: with a line on what each is, beside its title."""

from datetime import date
from typing import Any

from tastemaker.data.catalogue import Catalogue
from tastemaker.explain import said
from tastemaker.recipe import Role
from tastemaker.slate import Slate

MOST = 3
"""Values of a column that stand in the line."""


def about(catalogue: Catalogue, row: int) -> str:
    """What an item is, in a line: `2023 · Show · English`; a bare Yes or No says nothing there."""
    told: list[str] = []
    for column in catalogue.columns:
        value = catalogue.frame[column.name][row] if column.name in catalogue.frame.columns else None
        if value is None:
            continue
        if column.role is Role.DATE:
            told.insert(0, str(value.year if isinstance(value, date) else value))
        elif column.role in (Role.CATEGORY, Role.CATEGORIES):
            told.append(", ".join(said(value)[:MOST]))
    return " · ".join(text for text in told if text)


def listed(catalogue: Catalogue, slate: Slate) -> list[dict[str, Any]]:
    """The places of a list."""
    rows = catalogue.rows([each.item_id for each in slate]).tolist()
    return [
        each.as_json() | {"score": float(each.score), "about": about(catalogue, row)}
        for each, row in zip(slate, rows, strict=True)
    ]
