import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import lists, sampled_from

from tastemaker.errors import DataError
from tastemaker.rerank.ledger import MOST_OWED, Ledger


def counts(*places: str) -> np.ndarray:
    """`counts("AB", "B")`: how many of A and of B each beginning of each list holds, (2, k)."""
    (shown,) = places
    return np.array([np.cumsum([each == name for each in shown]) for name in "AB"])


def halves(k: int) -> np.ndarray:
    return np.outer([0.5, 0.5], np.arange(1, k + 1))


def test_what_one_list_held_back_is_owed():
    ledger = Ledger("AB", 10)
    ledger.book(counts("AAB"), halves(3))
    # After places 1, 2, 3: A had ½, 1 and ½ too many.
    assert ledger.owed(3).tolist() == [[-0.5, -1.0, -0.5], [0.5, 1.0, 0.5]]
    ledger.book(counts("BBA"), halves(3))
    assert ledger.owed(3).tolist() == [[0, 0, 0], [0, 0, 0]]


@given(shown=lists(sampled_from(["A", "B", "AB", "BA", "AAB", "BBBB"]), max_size=30))
@settings(max_examples=40, deadline=None)
def test_exposure_is_the_share_of_all_places_so_far(shown):
    ledger = Ledger("AB", 4)
    for each in shown:
        ledger.book(counts(each), halves(len(each)))
    found = ledger.exposure()
    for place in range(4):
        beginning = "".join(each[: place + 1] for each in shown)
        for group, name in enumerate("AB"):
            slow = beginning.count(name) / len(beginning) if beginning else np.nan
            assert found[group, place] == pytest.approx(slow, nan_ok=True)


def test_where_only_too_little_is_a_debt_a_surplus_is_nobodys():
    ledger = Ledger("AB", 2)
    ledger.book(counts("AA"), np.array([[0.0, 1.0], [0.0, 1.0]]), least=0)
    assert ledger.owed(2).tolist() == [[0, 0], [0, 1]]


def test_old_debts_are_forgiven_beyond_a_limit():
    ledger = Ledger("AB", 3)
    for _ in range(1000):
        ledger.book(counts("AAA"), halves(3))
    # Half of 1,000 lists is owed, but of each beginning no more than all places of a hundred lists.
    assert MOST_OWED == 100
    assert ledger.owed(3).tolist() == [[-100, -200, -300], [100, 200, 300]]
    assert ledger.exposure().tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_ledger_survives_json_and_goes_on_as_if_nothing_had_been():
    ledger = Ledger("AB", 5)
    ledger.book(counts("ABA"), halves(3))
    again = Ledger.from_json(json.loads(json.dumps(ledger.as_json(), allow_nan=False)))
    for each in (ledger, again):
        each.book(counts("AABBA"), halves(5))
    assert again.as_json() == ledger.as_json()
    assert again.owed(5).tolist() == ledger.owed(5).tolist()
    assert again.owed(1).tolist() == [[-1], [1]]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"groups": ["A"], "lists": [1, 2], "given": [[1]], "owed": [[0.0, 0.0]]},
        {"groups": ["A"], "lists": [1], "given": [[1]], "owed": [["much"]]},
        {"groups": ["A"], "lists": [1], "given": [[1]], "owed": [[float("nan")]]},
        {"groups": 3, "lists": [], "given": [], "owed": []},
        {"groups": ["A"], "lists": [[1]], "given": [[1]], "owed": [[0.0]]},
    ],
)
def test_what_is_no_ledger_is_refused(values):
    with pytest.raises(DataError, match="ledger"):
        Ledger.from_json(values)


def test_of_many_threads_no_list_is_forgotten():
    ledger = Ledger("AB", 50)
    shown = [counts("AB" * 25), counts("BA" * 25)]

    def book(number: int) -> None:
        for turn in range(250):
            ledger.book(shown[(number + turn) % 2], halves(50))
            ledger.owed(50)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(book, range(8)))
    assert ledger.as_json()["lists"] == [2000] * 50
    assert ledger.exposure()[0].tolist() == [0.5] * 50
    assert (ledger.owed(50) == 0).all()
