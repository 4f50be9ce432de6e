import json

import pytest


@pytest.fixture(scope="module")
def bundle(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift") / "bundle"
    by_hand.save(folder)
    return folder


@pytest.fixture
def windows(written):
    def log(name: str, items: str):
        lines = [
            f"p{n},{items[(n + step) % len(items)]},{1_600_000_000 + n + 1000 * step}"
            for n in range(60)
            for step in range(3)
        ]
        return written("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n", name)

    return log


def test_the_same_again_is_good_and_new_items_are_an_alarm(tastemaker, bundle, windows):
    before, after = windows("before.csv", "abcdef"), windows("after.csv", "abcxyz")
    quiet = tastemaker("drift", bundle, "--before", before, "--after", before, "--swaps", 199)
    assert quiet.status == 0, quiet.stderr
    assert "Nothing has drifted" in quiet.stdout
    loud = tastemaker("drift", bundle, "--before", before, "--after", after, "--swaps", 199, "--json")
    assert loud.status == 1, loud.stderr
    told = json.loads(loud.stdout)
    assert "cold items" in told["raised"]
    (cold,) = (alarm for alarm in told["alarms"] if alarm["name"] == "cold items")
    assert (cold["before"], cold["after"]) == ("0.0%", "50.0%")


@pytest.mark.slow  # it imports matplotlib
def test_distances_are_drawn(tastemaker, bundle, windows, tmp_path):
    plot = tmp_path / "drift.svg"
    before, after = windows("before.csv", "abcdef"), windows("after.csv", "abcxyz")
    done = tastemaker("drift", bundle, "--before", before, "--after", after, "--swaps", 199, "--plot", plot)
    assert done.status == 1, done.stderr
    assert "people the bundle" in plot.read_text()


@pytest.mark.parametrize(
    ("more", "told"),
    [(("--plot", "x.png"), "should end in .svg"), (("--against", "nowhere"), "nowhere")],
)
def test_a_mistake_is_one_line_and_status_2(tastemaker, bundle, windows, more, told):
    log = windows("before.csv", "abcdef")
    done = tastemaker("drift", bundle, "--before", log, "--after", log, *more)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr
