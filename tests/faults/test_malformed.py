"""A thousand requests that are none: no answer 5xx, no traceback, the service alive and no larger."""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from tastemaker.recommend import Recommender
from tests.served import Served, served

COUNT = 1000
GROWS_MB = 20.0
ROUTES = ("/v1/recommend", "/v1/rank", "/v1/events", "/v1/models/promote", "/v1/models/rollback")
GOOD = {
    "/v1/recommend": {"user_id": "ann", "k": 3},
    "/v1/rank": {"items": ["a", "b"], "user_id": "ann"},
    "/v1/events": {"events": [{"user_id": "malformed", "item_id": "a"}]},
    "/v1/models/promote": {"version": "0123456789ab"},
    "/v1/models/rollback": {"because": "x"},
}
ODD = [
    None,
    True,
    False,
    -1,
    0,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    1.5,
    1e308,
    -0.0,
    "",
    " ",
    "\0",
    "\ud800",
    "a" * 513,
    "é" * 600,
    "\u202e",
    "'; drop table events; --",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    [],
    [[]],
    [None],
    ["a", 1],
    {},
    {"a": {}},
    [["a"] * 3] * 3,
    "1e999",
    "NaN",
    float("nan"),
    float("inf"),
    float("-inf"),
]
CODE = [
    "__import__('os').system('id')",
    "().__class__.__bases__",
    "genre == 'x' or 1/0",
    "genre == (lambda: 1)()",
    "(" * 500,
    "not " * 400 + "kids",
    'genre == "' + "x" * 1900,
    "genre in [" + "1," * 900 + "]",
    "open('/etc/passwd')",
    "genre = 1; import os",
    "\0",
    "genre == 1e999",
    "year > " + "9" * 1500,
    "a.b.c",
    "genre == genre == genre",
    "-" * 1500,
    "`id`",
    "$(id)",
    "genre =~ /(a+)+$/",
    "x if y else z",
    "[x for x in y]",
    "{",
    'genre == "\ud800"',
    "1 and 2",
    "",
]


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def head(path: str, length: int, *more: str, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", *more]).encode() + b"\r\n\r\n"


# Each makes (bytes to be sent, whether that is the end).
Kind = Callable[[random.Random], tuple[bytes, bool]]


def post(path: str, body: bytes, *more: str) -> tuple[bytes, bool]:
    return head(path, len(body), *more) + body, False


def broken_json(rng: random.Random) -> tuple[bytes, bool]:
    path = rng.choice(ROUTES)
    body = bytearray(dumped(GOOD[path]))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(body))
        if rng.random() < 0.5:
            body[at] = rng.randrange(256)
        else:
            del body[at:]
            body += b"{"
    return post(path, bytes(body))


def wrong_values(rng: random.Random) -> tuple[bytes, bool]:
    path = rng.choice(ROUTES)
    body = json.loads(dumped(GOOD[path]))
    fields = [
        *body,
        "k",
        "now",
        "filter",
        "weights",
        "exclude",
        "cursor",
        "placement",
        "objective",
        "age",
        "nobody",
    ]
    for _ in range(rng.randint(1, 3)):
        body[rng.choice(fields)] = rng.choice(ODD)
    return post(path, dumped(body))


def wrong_events(rng: random.Random) -> tuple[bytes, bool]:
    names = [
        "user_id",
        "item_id",
        "event_id",
        "timestamp",
        "event",
        "weight",
        "watch_time",
        "position",
        "extra",
    ]
    event = {"user_id": "malformed", "item_id": "a"} | {rng.choice(names): rng.choice(ODD)}
    return post("/v1/events", dumped({"events": [event] * rng.choice([1, 2, 1001])}))


def deep(rng: random.Random) -> tuple[bytes, bool]:
    depth, kind = rng.choice([200, 1000, 100_000]), rng.choice(["[", '{"a":', '[{"k":'])
    inside = (kind * depth).encode()[: 2**20 - 100]
    return post(rng.choice(ROUTES), rng.choice([inside, b'{"weights":' + inside, b'{"filter":' + inside]))


