"""Sizes: refused before the body is read where its length is told, and as soon as it is over where not."""

import asyncio
import socket
import threading
import time

import fastapi
import httpx
import pytest
import uvicorn

from tastemaker.serve.guard.sizes import Sizes, SizeSettings

SMALL = SizeSettings(body=1000, headers=20, header_bytes=2000, path=100, query=100)


@pytest.fixture(scope="module")
def all_reads():
    return []


@pytest.fixture
def reads(all_reads):
    """How many bytes of each body the app has read in this test."""
    all_reads.clear()
    return all_reads


@pytest.fixture(scope="module")
def app(all_reads):
    app = fastapi.FastAPI()

    @app.post("/{rest:path}")
    async def measure(request: fastapi.Request):
        body = await request.body()
        all_reads.append(len(body))
        return {"bytes": len(body)}

    return app


@pytest.fixture(scope="module")
def all_reasons():
    return []


@pytest.fixture
def reasons(all_reasons):
    """What this test was refused for."""
    all_reasons.clear()
    return all_reasons


@pytest.fixture(scope="module")
def server(app, all_reasons):
    """The address of a real server with these limits."""
    taken = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(Sizes(app, SMALL, all_reasons.append), log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    yield taken.getsockname()
    running.should_exit = True
    thread.join(10)


def talk(address, *parts):
    """What comes back over a bare socket until the server closes."""
    with socket.create_connection(address, timeout=5) as wire:
        for part in parts:
            try:
                wire.sendall(part)
            except OSError:
                break
        answer = b""
        try:
            while got := wire.recv(65536):
                answer += got
        except ConnectionResetError:
            pass
    return answer


def head(length):
    return f"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


def test_what_fits_goes_through_to_the_last_byte(server):
    answer = httpx.post(f"http://127.0.0.1:{server[1]}/x", content=b"a" * 1000)
    assert answer.json() == {"bytes": 1000}


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server, reads, reasons):
    answer = talk(server, head(1001))  # and not one byte of it
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert b'"body_too_large"' in answer
    assert reads == []
    assert reasons == ["size"]


def test_a_body_that_keeps_coming_is_refused_when_it_is_over(server, reads, reasons):
    start = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1f4\r\n" + b"a" * 500 + b"\r\n"
    answer = talk(server, start, chunk, chunk, b"1\r\na\r\n")  # 1001 bytes, and no end
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.count(b"HTTP/1.1") == 1
    assert reads == []
    assert reasons == ["size"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/" + "a" * 99, {}, 200, None),
        ("/" + "a" * 100, {}, 414, "path_too_long"),
        ("/" + "%41" * 33 + "a", {}, 414, "path_too_long"),
        ("/x?" + "a" * 100, {}, 200, None),
        ("/x?" + "a" * 101, {}, 414, "query_too_long"),
        ("/x", {f"x-{n}": "1" for n in range(25)}, 431, "too_many_headers"),
        ("/x", {"x-long": "a" * 2000}, 431, "headers_too_large"),
    ],
)
def test_head_lines_have_limits(server, path, headers, status, code):
    answer = httpx.post(f"http://127.0.0.1:{server[1]}{path}", headers=headers, content=b"{}")
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("length", "status"), [(b"-1", 400), (b"1_0", 400), (b"\xb2", 400), (b"9" * 5000, 413)]
)
def test_a_length_that_is_no_number_is_refused(app, length, status):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing of it is read")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/x",
        "query_string": b"",
        "headers": [(b"content-length", length)],
    }
    limits = SizeSettings(header_bytes=10_000)
    asyncio.run(Sizes(app, limits)(scope, receive, send))
    assert sent[0]["status"] == status


def test_a_defect_of_the_app_is_not_hidden():
    async def broken(scope, receive, send):
        raise RuntimeError("a defect")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError, match="a defect"):
        asyncio.run(Sizes(broken)(scope, None, None))


def test_what_the_app_says_after_the_refusal_is_not_heard():
    sent = []

    async def stubborn(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    async def receive():
        return {"type": "http.request", "body": b"a" * 600, "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(Sizes(stubborn, SMALL)(scope, receive, send))
    assert [message.get("status") for message in sent] == [413, None]
