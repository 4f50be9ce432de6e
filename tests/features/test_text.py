import subprocess
import sys

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.features.sounds import sounds
from tastemaker.features.text import Tokens, cut, texts_of
from tastemaker.recipe import Column, FeatureRecipe, Role


def sizes(tokens: Tokens, texts: int) -> list[int]:
    return np.bincount(tokens.text, minlength=texts).tolist()


def shared(tokens: Tokens, one: int, other: int) -> int:
    """How many distinct tokens two texts have in common."""
    return len(set(tokens.hashes[tokens.text == one]) & set(tokens.hashes[tokens.text == other]))


def test_a_word_is_cut_with_a_blank_on_both_sides():
    # " dark ": 4 of three letters, 3 of four, 2 of five
    assert sizes(cut(["dark"]).ngrams, 1) == [9]


def test_no_ngram_spans_two_words():
    # " a " and " b ", not "a b"
    assert sizes(cut(["a b"]).ngrams, 1) == [2]


def test_words_are_counted_in_every_script():
    texts = ["Dark: Season 1", "हिन्दी मीडियम", "더 글로리", "日本語", "猫", "ไทย", None, "", "?!"]
    # vowel signs don't part a word; Han and Thai give pairs of letters; one letter alone is a word
    assert sizes(cut(texts).words, 9) == [3, 2, 2, 2, 1, 2, 0, 0, 0]


def test_a_word_is_the_same_wherever_it_stands():
    words = cut(["the dark", "dark, indeed", "DARK", "darkness"]).words
    assert [shared(words, 2, other) for other in (0, 1, 3)] == [1, 1, 0]


def test_letters_in_another_order_are_another_word():
    words = cut(["dark", "drak"]).words
    assert shared(words, 0, 1) == 0


def test_width_case_and_apostrophes_make_no_difference():
    pieces = cut(["Ｇrey’s", "GREY'S", "greys"])
    assert shared(pieces.words, 0, 2) == shared(pieces.words, 1, 2) == 1
    assert shared(pieces.ngrams, 0, 2) == shared(pieces.ngrams, 1, 2) == 3 + 4 + 5  # " greys "


def test_dense_scripts_share_pairs_of_letters():
    assert shared(cut(["大戦争", "小戦争"]).ngrams, 0, 1) >= 1


def test_a_text_owns_its_tokens_and_no_others():
    alone = cut(["dark"]).ngrams.hashes
    among = cut(["", "x", None, "dark", "y"]).ngrams
    np.testing.assert_array_equal(np.sort(among.hashes[among.text == 3]), np.sort(alone))


def test_hashes_are_equal_in_another_process():
    code = "from tastemaker.features.text import cut; print(cut(['더 Glory']).ngrams.hashes.sum())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == int(cut(["더 Glory"]).ngrams.hashes.sum())


def of_texts() -> Catalogue:
    frame = pl.DataFrame({"name": ["Dark: Ende", None], "genre": ["x", "y"], "plot": ["a cave", "a fall"]})
    roles = (Role.TITLE, Role.CATEGORY, Role.TEXT)
    columns = tuple(Column(name=name, role=role) for name, role in zip(frame.columns, roles, strict=True))
    return Catalogue(frame, columns)


def test_the_text_of_a_row_is_its_title_and_its_free_texts():
    plain = FeatureRecipe(names=False, sounds=False)
    assert texts_of(of_texts(), plain) == ["Dark: Ende a cave", " a fall"]


def test_the_name_of_a_title_and_its_sound_stand_behind_it():
    named = FeatureRecipe(names=True, sounds=False)
    assert [text.split() for text in texts_of(of_texts(), named)] == [
        ["Dark:", "Ende", "a", "cave", "Dark"],
        ["a", "fall"],
    ]
    heard = FeatureRecipe(names=False, sounds=True)
    assert [text.split() for text in texts_of(of_texts(), heard)] == [
        ["Dark:", "Ende", "a", "cave", *sounds("Dark: Ende").split()],
        ["a", "fall"],
    ]