def numbers(rng: random.Random) -> tuple[bytes, bool]:
    number = rng.choice(
        ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "0." + "1" * 5000, "1e-9999", "00"]
    )
    field = rng.choice(["k", "now", "age", "weights"])
    value = f'{{"diversity": {number}}}' if field == "weights" else number
    return post("/v1/recommend", f'{{"user_id": "ann", "{field}": {value}}}'.encode())


def twice(rng: random.Random) -> tuple[bytes, bool]:
    return post("/v1/recommend", b'{"user_id": "ann", "user_id": 5, "k": 1, "k": -1}' * rng.choice([1, 1, 2]))


def encodings(rng: random.Random) -> tuple[bytes, bool]:
    text = '{"user_id": "ännchen", "k": 2}'
    how = rng.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp037"])
    return post("/v1/recommend", text.encode(how), *rng.choice([[], ["Content-Encoding: gzip"]]))


def content_types(rng: random.Random) -> tuple[bytes, bool]:
    kind = rng.choice(
        [
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "",
            "a" * 300,
            "application/json;" * 50,
        ]
    )
    body = rng.choice([dumped(GOOD["/v1/recommend"]), b"<a/>", b"--x\r\n\r\n", b"user_id=ann"])
    path = rng.choice(ROUTES)
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body, False


def cut_off(rng: random.Random) -> tuple[bytes, bool]:
    body = dumped(GOOD["/v1/events"])
    whole = head("/v1/events", len(body)) + body
    return whole[: rng.randrange(1, len(whole))], True


def chunks(rng: random.Random) -> tuple[bytes, bool]:
    size = rng.choice(["zz", "-1", "ffffffffffffffffffff", "5;" + "a" * 2000, "2", "0x2", " 2", ""])
    more = rng.choice([[], ["Content-Length: 5"], ["Transfer-Encoding: identity"]])
    lines = ["POST /v1/recommend HTTP/1.1", "Host: 127.0.0.1", "Transfer-Encoding: chunked", *more]
    return "\r\n".join(lines).encode() + f"\r\n\r\n{size}\r\n{{}}\r\n0\r\n\r\n".encode(), True


def headers(rng: random.Random) -> tuple[bytes, bool]:
    more = rng.choice(
        [
            ["X: " + "a" * 20_000],
            ["X: " + "a" * 200_000],
            [f"X-{n}: y" for n in range(100)],
            ["X-API-Key: " + "k" * 9000],
            ["X-API-Key: \xff\xfe"],
            ["no colon"],
            [": nameless"],
            ["Content-Length: 3"],
            ["Content-Length: -1"],
            ["Expect: 100-continue"],
            ["Expect: 42"],
            ["Upgrade: websocket", "Connection: Upgrade"],
            ["traceparent: 00-zz-zz-01"],
            ["X-Request-Id: \t\x01"],
            ["X-Request-Id: " + "a" * 5000],
            ["Connection: close, keep-alive"],
            ["Host: evil"],
        ]
    )
    return post("/v1/recommend", b"{}", *more)


def lines(rng: random.Random) -> tuple[bytes, bool]:
    line = rng.choice(
        [
            b"GET / HTTP/9.9",
            b"GET",
            b"\0\0\0\0",
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
            b"PRI * HTTP/2.0",
            b"GET //// HTTP/1.1",
            b"GET /" + b"a" * 70_000 + b" HTTP/1.1",
            b"GET /%zz HTTP/1.1",
            b"GET /\xff\xfe HTTP/1.1",
            b"FOO /v1/recommend HTTP/1.1",
            b"GET http://127.0.0.1/v1/recommend HTTP/1.1",
            b"CONNECT x:1 HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"TRACE / HTTP/1.1",
            b"GET /v1/search?q=" + b"%00" * 60 + b" HTTP/1.1",
            b"GET /v1/search?q=%ff%fe&k=-5 HTTP/1.1",
            b"HEAD /v1/models HTTP/1.1",
            b"GET /v1/search?q=a&q=b&q=c&k=1e9 HTTP/1.1",
            b"GET /v1/search?" + b"a=b&" * 900 + b" HTTP/1.1",
            b"GET /v1/items/ HTTP/1.1",
            b"GET /v1/items/a/similar?k=99999999999999999999 HTTP/1.1",
            b"GET /v1/items/%00/similar HTTP/1.1",
            b"DELETE /v1/users/ HTTP/1.1",
            b"GET /v1/items/a/similar?filter=" + b"(" * 1500 + b" HTTP/1.1",
            b"PUT /v1/items/%2e%2e%2f HTTP/1.1",
            b"DELETE / HTTP/1.1",
        ]
    )
    return line + b"\r\nHost: 127.0.0.1\r\n\r\n", rng.random() < 0.5


def pipelined(rng: random.Random) -> tuple[bytes, bool]:
    good = post("/v1/recommend", dumped(GOOD["/v1/recommend"]))[0]
    return good + good + rng.randbytes(rng.randint(1, 400)) + good, True


def lists(rng: random.Random) -> tuple[bytes, bool]:
    asked = {"k": rng.choice([-1, 0, 201, 10**9, -(10**30), 1.5, "5", [], True])}
    asked |= {"cursor": rng.choice(["", "A", "AQ", "é", "A" * 9000, "AQAAAAA=", "=" * 40, "\0", 7])}
    return post("/v1/recommend", dumped(asked))


def filters(rng: random.Random) -> tuple[bytes, bool]:
    field = rng.choice(["filter", "objective"])
    return post("/v1/recommend", dumped({"user_id": "ann", field: rng.choice(CODE)}))


def items(rng: random.Random) -> tuple[bytes, bool]:
    body = dumped(
        {rng.choice(["title", "genre", "id", "year", "\0", "x" * 300]): rng.choice(ODD) for _ in range(3)}
    )
    return head("/v1/items/malformed", len(body), method="PUT") + body, False


def large(rng: random.Random) -> tuple[bytes, bool]:
    body = b'{"user_id": "' + b"a" * 10_000_000 + b'"}'
    if rng.random() < 0.5:
        return post(rng.choice(ROUTES), body)
    lines = ["POST /v1/recommend HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    start = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode()
    return start + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n", True


OFTEN: list[Kind] = [
    broken_json,
    wrong_values,
    wrong_values,
    wrong_events,
    numbers,
    twice,
    encodings,
    content_types,
    cut_off,
    chunks,
    headers,
    lines,
    lines,
    pipelined,
    lists,
    filters,
    filters,
    items,
]


def malformed(count: int, seed: int) -> Iterator[tuple[str, bytes, bool]]:
    rng = random.Random(seed)
    for n in range(count):
        kind = large if n % 100 == 50 else deep if n % 25 == 0 else OFTEN[n % len(OFTEN)]
        yield kind.__name__, *kind(rng)


def statuses(answer: bytes) -> list[int]:
    """Of all answers on a line."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


def withstood(service: Served, count: int, seed: int) -> None:
    """Raises: AssertionError where it did not."""
    answered = 0
    for name, content, is_end in malformed(count, seed):
        got = statuses(service.raw(content, 0.03, is_end))
        answered += len(got)
        assert all(status < 500 for status in got), (name, got, content[:300])
    assert answered > count / 2
    assert service.process.poll() is None
    assert service.ids(user_id="ann", k=2) == ["d", "c"]
    assert "Traceback" not in service.log
    assert '"level":"error"' not in service.log


@pytest.fixture(scope="module")
def service(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    Recommender(by_hand).save(folder / "six")
    with served(folder / "six", "--no-auth", "--store", folder / "store.sqlite") as service:
        yield service


@pytest.mark.slow
def test_a_thousand_malformed_requests_do_no_harm(service):
    withstood(service, 300, seed=8)  # what is made once is made, and memory for the largest is at hand
    before = service.rss_mb
    withstood(service, COUNT, seed=7)
    assert service.rss_mb - before < GROWS_MB


def test_what_is_no_request_behind_good_ones_on_a_line_ends_the_line_and_nothing_else(service):
    rng = random.Random(1)
    for _ in range(20):
        service.raw(pipelined(rng)[0], 0.03, is_end=True)
    assert '"level":"error"' not in service.log
    assert service.ids(user_id="ann", k=2) == ["d", "c"]
