"""What was acknowledged survives kill -9 of whoever wrote it, and of the database."""

import pytest

from tastemaker.recommend import Recommender
from tests.faults.killed import run
from tests.postgres import binaries


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("who", ["a writer", "the service"])
def test_of_what_was_acknowledged_nothing_is_lost_or_doubled_by_twenty_kills(kind, who, by_hand, tmp_path):
    if kind == "postgresql" and binaries() is None:
        pytest.skip("PostgreSQL isn't installed")
    bundle = None
    if who == "the service":
        Recommender(by_hand).save(tmp_path / "six")
        bundle = str(tmp_path / "six")
    store = kind if kind == "postgresql" else str(tmp_path / "events.db")
    report = run(store, kills=20, clients=64, events=10_000, bundle=bundle)
    assert (report.lost, report.doubled) == (0, 0)
    assert (report.acknowledged, report.kills) == (10_000, 20)
    assert report.server_kills == (5 if kind == "postgresql" else 0)
    # Else nothing was under way when the process died, and this would show nothing.
    assert report.resent > 0
