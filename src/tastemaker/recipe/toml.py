"""Recipes as text: TOML files on top of one another, settings on top of those, and back to TOML."""

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tastemaker.errors import RecipeError


def toml_lines(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """A table as TOML, a line at a time; `name` is that of a table inside another."""
    nested = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    if name and (len(nested) < len(table) or not table):
        yield f"\n[{name}]"
    for key, value in table.items():
        if key not in nested:  # which JSON and TOML spell alike
            yield f"{_toml_key(key)} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in nested.items():
        inner = f"{name}.{_toml_key(key)}" if name else _toml_key(key)
        if isinstance(value, dict):
            yield from toml_lines(value, inner)
            continue
        for each in value:
            first, *rest = toml_lines(each, inner)
            yield from (f"\n[{first.strip()}]", *rest)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and each for each in value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def read_toml(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A file on top of its `base`; `above` are the files that led here. Raises RecipeError."""
    if path.resolve() in above:
        raise RecipeError(f"{path} names itself as its base, by way of {above[-1].name}.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Can't read the recipe {path}: {_reason(error)}.") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from None
    data = values.get("data")
    if isinstance(data, dict):
        for key in ("items", "interactions", "users", "impressions"):
            if isinstance(data.get(key), str):
                data[key] = str(path.parent / data[key])
    base = values.pop("base", None)
    if base is None:
        return values
    return merged(read_toml(path.parent / str(base), (*above, path.resolve())), values)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested values with those of `over` in their places."""
    both = dict(under)
    for key, value in over.items():
        is_table = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if is_table else value
    return both


def setting(text: str) -> dict[str, Any]:
    """`a.b=c` as nested values; c is a TOML value, or else a plain string."""
    name, equals, value = text.partition("=")
    for right in (value, json.dumps(value, ensure_ascii=False)) if equals else ():
        with contextlib.suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"{name}{equals}{right}")
    raise RecipeError(f"--set takes key=value, for example history.epochs=10; it got '{text}'.")
