"""`evaluate --report`: a page to look at, the same as JSON, and nothing else harmed."""

import json
from dataclasses import replace

import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.dossier.case import Case
from tastemaker.evaluation.dossier.examples import examples
from tastemaker.evaluation.dossier.standing import standing
from tastemaker.evaluation.judge import judged
from tastemaker.evaluation.report import Line, Mark, Report
from tastemaker.recommend import Recommender

HOSTILE = "</script><script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"
LATER = "user_id,item_id,timestamp\nann,d,2000000000\nann,f,2000000001\nbob,c,2000000002\n"
CURVES = {"training": {"loss": [3.0, 2.5, 2.25], "validation": [0.125, 0.25, 0.1875]}}


@pytest.fixture(scope="module")
def bundle(by_hand, tmp_path_factory):
    """By hand, with a title that would be a script, and curves."""
    titles = [HOSTILE if title == "Roma" else title for title in by_hand.catalogue.titles]
    frame = by_hand.catalogue.frame.with_columns(pl.Series("title", titles))
    manifest = by_hand.manifest.model_copy(update={"training": {"epochs": 2, "curves": CURVES}})
    folder = tmp_path_factory.mktemp("report") / "bundle"
    replace(by_hand, catalogue=Catalogue(frame, by_hand.catalogue.columns), manifest=manifest).save(folder)
    return folder


@pytest.fixture(scope="module")
def report(tastemaker, bundle):
    (bundle.parent / "later.csv").write_text(LATER)
    done = tastemaker(
        "evaluate",
        bundle,
        "--test",
        bundle.parent / "later.csv",
        "-k",
        2,
        "--report",
        bundle.parent / "out",
        "--json",
    )
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["users_asked"] == 2  # what was printed before is printed still
    return bundle.parent / "out"


def test_the_page_shows_what_the_json_says(report, open_page):
    told = json.loads((report / "report.json").read_text())
    opened = open_page(report / "index.html")
    page = opened.page
    sections = told["sections"]
    assert [each.get_attribute("id") for each in page.query_selector_all("main > section")] == list(sections)
    assert page.inner_text(".verdict") == told["verdict"] == sections["standing"]["lead"]
    # Ann is given d and c and turns to d and f: 1 of an ideal 1 + 1 / log2(3). Bob is given two of five.
    (ours,) = (line for line in sections["standing"]["lines"] if line["name"] == "tastemaker")
    assert f"{ours['marks']['ndcg']['mean']:.4f}" == page.inner_text(".tiles li:first-child b")
    assert f"{sections['popularity']['explained']:.1%}" in page.inner_text("#popularity")
    assert sections["kinship"]["columns"]["genre"]["lines"]
    assert sections["curves"]["curves"] == CURVES
    assert "best after epoch 2, 0.2500" in page.inner_text("#curves .lead")
    assert sections["data"]["fingerprint"] == "planted"
    assert all(each.get_attribute("aria-label") for each in page.query_selector_all("[role=img]"))
    levels = [int(each.evaluate("e => e.tagName")[1]) for each in page.query_selector_all("h1, h2, h3")]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert not opened.complaints


def test_nobody_is_named_and_a_title_stays_a_title(report, open_page):
    opened = open_page(report / "index.html")
    assert HOSTILE in opened.page.inner_text("#neighbours")
    assert "taken over" not in opened.page.title()
    text = (report / "index.html").read_text() + (report / "report.json").read_text()
    assert not any(f">{name}<" in text or f'"{name}"' in text for name in ("ann", "bob"))
    assert str(report.parent) not in text
    assert not opened.complaints


@pytest.mark.slow
def test_it_fits_a_phone_the_dark_and_paper(report, open_page):
    phone = open_page(report / "index.html", width=360, height=740)
    assert not phone.is_wider_than_the_window()
    dark = open_page(report / "index.html", color_scheme="dark")
    ground, ink = dark.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('.drawing text')).fill]"
    )
    assert ground == "rgb(21, 24, 27)"
    assert ink == "rgb(232, 234, 237)"  # letters of a drawing follow the page
    assert dark.page.screenshot().startswith(b"\x89PNG")
    printed = phone.page.pdf(format="A4", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") > 1
    phone.page.emulate_media(media="print")
    assert not phone.page.is_visible(".contents")
    assert not phone.complaints + dark.complaints


def test_of_two_items_with_one_title_only_what_was_to_be_found_is_a_hit(by_hand):
    """Ann, who is asked for d, is shown all that she doesn't know; all of it is called alike."""
    frame = by_hand.catalogue.frame.with_columns(pl.lit("Twin").alias("title"))
    twins = Recommender(replace(by_hand, catalogue=Catalogue(frame, by_hand.catalogue.columns)))
    log = Interactions.from_events(["ann"], [0], [3], [2e9], is_clock=True)
    (told,) = examples(Case.of(twins, judged(twins, log))).values["examples"]
    assert told["wanted"] == 1
    assert len(told["list"]) > 1
    assert told["hits"] == ["Twin"]
    assert [each["rank"] for each in told["list"] if each["is_hit"]] == [told["rank"]]


def test_a_model_that_found_nothing_is_drawn_at_nought():
    none = Line("tastemaker", False, {"ndcg": Mark(0.0, 0.0, 0.1)}, {}, 0.1)
    some = Line("popularity", True, {"ndcg": Mark(0.25, 0.2, 0.3)}, {}, 0.1)
    report = Report(10, "by hand", 9, 0, (none, some))
    (picture,) = standing(Case(None, report, None)).pictures
    assert ">tastemaker<" in picture.svg
    assert "tastemaker 0.0000" in picture.alt


def test_without_a_test_what_is_missing_says_why(tastemaker, bundle, tmp_path):
    done = tastemaker("evaluate", bundle, "--report", tmp_path / "out")
    assert done.status == 0, done.stderr
    sections = json.loads((tmp_path / "out" / "report.json").read_text())["sections"]
    assert "--test" in sections["standing"]["lead"]
    assert "--test" in sections["examples"]["lead"]
    assert sections["popularity"]["lists"] == 2  # of whom the bundle knows
    again = tastemaker("evaluate", bundle, "--report", tmp_path / "out")  # a report is replaced
    assert again.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("name", "told"), [("full", "is not a report"), ("file", "is not a report"), ("no/where", "no folder")]
)
def test_what_is_no_report_is_left_alone(tastemaker, bundle, tmp_path, name, told):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    done = tastemaker("evaluate", bundle, "--report", tmp_path / name)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["history", "content"])
def test_a_trained_bundle_keeps_how_its_training_went(tastemaker, request, tmp_path, kind):
    bundle = request.getfixturevalue(f"{kind}_bundle")
    done = tastemaker("evaluate", bundle, "--report", tmp_path / "out")
    assert done.status == 0, done.stderr
    curves = json.loads((tmp_path / "out" / "report.json").read_text())["sections"]["curves"]["curves"]
    assert all(len(curve["loss"]) <= 2 for curve in curves.values())  # epochs of the settings
    assert set(curves) == ({"training", "refit on everything"} if kind == "history" else {"training"})
    assert bool(curves["training"]["validation"]) == (kind == "history")
