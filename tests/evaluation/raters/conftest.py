"""Studies without any model: queries and lists of a made catalogue, and raters with a known taste."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.evaluation.raters.asking import Query
from tastemaker.evaluation.raters.study import FORMAT, Asked, Key, plan
from tastemaker.recipe import Column, Role

K = 3


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    size = 400
    frame = pl.DataFrame({"id": [f"i{n}" for n in range(size)], "title": [f"Film {n}" for n in range(size)]})
    return Catalogue(frame, (Column(name="id", role=Role.ID), Column(name="title", role=Role.TITLE)))


@pytest.fixture(scope="session")
def study(catalogue: Catalogue) -> Callable[..., Key]:
    """`study(questions=30, repeats=3, checks=2, seed=1)` is its key; each list has items of its own."""

    def make(questions: int = 30, repeats: int = 3, checks: int = 2, seed: int = 1) -> Key:
        rng = np.random.default_rng(seed)
        queries = [Query(f"i{n}", (n,)) for n in range(questions + checks)]
        rows = 50 + np.arange(2 * questions * K, dtype=np.int32).reshape(2, questions, K)
        spare = [(query, rows[0, 0] + 200, rows[1, 0] + 200) for query in queries[questions:]]
        asked = plan(queries[:questions], (rows[0], rows[1]), spare, repeats, catalogue, rng)
        return Key("abcdefghjk", "ours", "theirs", "titles", K, seed, 0, asked)

    return make


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., Path]:
    """`sent(key, "Ann", choose)` is the file of a rater; `choose(asked)` gives a choice or a whole answer."""

    def write(key: Key, rater: str, choose: Callable[[Asked], Any], more: Any = ()) -> Path:
        answers = []
        for asked in key.questions:
            said = choose(asked)
            whole = said if isinstance(said, dict) else {"choice": said}
            answers.append({"number": asked.number, "left": [], "right": [], "seconds": 9.5} | whole)
        values = {"format": FORMAT, "study": key.study, "rater": rater, "answers": answers} | dict(more)
        path = tmp_path / f"answers-{rater}.json"
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    return write
