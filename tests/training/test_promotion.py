"""What of a log a live model can't have learnt, what is shown, and how long it takes."""

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.recipe import PromotionRecipe
from tastemaker.training.promotion import Judge, in_turn, unknown


def log(people, users, rows, times=None, **more):
    return Interactions.from_events(
        people, np.array(users, np.int32), np.array(rows, np.int32), times, **more
    )


def test_with_a_clock_only_what_came_after_the_newest_event_is_unknown():
    learnt = log(["ann", "bob"], [0, 1], [0, 1], [50.0, 100.0])
    later = log(["bob", "cleo"], [0, 0, 1], [2, 3, 0], [100.0, 101.0, 99.0])
    # Cleo's event is new to the live model, but it had seen the future of it.
    assert unknown(later, learnt, "abcd", "abcd").tolist() == [False, True, False]


def test_without_a_clock_a_person_and_an_item_that_were_never_together_are_unknown():
    learnt = log(["ann", "bob"], [0, 1], [0, 1])
    later = log(["bob", "ann"], [0, 0, 1, 1], [1, 0, 0, 1])
    # Rows are other items here: b, a, c. Bob touches a, b and Ann b, a; known are Bob with b, Ann with a.
    assert unknown(later, learnt, "abc", "bac").tolist() == [True, False, True, False]


def test_who_has_learnt_nothing_knows_nothing():
    nothing = log([], [], [])
    assert unknown(log(["ann"], [0], [0], [1.0]), nothing, "abc", "abc").tolist() == [True]


def test_too_few_people_decide_nothing_and_so_does_no_exam(answers):
    judge = Judge(answers, PromotionRecipe(people=2))
    assert judge.decide(answers).reason.startswith("No exam could be held")
    history = log(["ann"], [0, 0], [0, 1], [10.0, 11.0])
    judge(answers, Fold(history, history, log(["ann"], [0], [2], [12.0])))
    decision = judge.decide(answers)
    assert not decision.is_better
    assert decision.reason.startswith("Only 1 people did something after all that the live model has learnt")


def test_a_model_is_not_better_than_itself(answers):
    people = [f"p{n}" for n in range(60)]
    everyone = np.arange(60)
    history = log(people, everyone, everyone % 6, 10.0 + everyone)
    targets = log(people, everyone, (everyone + 1) % 6, 100.0 + everyone)
    judge = Judge(answers, PromotionRecipe())
    judge(answers, Fold(history, history, targets))
    decision = judge.decide(answers)
    assert not decision.is_better
    assert decision.reason.startswith("It isn't shown to be better.")
    assert decision.measured["people"] == 60
    assert decision.measured["chance"] == 1.0
    assert decision.measured["coverage@10"] == decision.measured["coverage@10 of live"] == 1.0


class Slow:
    """Answers as another does, later."""

    def __init__(self, recommender, seconds):
        self.catalogue, self._recommender, self._seconds = recommender.catalogue, recommender, seconds

    def recommend(self, **asked):
        import time

        time.sleep(self._seconds)
        return self._recommender.recommend(**asked)


def test_the_median_answer_of_each_is_told(answers):
    fast, slow = in_turn([Slow(answers, 0), Slow(answers, 0.004)], [["a"], ["b", "no such item"]])
    assert slow - fast == pytest.approx(0.004, abs=0.003)
