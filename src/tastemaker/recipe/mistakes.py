"""What is wrong with plain values, in one line that names the key."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def one_line(error: ValidationError, model: type[BaseModel], whole: str) -> str:
    """The first mistake in values that should be a `model`.

    A rule of the business is told by its number, from 1, and what it does: `reranking.rules, rule 2 (pin)`.

    Args:
        whole: what the values are together, such as "A recipe".
    """
    first = error.errors()[0]
    above, path = _parted([*first["loc"]])
    *tables, key = path or [""]
    table = ".".join(tables)
    within = (above and f"{above}{table and f', {table}'}") or (table and f"[{table}]") or whole
    if first["type"] == "extra_forbidden":
        return f"{within} has no key '{key}'.{_hint(key, _keys_of(first['loc'][:-1], model))}"
    if first["type"] == "missing":
        return f"{within} lacks the key '{key}'."
    if first["type"] == "union_tag_not_found":
        return f"{above} lacks the key 'do', which says what it is."
    if first["type"] == "union_tag_invalid":
        kinds = [kind.strip().strip("'") for kind in str(first["ctx"]["expected_tags"]).split(",")]
        return f"{above}: do is '{first['ctx']['tag']}'.{_hint(str(first['ctx']['tag']), kinds)}"
    name = ": ".join(part for part in (above, ".".join(path)) if part)
    came = repr(first["input"])
    came = came if len(came) <= 200 else came[:199] + "…"
    told = first["msg"][0].lower() + first["msg"][1:]
    return f"{name} is {came}: {told}{'' if told.endswith(('.', '?')) else '.'}"


def _parted(place: list[Any]) -> tuple[str, list[str]]:
    """The rule that a place is in, in words, where it is in one; and the keys below it."""
    for at, part in enumerate(place[1:], 1):
        if place[at - 1] == "rules" and isinstance(part, int):
            above, kind, path = ".".join(map(str, place[:at])), place[at + 1 : at + 2], place[at + 2 :]
            return f"{above}, rule {part + 1}{f' ({kind[0]})' if kind else ''}", [*map(str, path)]
    return "", [*map(str, place)]


def _hint(key: str, known: Iterable[str]) -> str:
    known = [*known]
    close = difflib.get_close_matches(key, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" It knows {', '.join(known)}." if known else ""


def _keys_of(place: Iterable[Any], model: Any) -> list[str]:
    """The keys of the table that stands at a place of a `model`."""
    for part in place:
        if isinstance(part, int):  # of a tuple of tables
            model = get_args(model)[0] if get_args(model) else None
        elif hasattr(model, "model_fields"):
            field = model.model_fields.get(part)
            model = field.annotation if field else None
        else:  # of a union, told apart by what they do
            union = get_args(model)[0] if get_args(model) else None
            members = [member for member in get_args(union) if hasattr(member, "model_fields")]
            found = [each for each in members if get_args(each.model_fields["do"].annotation) == (part,)]
            model = found[0] if found else None
    return list(getattr(model, "model_fields", {}))
