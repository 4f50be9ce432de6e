"""Trains on a catalogue alone."""

import time
from dataclasses import replace

from tastemaker.data import Dataset
from tastemaker.evaluation.judge import marked_catalogue
from tastemaker.features.encode import Encoder
from tastemaker.features.text import texts_of
from tastemaker.features.tfidf import Tfidf
from tastemaker.manifest import CURVES
from tastemaker.progress import Report
from tastemaker.recipe import Recipe, Role
from tastemaker.recommend import Recommender
from tastemaker.training.measured import measured
from tastemaker.training.parts import Parts, bundle


def of_catalogue(data: Dataset, recipe: Recipe, report: Report) -> Parts:
    if recipe.preset == "seed-content":
        return _as_the_seed(data, recipe, report)
    from tastemaker.model import content
    from tastemaker.model.export import to_keras, to_litert

    started = time.perf_counter()
    encoder = Encoder.fit(data.items, recipe.features)
    model = content.train(data.items, encoder, recipe.content, recipe.seed, report)
    # N-grams of nothing but ids or numbers say nothing of kinship.
    has_texts = bool(data.items.by_role(Role.TITLE, Role.TEXT))
    parts = Parts(
        kind="content",
        arrays={"item_vectors": model.vectors},
        encoders={"items": encoder.as_json()},
        length=recipe.history.length,
        towers={"item_tower": to_litert(model.tower)},
        originals={"item_tower": to_keras(model.tower)},
        tfidf=Tfidf.fit(texts_of(data.items, recipe.features), recipe.features.ngrams) if has_texts else None,
        training={
            "epochs": model.epochs,
            "seconds": round(time.perf_counter() - started, 1),
            CURVES: {"training": model.curve.as_json()},
        },
    )
    return examined(data, recipe, parts)


def _as_the_seed(data: Dataset, recipe: Recipe, report: Report) -> Parts:
    from tastemaker.model import seed_content

    started = time.perf_counter()
    model = seed_content.train(data.items, recipe.seed, report)
    parts = Parts(
        kind="content",
        arrays={"item_vectors": model.vectors, "neighbour_queries": model.queries},
        encoders={},
        length=recipe.history.length,
        training={"epochs": model.epochs, "seconds": round(time.perf_counter() - started, 1)},
    )
    return examined(data, recipe, parts)


def examined(data: Dataset, recipe: Recipe, parts: Parts) -> Parts:
    """With what the exam by series came to, where there are enough."""
    recommender = Recommender(bundle(data, recipe, parts))
    exam = marked_catalogue(recommender)
    if exam is None:
        return parts
    return replace(parts, evaluation=exam.report, measured=measured(recommender, exam))
