"""A section says the same in a terminal and in JSON."""

import io
import json

from rich.console import Console

from tastemaker.pages.section import Section, Table


def test_a_section_is_read_in_a_terminal_and_in_json():
    table = Table("By language", ["language", "folded"], [["[b]Korean[/b]", "12 %"]])
    section = Section("folding", "Folding", "Too much.", {"share": 0.12}, "alarm", [table], (), ["A note."])
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(section)
    shown = console.export_text()
    assert all(
        part in shown for part in ("Folding · alarm", "Too much.", "[b]Korean[/b]", "12 %", "• A note.")
    )
    values = json.loads(json.dumps(section.as_json()))
    assert values == {
        "title": "Folding", "lead": "Too much.", "verdict": "alarm", "notes": ["A note."], "share": 0.12,
    }  # fmt: skip
