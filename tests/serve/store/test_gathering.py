"""Answers wait for company: how often a store is written."""

import asyncio

from tastemaker.serve.store.batches import Batches
from tastemaker.serve.store.contract import Answer, Event

LINGER_S = 0.05
WRITING_S = 0.02


def answer(number: int) -> Answer:
    return Answer(f"r{number}", "ann", 1.0, "home", "v", "", False, [], b"")


async def gathered(answers: int, gap_s: float, events_at: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """What was written, (events, answers) a batch, of answers that come one by one."""
    written: list[tuple[int, int]] = []

    async def write(events, those):
        await asyncio.sleep(WRITING_S)
        written.append((len(events), len(those)))
        return [True] * len(events)

    batches = Batches(write, linger_s=LINGER_S)
    callers = []
    for number in range(answers):
        batches.note(answer(number))
        if number in events_at:
            event = Event(f"e{number}", "ann", "a", 1.0)
            callers.append(asyncio.create_task(batches.add([event])))
        await asyncio.sleep(gap_s)
    await batches.close()
    await asyncio.gather(*callers)
    return written


def test_answers_that_come_while_others_are_written_linger_too():
    written = asyncio.run(gathered(answers=60, gap_s=0.005))  # 0.3 s: as the last are written, more come
    assert sum(answers for _, answers in written) == 60
    assert len(written) <= 7  # every 0.07 s at most, and what was left at the end; without a wait, 15


def test_events_never_wait_for_answers():
    written = asyncio.run(gathered(answers=12, gap_s=0.005, events_at=(0, 6)))
    assert sum(events for events, _ in written) == 2
    assert written[0] == (1, 1)  # at once, with the answer that was there


def test_an_answer_that_came_during_the_last_batch_is_written_without_another_call():
    async def run() -> list[int]:
        written: list[int] = []

        async def write(events, answers):
            await asyncio.sleep(WRITING_S)
            written.append(len(answers))
            return [True] * len(events)

        batches = Batches(write, linger_s=LINGER_S)
        batches.note(answer(0))
        await asyncio.sleep(LINGER_S + WRITING_S / 2)  # the first is being written
        batches.note(answer(1))
        await asyncio.sleep(2 * LINGER_S + 2 * WRITING_S)
        return written

    assert asyncio.run(run()) == [1, 1]
