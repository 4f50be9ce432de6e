"""The audit of dependencies: a known hole stops, and no answer is never taken for a clean one."""

import importlib.util
import json
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / ".ci" / "audit.py"
CLEAN = {"name": "a", "version": "1", "vulns": []}
HOLED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"}


@pytest.fixture(scope="module")
def verdict():
    spec = importlib.util.spec_from_file_location("audit", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.verdict


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([CLEAN], 0, "1 packages audited, 0 holes"),
        ([CLEAN, HOLED, UNKNOWN], 1, "b 2 has PYSEC-1; mended in 2.1"),
        ([CLEAN, UNKNOWN], 0, "of 1 nothing is known"),
        ([UNKNOWN, UNKNOWN], 0, "nothing was audited"),
        ([], 0, "nothing was audited"),
    ],
)
def test_the_verdict_follows_what_was_looked_at(verdict, packages, status, says):
    found, lines = verdict(json.dumps({"dependencies": packages, "fixes": []}))
    assert found == status
    assert says in "\n".join(lines)


@pytest.mark.parametrize("said", ["", "Traceback", "[]", "null"])
def test_an_audit_that_gave_up_says_so(verdict, said):
    assert verdict(said) == (0, [line for line in verdict(said)[1] if "can't be reached" in line])
    assert len(verdict(said)[1]) == 1
