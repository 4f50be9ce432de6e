"""How often: a token bucket for each key, and for each address that fails. One process counts for itself."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RateSettings:
    """How often a key may ask of one process; with W workers, up to W times that in all."""

    requests_per_s: float = 500.0
    """What a key may ask for, for as long as it likes."""
    burst: int = 1000
    """What it may ask for at once, after a rest."""
    failures_per_minute: float = 20.0
    """Wrong keys that may come from one address; after that, keys not yet known to be right wait."""


class Buckets:
    """Token buckets by name, the least used of them forgotten past `entries`: memory has a bound.

    Each begins full with `burst` tokens and is refilled with `per_s` of them a second.
    """

    def __init__(
        self, per_s: float, burst: int, entries: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._entries = entries
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = (
            OrderedDict()
        )  # tokens, and when there were so many

    def wait_s(self, name: str) -> float:
        """Seconds until `name` has a token; 0 where it has one. Takes none."""
        return max(0.0, (1.0 - self._tokens(name, self._clock())) / self._per_s)

    def take(self, name: str) -> float:
        """Take a token. 0 where there was one, or else the seconds until there is."""
        now = self._clock()
        tokens = self._tokens(name, now)
        if tokens < 1.0:
            return (1.0 - tokens) / self._per_s
        self._put(name, tokens - 1.0, now)
        return 0.0

    def give_back(self, name: str) -> None:
        """A token that was taken and not used."""
        now = self._clock()
        self._put(name, min(self._burst, self._tokens(name, now) + 1.0), now)

    def __len__(self) -> int:
        return len(self._buckets)

    def _tokens(self, name: str, now: float) -> float:
        found = self._buckets.get(name)
        if found is None:
            return self._burst
        tokens, then = found
        return min(self._burst, tokens + (now - then) * self._per_s)

    def _put(self, name: str, tokens: float, now: float) -> None:
        self._buckets[name] = (tokens, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._entries:
            self._buckets.popitem(last=False)


def address_of(host: str) -> str:
    """What an address's failures are counted under: of IPv6 its /64, which one customer owns whole."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
