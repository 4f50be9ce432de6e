"""What negatives look like, against a slow loop and samplers whose mistakes are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.errors import DataError
from tastemaker.evaluation.doctor.negatives import _Batch, measured, negatives_report
from tastemaker.recommend import Recommender

EYE = np.eye(20, dtype=np.float32)


def log_of_lists(*histories: list[int]) -> Interactions:
    lengths = [len(rows) for rows in histories]
    return Interactions.from_events(
        [f"u{user}" for user in range(len(histories))],
        np.repeat(np.arange(len(histories), dtype=np.int32), lengths),
        np.array([row for rows in histories for row in rows], np.int32),
        np.array([float(place) for length in lengths for place in range(length)]),
    )


def with_log(answers: Recommender, log: Interactions, **knobs: object) -> Recommender:
    """Six items, whoever touched them; trained by `knobs`."""
    manifest = answers.bundle.manifest
    recipe = {**manifest.recipe}
    for name, value in knobs.items():
        table, _, key = name.partition("__")
        recipe[table] = {**recipe[table], key: value}
    told = manifest.model_copy(update={"kind": "history", "recipe": recipe})
    return Recommender(replace(answers.bundle, manifest=told, histories=log))


def test_a_slow_loop_counts_the_same():
    rng = np.random.default_rng(1)
    touched = (rng.random((6, 20)) < 0.3).astype(float)
    later = ((rng.random((6, 20)) < 0.2) & (touched == 0)).astype(float)
    later[2] = 0  # who did nothing later isn't asked
    batches = []
    for _ in range(4):
        users = rng.integers(0, 6, 5).astype(np.int32)
        labels = np.array([rng.choice(np.flatnonzero(touched[user])) for user in users], np.int32)
        batches.append(_Batch(labels, users, rng.integers(0, 4, 20).astype(float)))
    counts = touched.sum(0).astype(np.int64) + 1
    found = measured(
        iter(batches), sparse.csr_array(touched), sparse.csr_array(later), counts, EYE, False, rng
    )

    pairs = struck = asked = wrong = 0
    drawn = []
    for labels, users, times in batches:
        draws = [row for row in range(20) for _ in range(int(times[row]))]
        for label, user in zip(labels.tolist(), users.tolist(), strict=True):
            against = [row for row in draws if row != label]
            drawn += against
            pairs += len(against)
            struck += sum(touched[user, row] for row in against)
            if later[user].any():
                counting = [row for row in against if not touched[user, row]]
                asked += len(counting)
                wrong += sum(later[user, row] for row in counting)
    assert found.touched == pytest.approx(struck / pairs)
    assert found.later == pytest.approx(wrong / asked)
    order = sorted(range(20), key=lambda row: (counts[row], row))
    assert found.tenths == pytest.approx(
        [sum(drawn.count(row) for row in order[at : at + 2]) / len(drawn) for at in range(0, 20, 2)]
    )
    assert found.draws == np.mean([batch.times.sum() for batch in batches])
    effective = [batch.times.sum() ** 2 / (batch.times**2).sum() for batch in batches]
    assert found.effective == pytest.approx(np.mean(effective))
    assert found.near.high == 0  # different items of unit vectors at right angles


def test_the_whole_catalogue_makes_a_mistake_that_pen_and_paper_know(answers):
    """Of 5 items that anybody touched, everybody has 2, and 1 of the 3 others is what they turn to."""
    train = log_of_lists([0, 1], [1, 2], [2, 3], [3, 4], [4, 0])
    targets = log_of_lists([2], [3], [4], [0], [1])
    found = negatives_report(with_log(answers, train), Fold(train, train, targets))
    assert found.is_whole
    assert found.distinct == 5
    assert found.touched == pytest.approx(1 / 4)  # four stand against an answer, the other event among them
    assert found.later == pytest.approx(1 / 3)
    assert found.answer_tenths == pytest.approx([0.2, 0] * 5)


def test_uniform_draws_are_wrong_as_often_as_there_is_something_to_be_wrong_about(answers):
    train = log_of_lists(*[[n % 5, (n + 1) % 5] for n in range(5)])
    targets = log_of_lists(*[[(n + 2) % 5] for n in range(5)])
    knobs = {"negatives__count": 4000, "negatives__in_batch": False, "negatives__popularity": 0.0}
    found = negatives_report(with_log(answers, train, **knobs), Fold(train, train, targets))
    assert not found.is_whole
    assert (found.batches, found.draws, found.distinct, found.covered) == (1, 4000, 5, 1)
    assert found.later == pytest.approx(1 / 3, abs=0.02)
    assert found.effective == pytest.approx(5, abs=0.05)


def test_draws_by_popularity_are_of_what_is_popular(answers):
    """Item 1 is right nine times of ten, so with alpha 1 it is nine draws of ten."""
    histories = [[0, 1]] * 9 + [[0, 2]]
    knobs = {"negatives__count": 4000, "negatives__in_batch": False, "negatives__uniform": 0.0}
    found = negatives_report(with_log(answers, log_of_lists(*histories), **knobs, negatives__alpha=1.0))
    # Against item 1 stand 400 draws of item 2; against item 2, 3,600 of item 1.
    assert found.tenths[3] == pytest.approx(3600 / (9 * 400 + 3600), abs=0.03)
    assert found.touched == 0
    assert found.later is None
    assert "--test" in found.section().notes[0]


def test_the_labels_of_a_batch_are_drawn_but_nobodys_own(answers):
    histories = [[0, 1], [0, 2], [0, 3]]
    knobs = {"negatives__count": 0}
    found = negatives_report(with_log(answers, log_of_lists(*histories), **knobs))
    assert (found.draws, found.distinct, found.effective) == (3, 3, 3)
    assert found.touched == 0
    # Deciles of four items: 1, 2 and 3 with one event each, then 0, which is nobody's answer.
    assert found.tenths == pytest.approx([1 / 3, 0, 1 / 3, 0, 0, 1 / 3, 0, 0, 0, 0])


def test_its_json_and_section(answers):
    found = negatives_report(with_log(answers, log_of_lists([0, 1], [1, 2])))
    assert json.loads(json.dumps(found.as_json()))["near"].keys() == {"mean", "low", "middle", "high"}
    section = found.section()
    assert "Nothing is drawn" in section.lead
    assert len(section.tables[0].rows) == 10


def test_a_catalogue_alone_has_no_people_to_be_wrong_about(answers):
    with pytest.raises(DataError, match="catalogue alone"):
        negatives_report(answers)
