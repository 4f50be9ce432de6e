"""How many events a second does a store acknowledge, and how long does one past take?

    python -m benchmarks.store [--postgres URL] [--seconds 5]

64 writers send events, each waiting for the last to be acknowledged; the past is of the newest 50 touches of
somebody with 200. `fsyncs_per_s` is what the disk alone allows: one commit an event gets no further.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.rows import record
from tastemaker.serve.store import Event, Store, opened

WRITERS = 64


async def acknowledged(store: Store, seconds: float, size: int) -> float:
    """Events a second, `size` in a call."""
    end = time.monotonic() + seconds
    run = f"{size}-{time.time_ns()}"

    async def write(writer: int) -> int:
        rng = random.Random(writer)
        count = 0
        while time.monotonic() < end:
            told = await store.add(
                [
                    Event(f"{run}-{writer}-{count + n}", f"u{rng.randrange(10_000)}", f"i{n}", time.time())
                    for n in range(size)
                ]
            )
            assert all(told)
            count += size
        return count

    start = time.monotonic()
    counts = await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    return sum(counts) / (time.monotonic() - start)


async def past_us(store: Store, repeats: int = 2_000) -> tuple[float, float]:
    """The median, and the quickest tenth, of one past of 50 in microseconds."""
    await store.add([Event(f"past-{n}", "reader", f"item-{n}", float(n)) for n in range(200)])
    times = []
    for _ in range(repeats + 100):
        start = time.perf_counter()
        past = await store.past("reader", 50)
        times.append((time.perf_counter() - start) * 1e6)
        assert len(past.item_ids) == 50
    return median(times[100:]), sorted(times[100:])[repeats // 10]


def fsyncs(folder: Path, seconds: float = 1.0) -> float:
    """A second, of 4 kB appended."""
    count = 0
    with (folder / "fsyncs").open("wb") as file:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            count += 1
    return count / seconds


async def measure(kind: str, address: str, seconds: float, disk: float) -> None:
    store = await opened(address)
    try:
        one = await acknowledged(store, seconds, 1)
        ten = await acknowledged(store, seconds, 10)
        middle, quick = await past_us(store)
    finally:
        await store.close()
    row = record(
        "store",
        store=kind,
        writers=WRITERS,
        seconds=seconds,
        events_per_s=round(one),
        events_per_s_ten_a_call=round(ten),
        past_50_us=round(middle, 1),
        past_50_us_quickest_tenth=round(quick, 1),
        fsyncs_per_s=round(disk),
    )
    print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--postgres", help="address of an empty database")
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        disk = fsyncs(Path(folder))
        asyncio.run(measure("sqlite", f"{folder}/events.db", chosen.seconds, disk))
        if chosen.postgres:
            asyncio.run(measure("postgresql", chosen.postgres, chosen.seconds, disk))


if __name__ == "__main__":
    main()
