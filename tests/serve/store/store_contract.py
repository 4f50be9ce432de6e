"""The promises of `Store`: a store subclasses `StoreContract` and gives an `address` of an empty one."""

import asyncio
import math
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tastemaker.errors import StoreError
from tastemaker.serve.store import Answer, Event, Given, ItemChange, Past, Store, opened

T = TypeVar("T")


COLUMNS = [
    *("recommendation_id", "user_id", "timestamp", "placement", "model_version", "device", "is_shadow"),
    *("item_id", "position", "score", "source", "propensity", "features"),
]

"""As the contract names them."""


def used(address: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Open, work, close: one event loop, as one process has it."""

    async def whole() -> T:
        store = await opened(address)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def frames(blocks: Any) -> list[dict[str, Any]]:
    found = [block async for block in blocks]
    return pl.concat(found).to_dicts() if found else []


def answer(name: str, user: str = "ann", at: float = 5.0, *, is_shadow: bool = False) -> Answer:
    items = (Given("a", 2.5, "liked", 0.25), Given("b", 1.0, "popular", None))
    seen = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
    return Answer(name, user, at, "home", "v1", "tv", is_shadow, items, seen)


class Told(NamedTuple):
    """What the slow model knows: events in the order in which they came in."""

    events: Sequence[Event]

    def past(self, user: str, limit: int) -> tuple[list[tuple[str, float]], set[str]]:
        own = [event for event in self.events if event.user_id == user]
        touches = [event for event in own if event.kind not in ("hide", "impression")]
        newest = sorted(touches, key=lambda event: event.at)[
            -limit:
        ]  # a stable sort: equal times as they came
        return [(event.item_id, event.at) for event in newest], {e.item_id for e in own if e.kind == "hide"}


EVENTS = st.lists(
    st.builds(
        Event,
        event_id=st.integers(0, 40).map(str),
        user_id=st.sampled_from(["ann", "bob", "Ann", "žofie", "O'Neil; --"]),
        item_id=st.sampled_from("abcdef"),
        at=st.integers(-3, 6).map(float),
        kind=st.sampled_from(["click", "watch", "hide", "impression", "like"]),
        weight=st.none() | st.floats(-5, 5),
        watch_time=st.none() | st.floats(0, 1e6),
        recommendation_id=st.sampled_from(["", "r1"]),
        position=st.none() | st.integers(1, 100),
    ),
    max_size=40,
)


def told(past: Past) -> tuple[list[tuple[str, float]], set[str]]:
    return list(zip(past.item_ids, past.times, strict=True)), set(past.hidden)


class StoreContract:
    """Needs a fixture `address` of an empty store, and `emptied(address)` that makes it empty again."""

    def emptied(self, address: str) -> str:
        raise NotImplementedError

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events=EVENTS, cuts=st.lists(st.integers(1, 7), min_size=1), limit=st.integers(1, 50))
    def test_a_past_is_what_a_slow_list_says_however_the_events_are_batched(
        self, address, events, cuts, limit
    ):
        first = list({event.event_id: event for event in reversed(events)}.values())
        ids = [event.event_id for event in events]
        kept = sorted(first, key=lambda event: ids.index(event.event_id))

        async def work(store):
            new, rest, turn = [], events, 0
            while rest:
                size = cuts[turn % len(cuts)]
                new += await store.add(rest[:size])
                rest, turn = rest[size:], turn + 1
            # Sent a second time, backwards and all at once: nothing of it is new.
            assert not any(await store.add(events[::-1]))
            return new, {user: await store.past(user, limit) for user in {e.user_id for e in events}}

        new, pasts = used(self.emptied(address), work)
        assert new == [ids.index(name) == place for place, name in enumerate(ids)]
        assert {user: told(past) for user, past in pasts.items()} == {
            user: Told(kept).past(user, limit) for user in pasts
        }

    def test_nobody_knows_somebody_who_never_came(self, address):
        past = used(address, lambda store: store.past("nobody", 50))
        assert (list(past.item_ids), list(past.hidden), past.erased_at) == ([], [], None)

    def test_weights_come_back_and_are_nan_where_nobody_said_one(self, address):
        async def work(store):
            await store.add([Event("1", "ann", "a", 1.0, weight=2.5), Event("2", "ann", "b", 2.0)])
            return await store.past("ann", 9)

        weights = used(address, work).weights
        assert weights[0] == 2.5
        assert math.isnan(weights[1])

    def test_an_item_that_is_hidden_twice_is_hidden_once(self, address):
        async def work(store):
            await store.add([Event(str(n), "ann", "a", float(n), "hide") for n in range(2)])
            return await store.past("ann", 9)

        assert list(used(address, work).hidden) == ["a"]

    def test_what_was_acknowledged_is_there_after_closing_and_opening(self, address):
        used(address, lambda store: store.add([Event("1", "ann", "a", 1.0)]))
        assert list(used(address, lambda store: store.past("ann", 9)).item_ids) == ["a"]

    def test_another_process_sees_what_was_acknowledged_and_adds_its_own(self, address):
        script = (
            "import asyncio, sys\n"
            "from tastemaker.serve.store import Event, opened\n"
            "async def main():\n"
            "    store = await opened(sys.argv[1])\n"
            "    print(list((await store.past('ann', 9)).item_ids))\n"
            "    await store.add([Event('2', 'ann', 'b', 2.0)])\n"
            "    await store.close()\n"
            "asyncio.run(main())"
        )

        async def work(store):
            await store.add([Event("1", "ann", "a", 1.0)])
            command = [sys.executable, "-c", script, address]
            other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
            return other.stdout + other.stderr, await store.past("ann", 9)

        printed, past = used(address, work)
        assert printed == "['a']\n"
        assert list(past.item_ids) == ["a", "b"]

    def test_two_event_loops_that_write_at_once_lose_and_double_nothing(self, address):
        async def many(who):
            async def work(store):
                # Each event is sent by both; one of the two is told that it was new.
                calls = [store.add([Event(str(n), "ann", f"i{n}", float(n))]) for n in range(150)]
                return [new for (new,) in await asyncio.gather(*calls)]

            return await asyncio.to_thread(used, address, work)

        async def both():
            return await asyncio.gather(many(0), many(1))

        left, right = asyncio.run(both())
        assert [one + other for one, other in zip(left, right, strict=True)] == [1] * 150
        assert len(used(address, lambda store: store.past("ann", 999)).item_ids) == 150

    def test_sixty_four_who_write_at_once_each_see_their_own_at_once(self, address):
        async def one(store, who):
            for n in range(5):
                assert await store.add([Event(f"{who}-{n}", f"u{who}", f"i{n}", float(n))]) == [True]
                assert len((await store.past(f"u{who}", 50)).item_ids) == n + 1

        async def work(store):
            await asyncio.gather(*(one(store, who) for who in range(64)))
            return len(await frames(store.events()))

        assert used(address, work) == 320

    def test_a_person_gets_all_that_is_kept_of_them(self, address):
        events = [
            Event("2", "ann", "b", 2.0, "watch", 0.5, 120.0, "r1", 3),
            Event("1", "ann", "a", 1.0, "impression"),
            Event("3", "bob", "a", 3.0),
        ]

        async def work(store):
            await store.add(events)
            for noted in (answer("r2", at=6.0), answer("r1"), answer("r3", "bob")):
                assert store.note(noted)
            await store.add([Event("4", "bob", "c", 4.0)])
            await settled(store)
            return await store.person("ann")

        person = used(address, work)
        assert list(person.events) == [events[1], events[0]]
        assert [(found.recommendation_id, found.at) for found in person.answers] == [("r1", 5.0), ("r2", 6.0)]
        found = person.answers[0]
        assert found._replace(items=tuple(found.items)) == answer("r1")

    def test_answers_are_written_without_events_and_when_closing(self, address):
        async def work(store):
            store.note(answer("r1"))
            store.note(answer("r1", is_shadow=True))

        used(address, work)
        rows = used(address, lambda store: frames(store.answers()))
        assert [row["is_shadow"] for row in rows] == [False, False, True, True]
        expected = (
            "r1",
            "ann",
            5.0,
            "home",
            "v1",
            "tv",
            False,
            "b",
            2,
            1.0,
            "popular",
            None,
            [4.0, 5.0, 6.0],
        )
        assert rows[1] == dict(zip(COLUMNS, expected, strict=True))

    def test_all_events_come_by_time_from_then_on(self, address):
        async def work(store):
            await store.add([Event(str(n), f"u{n % 2}", "a", float(at)) for n, at in enumerate((3, 1, 2, 2))])
            return await frames(store.events(2.0)), await frames(store.events(9.0))

        found, none = used(address, work)
        assert [(row["event_id"], row["at"]) for row in found] == [("2", 2.0), ("3", 2.0), ("0", 3.0)]
        assert none == []

    def test_who_is_erased_is_gone_and_the_others_stay(self, address):
        async def work(store):
            await store.add([Event(str(n), user, "a", 1.0) for n, user in enumerate(("ann", "bob", "ann"))])
            store.note(answer("r1"))
            store.note(answer("r2", "bob"))
            gone = await store.erase("ann", 77.0)
            await settled(store)
            return gone, await store.person("ann"), await store.past("ann", 9), await store.person("bob")

        gone, ann, past, bob = used(address, work)
        assert gone == 3
        assert (list(ann.events), list(ann.answers)) == ([], [])
        assert (list(past.item_ids), past.erased_at) == ([], 77.0)
        assert (len(bob.events), len(bob.answers)) == (1, 1)

    def test_an_answer_of_before_they_were_erased_is_not_written_after(self, address):
        async def work(store):
            await store.erase("ann", 77.0)
            store.note(answer("r1", at=76.0))
            store.note(answer("r2", at=78.0))
            await settled(store)
            return await store.person("ann")

        assert [found.recommendation_id for found in used(address, work).answers] == ["r2"]

    def test_who_comes_back_after_being_erased_begins_anew(self, address):
        async def work(store):
            await store.erase("ann", 77.0)
            await store.erase("ann", 70.0)
            await store.add([Event("9", "ann", "z", 80.0)])
            return await store.past("ann", 9)

        past = used(address, work)
        assert (list(past.item_ids), past.erased_at) == (["z"], 77.0)

    def test_of_each_item_the_last_change_alone_comes_back_in_order(self, address):
        async def work(store):
            first = await store.change_items(
                [ItemChange("a", 1.0, {"title": "A", "tags": ["x"]}), ItemChange("b", 1.0, {"year": 1999})]
            )
            last = await store.change_items([ItemChange("a", 2.0, None)])
            return first, last, await store.item_changes(0), await store.item_changes(first)

        first, last, every, newer = used(address, work)
        assert last > first > 0
        assert [(change.item_id, change.at, change.columns) for change in every] == [
            ("b", 1.0, {"year": 1999}),
            ("a", 2.0, None),
        ]
        assert [change.item_id for change in newer] == ["a"]
        assert every[-1].number == last

    def test_an_item_that_is_changed_twice_at_once_is_what_it_was_last(self, address):
        async def work(store):
            await store.change_items([ItemChange("a", 1.0, {"n": n}) for n in range(3)])
            return await store.item_changes(0)

        assert [change.columns for change in used(address, work)] == [{"n": 2}]

    def test_what_is_older_than_asked_is_forgotten_and_the_rest_stays(self, address):
        async def work(store):
            await store.add([Event(str(n), "ann", f"i{n}", float(n)) for n in range(2500)])
            store.note(answer("r1", at=1.0))
            store.note(answer("r2", at=2499.0))
            await settled(store)
            gone = await store.forget(2490.0)
            return gone, await store.past("ann", 99), await frames(store.answers())

        gone, past, answers = used(address, work)
        assert gone == 2491
        assert list(past.times) == [float(n) for n in range(2490, 2500)]
        assert {row["recommendation_id"] for row in answers} == {"r2"}

    def test_a_store_that_is_well_says_so_and_a_closed_one_refuses(self, address):
        async def work(store):
            await store.check()
            await store.close()
            refused = 0
            for call in (store.add([Event("1", "a", "b", 1.0)]), store.past("a", 1), store.check()):
                try:
                    await call
                except StoreError:
                    refused += 1
            return refused, store.note(answer("r1"))

        assert used(address, work) == (3, False)

    def test_one_odd_event_harms_only_those_who_sent_it(self, address):
        async def work(store):
            return await asyncio.gather(
                store.add([Event("1", "ann", "a", 1.0)]),
                store.add([Event("2", "half a \ud800 letter", "a", 1.0)]),
                store.add([Event("3", "ann", "b", 2.0)]),
                return_exceptions=True,
            )

        first, odd, last = used(address, work)
        assert (first, last) == ([True], [True])
        assert isinstance(odd, StoreError)


async def settled(store: Store) -> None:
    """Until what was noted is written."""
    for _ in range(200):
        if not store.waiting:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("answers are still waiting after 4 s")
