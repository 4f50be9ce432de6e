import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe
from tastemaker.training.settings import note, settled


def log(users: int, each: int, items: int, ordered: bool = True) -> Interactions:
    """Everyone has as many events; items come round in turn."""
    size = users * each
    return Interactions.from_events(
        [f"u{n}" for n in range(users)],
        np.repeat(np.arange(users, dtype=np.int32), each),
        (np.arange(size) % items).astype(np.int32),
        np.arange(size, dtype=np.float64) if ordered else None,
    )


def test_a_long_log_in_order_is_read_event_by_event_and_others_as_sums():
    assert settled(Recipe(), log(500, 100, 100)).history.encoder == "transformer"
    assert settled(Recipe(), log(499, 100, 100)).history.encoder == "recency"
    assert settled(Recipe(), log(500, 100, 100, ordered=False)).history.encoder == "recency"
    unordered = Recipe.of({"history": {"order": "none"}})
    assert settled(unordered, log(500, 100, 100)).history.encoder == "recency"


@pytest.mark.parametrize(
    ("users", "each", "items", "length", "dropout", "batch"),
    [
        (10_000, 6, 6_000, 50, 0.5, 256),  # 10 events an item
        (1_000, 63, 1_000, 70, 0.35, 256),  # 63: half-way between 20 and 200, by the logarithm
        (1_000, 300, 1_000, 200, 0.2, 1024),
    ],
)
def test_length_and_dropout_follow_the_log(users, each, items, length, dropout, batch):
    history = settled(Recipe(), log(users, each, items)).history
    assert (history.length, history.dropout, history.batch_size) == (length, dropout, batch)
    assert f"length {length}" in note(settled(Recipe(), log(users, each, items)))


@pytest.mark.parametrize(
    ("users", "each", "length", "batch"),
    [(6_000, 98, 100, 250), (12_000, 500, 400, 256), (48, 3, 50, 16)],
)
def test_a_log_without_order_is_learnt_a_person_at_a_time(users, each, length, batch):
    history = settled(Recipe(), log(users, each, 500, ordered=False)).history
    assert (history.length, history.batch_size) == (length, batch)
    assert (history.encoder, history.dim, history.decay) == ("recency", 256, "linear")
    unordered = Recipe.of({"history": {"order": "none", "dim": 9}})
    assert settled(unordered, log(users, each, 500)).history == history.model_copy(
        update={"order": "none", "dim": 9}
    )


@pytest.mark.parametrize("kind", ["softmax", "info_nce", "bpr", "triplet", "gbce"])
def test_what_is_learnt_a_label_at_a_time_keeps_the_steps_that_suit_it(kind):
    recipe = Recipe.of({"loss": {"kind": kind}})
    history = settled(recipe, log(48, 300, 500, ordered=False)).history
    is_by_person = kind in ("softmax", "info_nce")
    # 48 people in batches of 16 are 3 steps; 14,400 labels in batches of 16 would be 900, at the same rate.
    assert (history.batch_size, history.learning_rate) == ((16, 6e-3) if is_by_person else (256, 2e-3))


def test_what_the_recipe_names_stays_as_it_is():
    known = log(500, 100, 100)
    named = {"encoder": "gru", "length": 7, "dropout": 0.0, "epochs": 3}
    history = settled(Recipe.of({"history": named}), known).history
    assert {name: getattr(history, name) for name in named} == named
    assert history.decay == "linear"  # the rest is settled
    once = settled(Recipe(), known)
    assert settled(once, log(10, 5, 5)) == once  # and once settled, it stays so
    seed = Recipe.of({"preset": "seed-softmax"})
    assert settled(seed, known) == seed


def test_gaps_are_off_unless_asked_for_and_where_nothing_could_tell_them_they_are_refused():
    clocked, counted = log(500, 100, 100), log(500, 100, 100, ordered=False)
    assert settled(Recipe(), clocked).history.gaps is False
    assert settled(Recipe.of({"history": {"gaps": "auto"}}), clocked).history.gaps is False
    asked = Recipe.of({"history": {"gaps": True}})
    assert settled(asked, clocked).history.gaps is True
    with pytest.raises(RecipeError, match="no timestamps of one clock"):
        settled(asked, counted)
    with pytest.raises(RecipeError, match=r"add history\.encoder=transformer"):
        settled(asked, log(10, 5, 5))


def test_heads_that_the_chosen_width_cannot_be_parted_into_are_refused():
    recipe = Recipe.of({"history": {"heads": 3}})
    with pytest.raises(RecipeError, match=r"multiple of history\.heads; 128 isn't one of 3"):
        settled(recipe, log(500, 100, 100))
    assert settled(recipe, log(10, 5, 5)).history.heads == 3  # sums have no heads


def test_vectors_of_texts_are_for_a_catalogue_alone():
    with pytest.raises(RecipeError, match=r"features\.vectors=wordllama is for a catalogue without a log"):
        settled(Recipe.of({"features": {"vectors": "wordllama"}}), log(5, 5, 5))
