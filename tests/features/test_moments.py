"""What the second network sees, worked out by hand on five items."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.features.follows import Follows
from tastemaker.features.moments import Found, Moment, Moments
from tastemaker.features.pairs import Pairs
from tastemaker.recipe import Column, Role

pytestmark = pytest.mark.filterwarnings("error")

DAY = 86_400.0
NOW = datetime(2022, 6, 15, 18, tzinfo=UTC).timestamp()  # a Wednesday
NAN = math.nan

CATALOGUE = Catalogue(
    pl.DataFrame(
        {
            "title": ["Comet: Season 1", "Comet: Season 2", "Dune", "Eel", "Fox"],
            "genres": [["a", "b"], ["a"], ["b"], [], ["c", "a", "c"]],
            "country": ["X", "X", "Y", None, "Y"],
            "out": [date(2022, 6, 5), date(2021, 6, 15), date(1960, 1, 1), None, date(2030, 1, 1)],
        },
        schema_overrides={"genres": pl.List(pl.String)},
    ),
    (
        Column(name="title", role=Role.TITLE),
        Column(name="genres", role=Role.CATEGORIES),
        Column(name="country", role=Role.CATEGORY),
        Column(name="out", role=Role.DATE),
    ),
)
SERIES = np.array([0, 0, 1, 2, 3])
VECTORS = np.array([[1, 0], [0.6, 0.8], [0, 1], [0, 0], [-1, 0]], np.float32)
EVERYTHING = np.arange(5, dtype=np.int32)


class Whole:
    """Vectors of all items, as rows ask for them."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.vectors[rows]


def log_of(events: Sequence[tuple[float, ...]], *, is_clock: bool = True) -> Interactions:
    """(user, row, days from now) in the order of a file; a fourth number is a weight."""
    users, rows, days = zip(*(event[:3] for event in events), strict=True) if events else ((), (), ())
    times = NOW + DAY * np.array(days, np.float64)
    return Interactions.from_events(
        ["me", "u", "v"],
        np.array(users, np.int32),
        np.array(rows, np.int32),
        times,
        np.array([event[3] if len(event) > 3 else 1 for event in events], np.float32),
        is_ordered=True,
        is_clock=is_clock,
    )


EVENTS = [
    *((0, 0, -10), (0, 2, -5), (0, 1, 0), (0, 4, 1)),  # me: Comet, Dune; now Comet 2, tomorrow Fox
    *((1, 1, -14), (1, 1, -7), (1, 4, 2), (2, 0, -7)),
]
LOG = log_of(EVENTS)


def moments(log: Interactions = LOG, catalogue: Catalogue = CATALOGUE, **knobs: object) -> Moments:
    given = {
        "series": SERIES,
        "vectors": Whole(VECTORS),
        "half_lives_days": (7.0, 14.0),
        "sources": ("network", "next season"),
        "devices": ("tv", "phone"),
    }
    return Moments(catalogue, log, **(given | knobs))


def mine(log: Interactions = LOG, now: float = NOW, device: str = "tv") -> Moment:
    own = slice(log.offsets[0], log.offsets[1])
    return Moment(log.rows[own], log.times[own], now, device, log.weights[own])


def found(rows: np.ndarray = EVERYTHING) -> Found:
    scores = np.array([5, 4, 4, 2, 0], np.float32)[: len(rows)]
    return Found(rows, scores, {"network": rows > 0, "unheard of": rows > 1})


QUERY = np.array([2, 1], np.float32)


def features(
    log: Interactions = LOG, moment: Moment | None = None, catalogue: Catalogue = CATALOGUE, **knobs: object
) -> dict[str, list[float]]:
    """By name, of all five items."""
    made = moments(log, catalogue, **knobs)
    table = made.of(moment or mine(log), found(), QUERY, VECTORS)
    assert (table.dtype, table.shape) == (np.float32, (5, len(made.names)))
    return dict(zip(made.names, table.T.tolist(), strict=True))


def about(*expected: float) -> object:
    return pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)


def test_every_feature_has_one_name_and_one_group():
    made = moments()
    assert list(made.groups) == ["retrieval", "source", "popularity", "age", "history", "context"]
    assert [name for names in made.groups.values() for name in names] == list(made.names)
    assert len(set(made.names)) == len(made.names)


def test_retrieval_says_how_it_scored_and_placed_each():
    table = features()
    assert table["retrieval_score"] == [5, 4, 4, 2, 0]
    assert table["retrieval_log_rank"] == about(*map(math.log, (1, 2, 3, 4, 5)))
    assert table["retrieval_below_best"] == [0, -1, -1, -3, -5]
    # Mean 3; squares 4, 1, 1, 1, 9: their mean is 3.2.
    assert table["retrieval_standardised"] == about(*(above / math.sqrt(3.2) for above in (2, 1, 1, -1, -3)))
    assert table["query_product"] == [2, 2, 1, 0, -2]  # 2 x + y


