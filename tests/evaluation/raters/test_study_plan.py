"""What is asked, in which order, and on which side."""

import numpy as np


def mains(key):
    return [asked for asked in key.questions if asked.kind == "question"]


def test_each_model_stands_left_as_often_as_right(study):
    for seed in range(20):
        assert sum(asked.left == "a" for asked in mains(study(seed=seed))) == 15
    odd = [sum(asked.left == "a" for asked in mains(study(questions=5, seed=seed))) for seed in range(40)]
    assert set(odd) == {2, 3}


def test_the_side_can_not_be_foretold_from_the_place_or_from_the_one_before(study):
    sides = np.array([[asked.left == "a" for asked in mains(study(seed=seed))] for seed in range(400)])
    # Each place: 200 of 400 expected, deviation 10; 30 places, so four deviations.
    assert abs(sides.sum(0) - 200).max() < 40
    # Of a balanced row the next is the same with chance 14 / 29.
    same = (sides[:, 1:] == sides[:, :-1]).mean()
    assert abs(same - 14 / 29) < 4 * 0.5 / np.sqrt(400 * 29)
    # And the query says nothing: i0, i1 … are asked in the order of the draw.
    queries = np.array([[int(asked.query[1:]) for asked in mains(study(seed=seed))] for seed in range(400)])
    assert abs(np.corrcoef(queries.ravel(), sides.ravel())[0, 1]) < 4 / np.sqrt(queries.size)


def test_a_repeat_has_its_sides_swapped_and_comes_late(study):
    for seed in range(20):
        key = study(seed=seed)
        assert [asked.number for asked in key.questions] == list(range(1, 36))
        by_number = {asked.number: asked for asked in key.questions}
        repeats = [asked for asked in key.questions if asked.kind == "repeat"]
        assert len({asked.repeats for asked in repeats}) == 3
        for asked in repeats:
            first = by_number[asked.repeats]
            assert first.kind == "question"
            assert (first.left, first.left_ids, first.query) == (asked.right, asked.right_ids, asked.query)
            assert asked.number - first.number >= 4


def test_a_check_has_one_list_by_chance_on_either_side(study):
    sides = set()
    for seed in range(10):
        checks = [asked for asked in study(seed=seed).questions if asked.kind == "check"]
        assert [{asked.left, asked.right} for asked in checks] == [{"a", "chance"}] * 2
        sides |= {asked.left for asked in checks}
    assert sides == {"a", "chance"}
