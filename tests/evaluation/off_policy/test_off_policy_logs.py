import numpy as np
import pytest

from tastemaker.errors import DataError
from tastemaker.evaluation.off_policy.answer import off_policy
from tastemaker.evaluation.off_policy.logs import read_logs
from tastemaker.evaluation.off_policy.policies import Uniform

BANDIT = """,timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0
0,2019-11-24 00:00:34+00:00,14,3,0,0.0125,81ce,0.0
1,2019-11-24 00:00:53+00:00,27,1,1,0.25,c2e4,1.0
2,2019-11-24 00:00:53+00:00,14,2,0,0.5,c2e4,0.0
"""


def test_a_bandit_log_without_people_is_read_row_by_row(written):
    logs = read_logs(written(BANDIT))
    assert logs.item_ids == ("14", "27")
    assert logs.items.tolist() == [0, 1, 0]
    assert logs.places.tolist() == [2, 0, 1]
    assert logs.chances.tolist() == [0.0125, 0.25, 0.5]
    assert logs.rewards.tolist() == [0, 1, 0]
    assert logs.times.tolist() == [1574553634, 1574553653, 1574553653]
    assert logs.context_names == ("user_feature_0",)
    assert logs.contexts.tolist() == [[0], [1], [1]]
    assert (logs.has_lists, logs.unit_count, logs.unit, logs.user_ids) == (False, 3, "rows", None)


def test_what_one_person_was_shown_at_one_moment_is_a_list_in_order_of_its_places(written):
    logs = read_logs(
        written(
            "user_id,item_id,timestamp,position,clicked,pscore\n"
            "ann,b,100,1,0,0.5\nbob,a,100,0,1,0.9\nann,c,100,0,1,0.25\nann,a,200,0,,0.1\nann,a,300,0,0,0.4\n"
        )
    )
    assert [logs.item_ids[item] for item in logs.items] == ["c", "b", "a", "a"]
    assert logs.lists.tolist() == [0, 0, 1, 2]
    assert logs.places.tolist() == [0, 1, 0, 0]
    assert logs.chances.tolist() == [0.25, 0.5, 0.9, 0.4]
    assert logs.user_ids == ("ann", "ann", "bob", "ann")
    assert logs.units[0] == logs.units[3] != logs.units[2]
    assert logs.left_out == 1  # of which nobody knows whether it was chosen


def test_lists_go_by_their_ids_where_there_are_any(written):
    logs = read_logs(
        written("recommendation_id,item_id,click,propensity\nr2,a,0,0.5\nr1,a,1,0.5\nr2,b,0,0.5\n")
    )
    assert logs.lists.tolist() == [0, 0, 1]
    assert logs.places.tolist() == [0, 1, 0]
    assert np.isinf(logs.times).all()
    assert logs.unit == "lists"


def test_a_reward_may_be_seconds(written):
    path = written("item_id,watch_minutes,propensity\na,2,0.5\nb,,0.5\n")
    logs = read_logs(path, reward="watch_time")
    assert logs.rewards.tolist() == [120]
    with pytest.raises(DataError, match="no column that says click"):
        read_logs(path)


def test_logs_without_propensities_can_be_read_and_say_so(written):
    logs = read_logs(written("item_id,click\na,1\nb,0\n"))
    assert np.isnan(logs.chances).all()


def test_two_at_one_place_were_not_shown_together(written):
    logs = read_logs(
        written(
            "user_id,item_id,timestamp,position,click,propensity\n"
            "ann,a,100,1,0,0.5\nann,b,100,1,0,0.5\nbob,a,100,1,0,0.5\nbob,b,100,2,0,0.5\n"
        )
    )
    assert logs.lists.tolist() == [0, 1, 2, 2]


HEAD = "user_id,item_id,timestamp,position,click,propensity\n"


def test_a_row_that_names_nobody_is_of_somebody_else_each_time(written):
    logs = read_logs(written(HEAD + "ann,a,100,1,0,0.5\n,b,100,2,0,0.5\n,a,100,1,1,0.5\nann,b,200,1,0,0.5\n"))
    named = [row for row, name in enumerate(logs.user_ids) if name == "ann"]
    unnamed = [row for row, name in enumerate(logs.user_ids) if name is None]
    assert (len(named), len(unnamed)) == (2, 2)
    assert len({int(logs.units[row]) for row in named}) == 1
    assert len({int(logs.units[row]) for row in (named[0], *unnamed)}) == 3
    assert logs.unit_count == 3
    assert logs.list_count == 4
    told = off_policy(logs, Uniform(), np.random.default_rng(0), resamples=100)
    assert any("2 rows name nobody" in note for note in told.notes)


def test_a_column_of_people_in_which_nobody_is_named_is_none(written):
    logs = read_logs(written(HEAD + ",a,100,1,0,0.5\n,b,100,2,0,0.5\n"))
    assert (logs.user_ids, logs.unit, logs.unit_count) == (None, "rows", 2)


def test_ids_stay_as_they_came(written):
    logs = read_logs(written(HEAD + "NA, spaced ,100,1,0,0.5\n none,null,100,2,0,0.5\nx,  ,100,1,1,0.5\n"))
    assert logs.item_ids == (" spaced ", "null")
    assert logs.user_ids == ("NA", " none")
    assert logs.left_out == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "ann,a,100,480,0,0.5\nann,b,100,2010,0,0.5\n", "'position' of .* goes up to 2,010"),
        (HEAD + "ann,a,100,1,0,50%\nann,b,100,2,0,25%\n", "No cell of 'propensity' .* for example '50%'"),
        ("film,propensity,click\nx,0.5,1\ny,0.5,0\n", "it has film, propensity, click"),
    ],
)
def test_what_can_not_be_read_is_told_in_a_line(written, text, told):
    with pytest.raises(DataError, match=told) as refused:
        read_logs(written(text))
    assert "tastemaker nobody" not in str(refused.value)
