import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats as numbers
from hypothesis.strategies import integers
from index_contract import floats

from tastemaker.retrieve import native
from tastemaker.retrieve.half import Half


@given(seed=integers(0, 999), dim=integers(1, 70), size=numbers(-12, 12), spread=numbers(0, 6))
@settings(max_examples=60, deadline=None)
def test_scores_in_half_precision_are_no_further_off_than_is_said(seed, dim, size, spread):
    # Of one length, or some a million times as long as others, which half precision then loses.
    lengths = 10.0 ** (size + spread * np.random.default_rng(seed).random((200, 1)))
    vectors, queries = (floats(seed, 200, dim) * lengths).astype(np.float32), floats(seed + 1, 5, dim)
    how = Half.of(vectors)
    scores, rows = native.search(native.halved(vectors, how), queries, 200)
    truth = queries.astype(float) @ vectors.astype(float).T
    off = np.abs(scores.astype(float) / how.scale - np.take_along_axis(truth, rows, 1))
    slack = np.array(how.slack(queries))
    assert (off <= slack[:, None]).all()
    # And the bound is of use: scores differ by much more.
    assert (slack < 0.002 * np.linalg.norm(queries, axis=1) * np.linalg.norm(vectors, axis=1).max()).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_what_has_no_length_is_not_fit_for_it(odd):
    vectors = floats(0, 10, 3)
    vectors[4, 1] = odd
    assert not Half.of(vectors).is_fit


def test_nothing_at_all_is_fit():
    assert Half.of(np.zeros((0, 3), np.float32)).is_fit
    assert Half.of(np.zeros((4, 3), np.float32)).error == 0


def in_memory_mb(path: Path) -> float:
    """What of a mapped file this process holds."""
    (part,) = re.findall(
        rf"{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+) kB", Path("/proc/self/smaps").read_text()
    )
    return int(part) / 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="who holds what is asked of Linux")
def test_a_mapped_file_is_read_without_being_held(tmp_path):
    path = tmp_path / "vectors.npy"
    np.save(path, floats(0, 70_000, 64))
    vectors = np.asarray(np.load(path, mmap_mode="r"))
    assert float(vectors.sum()) != 0
    assert in_memory_mb(path) > 16
    how = Half.of(vectors)
    assert in_memory_mb(path) < 6
    for _, _ in how.blocks(vectors):
        assert in_memory_mb(path) < 6
