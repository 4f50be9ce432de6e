"""API keys: `tm_<id>_<secret>`. The file holds hashes of secrets; who reads it can't use it.

Checking a secret by scrypt takes 16 MB and some 50 ms, on a thread of its own. That is for a key's
first request to a process. A digest of what was right is remembered then, under a key that this
process drew for itself, and every further request costs microseconds.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tastemaker.errors import KeysError
from tastemaker.serve.guard import keyfile
from tastemaker.serve.guard.keyfile import Key
from tastemaker.serve.guard.rates import Buckets
from tastemaker.serve.guard.roles import Role

__all__ = ["Key", "Keys", "Later"]

SHAPE = re.compile(r"tm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
REREAD_S = 0.5
"""Between two looks at the file: a revoked key has to stop within a second."""

TRIES_BY_ADDRESS = (5, 5 / 60)
TRIES_BY_ID = (60, 60 / 60)
"""Wrong secrets for one id: at once, and a second from then on. From one address few, so that nobody
can shut out a key's owner by trying; from all together at most a second's worth of scrypt in twenty."""

WAITING = 32
"""Checks that may stand in line; 32 of them are some 1.6 s of work."""


@dataclass(frozen=True)
class Later:
    """Not looked at: there were too many wrong ones."""

    wait_s: float


class Keys:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._stamp = keyfile.stamp(path)
        self._looked = clock()
        self._keys = keyfile.read(path)
        self.trouble = ""
        """Why the file couldn't be read again, where it couldn't; the keys before it stay."""
        self._own = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}  # id → digest of the whole key, for those that were checked
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._thread = ThreadPoolExecutor(1, "keys")  # one at a time: 16 MB each, and a core at most
        self._by_address = Buckets(TRIES_BY_ADDRESS[1], TRIES_BY_ADDRESS[0], clock=clock)
        self._by_id = Buckets(TRIES_BY_ID[1], TRIES_BY_ID[0], clock=clock)

    @classmethod
    def opened(
        cls, path: str | Path, create: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> "Keys":
        """The keys of that file.

        Raises: KeysError where it is missing (and isn't to be created) or isn't a file of keys.
        """
        path = Path(path)
        if create and not path.exists():
            with keyfile.held(path):
                if not path.exists():
                    keyfile.write(path, {})
        return cls(path, clock)

    def add(self, role: Role, name: str) -> str:
        """Make a key. What is returned is the only time that its secret is seen.

        Raises: KeysError where the name can't be printed on a line of its own.
        """
        if not name or len(name) > keyfile.NAME_LENGTH or not name.isprintable():
            raise KeysError(
                f"A key's name has 1 to {keyfile.NAME_LENGTH} printable characters; {name[:80]!r} came."
            )
        secret, salt = secrets.token_urlsafe(32), secrets.token_bytes(16)
        with keyfile.held(self._path):
            kept = keyfile.read(self._path)
            key_id = secrets.token_hex(6)
            while key_id in kept:
                key_id = secrets.token_hex(6)
            kept[key_id] = Key(key_id, name, role, int(time.time()), salt, _hashed(secret, salt))
            keyfile.write(self._path, kept)
            self._take_over(kept, keyfile.stamp(self._path))
        return f"tm_{key_id}_{secret}"

    def revoke(self, key_id: str) -> Key:
        """Take a key away. Raises: KeysError where there is none of that id."""
        with keyfile.held(self._path):
            kept = keyfile.read(self._path)
            gone = kept.pop(key_id, None)
            if gone is None:
                raise KeysError(
                    f"No key has the id {key_id[:80]!r}; `tastemaker keys list` shows those there are."
                )
            keyfile.write(self._path, kept)
            self._take_over(kept, keyfile.stamp(self._path))
        return gone

    def list(self) -> list[Key]:
        """Every key, oldest first."""
        self._refresh()
        return sorted(self._keys.values(), key=lambda key: (key.made, key.id))

    def remembered(self, shown: str) -> Key | None:
        """Whose key that is, where it has been checked before; a few microseconds."""
        self._refresh()
        known = self._right.get(shown[3:15])
        if known is None or not hmac.compare_digest(self._digest(shown), known):
            return None
        return self._keys[shown[3:15]]

    async def checked(self, shown: str, address: str = "") -> Key | Later | None:
        """Whose key that is; None where it is nobody's, Later where it wasn't looked at.

        Args:
            address: where it came from; wrong secrets are counted by it and by the id.
        """
        shaped = SHAPE.fullmatch(shown)
        key = self._keys.get(shaped[1]) if shaped else None
        if shaped is None or key is None:
            return None
        digest = self._digest(shown)
        check = self._checks.get(digest)
        if check is None:
            pair = f"{key.id} {address}"
            wait_s = max(self._by_address.wait_s(pair), self._by_id.wait_s(key.id))
            if wait_s:
                return Later(wait_s)
            if len(self._checks) >= WAITING:
                return Later(1.0)
            self._by_address.take(pair)
            self._by_id.take(key.id)
            check = asyncio.ensure_future(self._check(key, shaped[2], digest, pair))
            self._checks[digest] = check
        # Many first requests of one key at once cost one check; who goes away doesn't end it for the others.
        is_right = await asyncio.shield(check)
        return self.remembered(shown) if is_right else None

    async def _check(self, key: Key, secret: str, digest: bytes, pair: str) -> bool:
        try:
            loop = asyncio.get_running_loop()
            hashed = await loop.run_in_executor(self._thread, _hashed, secret, key.salt)
        finally:
            del self._checks[digest]
        if not hmac.compare_digest(hashed, key.hash):
            return False
        self._by_address.give_back(pair)
        self._by_id.give_back(key.id)
        if self._keys.get(key.id) == key:  # it may have been revoked meanwhile
            self._right[key.id] = digest
        return True

    def _digest(self, shown: str) -> bytes:
        return hashlib.blake2b(
            shown.encode("utf-8", "surrogateescape"), key=self._own, digest_size=32
        ).digest()

    def _refresh(self) -> None:
        """Read the file again where it has changed, looking twice a second at most."""
        now = self._clock()
        if now - self._looked < REREAD_S:
            return
        self._looked = now
        stamp = keyfile.stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self._take_over(keyfile.read(self._path) if stamp else {}, stamp)
            self.trouble = ""
        except KeysError as error:  # half edited by hand, say: a slip must not shut everybody out
            self._stamp = stamp
            self.trouble = str(error)

    def _take_over(self, kept: dict[str, Key], stamp: keyfile.Stamp) -> None:
        self._stamp = stamp
        self._right = {
            key_id: digest for key_id, digest in self._right.items() if kept.get(key_id) == self._keys[key_id]
        }
        self._keys = kept


def _hashed(secret: str, salt: bytes) -> bytes:
    """What the file keeps of a secret; (32,) bytes."""
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=32)
