"""One part of a report: a verdict, a sentence, tables, pictures and notes; for a terminal, a page and JSON.

Whoever measures something makes a `Section` of it. How a section looks is settled here and in
`templates/`, so that all parts look alike and no part knows HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

Verdict = Literal["", "good", "alarm", "unclear"]
COLOURS: dict[Verdict, str] = {"": "", "good": "green", "alarm": "red", "unclear": "yellow"}


@dataclass(frozen=True)
class Table:
    """Cells as people read them; all columns but the first stand to the right unless they hold words.

    Attributes:
        strong: numbers of the rows, from 0, that are to be seen first.
        words: numbers of further columns, from 0, that hold words.
        note: what must be known to read it; stands under the title.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: Sequence[int] = ()
    words: Sequence[int] = ()
    note: str = ""

    def is_text(self, column: int) -> bool:
        return column == 0 or column in self.words

    def __rich__(self) -> RenderableType:
        title = "\n".join(text for text in (self.title, self.note) if text)
        table = RichTable(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left")
        for column, head in enumerate(self.head):
            table.add_column(head, justify="left" if self.is_text(column) else "right")
        for number, row in enumerate(self.rows):
            table.add_row(*(Text(cell) for cell in row), style="bold" if number in self.strong else "")
        return table


@dataclass(frozen=True)
class Picture:
    """A drawing made with `pages.style`.

    Attributes:
        svg: the drawing itself, as `style.svg` gives it.
        alt: what is to be seen, for who can't see it.
    """

    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """Attributes:
    key: its name in JSON and in links, e.g. `folding`.
    lead: what it came to, in a sentence or two.
    verdict: an alarm wants to be looked at; unclear, too little was there to say.
    notes: what else must be known, a sentence each.
    values: the same as plain values that `json.dumps` takes.
    """

    key: str
    title: str
    lead: str
    values: Mapping[str, Any]
    verdict: Verdict = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = field(default=())

    def as_json(self) -> dict[str, Any]:
        told = {"title": self.title, "lead": self.lead, "verdict": self.verdict, "notes": list(self.notes)}
        return told | dict(self.values)

    def shown(self) -> dict[str, Any]:
        """Its tables and pictures as people see them, as plain values."""
        return {
            "tables": [
                {
                    "title": table.title,
                    "note": table.note,
                    "head": list(table.head),
                    "rows": [list(row) for row in table.rows],
                    "strong": list(table.strong),
                    "words": list(table.words),
                }
                for table in self.tables
            ],
            "pictures": [
                {"svg": picture.svg, "alt": picture.alt, "caption": picture.caption}
                for picture in self.pictures
            ],
        }

    def __rich__(self) -> RenderableType:
        title = Text(self.title, style="bold")
        if self.verdict:
            title.append(f" · {self.verdict}", style=COLOURS[self.verdict])
        return Group(
            title, Text(self.lead), *self.tables, *(Text(f"• {note}") for note in self.notes), Text()
        )
