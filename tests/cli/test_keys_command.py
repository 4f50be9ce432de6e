"""`tastemaker keys` as people call it: made once seen, listed without secrets, taken away."""

import json


def test_a_key_is_made_listed_and_revoked(tastemaker, tmp_path):
    path = tmp_path / "keys.json"
    made = tastemaker("keys", "add", "--role", "read", "--name", "shop", "--keys", path)
    assert made.status == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("tm_")
    assert "hash" in made.stderr
    listed = tastemaker("keys", "list", "--keys", path, "--json")
    (entry,) = json.loads(listed.stdout)
    assert (entry["id"], entry["role"], entry["name"]) == (key[3:15], "read", "shop")
    plain = tastemaker("keys", "list", "--keys", path).stdout
    assert "shop" in plain
    assert key[16:] not in listed.stdout + plain
    gone = tastemaker("keys", "revoke", key[3:15], "--keys", path)
    assert gone.status == 0
    assert json.loads(tastemaker("keys", "list", "--keys", path, "--json").stdout) == []


def test_the_file_may_stand_in_the_environment(tastemaker, tmp_path, monkeypatch):
    monkeypatch.setenv("TASTEMAKER_KEYS", str(tmp_path / "keys.json"))
    made = tastemaker("keys", "add", "--role", "write-events", "--name", "web", "--json")
    assert json.loads(made.stdout)["role"] == "write-events"


def test_mistakes_are_told_in_a_line(tastemaker, tmp_path):
    path = tmp_path / "keys.json"
    assert tastemaker("keys", "list", "--keys", path).status == 2
    assert tastemaker("keys", "add", "--role", "god", "--name", "x", "--keys", path).status == 2
    tastemaker("keys", "add", "--role", "read", "--name", "x", "--keys", path)
    wrong = tastemaker("keys", "revoke", "nobody", "--keys", path)
    assert wrong.status == 2
    assert "tastemaker keys list" in wrong.stderr
    assert "Traceback" not in wrong.stderr
