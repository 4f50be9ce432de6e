import json
from dataclasses import replace

import pytest

from tastemaker.recommend import Recommender
from tastemaker.registry import Registry


@pytest.fixture
def bundles(by_hand, tmp_path):
    """Two sound bundles, the second with a title that looks like markup in its card."""
    for name in ("one", "two"):
        manifest = by_hand.manifest.model_copy(
            update={"data": by_hand.manifest.data | {"fingerprint": name}, "metrics": {"ndcg@10": 0.25}}
        )
        Recommender(replace(by_hand, manifest=manifest, card=f"# Card of {name}\n")).save(tmp_path / name)
    return [tmp_path / "one", tmp_path / "two"]


@pytest.fixture
def there(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def both(tastemaker, bundles, there):
    """Versions of both; the second is live instead of the first."""
    for bundle in bundles:
        done = tastemaker("models", "promote", bundle, "--registry", there, "--because", bundle.name)
        assert done.status == 0, done.stderr
    return [Recommender.load(bundle).bundle.version for bundle in bundles]


def test_a_path_is_added_and_live(tastemaker, bundles, there):
    done = tastemaker(
        "models", "promote", bundles[0], "--registry", there, "--because", "first", "--by", "ann"
    )
    version = Recommender.load(bundles[0]).bundle.version
    assert (done.status, done.stdout) == (0, f"{version} is live now.\n")
    line = Registry.opened(there).history()[-1]
    assert (line.event, line.version, line.reason, line.by) == ("promoted", version, "first", "ann")


def test_the_list_shows_what_is_live_and_json_says_the_same(tastemaker, both, there):
    done = tastemaker("models", "list", "--registry", there)
    assert all(version in done.stdout for version in both)
    (row,) = [line for line in done.stdout.splitlines() if "live since" in line]
    assert both[1] in row
    assert "0.2500" in row
    values = json.loads(tastemaker("models", "list", "--registry", there, "--json").stdout)
    assert values["reference"]["live"] == both[1]
    assert {version["name"]: version["is_live"] for version in values["versions"]} == {
        both[0]: False,
        both[1]: True,
    }
    assert values["refused"] == []


def test_show_tells_card_and_what_it_replaced(tastemaker, both, there):
    done = tastemaker("models", "show", "--registry", there)  # the live one
    assert f"promoted instead of {both[0]}: two" in done.stdout
    assert "Card of two" in done.stdout
    values = json.loads(tastemaker("models", "show", both[0], "--registry", there, "--json").stdout)
    assert values["name"] == both[0]
    assert values["card"] == "# Card of one\n"
    assert [line["event"] for line in values["history"]] == ["added", "promoted"]


def test_going_back_and_promoting_again(tastemaker, both, there):
    done = tastemaker("models", "rollback", "--registry", there, "--because", "odd lists")
    assert done.stdout == f"{both[0]} is live now instead of {both[1]}.\n"
    done = tastemaker("models", "rollback", "--registry", there)
    assert (done.status, done.stdout) == (2, "")
    assert "nothing to go back to" in done.stderr
    values = json.loads(tastemaker("models", "promote", both[1], "--registry", there, "--json").stdout)
    assert (values["live"], values["instead_of"]) == (both[1], both[0])
    assert "was live already" in tastemaker("models", "promote", both[1], "--registry", there).stdout


def test_a_trial_begins_and_ends(tastemaker, both, there):
    options = ("--registry", there, "--placement", "home", "--kind", "shadow")
    done = tastemaker("models", "trial", both[0], *options, "--share", "0.25")
    assert done.stdout == f"{both[0]} is tried at home as shadow with 25.0% of people.\n"
    assert "shadow 25% home" in tastemaker("models", "list", "--registry", there).stdout
    assert tastemaker("models", "trial", *options, "--end").stdout == "Nothing is tried now.\n"
    assert Registry.opened(there).reference().trials == ()


def test_what_is_refused_stands_in_the_list(tastemaker, both, bundles, there):
    (bundles[0] / "card.md").write_text("[red]other[/red]")
    done = tastemaker("models", "promote", bundles[0], "--registry", there)
    assert done.status == 2
    assert "was refused" in done.stderr
    assert "card.md differs" in tastemaker("models", "list", "--registry", there).stdout
    assert Registry.opened(there).reference().live == both[1]


@pytest.mark.parametrize("arguments", [
    ("list",), ("show", "0123456789ab"), ("show", "../../etc"), ("rollback",), ("promote", "0123456789ab"),
    ("promote", "no/such/bundle"), ("trial", "0123456789ab"), ("trial",), ("trial", "--end"),
    ("trial", "0123456789ab", "--kind", "duel"), ("trial", "0123456789ab", "--end"),
])  # fmt: skip
def test_what_can_not_be_is_one_line_and_status_2(tastemaker, there, arguments):
    done = tastemaker("models", *arguments, "--registry", there)
    assert (done.status, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tastemaker: ")
