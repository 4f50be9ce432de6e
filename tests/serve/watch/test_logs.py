"""Logs: a JSON object a line, and in it nothing but what is on the list."""

import io
import json
import logging
import warnings

import pytest

from tastemaker.serve.watch import logs


@pytest.fixture
def lines():
    """What has been logged so far, parsed."""
    out = io.BytesIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("info", out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


def test_a_line_says_when_what_and_how_bad(lines):
    logs.logger().warning("model_swapped", version="aaaaaaaaaaaa", took_ms=1.5)
    (line,) = lines()
    assert list(line)[:3] == ["at", "level", "event"]
    assert line["at"].endswith("Z")
    assert (line["level"], line["event"], line["version"], line["took_ms"]) == (
        *("warning", "model_swapped"),
        *("aaaaaaaaaaaa", 1.5),
    )


def test_a_field_that_nobody_allowed_is_named_and_not_told(lines):
    logs.logger().info("answered", status=200, user_id="u1", history=["a"], body=b"x", api_key="tm_secret")
    (line,) = lines()
    assert line["status"] == 200
    assert line["dropped"] == ["user_id", "history", "body", "api_key"]
    assert not {"u1", "tm_secret"} & set(map(str, line.values()))


@pytest.mark.parametrize("value", [["i1", "i2"], {"a": 1}, ("i1",), object(), b"bytes", {"i1"}])
def test_an_allowed_name_is_no_way_in_for_lists(lines, value):
    logs.logger().info("answered", items=value)
    (line,) = lines()
    assert line["dropped"] == ["items"]
    assert "items" not in line


def test_a_sentence_with_data_in_it_is_no_event(lines):
    logs.logger().info("user u1 watched i2")
    (line,) = lines()
    assert line["event"] == "unnamed"
    assert line["dropped"] == ["event"]


def test_a_defect_shows_where_it_came_up_but_not_what_was_in_it(lines):
    try:
        try:
            {}["secret-user"]
        except KeyError as error:
            raise ValueError("secret-history") from error
    except ValueError:
        logs.logger().exception("answered", status=500)
    (line,) = lines()
    assert "builtins.ValueError" in line["traceback"]
    assert "from builtins.KeyError" in line["traceback"]
    assert "test_logs.py:" in line["traceback"]
    assert "secret" not in json.dumps(line)


def test_lines_below_the_level_are_not_written(lines):
    logs.logger().debug("answered")
    assert lines() == []


def test_uvicorn_speaks_the_same_way_and_its_access_log_is_shut(lines):
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("uvicorn.access").info('%s - "%s"', "1.2.3.4", "GET /v1/users/secret-user")
    (line,) = lines()
    assert (line["event"], line["logger"], line["said"]) == (
        *("library_said", "uvicorn.error"),
        "Started server process [7]",
    )


def test_other_libraries_tell_trouble_with_blanks_not_filled_in(lines):
    logging.getLogger("psycopg.pool").warning("error connecting %s:\nmore", "password=secret")
    logging.getLogger("psycopg.pool").info("connected")
    warnings.warn("look out", stacklevel=1)
    said = [line["said"] for line in lines() if line["logger"] == "psycopg.pool"]
    assert said == ["error connecting %s:"]


@pytest.mark.parametrize("value", ["a\nb", "\ud800", "x" * 5000, 2**70, float("nan"), None, True])
def test_any_value_is_one_line_of_json(lines, value):
    logs.logger().info("answered", reason=value)
    (line,) = lines()
    assert len(json.dumps(line)) < 2000
