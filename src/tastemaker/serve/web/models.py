"""Models as the page shows them: side by side, and each with all that its folder says of it.

Nothing is opened that could answer: the manifest and the few files that people read, each held against the
manifest's sum. What takes long, the whole report, is a job.
"""

import asyncio
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from tastemaker.bundle import read_manifest
from tastemaker.door.files import content, parsed, read_json, told
from tastemaker.errors import BundleError, TastemakerError
from tastemaker.manifest import CURVES, Manifest
from tastemaker.registry import Registry, Version
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.models import VersionPath
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.web.jobs import at_hand

LARGEST = 16 * 2**20
"""Bytes of a file that is shown."""
LARGEST_REJECTED = 64 * 2**20
REASONS, FIRST, LONGEST = 30, 8, 200
"""Why rows were refused, rows that are shown, and characters of each."""
NEWEST = 30
"""Lines of what happened."""
REPORT = "report"
"""The folder of a job that a report is written to."""


def routes(service: Service) -> APIRouter:
    router, live = APIRouter(include_in_schema=False), service.live
    read, admin = needs(Role.READ), needs(Role.ADMIN)

    @router.get("/page/api/models", openapi_extra=read)
    async def models() -> Any:
        """All of them, what their exams came to, and what happened lately."""
        standing = live.standing
        now = {
            "live": standing.live.version,
            "number": standing.number,
            "trials": [trial.model_dump() for trial, _ in standing.trials],
            "refused": dict(live.refused),
        }
        if live.registry is None:
            version = standing.live.version
            alone = await asyncio.to_thread(_alone, service.looking.folder(), version)
            return Json({**now, "has_registry": False, "back_to": None, "versions": [alone], "history": []})
        return Json({**now, "has_registry": True, **await asyncio.to_thread(_held, live.registry)})

    @router.get("/page/api/models/{version}", openapi_extra=read)
    async def model(version: VersionPath, request: Request) -> Any:
        """One of them; refused rows stand there for admins alone, since people's ids are in them."""
        is_admin = request.scope["state"]["role"] == Role.ADMIN
        return Json(await asyncio.to_thread(_whole, service, version, is_admin))

    @router.get("/page/api/models/{version}/report", openapi_extra=read)
    async def report(version: VersionPath) -> Any:
        """How far its report is, and what the last one says."""
        return Json(await asyncio.to_thread(_report, service, version))

    @router.post("/page/api/models/{version}/report", openapi_extra=admin)
    async def examine(version: VersionPath) -> Any:
        """Make its report, anew where there is one."""
        jobs = at_hand(service.jobs)
        folder = await asyncio.to_thread(service.looking.folder, version)
        job = jobs.start(f"report-{version}", ("evaluate", folder, "--report", REPORT))
        return Json({"job": job.as_json()})

    return router


# --- side by side ---------------------------------------------------------------------------


def _held(registry: Registry) -> dict[str, Any]:
    """What a registry holds and what happened there."""
    before = registry.reference().before
    history = registry.history()
    return {
        "back_to": before[-1] if before else None,
        "versions": [_version(registry, each) for each in registry.versions()],
        "history": [_line(line) for line in history[-NEWEST:]][::-1],
    }


def _version(registry: Registry, version: Version) -> dict[str, Any]:
    plain = {
        "version": version.name,
        "is_live": version.is_live,
        "since": version.since,
        "trials": [trial.model_dump() for trial in version.trials],
    }
    try:
        return plain | _read_of(registry.folder(version.name))
    except TastemakerError as error:
        return plain | NOTHING | {"damage": str(error)}


def _alone(folder: Path, version: str) -> dict[str, Any]:
    """The one bundle of a service without a registry; it answers, whatever its folder has become."""
    plain = {"version": version, "is_live": True, "since": "", "trials": []}
    try:
        return plain | _read_of(folder)
    except TastemakerError as error:
        return plain | NOTHING | {"damage": str(error)}


NOTHING: dict[str, Any] = {"created": "", "kind": "", "items": 0, "users": 0, "damage": "", "exam": None}
"""What is known of a model that can't be read."""


