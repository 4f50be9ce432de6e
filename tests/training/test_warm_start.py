"""A warm start from end to end: an older bundle on disk, newer files, and what comes of it."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.training.pairing import Pairing

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

ITEMS, PEOPLE, EARLIER, LATER = 40, 120, 7, 3
KNOBS = [
    *("history.dim=16", "history.length=8", "history.epochs=12", "history.batch_size=64"),
    *("history.dropout=0.1", "history.patience=12", "history.learning_rate=0.01", "history.pairs=none"),
    *("history.encoder=transformer", "history.heads=2", "history.blocks=1", "history.decay=linear"),
]


def step(item: int) -> int:
    """What everybody does next: seven further, around a ring that item 39 has newly joined."""
    return (item + 7) % ITEMS


def events(people: range, steps: range) -> list[tuple]:
    found = []
    for user in people:
        at = user % (ITEMS - 1)
        for number in range(max(steps) + 1):
            if number in steps:
                found.append((f"u{user}", f"i{at}", 1000.0 * number + user))
            at = step(at)
    return found


def world(log: list[tuple], items: list[int]) -> tm.Dataset:
    catalogue = pl.DataFrame({"item_id": [f"i{n}" for n in items], "tens": [f"t{n // 10}" for n in items]})
    return tm.read(
        items=catalogue,
        interactions=pl.DataFrame(log, schema=["user_id", "item_id", "timestamp"], orient="row"),
    )


@pytest.fixture(scope="module")
def earlier() -> list[tuple]:
    """Nobody has come by item 39 yet, whose place is left out."""
    return [event for event in events(range(PEOPLE), range(EARLIER)) if event[1] != "i39"]


@pytest.fixture(scope="module")
def later() -> list[tuple]:
    """Twenty people are new, a third of the others has done more."""
    more = events(range(0, PEOPLE, 3), range(EARLIER, EARLIER + LATER))
    return [*more, *events(range(PEOPLE, PEOPLE + 20), range(EARLIER + LATER))]


@pytest.fixture(scope="module")
def older(earlier, tmp_path_factory):
    path = tmp_path_factory.mktemp("warm") / "older"
    data = world(earlier, list(range(ITEMS - 1)))
    tm.train(data, tm.Recipe.read(None, KNOBS)).save(path)
    return path


@pytest.fixture(scope="module")
def files(earlier, later, tmp_path_factory) -> list:
    """Today's, in which rows are numbered the other way round."""
    folder = tmp_path_factory.mktemp("files")
    items = [f"i{n},t{n // 10}" for n in reversed(range(ITEMS))]
    (folder / "items.csv").write_text("\n".join(["item_id,tens", *items]))
    log = [f"{user},{item},{time}" for user, item, time in [*earlier, *later]]
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *log]))
    return ["--items", folder / "items.csv", "--interactions", folder / "log.csv"]


@pytest.fixture(scope="module")
def warm(older, files, tastemaker, tmp_path_factory):
    out = tmp_path_factory.mktemp("warm") / "newer"
    done = tastemaker("train", *files, "--warm-start", older, "--out", out, "--json")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["training"]["warm_start"]
    return out


def rank_of_next(recommender: tm.Recommender, item: int) -> int:
    path = [item]
    for _ in range(3):
        path.append((path[-1] - 7) % ITEMS)
    slate = recommender.recommend(history=[f"i{n}" for n in reversed(path)], k=ITEMS)
    return [found.item_id for found in slate].index(f"i{step(item)}")


def test_it_knows_the_old_law_and_the_new_item_after_three_of_twelve_epochs(older, warm):
    opened = tm.load(warm)
    training = opened.bundle.manifest.training
    assert training["epochs"] <= 3
    assert "39 items kept, 1 new with events, 0 gone" in training["warm_start"]
    assert tm.load(older).bundle.version in training["warm_start"]
    known = [rank_of_next(opened, item) for item in range(ITEMS) if 39 not in (item, step(item))]
    assert np.mean(np.array(known) == 0) > 0.8  # of 36 that are left, one is right
    assert rank_of_next(opened, 32) < 10  # on to item 39, of which there is little yet


def test_the_exam_asks_only_what_is_new_and_says_so(warm):
    bundle = tm.load(warm).bundle
    why = bundle.manifest.training["exam"]
    # A third of a hundred and twenty went on, and twenty are new.
    assert bundle.evaluation["users_asked"] == 60
    assert "the last event of those 60 users is to be found of whom it is new to the older bundle" in why
    assert bundle.evaluation["split"] == why


def test_the_next_one_can_go_on_from_it_by_the_same_shares(older, warm):
    bundle = tm.load(warm).bundle
    names = {path.name for path in (warm / "learning").iterdir()}
    assert {"ids-means.npy", "ids-squares.npy", "ids-steps.npy", "features-means.npy"} <= names
    assert set(bundle.learning) == {name.removesuffix(".npy") for name in names}
    knobs = bundle.manifest.recipe["history"]
    assert (knobs["epochs"], knobs["learning_rate"], knobs["dim"]) == (12, 0.01, 16)
    # The optimisers' steps go on being counted.
    before, after = (int(np.load(path / "learning" / "ids-steps.npy")) for path in (older, warm))
    assert after > before


@pytest.fixture(scope="module")
def beside(older) -> tm.Recommender:
    """The older bundle as if it had weighed what follows, with a weight that no validation would try."""
    bundle = tm.load(older).bundle
    recipe = bundle.manifest.recipe
    recipe = recipe | {"history": recipe["history"] | {"pairs": "following"}}
    manifest = bundle.manifest.model_copy(update={"pair_weight": 0.123, "recipe": recipe})
    pairs = Pairing(None, 0.123).count(bundle.histories, bundle.catalogue.size)
    return tm.Recommender(replace(bundle, manifest=manifest, pairs=pairs))


def trained_on(beside: tm.Recommender, log: list[tuple], items: int = ITEMS) -> tm.Recommender:
    return tm.train(world(log, list(range(items))), warm_start=beside)


def test_where_few_can_be_asked_the_weight_of_pairs_stays_and_no_epoch_is_left_out(beside, earlier):
    # Sixty have done two things that nobody else ever did: the same zero for every weight and every epoch, of
    # which the first would be chosen.
    odd = [(f"u{n % 60}", f"i{ITEMS + n}", 20_000.0 + n) for n in range(120)]
    bundle = trained_on(beside, [*earlier, *odd], ITEMS + 120).bundle
    assert bundle.evaluation is not None
    assert bundle.evaluation["users_asked"] == 60
    assert bundle.manifest.training["epochs"] == 3
    assert bundle.manifest.pair_weight == 0.123
    assert bundle.pairs is not None
    assert bundle.manifest.training["pairs"] == "what follows, weight 0.123, as in the older bundle"


def test_where_nobody_can_be_asked_the_weight_of_pairs_stays(beside, earlier):
    once = [(f"u{n}", "i39", 20_000.0 + n) for n in range(5)]
    bundle = trained_on(beside, [*earlier, *once]).bundle
    assert bundle.evaluation is None
    assert bundle.manifest.pair_weight == 0.123


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--set", "history.dim=8"], "history.dim is 8, and the older bundle was trained with 16"),
        (["--warm-start", "nothing"], "nothing is not a bundle"),
        (["--set", "preset=seed-softmax"], "preset is seed-softmax, and the older bundle was trained"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(more, told, older, files, tastemaker, tmp_path):
    done = tastemaker("train", *files, "--warm-start", older, *more, "--out", tmp_path / "c")
    assert done.status == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "c").exists()
