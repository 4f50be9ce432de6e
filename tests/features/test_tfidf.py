import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from tastemaker.data.catalogue import Catalogue
from tastemaker.features.text import texts_of
from tastemaker.features.tfidf import FEW, Tfidf
from tastemaker.recipe import Column, FeatureRecipe, Role


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


@pytest.mark.parametrize("asked", [0, 1, FEW, FEW + 1])
def test_any_number_of_queries_is_answered_none_too(asked):
    tfidf = Tfidf.fit(["wednesday", "the crown", "the dark crown"])
    queries = tfidf.matrix[[2] * asked]
    np.testing.assert_allclose(tfidf.similarity(queries), (queries @ tfidf.matrix.T).toarray(), rtol=1e-6)
