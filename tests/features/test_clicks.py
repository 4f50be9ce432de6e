import math

import numpy as np
import pytest

from tastemaker.features.clicks import clicked_lists, examination, ndcg, relevance_of


def by_place(values: np.ndarray, places: int = 10) -> np.ndarray:
    return values.reshape(-1, places).mean(0)


def test_relevance_follows_its_law():
    numbers = np.zeros((2, 12), np.float32)
    numbers[0, [0, 1, 2, 3, 4]] = [1, 1, 2, 1, -1]  # u = 1 + 0.8 + 1.6 + 0.6 · 0.2 = 3.52
    expected = [0.02 + 0.9 / (1 + math.exp(-2.5 * 2.02)), 0.02 + 0.9 / (1 + math.exp(2.5 * 1.98))]
    assert relevance_of(numbers) == pytest.approx(expected, rel=1e-5)


def test_the_examined_are_clicked_as_they_are_relevant():
    shown = clicked_lists(4000, 1, eta=2, random_share=1)
    clicked, relevance = by_place(shown.lessons.labels["click"]), by_place(shown.relevance)
    # Of 4000 lists the deviation of a rate is below 0.007.
    assert clicked == pytest.approx(relevance / np.arange(1, 11) ** 2, abs=0.025)
    assert clicked[0] > 0.1


def test_with_eta_0_all_models_are_the_truth():
    for model in ("position", "cascade", "trust"):
        shown = clicked_lists(4000, 1, model=model, eta=0)
        assert by_place(shown.lessons.labels["click"]) == pytest.approx(by_place(shown.relevance), abs=0.03)


def test_a_cascade_ends_at_the_first_click_and_who_clicks_nothing_looks_as_far_as_by_position():
    shown = clicked_lists(6000, 1, model="cascade", eta=1, random_share=1)
    clicks = shown.lessons.labels["click"].reshape(-1, 10)
    assert clicks.sum(1).max() == 1
    # Nobody saw a click before the second place, half look on, and of those the first wasn't clicked.
    first, second = shown.relevance.reshape(-1, 10)[:, :2].T
    assert clicks[:, 1].mean() == pytest.approx((second * (1 - first)).mean() / 2, abs=0.02)


def test_trust_clicks_what_is_irrelevant_on_top():
    shown = clicked_lists(6000, 1, model="trust", random_share=1)
    gamma, clicks = shown.relevance.reshape(-1, 10), shown.lessons.labels["click"].reshape(-1, 10)
    assert clicks[:, 0].mean() == pytest.approx((0.97 * gamma + 0.65 * (1 - gamma))[:, 0].mean(), abs=0.02)
    third = (0.95 * gamma + 0.65 / 3 * (1 - gamma))[:, 2].mean() / 3
    assert clicks[:, 2].mean() == pytest.approx(third, abs=0.02)


def test_production_favours_what_nobody_wants():
    shown = clicked_lists(2000, 1, random_share=0.1)
    ordered = shown.lessons.numbers[~shown.is_random].reshape(-1, 10, 12).mean(0)
    assert ordered[0, 6] - ordered[-1, 6] > 1  # deviations
    assert abs(ordered[0, 2] - ordered[-1, 2]) < 0.2
    assert shown.is_random.mean() == pytest.approx(0.1, abs=0.03)
    again = clicked_lists(2000, 1, random_share=0.1)
    assert (again.lessons.labels["click"] == shown.lessons.labels["click"]).all()


def test_ndcg_by_hand():
    gain = np.array([[0.5, 1.0, 0.0]], np.float32)
    worst = (0.5 / math.log2(3) + 1.0 / 2) / (1 + 0.5 / math.log2(3))
    assert ndcg(np.array([[1, 0, 2]], np.float32), gain) == pytest.approx(worst)
    assert ndcg(np.array([[1, 2, 0]], np.float32), gain) == pytest.approx(1)
    assert ndcg(np.array([[1, 0, 2]], np.float32), gain, k=1) == 0


def test_examination_falls_with_the_place():
    assert examination(4, 0.5) == pytest.approx([1, 1 / math.sqrt(2), 1 / math.sqrt(3), 0.5])
