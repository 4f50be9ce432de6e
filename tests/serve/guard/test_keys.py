"""Keys: kept hashed, checked once dearly and then cheaply, and gone within a second of being revoked."""

import asyncio
import hashlib
import json
import multiprocessing
import stat
import time

import pytest

from tastemaker.errors import KeysError
from tastemaker.serve.guard import keys as keys_module
from tastemaker.serve.guard.keys import Keys, Later
from tastemaker.serve.guard.roles import Role


class Clock:
    """Time that goes on when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def hashings(monkeypatch):
    """Each secret that was put through scrypt, the real one behind it."""
    made, real = [], keys_module._hashed

    def counted(secret, salt):
        made.append(secret)
        return real(secret, salt)

    monkeypatch.setattr(keys_module, "_hashed", counted)
    return made


def check(keys, shown, address="192.0.2.1"):
    return asyncio.run(keys.checked(shown, address))


def test_a_key_is_known_by_its_secret_and_by_no_other(path):
    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")
    found = check(keys, shown)
    assert (found.name, found.role) == ("shop", Role.READ)
    other = "A" if shown[-1] != "A" else "B"
    assert check(keys, shown[:-1] + other) is None
    assert check(keys, shown + "A") is None
    assert check(keys, "") is None


def test_the_file_holds_no_secret_and_only_its_owner_may_read_it(path):
    shown = Keys.opened(path, create=True).add(Role.ADMIN, "ops")
    secret = shown.split("_", 2)[2]
    assert len(secret) >= 43  # 32 bytes in base64
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (entry,) = json.loads(path.read_text())["keys"]
    assert hashlib.scrypt(
        secret.encode(), salt=bytes.fromhex(entry["salt"]), n=16384, r=8, p=1, dklen=32
    ) == bytes.fromhex(entry["hash"])


def test_two_keys_never_share_salt_or_id(path):
    keys = Keys.opened(path, create=True)
    keys.add(Role.READ, "a")
    keys.add(Role.READ, "a")
    first, second = keys.list()
    assert first.salt != second.salt
    assert first.id != second.id


def test_a_right_key_is_hashed_once_and_remembered(path, hashings):
    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")
    hashings.clear()
    assert keys.remembered(shown) is None
    check(keys, shown)
    assert keys.remembered(shown).name == "shop"
    assert keys.remembered(shown[:-1]) is None
    assert len(hashings) == 1


def test_first_requests_at_once_cost_one_hashing(path, hashings):
    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")
    hashings.clear()

    async def many():
        return await asyncio.gather(*(keys.checked(shown) for _ in range(50)))

    assert {found.name for found in asyncio.run(many())} == {"shop"}
    assert len(hashings) == 1


def test_an_unknown_id_is_refused_without_hashing(path, hashings):
    keys = Keys.opened(path, create=True)
    assert check(keys, "tm_" + "0" * 12 + "_" + "x" * 43) is None
    assert hashings == []


def test_wrong_secrets_are_looked_at_five_times_and_again_after_a_while(path, hashings):
    clock = Clock()
    keys = Keys.opened(path, create=True, clock=clock)
    shown = keys.add(Role.READ, "shop")
    hashings.clear()
    wrong = [f"{shown[:16]}{number:043d}" for number in range(9)]
    answers = [check(keys, text) for text in wrong]
    assert answers[:5] == [None] * 5
    assert all(isinstance(answer, Later) for answer in answers[5:])
    assert len(hashings) == 5
    assert check(keys, shown, "192.0.2.1") == answers[-1]  # not even the right one, from there
    assert check(keys, shown, "192.0.2.2").name == "shop"  # the owner comes from elsewhere
    assert keys.remembered(shown).name == "shop"  # and then from everywhere
    clock.now += 12.0
    assert check(keys, wrong[0]) is None


def test_right_secrets_never_use_up_the_tries(path):
    clock = Clock()
    keys = Keys.opened(path, create=True, clock=clock)
    shown = keys.add(Role.READ, "shop")
    assert [check(keys, shown).name for _ in range(6)] == ["shop"] * 6


def test_the_loop_goes_on_while_a_secret_is_hashed(path):
    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")

    async def ticking():
        task = asyncio.ensure_future(keys.checked(shown))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks

    assert asyncio.run(ticking()) >= 5  # scrypt takes some 50 ms


def test_a_revoked_key_stops_within_a_second_in_another_process(path):
    clock = Clock()
    served = Keys.opened(path, create=True, clock=clock)
    shown = served.add(Role.READ, "shop")
    stays = served.add(Role.READ, "till")
    check(served, shown), check(served, stays)
    Keys.opened(path).revoke(shown[3:15])
    clock.now += 0.99
    assert served.remembered(shown) is None
    assert check(served, shown) is None
    assert served.remembered(stays).name == "till"


def test_a_key_added_by_another_process_works_within_a_second(path):
    clock = Clock()
    served = Keys.opened(path, create=True, clock=clock)
    shown = Keys.opened(path).add(Role.READ, "shop")
    clock.now += 0.99
    served.remembered(shown)
    assert check(served, shown).name == "shop"


def test_the_file_is_looked_at_twice_a_second_at_most(path, monkeypatch):
    clock = Clock()
    keys = Keys.opened(path, create=True, clock=clock)
    looks = []
    real = keys_module.keyfile.stamp
    monkeypatch.setattr(keys_module.keyfile, "stamp", lambda path: looks.append(path) or real(path))
    for _ in range(1000):
        clock.now += 0.001
        keys.remembered("tm_x")
    assert len(looks) <= 2


def test_a_file_damaged_later_keeps_the_keys_and_says_so(path):
    clock = Clock()
    keys = Keys.opened(path, create=True, clock=clock)
    shown = keys.add(Role.READ, "shop")
    check(keys, shown)
    path.write_text("{half")
    clock.now += 1
    assert keys.remembered(shown).name == "shop"
    assert "keys.json" in keys.trouble


def test_a_file_taken_away_shuts_everybody_out(path):
    clock = Clock()
    keys = Keys.opened(path, create=True, clock=clock)
    shown = keys.add(Role.READ, "shop")
    check(keys, shown)
    path.unlink()
    clock.now += 1
    assert keys.remembered(shown) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        '{"format": 2, "keys": []}',
        '{"format": 1, "keys": [{"id": "x"}]}',
        '{"format": 1, "keys": 7}',
        '{"format": 1, "keys": [{"id": "000000000000", "name": "a", "role": "god", "made": 1, '
        f'"salt": "{"00" * 16}", "hash": "{"00" * 32}"}}]}}',
        '{"format": 1, "keys": [{"id": "000000000000", "name": "a", "role": "admin", "made": 1, '
        f'"salt": "{"00" * 16}", "hash": ""}}]}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_file_of_keys_is_refused_in_one_line(path, content):
    path.write_text(content)
    with pytest.raises(KeysError) as refused:
        Keys.opened(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_says_how_to_make_one(path):
    with pytest.raises(KeysError, match="tastemaker keys add"):
        Keys.opened(path)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x1b[31m", "x" * 101])
def test_names_fit_on_a_line(path, name):
    with pytest.raises(KeysError, match="name"):
        Keys.opened(path, create=True).add(Role.READ, name)


def _add(path, count):
    keys = Keys.opened(path, create=True)
    for _ in range(count):
        keys.add(Role.READ, "many")


def test_processes_that_add_at_once_lose_no_key(path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add, args=(path, 3)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert len(Keys.opened(path).list()) == 9
    assert [p.name for p in path.parent.iterdir() if not p.name.endswith(".lock")] == ["keys.json"]


def test_a_remembered_key_costs_microseconds(path):
    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")
    check(keys, shown)
    began = time.process_time()
    for _ in range(2000):
        keys.remembered(shown)
    assert (time.process_time() - began) / 2000 < 50e-6  # some 3 µs; scrypt is a thousand times that