def test_each_source_is_a_yes_or_a_no():
    table = features()
    assert (table["source_network"], table["source_next season"]) == ([0, 1, 1, 1, 1], [0] * 5)
    assert "source_unheard of" not in table


def test_popularity_is_that_of_the_moment():
    table = features()
    assert table["popularity"] == about(*map(math.log1p, (2, 2, 1, 0, 0)))
    short = [2 ** (-10 / 7) + 1 / 2, 1 / 4 + 1 / 2, 2 ** (-5 / 7), 0, 0]
    long = [2 ** (-10 / 14) + 2**-0.5, 1 / 2 + 2**-0.5, 2 ** (-5 / 14), 0, 0]
    assert table["popularity_7d"] == about(*map(math.log1p, short))
    assert table["popularity_14d"] == about(*map(math.log1p, long))
    rises = [math.log((a + 0.1) / (b + 0.1)) for a, b in zip(short, long, strict=True)]
    assert table["popularity_trend"] == about(*rises)
    assert table["popularity_place"] == [0.75, 0.75, 0.5, 0, 0]  # of four others, how many have less
    assert "popularity_trend" not in moments(half_lives_days=(7.0,)).names


def test_strength_is_what_events_of_an_item_usually_weigh():
    events = [(0, 0, -10, math.expm1(6)), (1, 2, -5, math.expm1(3)), (2, 1, 0, 1000)]  # the last is of now
    table = features(log_of(events))
    usual = 4.5
    assert table["usual_strength"] == about((6 + 5 * usual) / 6, usual, (3 + 5 * usual) / 6, usual, usual)
    # Before the first that isn't 1 nothing is known, though what comes later is.
    assert np.isnan(features(log_of([(0, 0, -10, 1), (1, 2, 5, 9)]))["usual_strength"]).all()


def test_age_counts_from_the_release_and_from_the_first_event():
    table = features()
    to_1960 = (date(2022, 6, 15) - date(1960, 1, 1)).days + 0.75
    ages = (10.75, 365.75, to_1960, NAN, 0)  # Fox isn't out yet
    assert table["days_since_release"] == about(*map(math.log1p, ages))
    assert table["days_since_first_event"] == about(*map(math.log1p, (10, 14, 5, NAN, NAN)))


def test_history_knows_the_series_and_the_categories():
    table = features()
    assert table["same_series"] == [1, 1, 1, 0, 0]
    assert table["hours_since_series"] == about(*map(math.log1p, (240, 240, 120, NAN, NAN)))
    # Dune was last and weighs 1, Comet the one before; half of it is left after twenty events.
    older = 2 ** (-1 / 20)
    a, b, x, y = older / (1 + older), 1, older / (1 + older), 1 / (1 + older)
    assert table["share_genres"] == about((a + b) / 2, a, b, NAN, a / 2)
    assert table["share_country"] == about(x, x, y, NAN, y)
    assert table["hours_since_category"] == about(*map(math.log1p, (120, 240, 120, NAN, 120)))


def test_history_knows_what_somebody_is_after_just_now():
    table = features()
    older = 2 ** (-1 / 1.5)  # Dune was last, Comet the event before
    a, b, x, y = older / (1 + older), 1, older / (1 + older), 1 / (1 + older)
    assert table["share_genres_now"] == about((a + b) / 2, a, b, NAN, a / 2)
    assert table["share_country_now"] == about(x, x, y, NAN, y)
    taste = (math.log(3) + math.log(2)) / 2  # of both; a history of six would lose its oldest here
    assert table["popularity_above_now"] == about(*(math.log1p(n) - taste for n in (2, 2, 1, 0, 0)))
    out = [date(2022, 6, 5), date(2021, 6, 15), date(1960, 1, 1), None, date(2030, 1, 1)]
    apart = [[NAN if a is None else abs((a - b).days) / 365.25 for b in (out[2], out[0])] for a in out]
    assert table["years_from_last"] == about(*(dune for dune, _ in apart))
    assert table["years_from_now"] == about(*((dune + comet) / 2 for dune, comet in apart))


def test_only_the_newest_five_events_say_what_is_wanted_now():
    rows = np.array([0] + [2] * 5, np.int32)
    moment = Moment(rows, NOW - np.arange(6, 0, -1.0), NOW)
    table = features(moment=moment)
    assert table["popularity_above_now"] == about(*(math.log1p(n) - math.log(2) for n in (2, 2, 1, 0, 0)))
    assert table["years_from_now"] == about(*table["years_from_last"])


