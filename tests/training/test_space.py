"""Which knobs are tried, and what a file of them may say."""

import pytest

from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe
from tastemaker.training.space import Choices, Range, default_space, read_space, space_of


@pytest.mark.parametrize(
    "text",
    [
        '"history.dropout" = { low = 0, high = 1e-1 }\n"history.dim" = [64, 128]\n',
        "[history]\ndropout = { low = 0, high = 0.1 }\ndim = [64, 128]\n",
        "history.dropout = { low = 0, high = 0.1 }\nhistory.dim = [64, 64, 128]\n",
    ],
)
def test_a_file_may_name_knobs_in_each_way_that_toml_has(written, text):
    space = read_space(written(text, "space.toml"), Recipe())
    assert space.knobs == {"history.dropout": Range(0, 0.1), "history.dim": Choices((64, 128))}


def test_what_counts_is_whole_and_what_measures_is_not_however_it_is_written():
    knobs = space_of(
        {
            "history.epochs": {"low": 2, "high": 8, "log": True},
            "negatives.count": {"low": 8, "high": 64},
            "history.dropout": {"low": 0, "high": 0.5},
            "history.pair_weight": {"low": 1, "high": 5},
        },
        Recipe(),
    ).knobs
    assert {key: knob.whole for key, knob in knobs.items()} == {
        "history.epochs": True,
        "negatives.count": True,
        "history.dropout": False,
        "history.pair_weight": False,
    }
    assert knobs["history.epochs"].log


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"history.dropuot": [0.1]},
            "[history] has no key 'dropuot'. Did you mean 'dropout'?",
        ),
        ({"dropout": [0.1]}, "A recipe has no key 'dropout'."),
        (
            {"history.dropout": {"low": 0.1, "high": 1.5}},
            "history.dropout is 1.5: input should be less than 1.",
        ),
        ({"history.hidden": {"low": 8, "high": 64}}, "history.hidden is 8: input should be a valid tuple."),
        (
            {"history.epochs": {"low": 1.5, "high": 3}},
            "history.epochs is 1.5: input should be a valid integer",
        ),
        ({"history.encoder": ["gru", "lstm"]}, "history.encoder is 'lstm': input should be"),
        ({"history.dropout": {"low": 0.5, "high": 0.1}}, "history.dropout goes from 0.5 to 0.1"),
        ({"history.dropout": {"low": 0.1}}, "history.dropout is {'low': 0.1}: give { low"),
        ({"history.dropout": {"low": 0.1, "high": 0.2, "step": 1}}, "give { low = 0.1, high = 0.6 }"),
        ({"history.dropout": {"low": 0, "high": 0.2, "log": True}}, "with log = true it begins above 0"),
        ({"history.dropout": 0.3}, "history.dropout is 0.3: give { low = 0.1, high = 0.6 }"),
        ({"history.dropout": {"low": False, "high": True}}, "give { low = 0.1, high = 0.6 }"),
        ({"history.dim": []}, "history.dim has no values"),
        ({}, "The space is empty"),
        ({"split.test_share": [0.1, 0.2]}, "split.test_share isn't tuned"),
        ({"seed": [1, 2]}, "seed isn't tuned"),
        ({"history.order": ["time", "none"]}, "history.order isn't tuned"),
    ],
)
def test_what_a_space_cannot_be_is_said_in_a_line(values, line):
    with pytest.raises(RecipeError) as refused:
        space_of(values, Recipe())
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("history.encoder=transformer", "history.dim=6", "history.heads=3", "history.dropout=0.05"),
        ("history.encoder=gru", "history.dim=3", "history.epochs=1"),
        ("history.encoder=mean", "history.hidden=[]", "history.id_dropout=0.9", "history.batch_size=2"),
        ("history.order=none", "history.id_dropout=1", "history.dim=2", "history.batch_size=1"),
    ],
)
def test_every_corner_of_the_default_space_is_a_recipe_and_the_default_lies_in_it(settings):
    base = Recipe.read(None, settings)
    space = default_space(base, has_metadata=True)
    own = space.of(base)
    assert all(space.holds(key, value) for key, value in own.items())
    for key, knob in space.knobs.items():
        if isinstance(knob, Choices):
            assert len(set(map(str, knob.ends))) == len(knob.ends), "nothing is twice as likely"
        for end in knob.ends:
            base.having({key: end})
    dims = space.knobs["history.dim"].ends
    if "history.heads" in space.knobs:
        assert all(dim % heads == 0 for dim in dims for heads in space.knobs["history.heads"].ends)
    else:
        assert "history.hidden" in space.knobs or base.history.encoder == "gru"
    assert "history.id_dropout" not in default_space(base, has_metadata=False).knobs
