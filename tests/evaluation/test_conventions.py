import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError
from tastemaker.evaluation import conventions, metrics
from tastemaker.hits import best

worlds = {
    "seed": st.integers(0, 9999),
    "users": st.integers(1, 12),
    "items": st.integers(1, 25),
    "k": st.integers(1, 30),  # longer than the catalogue too
    "levels": st.integers(1, 6),  # of scores: ties everywhere
}


def world(seed, users, items, k, levels):
    """Lists, made by scores with ties of a catalogue less what was seen, and targets: of some, none."""
    rng = np.random.default_rng(seed)
    wanted = [rng.choice(items, rng.integers(0, items + 1), replace=False) for _ in range(users)]
    scores = rng.integers(0, levels, (users, items)).astype(np.float32)
    seen = [rng.choice(items, rng.integers(0, items + 1), replace=False) for _ in range(users)]
    targets = Interactions.from_events(
        [f"u{user}" for user in range(users)],
        np.repeat(np.arange(users, dtype=np.int32), [len(rows) for rows in wanted]),
        np.concatenate(wanted).astype(np.int32),
    )
    return sorted_lists(scores, seen, k), best(scores, k, seen).rows, targets


def sorted_lists(scores, seen, k):
    """Higher score first, then the smaller row, by a plain sort."""
    return [
        sorted(set(range(scores.shape[1])) - set(out.tolist()), key=lambda row: (-line[row], row))[:k]
        for line, out in zip(scores, seen, strict=True)
    ]


def as_trec(lists, targets):
    """Both as other libraries take them; scores fall with the rank, since each breaks ties in its own way."""
    run = {
        f"u{user}": {f"i{row}": float(100 - rank) for rank, row in enumerate(rows)}
        for user, rows in enumerate(lists)
    }
    wanted = {
        f"u{user}": {f"i{row}": 1 for row in rows.tolist()} for user, rows in enumerate(targets) if len(rows)
    }
    return run, wanted


THEIRS = {"ndcg": "nDCG", "hit_rate": "Success", "recall": "R", "precision": "P", "map": "AP", "mrr": "RR"}


@settings(max_examples=60, deadline=None)
@given(**worlds)
def test_the_metrics_agree_with_trec_eval(seed, users, items, k, levels):
    ir = pytest.importorskip("ir_measures", reason="the oracle for metrics is not installed")
    lists, rows, targets = world(seed, users, items, k, levels)
    run, wanted = as_trec(lists, targets)
    asked = {name: getattr(ir, measure) @ k for name, measure in THEIRS.items()}
    names = {str(measure): name for name, measure in asked.items()}
    theirs = {}
    if wanted:
        for one in ir.pytrec_eval.iter_calc(list(asked.values()), wanted, run):
            theirs[names[str(one.measure)], int(one.query_id[1:])] = one.value
    for name in metrics.PER_USER:
        ours = conventions.metric(name, "trec_eval")(rows, targets, k)
        for user, value in enumerate(ours):
            if not len(targets.of(user)):
                assert np.isnan(value)
            else:
                # Whoever got no list isn't in its answer.
                assert value == pytest.approx(theirs.get((name, user), 0.0), abs=1e-9), name


@pytest.mark.slow  # ranx compiles itself for half a minute
@settings(max_examples=60, deadline=None)
@given(**worlds)
def test_the_metrics_agree_with_ranx_too(seed, users, items, k, levels):
    ranx = pytest.importorskip("ranx", reason="the oracle for metrics is not installed")
    lists, rows, targets = world(seed, users, items, k, levels)
    run, wanted = as_trec(lists, targets)
    for line in run.values():
        line["nothing"] = -1.0  # it can't take an empty list; behind all others it changes none of them
    asked = [user for user in range(users) if len(targets.of(user))]
    if not asked:
        return
    theirs = ranx.evaluate(
        ranx.Qrels(wanted),
        ranx.Run({name: run[name] for name in wanted}),
        [f"{name}@{k}" for name in metrics.PER_USER],
        return_mean=False,
    )
    order = sorted(wanted)  # as it sorts them
    for name in metrics.PER_USER:
        ours = conventions.metric(name, "ranx")(rows, targets, k)
        values = np.atleast_1d(theirs[f"{name}@{k}"])
        assert [ours[int(user[1:])] for user in order] == pytest.approx(values.tolist(), abs=1e-9), name


def by_recbole(hits, relevant, k):
    """`recbole/evaluator/metrics.py`, read at 025bef6: MAP.metric_info's last column divides the sum of
    precisions by `actual_len` = min(pos_len, k), NDCG's idcg ends at the same length."""
    length = min(relevant, k)
    precisions = [sum(hits[: at + 1]) / (at + 1) for at in range(len(hits)) if hits[at]]
    gains = [1 / math.log2(at + 2) for at in range(len(hits)) if hits[at]]
    return {
        "map": sum(precisions) / length,
        "ndcg": sum(gains) / sum(1 / math.log2(at + 2) for at in range(length)),
        "precision": sum(hits) / k,
        "recall": sum(hits) / relevant,
        "hit_rate": float(any(hits)),
        "mrr": next((1 / (at + 1) for at, hit in enumerate(hits) if hit), 0.0),
    }