def test_counted_pairs_speak_by_how_far_back_they_are_heard():
    weights = sparse.csr_array(
        np.array([[0, 8, 0, 0, 4], [0, 0, 0, 0, 0], [0, 6, 0, 2, 0], [1] * 5, [0] * 5], "f4")
    )
    table = features(pairs=Pairs(weights, 0.8))
    # Dune, the last, says 6 of Comet 2 and 2 of Eel; Comet, a step before it, 8 of Comet 2 and 4 of Fox.
    for decay in (0, 0.5, 0.8, 0.95):
        assert table[f"follows_{decay:g}"] == about(0, 6 + 8 * decay, 0, 2, 4 * decay)
    assert not [name for name in features() if name.startswith("follows")]


@settings(deadline=None)
@given(seed=st.integers(0, 99), history=st.lists(st.integers(0, 19), max_size=80), count=st.integers(0, 20))
def test_pairs_asked_about_a_few_say_what_a_slow_loop_adds_up(seed, history, count):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(20, 20)) * (rng.random((20, 20)) < 0.3)
    rows = rng.permutation(20)[:count].astype(np.int32)
    said = Follows(Pairs(sparse.csr_array(table.astype("f4")), 0.8), (0.0, 0.7)).of(
        rows, np.array(history, np.int32)
    )
    for h, decay in enumerate((0.0, 0.7)):
        newest = history[::-1][:50]
        slow = [sum(decay**back * table[item, row] for back, item in enumerate(newest)) for row in rows]
        assert said[h].tolist() == pytest.approx(slow, abs=1e-5)


def test_history_knows_what_is_alike():
    table = features()  # Comet lies along x, Dune along y
    assert table["like_last"] == about(0, 0.8, 1, 0, 0)
    assert table["like_nearest"] == about(1, 0.8, 1, 0, 0)
    assert table["like_mean"] == about(0.5, 0.7, 0.5, 0, -0.5)


def test_history_knows_how_strong_its_events_are_and_those_alike():
    moment = mine()._replace(weights=np.array([math.expm1(5), math.expm1(2), 9, 9], np.float32))
    table = features(moment=moment)  # Comet 5 and Dune 2; what is of now or later says nothing
    assert table["own_strength"] == about(*[3.5] * 5)
    # Comet lies along x, Dune along y; cosines to the fourth, and a tenth of nothing.
    comet, dune, mixed = 1.5 / 1.1, -1.5 / 1.1, (0.6**4 * 1.5 - 0.8**4 * 1.5) / (0.6**4 + 0.8**4 + 0.1)
    assert table["strength_of_alike"] == about(comet, mixed, dune, 0, 0)
    for alike in (None, np.ones(4, np.float32), np.full(4, 7, np.float32)):
        even = features(moment=moment._replace(weights=alike))
        assert np.isnan(even["own_strength"] + even["strength_of_alike"]).all()


def test_of_a_long_history_only_the_newest_are_near():
    rows = np.array([4] * 10 + [0] * 41 + [2] * 9, np.int32)
    moment = Moment(rows, NOW - np.arange(60, 0, -1.0), NOW)
    table = features(moment=moment)
    assert table["like_nearest"] == about(1, 0.8, 1, 0, 0)  # the tenth newest is Comet
    assert features(moment=moment._replace(rows=np.append(rows[1:], 2)))["like_nearest"][0] == 0
    assert table["like_mean"][0] == pytest.approx(41 / 50)
    assert table["same_series"] == [41, 41, 9, 0, 10]


@pytest.mark.parametrize("is_clock", [True, False])
def test_series_and_categories_are_looked_for_in_the_newest_two_hundred_events(is_clock):
    rows = np.array([4] * 50 + [2] * 200, np.int32)
    moment = Moment(rows, NOW - np.arange(250, 0, -1.0), NOW)
    table = features(log_of(EVENTS, is_clock=is_clock), moment)
    assert table["same_series"] == [0, 0, 200, 0, 0]
    assert table["share_genres"] == about(0.5, 0, 1, NAN, 0)
    assert table["history_length"] == about(*[math.log1p(250)] * 5)


def test_history_has_a_length_an_end_and_a_taste_for_the_popular():
    table = features()
    assert table["history_length"] == about(*[math.log1p(2)] * 5)
    assert table["hours_since_last"] == about(*[math.log1p(120)] * 5)
    taste = (math.log(3) + math.log(2)) / 2
    assert table["popularity_above_history"] == about(*(math.log1p(n) - taste for n in (2, 2, 1, 0, 0)))


