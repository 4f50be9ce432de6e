"""Too much at once: whose turn it is, what is refused unread, and how a service ends that has work to do."""

import asyncio
import json
import signal
import socket
import threading
import time

import pytest
import uvicorn

from tastemaker.recommend import Recommender
from tastemaker.serve.overload import OverloadError, Protocol, Turns
from tests.served import Served

# --- turns -----------------------------------------------------------------------------------


def crowd(turns: Turns, count: int, leaves: tuple[int, ...] = ()) -> tuple[list[int], list[int]]:
    """Who was served, in order, and who was refused, of so many who come at once; some `leaves` waiting."""
    served, refused = [], []

    async def come(number: int) -> None:
        try:
            async with turns:
                served.append(number)
                await asyncio.sleep(0)
        except OverloadError:
            refused.append(number)

    async def all_come() -> None:
        tasks = [asyncio.create_task(come(number)) for number in range(count)]
        await asyncio.sleep(0)
        for number in leaves:
            tasks[number].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

    asyncio.run(all_come())
    return served, refused


def test_whoever_comes_first_is_served_first_and_the_rest_is_refused():
    turns = Turns(wait_s=0.010)  # a turn usually takes 2 ms: one is served and five may wait
    served, refused = crowd(turns, 20)
    assert served == [0, 1, 2, 3, 4, 5]
    assert refused == list(range(6, 20))
    assert turns.refused == 14


def test_whoever_leaves_holds_nobody_up():
    assert crowd(Turns(0.040), 8, leaves=(1, 2, 5))[0] == [0, 3, 4, 6, 7]
    assert crowd(Turns(0.040), 8, leaves=(0,))[0] == list(range(1, 8))


