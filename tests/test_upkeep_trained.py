"""What real towers say of items that come after training."""

import numpy as np
import polars as pl
import pytest

import tastemaker as tm


def ids(slate: tm.Slate) -> list[str]:
    return [item.item_id for item in slate]


@pytest.mark.slow
@pytest.mark.parametrize("made", ["content_bundle", "history_bundle", "gaps_bundle"])
def test_a_new_item_is_found_at_once_and_after_opening_again(made, request, tmp_path):
    before = tm.load(request.getfixturevalue(made))
    before.similar("Comet: Season 1")
    after = before.with_items({"item_id": "new", "title": "Comet: Season 4", "genre": "genre 0"})
    assert after.row("new") == before.catalogue.size
    assert after.find("comet season 4") == after.row("new")
    assert "new" in ids(after.similar(item_id=before.catalogue.ids[0], k=60, all_seasons=True))
    assert "new" in ids(after.recommend(history=before.catalogue.ids[:3], k=80))
    assert len(after.recommend(history=["new"])) == 10
    assert ids(after.recommend("stranger", k=99))[-1] == "new"
    changed = after.with_items({"item_id": "new", "title": "Dune (2031)", "genre": "genre 5"})
    vectors = [each.bundle.arrays["item_vectors"][-1] for each in (after, changed)]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    changed.save(tmp_path / "bundle")
    opened = tm.load(tmp_path / "bundle")
    for ask in (
        lambda one: one.recommend(history=["new", before.catalogue.ids[7]], k=9),
        lambda one: one.similar(item_id="new", k=9),
        lambda one: one.similar("dune 2031", all_seasons=True),
    ):
        assert list(ask(opened)) == list(ask(changed))
    gone = opened.without(["new"])
    assert ids(gone.recommend(history=before.catalogue.ids[:3])) == ids(
        before.recommend(history=before.catalogue.ids[:3])
    )


@pytest.mark.slow
def test_an_item_taken_out_and_put_back_is_as_it_was(content_bundle):
    before = tm.load(content_bundle)
    chosen = [1, 17, 59]
    frame = before.catalogue.frame[chosen]
    after = before.without(frame["item_id"]).with_items(frame)
    order = after.catalogue.rows(before.catalogue.ids)
    ours, theirs = after.bundle.arrays["item_vectors"][order], before.bundle.arrays["item_vectors"]
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert abs(after.bundle.tfidf.matrix[order] - before.bundle.tfidf.matrix).max() == pytest.approx(
        0, abs=1e-6
    )
    assert ids(after.similar(item_id=frame["item_id"][0])) == ids(before.similar(item_id=frame["item_id"][0]))


@pytest.mark.slow
def test_a_new_netflix_title_is_in_the_answers_of_the_next_request(shared_data):
    pytest.importorskip("tensorflow")
    whole = pl.read_csv(shared_data("netflix_content_2023") / "netflix_content_2023.csv")
    # A tenth of the file, and the series in question whole: training takes seconds instead of minutes.
    named = whole["Title"].str.contains("Wednesday|銀魂")
    data = tm.read(items=pl.concat([whole.filter(named), whole.filter(~named).gather_every(10)]))
    before = tm.train(data, tm.Recipe.read(None, ["content.epochs=2"]))
    assert before.similar("Wednesday: Season 1").query == "Wednesday: Season 1"
    wednesday = {
        "Title": "Wednesday: Season 9",
        "Available Globally?": "Yes",
        "Release Date": "2031-11-23",
        "Language Indicator": "English",
        "Content Type": "Show",
    }
    after = before.with_items(wednesday)
    assert ids(after.similar("Wednesday: Season 1", all_seasons=True))[0] == "Wednesday: Season 9"
    assert ids(after.recommend(history=["Wednesday: Season 1"]))[0] == "Wednesday: Season 9"
    assert ids(after.similar("wednesday season 9", all_seasons=True))[0] == "Wednesday: Season 1"
    native = {"Title": "銀魂: 第33期", "Language Indicator": "Japanese", "Content Type": "Show"}
    after = after.with_items(native)
    first = ids(after.similar("銀魂: 第33期", all_seasons=True, k=5))
    assert all("銀魂" in title for title in first)
    seasons = [title for title in before.catalogue.ids if "銀魂: 第" in title]
    assert "銀魂: 第33期" in ids(after.similar(seasons[0], all_seasons=True))
    assert ids(after.without(["Wednesday: Season 9"]).similar("Wednesday: Season 1", k=3)) == ids(
        before.similar("Wednesday: Season 1", k=3)
    )