def test_context_is_the_hour_the_weekday_and_the_device():
    table = features()
    assert (table["hour_sin"], table["hour_cos"]) == (about(*[-1] * 5), about(*[0] * 5))  # 18 h
    assert table["weekday_sin"] == about(*[math.sin(4 * math.pi / 7)] * 5)  # two days after Monday
    assert table["weekday_cos"] == about(*[math.cos(4 * math.pi / 7)] * 5)
    assert (table["device_tv"], table["device_phone"]) == ([1] * 5, [0] * 5)
    assert features(moment=mine(device="fridge"))["device_tv"] == [0] * 5


def test_whoever_has_no_history_leaves_no_more_open_than_must_be():
    nobody = Moment(np.array([], np.int32), np.array([]), NOW)
    table = features(moment=nobody)
    unknown = {name for name, column in table.items() if np.isnan(column).all()}
    assert unknown == {
        *("share_genres", "share_country", "hours_since_series", "hours_since_category"),
        *("like_last", "like_nearest", "like_mean", "hours_since_last", "popularity_above_history"),
        *(
            "share_genres_now",
            "share_country_now",
            "popularity_above_now",
            "years_from_last",
            "years_from_now",
        ),
        "usual_strength",
        *("own_strength", "strength_of_alike"),
    }
    assert (table["same_series"], table["history_length"]) == ([0] * 5, [0] * 5)


def test_an_event_of_an_unknown_time_was_before_and_nobody_knows_when():
    moment = Moment(np.array([0, 2], np.int32), np.array([NAN, NAN]), NOW)
    table = features(moment=moment)
    assert table["same_series"] == [1, 1, 1, 0, 0]
    assert np.isnan(table["hours_since_last"] + table["hours_since_series"]).all()


def test_without_a_clock_there_are_no_times_and_every_event_counts():
    table = features(log_of(EVENTS, is_clock=False), moment=mine(LOG))
    unknown = {name for name, column in table.items() if np.isnan(column).all()}
    assert unknown == {
        *("days_since_release", "days_since_first_event"),
        *("hours_since_series", "hours_since_category", "hours_since_last"),
        *("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "usual_strength"),
        *("own_strength", "strength_of_alike"),
    }
    assert table["popularity"] == table["popularity_7d"] == about(*map(math.log1p, (2, 3, 1, 0, 2)))
    assert table["history_length"] == about(*[math.log1p(4)] * 5)


def test_what_a_catalogue_doesnt_tell_is_unknown():
    bare = Catalogue(CATALOGUE.frame.select("title"), CATALOGUE.columns[:1])
    made = moments(catalogue=bare, vectors=None, sources=(), devices=(), half_lives_days=())
    table = dict(zip(made.names, made.of(mine(), found(), None, None).T.tolist(), strict=True))
    assert "share_genres" not in table
    unknown = {name for name, column in table.items() if np.isnan(column).all()}
    assert unknown == {
        *("query_product", "days_since_release", "hours_since_category"),
        *("like_last", "like_nearest", "like_mean", "usual_strength", "years_from_last", "years_from_now"),
        *("own_strength", "strength_of_alike"),
    }


def test_of_a_catalogue_with_many_columns_four_are_looked_at_and_of_a_cell_sixteen_values():
    letters = [f"v{n}" for n in range(20)]
    cells = [letters, letters[15:], letters[16:], ["w"], []]
    frame = pl.DataFrame({"title": CATALOGUE.titles} | {f"c{n}": cells for n in range(5)})
    columns = tuple(Column(name=f"c{n}", role=Role.CATEGORIES) for n in range(5))
    table = features(catalogue=Catalogue(frame, (CATALOGUE.columns[0], *columns)))
    assert [name for name in table if name.startswith("share") and not name.endswith("_now")] == [
        f"share_c{n}" for n in range(4)
    ]
    # I saw rows 0 and 2, that one last. Of row 1's five values row 0 has one, row 2 the four others.
    older = 2 ** (-1 / 20)
    assert table["share_c3"][1] == pytest.approx((older + 4) / 5 / (1 + older), rel=1e-5)


def test_no_candidate_or_one_alone():
    made = moments()
    assert made.of(mine(), found(EVERYTHING[:0]), QUERY, VECTORS[:0]).shape == (0, len(made.names))
    one = dict(zip(made.names, made.of(mine(), found(EVERYTHING[:1]), QUERY, VECTORS[:1])[0], strict=True))
    assert (one["retrieval_standardised"], one["popularity_place"], one["retrieval_below_best"]) == (0, 0, 0)
    alone = set(made.names) - {*made.groups["retrieval"], *made.groups["source"], "popularity_place"}
    alone -= {"usual_strength", "own_strength", "strength_of_alike"}  # unknown, as all weights are 1
    among = features()
    assert {name: float(one[name]) for name in alone} == {name: among[name][0] for name in alone}


weights = st.sampled_from([1.0, 1.0, 0.5, 70.0])
ahead = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 1e-9, 0.5, 1, 30]), weights),
    max_size=12,
)
before = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([-400, -7, -1.5, -1, -1e-4]), weights),
    max_size=12,
)


