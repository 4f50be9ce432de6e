"""What rules cost and bring, as a bundle keeps it from the exam of its training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.evaluation import metrics
from tastemaker.evaluation.report import Report
from tastemaker.evaluation.segments import Segments
from tastemaker.evaluation.tradeoff import FEW_STRENGTHS, remembered_curves
from tastemaker.recipe import Recipe, Role
from tastemaker.recommend import Recommender

PEOPLE = 40


def asked_of(town_bundle, **knobs):
    """Everybody of the town touched three titles and is to be found by a fourth of the same town."""
    town = town_bundle()
    recipe = Recipe.of({"evaluation": {"bootstrap": 100, **knobs}}).model_dump(mode="json")
    town = replace(town, manifest=town.manifest.model_copy(update={"recipe": recipe}))
    names = [f"p{number}" for number in range(PEOPLE)]
    users = np.repeat(np.arange(PEOPLE), 3).astype(np.int32)
    rows = np.array([4 * number + step for number in range(PEOPLE) for step in range(3)], np.int32)
    history = Interactions.from_events(names, users, rows, np.arange(len(rows), dtype=np.float64))
    wanted = np.array([4 * number + 3 for number in range(PEOPLE)], np.int32)
    targets = Interactions.from_events(names, np.arange(PEOPLE, dtype=np.int32), wanted)
    return Recommender(replace(town, histories=history)), Fold(history, history, targets)


def test_each_curve_begins_without_its_rule_and_costs_nothing_there(town_bundle):
    recommender, fold = asked_of(town_bundle)
    told = remembered_curves(recommender, fold, "…")
    assert told["people"] == PEOPLE
    # Nothing of the town is popular, so no list is moved by that.
    assert {"mmr", "dpp", "calibration"} <= set(told["curves"])
    assert not {"popularity", "against popularity"} & set(told["curves"])
    lists = recommender.top(fold.history, np.arange(PEOPLE, dtype=np.int32), 10)
    plain = float(metrics.ndcg(lists, fold.targets, 10).mean())
    for points in told["curves"].values():
        assert [abs(point["strength"]) for point in points] == list(FEW_STRENGTHS)
        assert points[0]["loss"]["mean"] == 0
        assert points[0]["ndcg"]["mean"] == pytest.approx(plain)
        for point in points:
            assert point["loss"]["mean"] == pytest.approx(plain - point["ndcg"]["mean"], abs=1e-9)
    diverse = [point["diversity"] for point in told["curves"]["mmr"]]
    assert diverse[0] < diverse[-1]
    assert json.loads(json.dumps(told))["k"] == 10


def test_no_more_people_are_asked_than_the_recipe_says(town_bundle):
    recommender, fold = asked_of(town_bundle, curve_people=15)
    assert remembered_curves(recommender, fold, "…")["people"] == 15
    recommender, fold = asked_of(town_bundle, curve_people=0)
    assert remembered_curves(recommender, fold, "…") is None


def without_categories(bundle: Bundle) -> Bundle:
    kept = tuple(
        column for column in bundle.catalogue.columns if column.role not in (Role.CATEGORY, Role.CATEGORIES)
    )
    frame = bundle.catalogue.frame.select([column.name for column in kept])
    columns = bundle.manifest.columns | {"items": list(kept)}
    manifest = bundle.manifest.model_copy(update={"columns": columns})
    return replace(bundle, manifest=manifest, catalogue=Catalogue(frame, kept))


def test_a_rule_that_the_catalogue_knows_nothing_for_has_no_curve(town_bundle):
    recommender, fold = asked_of(town_bundle)
    told = remembered_curves(Recommender(without_categories(recommender.bundle)), fold, "…")
    assert "calibration" not in told["curves"]
    assert "mmr" in told["curves"]


@pytest.mark.slow
def test_a_trained_bundle_keeps_them_and_its_report_is_what_it_was(history_bundle, tastemaker):
    evaluation = Bundle.open(history_bundle).evaluation
    assert evaluation["curves"]["people"] == evaluation["users_asked"]
    assert "mmr" in evaluation["curves"]["curves"]
    assert Segments.from_json(evaluation["segments"]).lines
    without = {name: value for name, value in evaluation.items() if name not in ("curves", "segments")}
    assert json.loads(json.dumps(Report.from_json(evaluation).as_json())) == without
    told = tastemaker("evaluate", history_bundle, "--json")
    assert told.status == 0
    assert not {"curves", "segments"} & set(json.loads(told.stdout))