def test_whoever_leaves_just_as_their_turn_comes_passes_it_on():
    async def run() -> list[str]:
        turns, seen = Turns(1.0), []
        gate = asyncio.Event()

        async def first() -> None:
            async with turns:
                await gate.wait()

        async def other(name: str) -> None:
            async with turns:
                seen.append(name)

        holder = asyncio.create_task(first())
        await asyncio.sleep(0)
        leaver, stayer = asyncio.create_task(other("leaver")), asyncio.create_task(other("stayer"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.sleep(0)  # the holder goes, and the leaver is handed the turn
        leaver.cancel()
        await asyncio.wait_for(asyncio.gather(holder, leaver, stayer, return_exceptions=True), 5)
        async with asyncio.timeout(1), turns:
            seen.append("next")
        return seen

    assert asyncio.run(run()) == ["stayer", "next"]


def test_an_error_within_a_turn_ends_the_turn():
    async def run() -> None:
        turns = Turns(1.0)
        for _ in range(3):
            with pytest.raises(ValueError, match="own"):
                async with turns:
                    raise ValueError("own")
        async with asyncio.timeout(1), turns:
            pass

    asyncio.run(run())


def test_room_goes_by_what_a_turn_takes_and_two_may_always_wait():
    async def slow(turns: Turns) -> None:
        for _ in range(100):
            async with turns:
                time.sleep(0.005)

    turns = Turns(0.020)
    assert turns.room == 10
    asyncio.run(slow(turns))
    assert turns.room in (3, 4)
    turns.usual_s = 60.0
    assert turns.room == 2


# --- refused unread ---------------------------------------------------------------------------


class Full(Turns):
    """A queue that is full when we say so."""

    now = False

    @property
    def is_full(self) -> bool:
        return self.now


class Door:
    """A server that tells what it read: method, path and body; its queue is full when `turns.now`."""

    def __init__(self, turns: Turns | None = None) -> None:
        self.turns, self.read = turns or Full(1.0), []
        self.gate = threading.Event()
        self.gate.set()
        taken = socket.create_server(("127.0.0.1", 0))
        self.port = taken.getsockname()[1]
        protocol = type("Refusing", (Protocol,), {"turns": self.turns})
        told = {"ws": "none", "lifespan": "off", "log_config": None, "interface": "asgi3"}
        config = uvicorn.Config(self._app, http=protocol, **told)
        self.server = uvicorn.Server(config)
        thread = threading.Thread(target=self.server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not self.server.started:
            time.sleep(0.005)

    async def _app(self, scope, receive, send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.read.append((scope["method"], scope["path"], body))
        while not self.gate.is_set():
            await asyncio.sleep(0.005)
        said = json.dumps([scope["path"], body.decode(errors="replace")]).encode()
        head = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": said})

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=3)


@pytest.fixture(scope="module")
def opened_door():
    door = Door()
    yield door
    door.server.should_exit = True


@pytest.fixture
def door(opened_door):
    opened_door.turns.now, opened_door.turns.refused = False, 0
    opened_door.read.clear()
    opened_door.gate.set()
    return opened_door


def post(body: bytes = b"{}", path: str = "/v1/recommend", *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(line: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Status and body of so many answers, in order."""
    found, held = [], b""
    while len(found) < count:
        while b"\r\n\r\n" not in held:
            part = line.recv(65536)
            assert part, (found, held)
            held += part
        head, _, held = held.partition(b"\r\n\r\n")
        fields = dict(each.lower().split(b": ", 1) for each in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        while len(held) < length:
            part = line.recv(65536)
            assert part
            held += part
        found.append((int(head.split()[1]), held[:length]))
        held = held[length:]
    assert held == b""
    return found


def test_a_whole_request_is_refused_unread_and_the_line_goes_on(door):
    with door.line() as line:
        for is_full in (True, False, True, True, False):
            door.turns.now = is_full
            line.sendall(post(b'{"k":1}'))
            ((status, body),) = answers(line, 1)
            assert status == (503 if is_full else 200)
        assert json.loads(body) == ["/v1/recommend", '{"k":1}']
    assert len(door.read) == 2
    assert door.turns.refused == 3


def test_a_refusal_is_json_and_says_when_to_come_again(door):
    door.turns.now = True
    with door.line() as line:
        line.sendall(b"GET /v1/items/a/similar HTTP/1.1\r\nHost: x\r\n\r\n")
        said = line.recv(65536)
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"retry-after: 1" in head
    assert json.loads(body)["error"]["code"] == "overload"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post(path="/v1/events"), id="events are never refused so"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", id="nor is health"),
        pytest.param(post(b"{}", "/v1/recommend", "Connection: close"), id="close"),
        pytest.param(post(b"{}", "/v1/recommend", "connection:close"), id="close without a space"),
        pytest.param(
            b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\n",
            id="in chunks",
        ),
        pytest.param(b"POST /v1/recommend HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", id="of old"),
    ],
)
def test_what_is_not_plainly_a_whole_request_for_a_list_is_read(door, request_):
    door.turns.now = True
    with door.line() as line:
        line.sendall(request_)
        assert answers(line, 1)[0][0] == 200
    assert len(door.read) == 1


def test_who_was_let_in_and_is_not_in_the_queue_yet_takes_a_place():
    turns = Turns(1.0)
    turns.usual_s = 60.0  # two may wait, and one is served
    door = Door(turns)
    door.gate.clear()
    lines = [door.line() for _ in range(8)]
    try:
        for line in lines:
            line.sendall(post())
        refused = [line for line in lines if _answers_soon(line)]
        assert len(refused) == turns.refused == 5  # none of which the app has seen
        assert turns.begun == len(door.read) == 3
        door.gate.set()
        for line in set(lines) - set(refused):
            assert answers(line, 1)[0][0] == 200
        assert turns.begun == 0
        door.gate.clear()
        lines[0].sendall(post())
        lines[1].sendall(post()[:-1])  # not whole: nobody's place is taken for it
        _until(lambda: turns.begun == 1)
        lines[0].close()  # who leaves gives the place back
        _until(lambda: turns.begun == 0)
    finally:
        door.gate.set()
        for line in lines:
            line.close()
        door.server.should_exit = True


def _answers_soon(line: socket.socket) -> bool:
    line.settimeout(0.3)
    try:
        return answers(line, 1)[0][0] == 503
    except TimeoutError:
        return False
    finally:
        line.settimeout(3)


def _until(holds, seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_body_that_comes_in_parts_is_never_taken_for_a_request(door):
    inner = post(b'{"inner": 1}')
    whole = post(inner)
    at = whole.index(inner, 10)
    with door.line() as line:
        line.sendall(whole[:at])
        time.sleep(0.1)
        door.turns.now = True
        line.sendall(whole[at:])  # by itself it would look like one
        ((status, body),) = answers(line, 1)
    assert status == 200
    assert json.loads(body)[1].encode() == inner


def test_headers_that_come_in_parts_are_never_taken_for_a_request(door):
    door.turns.now = True
    with door.line() as line:
        line.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Long: ")
        time.sleep(0.1)
        # What comes next begins as a request for a list does, and is the rest of a header.
        line.sendall(b"POST /v1/recommend HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert answers(line, 1) == [(200, b'["/v1/events", "{}"]')]
    assert door.turns.refused == 0


def test_requests_sent_together_are_answered_each_and_in_order(door):
    with door.line() as line:
        door.turns.now = True
        line.sendall(post(b"1") + post(b"2") + post(b"3"))
        assert [json.loads(body)[1] for _, body in answers(line, 3)] == ["1", "2", "3"]
        door.turns.now = False
        door.gate.clear()
        line.sendall(post(b"4"))
        while len(door.read) < 4:
            time.sleep(0.005)
        door.turns.now = True
        line.sendall(post(b"5"))  # whole, but 4 isn't answered yet
        time.sleep(0.1)
        door.gate.set()
        assert [json.loads(body)[1] for _, body in answers(line, 2)] == ["4", "5"]
        line.sendall(post(b"6"))
        assert answers(line, 1)[0][0] == 503
    assert door.turns.refused == 1


# --- the end --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_told_to_stop_answers_what_was_begun_and_ends_well(by_hand, tmp_path, workers, number):
    Recommender(by_hand).save(tmp_path / "six")
    store = tmp_path / "store.sqlite"
    arguments = (tmp_path / "six", "--no-auth", "--store", store, "--workers", workers)
    service = Served(*arguments)
    if workers > 1:
        time.sleep(2)  # both are there
    begun = [socket.create_connection(("127.0.0.1", service.port), timeout=10) for _ in range(8)]
    for n, line in enumerate(begun):
        body = json.dumps({"events": [{"user_id": "ann", "item_id": "d", "event_id": f"last {n}"}]}).encode()
        head = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
    time.sleep(0.3)
    service.process.send_signal(number)
    time.sleep(0.5)
    assert service.process.poll() is None, service.log
    for n, line in enumerate(begun):
        body = json.dumps({"events": [{"user_id": "ann", "item_id": "d", "event_id": f"last {n}"}]}).encode()
        line.sendall(body[10:])
        assert answers(line, 1)[0][0] == 202
        line.close()
    assert service.stop(number) == 0
    assert "Traceback" not in service.log
    again = Served(*arguments[:-1], 1)
    try:
        assert len(again.get("/v1/users/ann")["events"]) == 8
    finally:
        assert again.stop() == 0


def test_who_comes_at_one_moment_stands_in_a_queue_and_one_who_leaves_blocks_nobody():
    """Though no turn waits for anything: else all would be let in one after the other, and none refused."""

    async def come() -> tuple[list[str], str]:
        turns = Turns(0.01)  # room for five, at two milliseconds each

        async def one() -> str:
            try:
                async with turns:
                    return "in"
            except OverloadError:
                return "refused"

        told = await asyncio.gather(*(one() for _ in range(20)))
        leaving = asyncio.create_task(one())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        return told, await asyncio.wait_for(one(), 1)

    told, after = asyncio.run(come())
    assert told == ["in"] * 6 + ["refused"] * 14  # one at once, five that wait
    assert after == "in"