@settings(deadline=None)
@given(past=before, one=ahead, other=ahead, order=st.randoms(use_true_random=False))
def test_what_comes_at_the_moment_or_later_changes_no_bit(past, one, other, order):
    tables = []
    for later in (one, other):
        later = order.sample(later, len(later))
        log = log_of([*later, *past])
        tables.append(moments(log).of(mine(log), found(), QUERY, VECTORS))
    assert tables[0].tobytes() == tables[1].tobytes()


def world(seed: int = 3) -> tuple[Moments, list[tuple[Moment, Found, np.ndarray, np.ndarray]]]:
    """A hundred requests of as many lengths."""
    rng = np.random.default_rng(seed)
    items = 300
    frame = pl.DataFrame(
        {
            "title": [f"t{n} ({1950 + n % 70})" for n in range(items)],
            "genres": [[f"g{n}" for n in rng.integers(0, 18, size)] for size in rng.integers(0, 6, items)],
        },
        schema_overrides={"genres": pl.List(pl.String)},
    )
    times = NOW + DAY * rng.integers(-4000, 400, 20_000) / 4
    users, rows = rng.integers(0, 100, 20_000), rng.integers(0, items, 20_000)
    names = [f"u{n}" for n in range(100)]
    weights = rng.integers(1, 6, 20_000).astype(np.float32)
    log = Interactions.from_events(
        names, users.astype(np.int32), rows.astype(np.int32), times, weights, is_clock=True
    )
    vectors = rng.normal(size=(items, 24)).astype(np.float32)
    vectors /= np.sqrt((vectors * vectors).sum(1, keepdims=True))
    made = moments(
        log,
        Catalogue(frame, CATALOGUE.columns[:2]),
        series=np.arange(items) // 2,
        vectors=Whole(vectors),
    )
    asks = []
    for user in range(100):
        start, end = log.offsets[user], log.offsets[user + 1]
        moment = Moment(log.rows[start:end], log.times[start:end], float(NOW - 3 * user * DAY), "phone")
        rows = rng.permutation(items)[: 1 + user].astype(np.int32)
        scores = -np.sort(rng.normal(size=len(rows))).astype(np.float32)
        asks.append((moment, Found(rows, scores, {"network": scores > 0}), vectors[user], vectors[rows]))
    return made, asks


def digest(tables: Sequence[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(table.tobytes() for table in tables)).hexdigest()


def test_a_request_gets_the_same_bits_whatever_else_was_asked_and_by_whom():
    made, asks = world()
    expected = [made.of(*ask) for ask in asks]
    backwards = [made.of(*ask) for ask in asks[::-1]][::-1]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda ask: made.of(*ask), asks * 3))
    alone = [world()[0].of(*asks[user]) for user in (0, 50, 99)]
    # Arrays that lie elsewhere in memory, and not one number after the other.
    scattered = [
        made.of(moment, got, np.repeat(query, 2)[::2], np.asfortranarray(vectors))
        for moment, got, query, vectors in asks
    ]
    assert digest(backwards) == digest(expected) == digest(scattered)
    assert digest(together) == digest(expected * 3)
    assert digest(alone) == digest([expected[user] for user in (0, 50, 99)])


def test_another_process_gives_the_same_bits():
    made, asks = world()
    here = digest([made.of(*ask) for ask in asks])
    script = (
        "import runpy, sys; names = runpy.run_path(sys.argv[1]); made, asks = names['world']();"
        "print(names['digest']([made.of(*ask) for ask in asks[::-1]][::-1]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, __file__], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == here


def test_the_future_is_no_help_to_a_network_of_the_past():
    """The same with a log cut at the moment: as if one had been there."""
    log = log_of(EVENTS)
    cut = log.where(log.times < NOW)
    expected = moments(cut).of(mine(cut), found(), QUERY, VECTORS)
    assert moments(log).of(mine(log), found(), QUERY, VECTORS).tobytes() == expected.tobytes()
    assert cut.size == 5
