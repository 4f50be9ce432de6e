"""The town of tests/conftest.py with people in it, and rules of a business: made without any training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tastemaker.bundle import Bundle
from tastemaker.data.interactions import Interactions
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender

PEOPLE = 12

RULED = {
    "reranking": {
        "diversity": {"strength": 0.2},
        "rules": [
            {"do": "block", "name": "no Delta", "where": 'town == "Delta"'},
            {"do": "pin", "name": "the manager's", "item": "n3", "place": 2, "placements": ["home"]},
        ],
        "placements": {"late": {"popularity": {"strength": -0.4}}},
    },
    "placements": {"late": {"k": 6, "filter": 'town != "Beta"'}},
}


def peopled(town_bundle: Callable[..., Bundle], recipe: dict | None = None) -> Bundle:
    """Person `p3` touched n3, n16, n29 and so on, five of them, a second apart from 1,700,000,000 on."""
    town = town_bundle()
    users = np.repeat(np.arange(PEOPLE), 5)
    rows = np.array([(person + 13 * step) % 200 for person in range(PEOPLE) for step in range(5)])
    times = 1_700_000_000.0 + np.arange(len(rows))
    names = [f"p{number}" for number in range(PEOPLE)]
    log = Interactions.from_events(names, users.astype(np.int32), rows.astype(np.int32), times)
    manifest = town.manifest.model_copy(update={"recipe": Recipe.of(recipe or {}).model_dump(mode="json")})
    arrays = town.arrays | {"popularity": log.counts(200).astype(np.float32)}
    return replace(town, manifest=manifest, histories=log, arrays=arrays)


def saved(bundle: Bundle, folder: Path) -> Path:
    Recommender(bundle).save(folder)
    return folder