def _read_of(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    return {
        "created": manifest.created,
        "kind": manifest.kind,
        "items": manifest.data.get("items", 0),
        "users": manifest.data.get("users", 0),
        "damage": "",
        "exam": _ours(_exam(folder, manifest)),
    }


def _ours(exam: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of an exam, the model's own line and the best baseline's."""
    if exam is None:
        return None
    ours = next((line for line in exam["lines"] if not line["is_baseline"]), None)
    best = {contest["theirs"] for contest in exam["contests"] if ours and contest["ours"] == ours["name"]}
    rival = next((line for line in exam["lines"] if line["is_baseline"] and line["name"] in best), None)
    return {**{key: exam[key] for key in ("k", "split", "users_asked", "data")}, "ours": ours, "rival": rival}


# --- one of them ----------------------------------------------------------------------------


def _whole(service: Service, version: str, is_admin: bool) -> dict[str, Any]:
    folder, live = service.looking.folder(version), service.live
    manifest = read_manifest(folder)
    exam = _exam(folder, manifest)
    history = [] if live.registry is None else live.registry.history()
    return {
        "version": version,
        "is_live": version == live.standing.live.version,
        "kind": manifest.kind,
        "created": manifest.created,
        "data": manifest.data,
        "columns": {
            name: [{"name": column.name, "role": str(column.role)} for column in columns]
            for name, columns in manifest.columns.items()
        },
        "training": {name: value for name, value in manifest.training.items() if name != CURVES},
        "index": None if manifest.index is None else manifest.index.model_dump(),
        "versions": manifest.versions,
        "since": manifest.since,
        "exam": exam,
        "card": _read(folder, manifest, "card.md", LARGEST).decode(errors="replace"),
        "rejected": _rejected(folder, manifest, is_admin),
        "refused": live.refused.get(version, ""),
        "history": [_line(line) for line in history if version in (line.version, line.instead_of)][::-1],
    }


def _line(line: Any) -> dict[str, Any]:
    kept = ("at", "event", "version", "reason", "by", "instead_of")
    return {name: getattr(line, name) for name in kept}


def _read(folder: Path, manifest: Manifest, name: str, largest: int) -> bytes:
    """A file as it was written. Raises: BundleError where it isn't so."""
    try:
        found = content(folder / name, largest)
    except OSError:
        found = b""
    if hashlib.sha256(found).hexdigest() != manifest.files.get(name):
        raise BundleError(f"{told(folder)} is damaged: {name} differs from what was written.")
    return found


def _exam(folder: Path, manifest: Manifest) -> dict[str, Any] | None:
    """The exam that was held in training, with what it says in sentences. Raises: BundleError."""
    from tastemaker.evaluation.report import TITLES, Report

    name = "evaluation.json"
    if name not in manifest.files:
        return None
    values = parsed(_read(folder, manifest, name, LARGEST), folder / name)
    try:
        report = Report.from_json(values)
        shown: dict[str, Any] = report.as_json() | {"notes": report.notes()}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise BundleError(f"{told(folder)} is damaged: {name} is no report of an exam.") from None
    metrics = {key for line in report.lines for key in (*line.marks, *line.overall)}
    titles = {key: title for key, title in TITLES.items() if key in metrics}
    return {**shown, "titles": titles, "data": manifest.data.get("fingerprint", "")}


def _rejected(folder: Path, manifest: Manifest, with_rows: bool) -> dict[str, Any] | None:
    """Rows of the input that could not be used: how many, why, and the first of them."""
    import polars as pl

    name = "rejected.csv"
    if name not in manifest.files:
        return None
    held = _read(folder, manifest, name, LARGEST_REJECTED)
    try:
        frame = pl.read_csv(io.BytesIO(held), infer_schema=False)
        reasons = frame.group_by("reason").len().sort(["len", "reason"], descending=[True, False])
    except pl.exceptions.PolarsError:
        raise BundleError(f"{told(folder)} is damaged: {name} is no table of refused rows.") from None
    if "file" in frame.columns:  # where it lay is nobody's business
        frame = frame.with_columns(pl.col("file").str.extract(r"([^/\\]*)$"))
    rows = frame.head(FIRST if with_rows else 0).rows(named=True)
    return {
        "count": frame.height,
        "reasons": [{"reason": why, "count": count} for why, count in reasons.head(REASONS).rows()],
        "rows": [{key: str(value or "")[:LONGEST] for key, value in row.items()} for row in rows],
    }


# --- the whole report -----------------------------------------------------------------------


def _report(service: Service, version: str) -> dict[str, Any]:
    if service.jobs is None:
        return {"job": None, "report": None}
    name = f"report-{version}"
    job = service.jobs.of(name)
    try:
        values = read_json(service.jobs.folder(name) / REPORT / "report.json", LARGEST)
    except FileNotFoundError:
        values = None
    try:
        shown = None if values is None else _shown(values)
    except (KeyError, TypeError, AttributeError):  # an older version wrote it, into a workshop that was kept
        shown = None
    return {"job": None if job is None else job.as_json(), "report": shown}


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    parts = [
        {"key": key, "is_missing": bool(section.get("is_missing"))}
        | {name: section[name] for name in ("title", "lead", "verdict", "notes")}
        | values["shown"][key]
        for key, section in values["sections"].items()
    ]
    return {**{key: values[key] for key in ("title", "verdict", "alarms", "made")}, "parts": parts}
