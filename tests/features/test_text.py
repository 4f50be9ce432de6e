import subprocess
import sys

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from tastemaker.data.catalogue import Catalogue
from tastemaker.features.sounds import sounds
from tastemaker.features.text import Tfidf, Tokens, cut, texts_of
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


def test_tfidf_is_scikit_learns_on_latin_text():
    texts = ["dark: season 1", "dark: season 2", "darkness falls", "the glory", "glory glory hallelujah"]
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(texts)
    ours = Tfidf.fit(texts)
    np.testing.assert_allclose(ours.similarity(ours.matrix), (theirs @ theirs.T).toarray(), atol=1e-5)


def test_an_unseen_text_has_the_vector_that_it_would_have_had():
    texts = ["dark: season 1", "the glory", "dark matter"]
    tfidf = Tfidf.fit(texts)
    np.testing.assert_allclose(tfidf.transform(texts).toarray(), tfidf.matrix.toarray())
    nothing_known = tfidf.transform(["zzz", "", None])
    assert nothing_known.shape == (3, tfidf.matrix.shape[1])
    assert nothing_known.nnz == 0


def test_empty_texts_are_like_nothing():
    tfidf = Tfidf.fit(["", None])
    assert tfidf.similarity(tfidf.matrix).tolist() == [[0, 0], [0, 0]]


def test_tfidf_comes_back_from_its_arrays():
    tfidf = Tfidf.fit(["dark", "the glory 더 글로리"], (2, 4))
    again = Tfidf.from_arrays(tfidf.arrays())
    assert again.ngrams == (2, 4)
    np.testing.assert_array_equal(again.matrix.toarray(), tfidf.matrix.toarray())
    np.testing.assert_array_equal(again.transform(["glory"]).toarray(), tfidf.transform(["glory"]).toarray())


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


def test_a_native_title_is_like_its_english_one_by_sound_alone():
    frame = pl.DataFrame({"name": ["Boruto", "Bolt", "Doraemon", "ボルト"]})
    titles = Catalogue(frame, (Column(name="name", role=Role.TITLE),))
    found = {}
    for knob in (True, False):
        tfidf = Tfidf.fit(texts_of(titles, FeatureRecipe(sounds=knob)))
        found[knob] = tfidf.similarity(tfidf.matrix[[3]])[0]
    assert found[True][0] > found[True][1] > found[True][2]
    assert not found[False][:3].any()


def test_texts_that_come_and_change_are_weighed_as_the_others_were():
    tfidf = Tfidf.fit(["gravity", "comet", "comet two"])
    after = tfidf.having(np.array([4, 1, 3], np.int32), ["comet", "gravity falls", None])
    expected = tfidf.transform(["gravity", "gravity falls", "comet two", None, "comet"]).toarray()
    assert np.array_equal(after.matrix.toarray(), expected)
    assert np.array_equal(after.only(np.array([4, 0], np.int32)).matrix.toarray(), expected[[4, 0]])
    assert tfidf.matrix.shape[0] == 3
