"""With what chance a bundle would have shown what was logged, beside what serving says of itself."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError
from tastemaker.evaluation.off_policy.bundles import BundlePolicy
from tastemaker.evaluation.off_policy.logs import Logs
from tastemaker.recipe import RerankingRecipe
from tastemaker.recommend import Recommender


def logged(slates, users, times=None) -> Logs:
    """Lists of item ids, one after the other."""
    names = tuple(dict.fromkeys(item for slate in slates for item in slate))
    flat = [names.index(item) for slate in slates for item in slate]
    places = [place for slate in slates for place in range(len(slate))]
    lists = [number for number, slate in enumerate(slates) for _ in slate]
    moments = np.repeat(times if times is not None else np.full(len(slates), np.inf), list(map(len, slates)))
    logs = Logs.of(
        flat, [0.5] * len(flat), [0] * len(flat), places=places, lists=lists, item_ids=names, times=moments
    )
    return replace(
        logs, user_ids=tuple(user for user, slate in zip(users, slates, strict=True) for _ in slate)
    )


def chances(policy: BundlePolicy, logs: Logs) -> list[float]:
    return np.concatenate([each.of_logged(logs) for each in policy.over(logs)]).tolist()


def test_without_exploration_a_bundle_shows_its_list_and_nothing_else(answers):
    own = [item.item_id for item in answers.recommend("ann", k=3)]
    strange = [item.item_id for item in answers.recommend("nobody", k=3)]
    assert own != strange
    logs = logged([own, strange, own[::-1]], ["ann", "nobody", "ann"])
    found = chances(BundlePolicy(answers), logs)
    assert found == [1, 1, 1, 1, 1, 1, 0, float(own[1] == own[::-1][1]), 0]


def test_people_are_asked_as_of_the_moment_of_the_list(answers):
    # Ann touched a at 1 and e at 2. Before 1 she is a stranger, at 1.5 she has touched a alone.
    log = answers.bundle.histories
    first = Interactions.from_events(["ann"], np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([1.0]))
    then = [item.item_id for item in answers.recommend("ann", k=3, interactions=first)]
    late = [item.item_id for item in answers.recommend("ann", k=3)]
    strange = [item.item_id for item in answers.recommend("nobody", k=3)]
    logs = logged([strange, then, late], ["ann"] * 3, times=np.array([0.5, 1.5, 9]))
    assert chances(BundlePolicy(answers, log), logs) == [1] * 9


@pytest.fixture
def exploring(by_hand) -> Recommender:
    knobs = {"exploration": {"method": "epsilon", "epsilon": 0.6}}
    return Recommender(by_hand).with_rules(RerankingRecipe.model_validate(knobs))


def test_chances_of_an_exploring_bundle_are_those_that_its_slates_are_served_with(exploring):
    slates, told = [], []
    for seed in range(40):
        exploring.recipe = exploring.recipe.model_copy(update={"seed": seed})
        slate = exploring.recommend("ann", k=3)
        slates.append([item.item_id for item in slate])
        told += [item.propensity for item in slate]
    assert len({tuple(slate) for slate in slates}) > 5
    found = chances(BundlePolicy(exploring), logged(slates, ["ann"] * 40))
    assert found == pytest.approx(told)


def test_chances_of_all_that_an_exploring_bundle_may_show_add_up_to_one(exploring):
    logs = logged([["b", "c", "d"], ["unheard of", "b", "c"], ["f", "b", "c"]], ["ann", "ann", "bob"])
    for choices in BundlePolicy(exploring).over(logs):
        assert choices.chances.sum(1) == pytest.approx(1)


def test_what_the_catalogue_lacks_would_not_have_been_shown(answers):
    assert chances(BundlePolicy(answers), logged([["unheard of"]], ["ann"])) == [0]


def test_a_bundle_whose_chances_can_not_be_told_is_refused(by_hand):
    recommender = Recommender(by_hand)
    for knobs, told in (
        ({"exploration": {"method": "thompson"}}, "Thompson"),
        (
            {"exploration": {"method": "epsilon"}, "order": ["exploration", "diversity"]},
            "after its exploration",
        ),
    ):
        with pytest.raises(RecipeError, match=told):
            BundlePolicy(recommender.with_rules(RerankingRecipe.model_validate(knobs)))
