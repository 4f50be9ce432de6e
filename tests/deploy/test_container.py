"""The image can't be built everywhere: a linter reads its file, and its rules are read off here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(scope="module")
def steps():
    """(instruction, rest) of each line, continuations joined and comments left out."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, rest in lines]


@pytest.fixture(scope="module")
def last(steps):
    """Steps of the image that runs."""
    begin = max(n for n, (word, _) in enumerate(steps) if word == "FROM")
    return dict(steps[begin:])


def test_the_linter_of_dockerfiles_has_no_complaint():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint isn't there for this kind of machine")
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout


def test_it_runs_as_a_user_with_a_number_that_is_not_roots(last):
    user, _, group = last["USER"].partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000


def test_no_shell_stands_between(steps):
    for word, rest in steps:
        if word in ("CMD", "ENTRYPOINT", "RUN"):
            assert isinstance(json.loads(rest), list)
        if word == "HEALTHCHECK":
            assert isinstance(json.loads(rest.partition("CMD ")[2]), list)
        assert word != "ADD"


def test_the_command_is_one_that_there_is_and_health_is_asked_without_a_key(last):
    assert json.loads(last["ENTRYPOINT"]) == ["tastemaker"]
    assert json.loads(last["CMD"])[0] == "serve"
    assert "/health/live" in last["HEALTHCHECK"]
    compile(json.loads(last["HEALTHCHECK"].partition("CMD ")[2])[2], "health", "exec")


def test_what_builds_is_left_behind(steps):
    assert [rest.split()[0] for word, rest in steps if word == "FROM"] == ["python:3.13-slim"] * 2
    begin = max(n for n, (word, _) in enumerate(steps) if word == "FROM")
    assert all(word != "RUN" for word, _ in steps[begin:])


def test_the_builder_is_sent_nothing_but_the_source(steps):
    lines = [line for line in (REPOSITORY / ".dockerignore").read_text().split() if line]
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        name for word, rest in steps if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    }
    assert "\n*\n" in (REPOSITORY / ".dockerignore").read_text()
    assert copied == allowed
    assert all((REPOSITORY / name).exists() for name in copied)


@pytest.fixture(scope="module")
def composed():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_every_container_is_shut_in(composed):
    for service in composed["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "/tmp" in service["tmpfs"][0]
        assert "privileged" not in service
        assert "cap_add" not in service
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_no_secret_stands_in_the_file(composed):
    named = set(composed["secrets"])
    for service in composed["services"].values():
        assert set(service["secrets"]) <= named
        for name, value in service["environment"].items():
            assert "PASS" not in name or value.startswith("/run/secrets/")
    address = composed["services"]["tastemaker"]["command"][4]
    assert address.startswith("postgresql://tastemaker@")  # a name and no password
