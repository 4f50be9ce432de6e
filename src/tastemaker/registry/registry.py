"""The registry itself: adding, promoting, rolling back, trying; each proven first, told afterwards."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tastemaker.bundle import Bundle, read_manifest
from tastemaker.door.files import plain_file, told
from tastemaker.errors import BundleError, RegistryError, TastemakerError
from tastemaker.manifest import Manifest
from tastemaker.registry.history import Event, History, Line, now
from tastemaker.registry.names import LONGEST_REASON, VERSION, inside, placement_of, version_of, words
from tastemaker.registry.proving import proven
from tastemaker.registry.reference import MOST_BEFORE, Kind, Reference, ReferenceFile, Trial, synced

MODELS, LOCK = "models", ".lock"


@dataclass(frozen=True)
class Version:
    """One model of a registry.

    Attributes:
        created: when it was made, ISO 8601.
        since: when it went live; empty where it isn't.
        damage: why it can't be read; empty where it can. All but `name` are then empty.
    """

    name: str
    created: str = ""
    kind: str = ""
    items: int = 0
    users: int = 0
    metrics: Mapping[str, float] | None = None
    is_live: bool = False
    since: str = ""
    trials: tuple[Trial, ...] = ()
    damage: str = ""


@dataclass(frozen=True)
class Refused:
    """What was kept out: a version, or a path that gave none; when and why."""

    at: str
    version: str
    path: str
    reason: str


class Registry:
    """A folder of models; many threads and processes may use it at once.

    Args:
        root: as `opened` checked it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._models = root / MODELS
        self._reference = ReferenceFile(root)
        self._history = History(root)

    @classmethod
    def opened(cls, path: Path | str, *, create: bool = False) -> "Registry":
        """Raises: RegistryError where there is none, unless `create`; or where it can't be made."""
        try:
            root = Path(os.path.realpath(path))
            if create:
                (root / MODELS).mkdir(parents=True, exist_ok=True)
            if not (root / MODELS).is_dir():
                raise RegistryError(
                    f"{told(path)} is no registry of models: it has no folder {MODELS}. "
                    "`tastemaker train … --registry` and `tastemaker models promote BUNDLE` make one."
                )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else told(error)
            raise RegistryError(f"{told(path)} can't be a registry of models: {why}.") from None
        inside(root, root / MODELS)
        return cls(root)

    # --- what there is ----------------------------------------------------------------------

    def reference(self) -> Reference:
        """What is live and what is tried; cheap to ask often. Raises: RegistryError where it is damaged."""
        return self._reference.read()

    def versions(self) -> list[Version]:
        """All of them, the newest first; of each only its manifest is read."""
        reference = self.reference()
        names = [entry.name for entry in os.scandir(self._models) if VERSION.fullmatch(entry.name)]
        found = [self._version(name, reference) for name in names]
        return sorted(found, key=lambda version: (version.created, version.name), reverse=True)

    def version(self, name: str) -> Version:
        """Raises: RegistryError where there is none of that name."""
        self.folder(name)
        return self._version(name, self.reference())

    def manifest(self, name: str) -> Manifest:
        """Raises: RegistryError where there is none of that name, BundleError where it is damaged."""
        return read_manifest(self.folder(name))

    def folder(self, version: str) -> Path:
        """Where a version lies. Raises: RegistryError where it isn't one, or isn't there."""
        path = self._models / version_of(version)
        if not os.path.lexists(path):
            raise RegistryError(f"There is no model {version} in {told(self.root)}. See models list.")
        inside(self.root, path)
        if not path.is_dir():
            raise RegistryError(f"{told(path)} is no folder of a model.")
        return path

    def history(self) -> list[Line]:
        """What happened, oldest first."""
        return list(self._history.lines())

    def refused(self) -> list[Refused]:
        """What was kept out for being damaged, oldest first."""
        return [
            Refused(line.at, line.version, line.path, line.reason)
            for line in self._history.lines()
            if line.event == "refused"
        ]

    def _version(self, name: str, reference: Reference) -> Version:
        try:
            manifest = read_manifest(self.folder(name))
        except TastemakerError as error:
            return Version(name, is_live=name == reference.live, damage=str(error))
        items, users = (manifest.data.get(key) for key in ("items", "users"))
        return Version(
            name,
            manifest.created,
            manifest.kind,
            items if isinstance(items, int) else 0,
            users if isinstance(users, int) else 0,
            manifest.metrics,
            name == reference.live,
            reference.since if name == reference.live else "",
            tuple(trial for trial in reference.trials if trial.version == name),
        )

    # --- what comes in ----------------------------------------------------------------------

    def add(self, bundle_path: Path | str, by: str = "") -> str:
        """Prove a bundle, copy it, prove the copy, and put it among the models; one that is there stays.

        Returns: its version.
        Raises: RegistryError where it is refused, and then nothing is changed but the history.
        """
        by = words(by, "by")
        try:
            source = Path(os.path.realpath(bundle_path))
            version = Bundle.open(source).version
            place = self._models / version
            if os.path.lexists(place):
                return self._same(version, source)
            self._copied(source, version)
        except BundleError as error:
            raise self._refuse(error, path=told(bundle_path), by=by) from None
        except (ValueError, OSError) as error:
            raise RegistryError(f"{told(bundle_path)} can't be added: {told(error)}.") from None
        with self._locked():
            self._history.append(Line(at=now(), event="added", version=version, path=told(source), by=by))
        return version

    def _same(self, version: str, source: Path) -> str:
        """Raises: RegistryError where another model happens to have this name; BundleError where it broke."""
        if read_manifest(self.folder(version)).checksum != read_manifest(source).checksum:
            raise RegistryError(f"{told(source)} and another model are both called {version}. Train it anew.")
        return version

    def _copied(self, source: Path, version: str) -> None:
        partial = self._models / f".{version}.{secrets.token_hex(4)}.partial"
        try:
            partial.mkdir()
            for name in (*read_manifest(source).files, "manifest.json"):
                _copy(source / name, partial / name)
            for folder in {path.parent for path in partial.rglob("*")}:
                synced(folder)
            if proven(partial).bundle.version != version:  # it was replaced while it was copied
                raise BundleError(f"{told(source)} was changed while it was copied. Add it again.")
            try:
                partial.rename(self._models / version)
            except OSError:
                if not (self._models / version).is_dir():  # somebody else has just added the same
                    raise
            synced(self._models)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def keep_out(
        self, version: str, reason: str, by: str = "", metrics: Mapping[str, Any] | None = None
    ) -> None:
        """Write down why a sound model wasn't promoted."""
        self.folder(version)
        with self._locked():
            self._history.append(self._line("kept out", version, reason, by, metrics, number=0))

    # --- what is live -----------------------------------------------------------------------

    def promote(
        self, version: str, reason: str, by: str = "", metrics: Mapping[str, Any] | None = None
    ) -> Reference:
        """Let a version answer from now on; one that does already goes on.

        Args:
            metrics: what speaks for it; None for those of its own exam.
        Raises: RegistryError where it isn't there or is refused: nothing is changed then but the history.
        """
        self._prove(version, by)
        if metrics is None:
            metrics = self.manifest(version).metrics
        with self._locked():
            held = self.reference()
            if held.live == version:
                return held
            before = (*held.before, held.live)[-MOST_BEFORE:] if held.live else held.before
            line = self._line("promoted", version, reason, by, metrics, held.number + 1)
            return self._change(held, line, live=version, before=before)

    def rollback(self, reason: str, by: str = "") -> Reference:
        """Back to what was live before; again, further back.

        Raises: RegistryError where there is nothing before, or it is damaged: nothing is changed then.
        """
        target = self._one_before(self.reference())
        self._prove(target, by)
        with self._locked():
            held = self.reference()
            if self._one_before(held) != target:
                raise RegistryError(
                    "Somebody else changed what is live just now. Look again, see models list."
                )
            line = self._line("rolled back", target, reason, by, None, held.number + 1)
            return self._change(held, line, live=target, before=held.before[:-1])

    def trial(
        self, placement: str, kind: Kind, version: str, share: float, reason: str = "", by: str = ""
    ) -> Reference:
        """Try a version beside the live one; another of that kind at that placement ends.

        Raises: RegistryError where it isn't there, is refused, or is live; nothing is changed then.
        """
        placement_of(placement)
        if kind not in ("canary", "shadow"):
            raise RegistryError(f"{told(kind)!r} is no kind of trial. There are canary, shadow.")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise RegistryError(f"share is {told(share)}: give what share of people, above 0 and up to 1.")
        self._prove(version, by)
        begun = Trial(placement=placement, kind=kind, version=version, share=share)
        with self._locked():
            held = self.reference()
            if held.live in (None, version):
                what = "Nothing is live yet" if held.live is None else f"{version} is live"
                raise RegistryError(f"{what}: a trial runs beside the live model. Promote one first.")
            others = [trial for trial in held.trials if (trial.placement, trial.kind) != (placement, kind)]
            told_of = begun.model_dump(include={"placement", "kind", "share"})
            line = self._line("trial", version, reason, by, told_of, held.number + 1)
            return self._change(held, line, trials=(*others, begun))

    def end_trial(self, placement: str, kind: Kind, reason: str = "", by: str = "") -> Reference:
        """Raises: RegistryError where there is none of that kind at that placement."""
        placement_of(placement)
        with self._locked():
            held = self.reference()
            for trial in held.trials:
                if (trial.placement, trial.kind) == (placement, kind):
                    told_of = trial.model_dump(include={"placement", "kind", "share"})
                    line = self._line("trial ended", trial.version, reason, by, told_of, held.number + 1)
                    return self._change(held, line, trials=tuple(t for t in held.trials if t != trial))
        where = f"at the placement {placement!r}" if placement else "at all placements"
        raise RegistryError(f"There is no trial of kind {told(kind)} {where}.")

    # --- shared -----------------------------------------------------------------------------

    def _prove(self, version: str, by: str) -> None:
        """Raises: RegistryError where it isn't there, or is refused, which the history then tells."""
        by, folder = words(by, "by"), self.folder(version)
        try:
            found = proven(folder).bundle.version
            if found != version:
                raise BundleError(f"{told(folder)} is another model, {found}.")
        except BundleError as error:
            raise self._refuse(error, version=version, by=by) from None

    def _refuse(self, error: BundleError, by: str, version: str = "", path: str = "") -> RegistryError:
        reason = told(error, LONGEST_REASON)
        with self._locked():
            self._history.append(
                Line(at=now(), event="refused", version=version, path=path, reason=reason, by=by)
            )
        return RegistryError(f"{version or path} was refused: {reason}")

    def _one_before(self, reference: Reference) -> str:
        if not reference.before:
            raise RegistryError("There is nothing to go back to: no other model was live before.")
        return reference.before[-1]

    def _line(
        self,
        event: Event,
        version: str,
        reason: str,
        by: str,
        metrics: Mapping[str, Any] | None,
        number: int,
    ) -> Line:
        reason, by = words(reason, "reason"), words(by, "by")
        live = self.reference().live
        return Line(
            at=now(), event=event, version=version, reason=reason, by=by,
            instead_of=live if event in ("promoted", "rolled back") else None,
            number=number, metrics=dict(metrics or {}),
        )  # fmt: skip

    def _change(self, held: Reference, line: Line, **changes: Any) -> Reference:
        """The next reference, once it is durable and told. Only under the lock."""
        if held.last and not self._history.has(held.number):  # telling the change before this was cut off
            self._history.append(Line.model_validate(held.last))
        if "live" in changes:
            changes["since"] = line.at
            changes["trials"] = tuple(trial for trial in held.trials if trial.version != changes["live"])
        values = {"number": held.number + 1, "last": line.model_dump(mode="json")} | changes
        reference = held.model_copy(update=values)
        self._reference.replace(reference)
        self._history.append(line)
        return reference

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, of all processes on this machine."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            opened = os.open(self.root / LOCK, flags, 0o644)
        except OSError as error:
            raise RegistryError(f"Can't lock the registry {told(self.root)}: {error.strerror}.") from None
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with os.fdopen(plain_file(source), "rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())
