"""The promises of a store, kept in a file; and what a bad disk does to it."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from store_contract import StoreContract, answer, frames, settled, used

from tastemaker.errors import StoreError
from tastemaker.serve.store import Event


class TestSqlite(StoreContract):
    @pytest.fixture
    def address(self, tmp_path):
        return str(tmp_path / "events.db")

    def emptied(self, address):
        for file in Path(address).parent.glob("events.db*"):
            file.unlink()
        return address


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.db"


def events(count, user="ann"):
    return [Event(f"{user}-{n}", user, f"item-{n}", float(n)) for n in range(count)]


def test_of_who_was_erased_no_byte_is_left_in_any_file(path):
    rng = random.Random(7)
    people = [f"somebody-{n}" for n in range(60)]

    async def work(store):
        for _ in range(40):
            # Names of all lengths between others: pages split, and rows move.
            batch = [
                Event(f"{rng.random()}", rng.choice(people), "i" * rng.randrange(80), rng.random())
                for _ in range(50)
            ]
            await store.add([*batch, Event(f"{rng.random()}", "Wanda-Gone", "secret", rng.random())])
            store.note(answer(f"{rng.random()}", "Wanda-Gone"))
        await settled(store)
        assert any(b"Wanda-Gone" in file.read_bytes() for file in path.parent.iterdir())
        await store.erase("Wanda-Gone", 9.0)
        return [file.name for file in path.parent.iterdir() if b"Wanda-Gone" in file.read_bytes()]

    assert used(str(path), work) == []


def test_a_file_of_a_newer_version_is_refused_in_one_line(path):
    used(str(path), lambda store: store.check())
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer version") as refused:
        used(str(path), lambda store: store.check())
    assert "\n" not in str(refused.value)


def test_a_database_of_something_else_is_not_written_to(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match="something else"):
        used(str(path), lambda store: store.check())


@pytest.mark.parametrize("text", ["no database at all, but long enough to have a page " * 99])
def test_a_file_that_is_no_database_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(StoreError, match="not an SQLite file"):
        used(str(path), lambda store: store.check())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match="There is no folder"):
        used(str(tmp_path / "nowhere" / "events.db"), lambda store: store.check())


def test_a_damaged_page_is_seen_when_the_file_is_opened(path):
    used(str(path), lambda store: store.add(events(3000)))
    content = bytearray(path.read_bytes())
    for page in range(20, 30):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as refused:
        used(str(path), lambda store: store.check())
    assert "\n" not in str(refused.value)


def test_a_page_that_is_damaged_while_it_is_open_is_told_and_nothing_is_acknowledged(path):
    used(str(path), lambda store: store.add(events(3000)))
    whole = path.read_bytes()

    async def work(store):
        content = bytearray(whole)
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
        with pytest.raises(StoreError, match="damaged"):
            await store.add([Event("new", "ann", "x", 1e9)])
        with pytest.raises(StoreError, match="damaged"):
            await store.past("ann", 5)
        path.write_bytes(whole)  # somebody put the copy back
        assert await store.add([Event("new", "ann", "x", 1e9)]) == [True]
        return await store.past("ann", 1)

    assert list(used(str(path), work).item_ids) == ["x"]


def test_a_file_that_was_deleted_takes_no_events_until_it_is_opened_anew(path):
    async def work(store):
        await store.add(events(1))
        for file in path.parent.glob("events.db*"):
            file.unlink()
        with pytest.raises(StoreError, match="moved or deleted"):
            await store.add(events(1, "bob"))
        return await store.add(events(1, "bob"))

    assert used(str(path), work) == [True]


FULL = """
import asyncio, resource, sys
from tastemaker.errors import StoreError
from tastemaker.serve.store import Event, opened
async def main():
    store = await opened(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    kept, lines = [], []
    for n in range(200):
        batch = [Event(f"{n}-{k}", "ann", "x" * 90, float(n)) for k in range(50)]
        try:
            await store.add(batch)
            kept.append(n)
        except StoreError as error:
            lines.append(str(error))
    assert lines and not any("\\n" in line for line in lines), lines
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.add([Event("last", "ann", "y", 1e9)])
    found = {row async for block in store.events() for row in block["event_id"]}
    assert found == {f"{n}-{k}" for n in kept for k in range(50)} | {"last"}
    await store.close()
    print(lines[0])
asyncio.run(main())
"""


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_kept_and_room_heals_it(path):
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_disk_that_is_read_only_is_told_and_heals(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]).returncode:
        pytest.skip("this machine mounts no disks")

    address = str(disk / "events.db")
    try:
        used(address, lambda store: store.add(events(1)))
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(StoreError, match="read-only"):
            used(address, lambda store: store.add(events(1, "bob")))
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert used(address, lambda store: store.add(events(1, "bob"))) == [True]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_answers_past_the_bound_are_dropped_and_counted(path):
    async def work(store):
        kept = sum(store.note(answer(f"r{n}")) for n in range(5_100))
        dropped = store.dropped
        await settled(store)
        return kept, dropped, len({row["recommendation_id"] for row in await frames(store.answers())})

    assert used(str(path), work) == (5_000, 100, 5_000)


def test_a_caller_who_goes_away_harms_nobody(path):
    async def work(store):
        gone = asyncio.create_task(store.add(events(1)))
        stays = asyncio.create_task(store.add(events(1, "bob")))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert used(str(path), work) == [True]
