"""A dossier as a folder: a page to look at, and the same as JSON."""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from tastemaker.errors import TastemakerError
from tastemaker.evaluation.dossier import Dossier
from tastemaker.pages.page import page

PAGE, VALUES = "index.html", "report.json"
KIND = "tastemaker report"


def html(dossier: Dossier) -> str:
    """The page; it holds all that it needs."""
    return page("report.html", title=dossier.title, styles=["report.css"], dossier=dossier)


def check_folder(folder: Path) -> None:
    """Refuse before any work what `write` would refuse after it. Raises TastemakerError."""
    if folder.exists() and not _may_be_replaced(folder):
        raise TastemakerError(f"{folder} exists and is not a report. Name a new folder, or remove it first.")
    parent = folder.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise TastemakerError(f"Can't write the report {folder}: there is no folder {parent} to write to.")


def write(dossier: Dossier, folder: Path) -> None:
    """Both files, or nothing; an earlier report there is replaced, anything else in the way refused.

    Raises: TastemakerError when the folder can't be written.
    """
    check_folder(folder)
    folder = Path(os.path.realpath(folder))
    values = json.dumps({"kind": KIND} | dossier.as_json(), ensure_ascii=False, indent=1, allow_nan=False)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    old = made.with_suffix(".old")
    try:
        made.mkdir()
        (made / PAGE).write_text(html(dossier), encoding="utf-8")
        (made / VALUES).write_text(f"{values}\n", encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
    except OSError as error:
        raise TastemakerError(f"Can't write the report {folder}: {error.strerror or error}.") from None
    finally:  # of a Ctrl-C as of an error
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _may_be_replaced(folder: Path) -> bool:
    """Whether it is empty, or holds a report and nothing else."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if not names:
        return True
    try:
        values: Any = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return names == {PAGE, VALUES} and isinstance(values, dict) and values.get("kind") == KIND
