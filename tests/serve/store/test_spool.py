"""Events that wait in files while their store is away: an SQLite file whose bytes are spoilt and put back."""

import asyncio
import subprocess
import sys

import pytest

from tastemaker.errors import StoreError
from tastemaker.serve.store import Event, opened
from tastemaker.serve.store.spool import Spooled


class Disk:
    """A store in a file, that can be spoilt and mended while it is open."""

    def __init__(self, folder):
        self.path = folder / "events.db"
        self.spool = folder / "spool"
        self.whole = b""

    def spoil(self):
        self.whole = self.path.read_bytes()
        self.path.write_bytes(b"\xff" * len(self.whole))

    def mend(self):
        for side in ("-wal", "-shm"):
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)
        self.path.write_bytes(self.whole)

    def run(self, work, **choices):
        async def whole():
            # Replays happen only when they are asked for, but for the one at the start.
            store = await opened(str(self.path))
            store = await Spooled.opened(store, self.spool, **({"retry_s": 60.0} | choices))
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(whole())

    @property
    def files(self):
        return sorted(self.spool.iterdir())


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path)
    made.run(lambda store: store.add([Event("0", "ann", "old", 1.0)]))
    return made


async def outage(store, disk, *events):
    disk.spoil()
    told = await store.add(events)
    disk.mend()
    return told


NEW = Event("1", "ann", "new", 2.0, weight=3.0)
HIDDEN = Event("2", "ann", "ugly", 3.0, "hide")
OTHER = Event("3", "bob", "new", 4.0)


def test_events_wait_in_a_file_and_are_replayed_once(disk):
    async def work(store):
        assert await outage(store, disk, NEW, NEW, OTHER) == [True, False, True]
        assert len(disk.files) == 1
        await store.add([NEW])  # sent again when the store is back
        assert await store.replay()
        return await store.past("ann", 9), (await store.person("ann")).events

    past, events = disk.run(work)
    assert list(past.item_ids) == ["old", "new"]
    assert [event.event_id for event in events] == ["0", "1"]
    assert disk.files == []


def test_what_waits_is_part_of_the_past(disk):
    async def work(store):
        await outage(store, disk, NEW, HIDDEN, OTHER)
        return await store.past("ann", 9), await store.past("ann", 1), (await store.person("bob")).events

    past, newest, bob = disk.run(work)
    assert (list(past.item_ids), list(past.times)) == (["old", "new"], [1.0, 2.0])
    assert past.weights[1] == 3.0
    assert list(past.hidden) == ["ugly"]
    assert list(newest.item_ids) == ["new"]
    assert list(bob) == [OTHER]


def test_it_is_replayed_by_itself_once_the_store_is_back(disk):
    async def work(store):
        await outage(store, disk, NEW)
        for _ in range(200):
            if not store.spooled:
                return [event.event_id for event in (await store.person("ann")).events]
            await asyncio.sleep(0.02)
        return None

    assert disk.run(work, retry_s=0.02) == ["0", "1"]


def test_what_a_killed_process_left_is_replayed_by_the_next_but_for_a_record_cut_short(disk):
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from tastemaker.serve.store import Event\n"
        "from tastemaker.serve.store.spool_file import SpoolFile\n"
        "file = SpoolFile.made(Path(sys.argv[1]), [Event('7', 'ann', 'left', 5.0)])\n"
        "file.append([Event('8', 'ann', 'too', 6.0)])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, disk.spool], check=False)
    (file,) = disk.files
    with file.open("ab") as end:
        end.write(b"\x50\x00\x00\x00abcd[half a rec")

    async def work(store):
        await store.replay()
        return await store.past("ann", 9)

    assert list(disk.run(work).item_ids) == ["old", "left", "too"]
    assert disk.files == []


def test_a_file_of_a_living_process_is_left_to_it(disk):
    async def work(store):
        await outage(store, disk, NEW)
        second = await Spooled.opened(await opened(str(disk.path)), disk.spool)
        try:
            return second.spooled, store.spooled
        finally:
            await second.close()

    assert disk.run(work) == (0, 1)


def test_who_is_erased_is_erased_in_the_spool_too(disk):
    async def work(store):
        await outage(store, disk, NEW, HIDDEN, OTHER)
        gone = await store.erase("ann", 9.0)
        left = b"".join(file.read_bytes() for file in disk.files)
        await store.replay()
        return gone, left, await store.past("ann", 9), await store.past("bob", 9)

    gone, left, ann, bob = disk.run(work)
    assert gone == 3
    assert b"ann" not in left
    assert list(ann.item_ids) == []
    assert list(bob.item_ids) == ["new"]


def test_what_waits_of_somebody_whom_another_process_erased_is_not_put_in(disk):
    async def work(store):
        await outage(store, disk, NEW)
        other = await opened(str(disk.path))
        await other.erase("ann", 2.5)
        await other.close()
        await store.replay()
        return (await store.person("ann")).events

    assert list(disk.run(work)) == []


def test_a_full_spool_refuses(disk):
    async def work(store):
        await outage(store, disk, NEW)
        disk.spoil()
        with pytest.raises(StoreError, match="full"):
            await store.add([OTHER])
        disk.mend()

    disk.run(work, most_bytes=100)


def test_a_spool_that_cannot_be_written_refuses_and_keeps_what_it_had(disk):
    async def work(store):
        await outage(store, disk, NEW)
        import resource

        disk.spoil()
        was = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, was[1]))
        try:
            with pytest.raises(StoreError, match="can't be written"):
                await store.add([OTHER])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, was)
        disk.mend()
        await store.replay()
        return await store.past("bob", 9), await store.past("ann", 9)

    bob, ann = disk.run(work)
    assert (list(bob.item_ids), list(ann.item_ids)) == ([], ["old", "new"])


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()

    async def work():
        store = await opened(str(tmp_path / "events.db"))
        try:
            with pytest.raises(StoreError, match="spool"):
                await Spooled.opened(store, tmp_path / "file" / "spool")
        finally:
            await store.close()

    asyncio.run(work())