def by_rectools(hits, relevant, k, divide_by_k=False):
    """`rectools/metrics/ranking.py`, read at 01309c8: IDCG@k = Σ_{i ≤ k} 1 / log2(i + 1) for everybody, the
    divider of AP is the number of relevant items, or k with `divide_by_k`."""
    theirs = by_recbole(hits, relevant, k)
    precisions = [sum(hits[: at + 1]) / (at + 1) for at in range(len(hits)) if hits[at]]
    gains = [1 / math.log2(at + 2) for at in range(len(hits)) if hits[at]]
    return theirs | {
        "map": sum(precisions) / (k if divide_by_k else relevant),
        "ndcg": sum(gains) / sum(1 / math.log2(at + 2) for at in range(k)),
    }


BY_THEIR_DOCS = {
    "tastemaker": by_recbole,
    "recbole": by_recbole,
    "rectools": by_rectools,
    "rectools-by-k": lambda *given: by_rectools(*given, divide_by_k=True),
}


@pytest.mark.parametrize("name", BY_THEIR_DOCS)
@settings(max_examples=40, deadline=None)
@given(**worlds)
def test_the_metrics_agree_with_slow_loops_after_their_docs(name, seed, users, items, k, levels):
    lists, rows, targets = world(seed, users, items, k, levels)
    for metric in metrics.PER_USER:
        ours = conventions.metric(metric, name)(rows, targets, k)
        for user, wanted in enumerate(map(set, (of.tolist() for of in targets))):
            if not wanted:
                assert np.isnan(ours[user])
                continue
            hits = [int(row in wanted) for row in lists[user]]
            assert ours[user] == pytest.approx(BY_THEIR_DOCS[name](hits, len(wanted), k)[metric], abs=1e-12)


def test_rectools_own_examples_come_out_as_its_docs_print_them(log_of):
    """The docstrings of MAP and NDCG in `rectools/metrics/ranking.py`."""
    targets = log_of([1, 2], [1], [1, 3, 4], [1, 2, 3])
    rows = np.array([[7, 8, PAD, PAD], [1, 2, PAD, PAD], [1, 2, 3, 4], [1, 2, 3, PAD]], np.int32)
    ndcg = conventions.metric("ndcg", "rectools")
    assert ndcg(rows, targets, 3) == pytest.approx([0, 0.46927873, 0.70391809, 1], abs=1e-8)
    by_relevant = conventions.metric("map", "rectools")
    assert by_relevant(rows, targets, 1) == pytest.approx([0, 1, 1 / 3, 1 / 3])
    assert by_relevant(rows, targets, 3) == pytest.approx([0, 1, 0.55555556, 1], abs=1e-8)
    by_k = conventions.metric("map", "rectools-by-k")
    assert by_k(rows, targets, 3) == pytest.approx([0, 0.33333333, 0.55555556, 1], abs=1e-8)


def test_a_convention_nobody_knows_is_refused_with_what_was_meant():
    with pytest.raises(RecipeError, match="Did you mean 'recbole'"):
        conventions.of("recbol")
    with pytest.raises(RecipeError, match="No metric of one user is called 'ndgc'"):
        conventions.metric("ndgc")


def test_a_convention_says_what_it_does():
    told = conventions.of("trec_eval").sentence()
    assert "NDCG has min(k, |R|) hits, and MAP is divided by |R|" in told


def test_evaluate_marks_as_another_library_and_says_so(tastemaker, by_hand, tmp_path):
    by_hand.save(tmp_path / "bundle")
    later = tmp_path / "later.csv"
    later.write_text("user_id,item_id,timestamp\nann,b,10\nbob,c,11\n")
    asked = ("evaluate", tmp_path / "bundle", "--test", later, "--json")
    ours, theirs = (
        json.loads(tastemaker(*asked, *more).stdout) for more in ((), ("--metrics-as", "rectools"))
    )
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, 11))  # ten hits, though one each is to be found
    assert ours["lines"][0]["marks"]["ndcg"]["mean"] > 0
    for one, other in zip(ours["lines"], theirs["lines"], strict=True):
        assert other["marks"]["ndcg"]["mean"] == pytest.approx(one["marks"]["ndcg"]["mean"] / ideal)
    assert "Metrics as rectools has them" in theirs["split"]
    assert "Metrics as" not in ours["split"]
    refused = tastemaker("evaluate", tmp_path / "bundle", "--metrics-as", "rectools")
    assert (refused.status, "give --test" in refused.stderr) == (2, True)
