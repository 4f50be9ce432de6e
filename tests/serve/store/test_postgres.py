"""The promises of a store, kept in PostgreSQL; and what a bad day of its server does to it."""

import asyncio
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from store_contract import StoreContract, used

from tastemaker.errors import StoreError
from tastemaker.serve.store import Event, opened
from tastemaker.serve.store.connections import LIMIT_S


class TestPostgres(StoreContract):
    @pytest.fixture
    def address(self, postgres):
        return postgres

    def emptied(self, address):
        run(address, "DROP SCHEMA IF EXISTS tastemaker CASCADE")
        return address


def run(address: str, *statements: str) -> list[tuple]:
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def failure(call) -> tuple[str, float]:
    """What it was refused with, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(StoreError) as refused:
        await call
    return str(refused.value), time.monotonic() - start


async def soon(call, within_s: float = 5.0):
    """What it gives once the store is back; calls until then are refused."""
    end = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except StoreError:
            assert time.monotonic() < end, "the store didn't come back"
            await asyncio.sleep(0.05)


def test_a_server_that_ends_refuses_and_works_again_once_it_is_back(postgres, server):
    async def work(store):
        await store.add([Event("1", "ann", "a", 1.0)])
        server.stop("immediate")
        try:
            calls = [store.add([Event("2", "ann", "b", 2.0)]), store.past("ann", 9), store.check()]
            told = await asyncio.gather(*map(failure, calls))
        finally:
            server.start()
        assert all(seconds < 2 and "\n" not in message for message, seconds in told)
        assert await soon(lambda: store.add([Event("2", "ann", "b", 2.0), Event("1", "ann", "a", 1.0)])) == [
            True,
            False,
        ]
        return await store.past("ann", 9)

    assert list(used(server.address, work).item_ids) == ["a", "b"]


def test_a_server_that_hangs_is_given_up_and_the_loop_goes_on(postgres, server):
    async def work(store):
        await store.add([Event("1", "ann", "a", 1.0)])
        turns = 0

        async def turn():
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        turning = asyncio.create_task(turn())
        server.send(signal.SIGSTOP)
        try:
            calls = [store.add([Event("2", "ann", "b", 2.0)]), store.past("ann", 9)]
            told = await asyncio.gather(*map(failure, calls))
        finally:
            server.send(signal.SIGCONT)
            turning.cancel()
        assert all(seconds < LIMIT_S + 0.2 for _, seconds in told)
        assert turns > 100
        return (await soon(lambda: store.past("ann", 9))).item_ids

    assert used(server.address, work)[0] == "a"


def test_one_connection_that_is_ended_is_replaced_and_nobody_notices(postgres):
    async def work(store):
        await store.check()
        run(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tastemaker'",
        )
        await asyncio.sleep(0.05)
        return await store.add([Event("1", "ann", "a", 1.0)])

    assert used(postgres, work) == [True]


def test_services_that_start_together_make_the_tables_once(postgres):
    async def all_at_once():
        stores = await asyncio.gather(*(opened(postgres) for _ in range(5)))
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(all_at_once())
    assert run(postgres, "SELECT number FROM tastemaker.version") == [(1,)]


def test_two_who_send_the_same_events_in_opposite_orders_dont_wait_for_each_other(postgres):
    async def work(store):
        other = await opened(postgres)
        for turn in range(4):
            events = [Event(f"{turn}-{n}", "ann", "a", float(n)) for n in range(2000)]
            one, two = await asyncio.gather(store.add(events), other.add(events[::-1]))
            assert sum(one) + sum(two) == 2000
        await other.close()

    used(postgres, work)


def test_tables_of_a_newer_version_are_refused_in_one_line(postgres):
    used(postgres, lambda store: store.check())
    run(postgres, "INSERT INTO tastemaker.version VALUES (99)")
    with pytest.raises(StoreError, match=r"version 99.*update") as refused:
        used(postgres, lambda store: store.check())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_server_that_may_lose_what_it_commits_is_refused(postgres, value):
    with pytest.raises(StoreError, match=f"synchronous_commit of this PostgreSQL is {value}"):
        used(f"{postgres}?options=-csynchronous_commit%3D{value}", lambda store: store.check())


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/x",
        "postgresql://ann:s3cret@127.0.0.1:port/x",
        "postgresql://ann:s3cret@[::1/x",
        "postgresql://127.0.0.1:1/x?password=s3cret",
    ],
)
def test_a_password_is_in_no_message_and_no_log(address, capsys):
    with pytest.raises(StoreError) as refused:
        used(address, lambda store: store.check())
    printed = "".join(capsys.readouterr())
    assert "s3cret" not in str(refused.value) + printed
    assert "\n" not in str(refused.value)


def test_a_past_is_read_from_the_index_alone(postgres):
    async def work(store):
        for user in range(40):
            await store.add([Event(f"{user}-{n}", f"u{user}", f"i{n}", float(n)) for n in range(100)])

    used(postgres, work)
    plan = run(
        postgres,
        "VACUUM ANALYZE tastemaker.events",
        "EXPLAIN (ANALYZE) SELECT item_id, at, weight, number FROM tastemaker.events "
        "WHERE user_id = 'u7' AND meaning = 0 ORDER BY at DESC, number DESC LIMIT 50",
    )
    text = "\n".join(line for (line,) in plan)
    assert "Index Only Scan Backward using events_past" in text
    assert "Heap Fetches: 0" in text
    assert "Sort" not in text


def test_an_id_too_long_for_an_index_harms_only_its_sender(postgres):
    async def work(store):
        long = "".join(chr(33 + n * n % 8000) for n in range(20_000))
        return await asyncio.gather(
            store.add([Event("1", "ann", "a", 1.0)]),
            store.add([Event(long, "ann", "b", 1.0)]),
            store.add([Event("zero \0", "ann", "b", 1.0)]),
            return_exceptions=True,
        )

    first, long, zero = used(postgres, work)
    assert first == [True]
    assert isinstance(long, StoreError)
    assert isinstance(zero, StoreError)


def test_whole_numbers_and_nothing_at_all_stand_in_one_batch(postgres):
    async def work(store):
        await store.add(
            [
                Event("1", "ann", "a", 1, weight=2),
                Event("2", "ann", "b", 2, weight=None, position=3_000_000_000),
            ]
        )
        return await store.person("ann")

    first, second = used(postgres, work).events
    assert (first.weight, first.position, second.weight, second.position) == (2.0, None, None, 3_000_000_000)


def test_without_psycopg_one_line_says_what_to_install():
    script = (
        "import asyncio, sys\n"
        "sys.modules['psycopg'] = None\n"
        "from tastemaker.serve.store import opened\n"
        "try: asyncio.run(opened('postgresql://x/y'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "StoreError A PostgreSQL store needs psycopg: pip install 'tastemaker[postgres]'.\n"
