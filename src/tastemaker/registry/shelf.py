"""Where the models of a registry stand: each in a folder of its own name, put there whole or not at all."""

import os
import secrets
import shutil
from pathlib import Path

from tastemaker.bundle import Bundle, read_manifest
from tastemaker.door.files import plain_file, told
from tastemaker.errors import BundleError, RegistryError
from tastemaker.manifest import Manifest
from tastemaker.registry.names import VERSION, inside, version_of
from tastemaker.registry.proving import proven
from tastemaker.registry.reference import synced

MODELS = "models"


class Shelf:
    """The folder `models` of a registry."""

    def __init__(self, root: Path) -> None:
        self._root, self._models = root, root / MODELS

    def names(self) -> list[str]:
        with os.scandir(self._models) as entries:
            return [entry.name for entry in entries if VERSION.fullmatch(entry.name)]

    def folder(self, version: str) -> Path:
        """Where a version lies. Raises: RegistryError where it isn't one, or isn't there."""
        path = self._models / version_of(version)
        if not os.path.lexists(path):
            raise RegistryError(f"There is no model {version} in {told(self._root)}. See models list.")
        inside(self._root, path)
        if not path.is_dir():
            raise RegistryError(f"{told(path)} is no folder of a model.")
        return path

    def manifest(self, version: str) -> Manifest:
        """Raises: RegistryError where there is none of that name, BundleError where it is damaged."""
        return read_manifest(self.folder(version))

    def put(self, source: Path) -> tuple[str, bool]:
        """Prove a bundle, copy it, prove the copy: its version, and whether it is new.

        Raises: BundleError where it is refused; RegistryError where another model has its name; OSError.
        """
        bundle = Bundle.open(source)
        version, manifest = bundle.version, bundle.manifest
        if os.path.lexists(self._models / version):
            if self.manifest(version).checksum != manifest.checksum:
                raise RegistryError(f"{told(source)} and another model are both called {version}.")
            return version, False
        partial = self._models / f".{version}.{secrets.token_hex(4)}.partial"
        try:
            partial.mkdir()
            # Names that were verified, and not those of a manifest that somebody may have changed since.
            for name in (*manifest.files, "manifest.json"):
                _copy(source / name, partial / name)
            for folder in {path.parent for path in partial.rglob("*")}:
                synced(folder)
            if proven(partial).bundle.version != version:
                raise BundleError(f"{told(source)} was changed while it was copied. Add it again.")
            try:
                partial.rename(self._models / version)
            except OSError:
                if not (self._models / version).is_dir():  # somebody else has just added the same
                    raise
                return version, False
            synced(self._models)
        except BundleError as error:
            raise BundleError(str(error).replace(told(partial), told(source))) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return version, True


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with os.fdopen(plain_file(source), "rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())
