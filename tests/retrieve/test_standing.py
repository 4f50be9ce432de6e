from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.recipe import Column, Role
from tastemaker.retrieve.standing import Standing, newest, popular, trending

DAY = 86_400
NEVER = -np.inf


def log_of(*events: tuple[int, float], is_clock: bool = True) -> Interactions:
    """(row, day) of as many people."""
    rows, days = zip(*events, strict=True)
    users = np.arange(len(events), dtype=np.int32)
    times = np.array(days, float) * DAY
    names = [f"u{user}" for user in users]
    return Interactions.from_events(names, users, np.array(rows, np.int32), times, is_clock=is_clock)


def test_everyone_gets_the_same_less_what_each_has_seen():
    log = Interactions.from_events(["u", "v"], np.array([0, 0], np.int32), np.array([2, 0], np.int32))
    source = Standing(np.array([5, 7, 7, NEVER, 1]))
    asked = np.array([1, 0, 1], np.int32)
    assert source.search(log, asked, 3).rows.tolist() == [[1, 2, 0], [1, 4, PAD], [1, 2, 0]]
    assert source.search(log, asked, 3).scores[1].tolist() == [7, 1, NEVER]
    only = np.array([True, False, True, True, True])
    assert source.search(log, asked, 3, only).rows.tolist() == [[2, 0, 4], [4, PAD, PAD], [2, 0, 4]]


def test_what_was_never_touched_is_not_popular(by_hand):
    assert popular(by_hand).tolist() == [1, 5, 2, 5, NEVER, 3]


def test_an_event_counts_half_as_much_every_half_life(by_hand):
    # After 20 days: row 0 once, today: 1. Row 1 twice, ten days ago: 2 · ½. Row 2 at the start: ¼.
    bundle = replace(by_hand, histories=log_of((0, 20), (1, 10), (1, 10), (2, 0)))
    assert trending(bundle, 10)[:4].tolist() == pytest.approx([0, 0, -2, NEVER])  # log2 of it
    assert np.exp2(trending(bundle, 5)[:3]) == pytest.approx([1, 2 / 4, 1 / 16])


def test_a_long_time_ago_is_still_told_from_longer(by_hand):
    bundle = replace(by_hand, histories=log_of((0, 1e6), (1, 1000), (2, 999)))
    assert np.argsort(-trending(bundle, 0.1)[:3]).tolist() == [0, 1, 2]
    assert trending(bundle, 0.1)[1] - trending(bundle, 0.1)[2] == pytest.approx(10)


def test_without_a_shared_clock_nothing_is_trending(by_hand):
    assert (trending(replace(by_hand, histories=log_of((0, 1), is_clock=False)), 10) == NEVER).all()
    assert (
        trending(replace(by_hand, histories=by_hand.histories.where(np.zeros(3, bool))), 10) == NEVER
    ).all()


def dated(
    by_hand: Bundle, name: str, role: Role, values: list[object], titles: Sequence[str] = "abcdef"
) -> Bundle:
    frame = pl.DataFrame({"title": list(titles), name: values})
    columns = (Column(name="title", role=Role.TITLE), Column(name=name, role=role))
    return replace(by_hand, catalogue=Catalogue(frame, columns))


def test_newest_goes_by_date_then_by_year_then_by_the_titles_year(by_hand):
    days = [date(2020, 1, 2), None, date(1960, 1, 1), date(2020, 1, 3), date(2020, 1, 2), None]
    found = newest(dated(by_hand, "out", Role.DATE, [*days]))
    assert np.argsort(-found, kind="stable").tolist() == [3, 0, 4, 2, 1, 5]
    assert found[1] == NEVER
    years = [1990.0, None, 2001.0, 1.0, 2.0, 3.0]
    # New Year's Day of 1990 and 2001 were days 7305 and 11323.
    by_year = newest(dated(by_hand, "Release Year", Role.NUMBER, [*years]))
    assert by_year.tolist()[:3] == pytest.approx([7305, NEVER, 11323], abs=1)
    titles = ["A (1990)", "B", "C (2001)", "D (1980)", "E", "F (1970)"]
    bundle = dated(by_hand, "length", Role.NUMBER, [*years], titles)
    assert newest(bundle).tolist() == pytest.approx([7305, NEVER, 11323, 3652, NEVER, 0], abs=1)


def test_without_dates_newest_is_what_was_touched_first_last(by_hand):
    bundle = replace(by_hand, catalogue=replace(by_hand.catalogue, columns=by_hand.catalogue.columns[:1]))
    touched = replace(bundle, histories=log_of((0, 5), (1, 3), (2, 9), (1, 10)))
    # Rows 3, 4 and 5 were never touched: nobody had the time yet.
    assert np.argsort(-newest(touched), kind="stable").tolist() == [3, 4, 5, 2, 0, 1]
    no_clock = replace(bundle, histories=log_of((0, 5), is_clock=False))
    assert np.argsort(-newest(no_clock)).tolist() == [5, 4, 3, 2, 1, 0]
