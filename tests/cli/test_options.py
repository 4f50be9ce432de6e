from datetime import UTC, datetime

import pytest

from tastemaker.cli.options import moment
from tastemaker.errors import TastemakerError

EVENING = datetime(2024, 5, 17, 20, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("1715977800", 1715977800),
        ("1715977800.25", 1715977800.25),
        ("-86400", -86400),
        ("2024-05-17", EVENING - 20.5 * 3600),
        ("2024-05-17T20:30", EVENING),
        ("2024-05-17 20:30", EVENING),
        ("2024-05-17T20:30Z", EVENING),
        ("2024-05-17T22:30+02:00", EVENING),
    ],
)
def test_a_time_is_read_as_people_write_it(text, seconds):
    assert moment(text) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "17.05.2024", "12:30", "nan", "inf", "-inf"])
def test_what_is_no_time_is_told_in_one_line(text):
    with pytest.raises(
        TastemakerError, match=r"^--now .*: that is no time\. Give one such as 2024-05-17"
    ) as told:
        moment(text)
    assert "\n" not in str(told.value)
