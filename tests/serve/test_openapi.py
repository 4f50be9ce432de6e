"""What the OpenAPI says is so: requests made of it, well and badly, are answered as it says."""

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CHECKS
from test_upkeep import bundle_of

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import served

SEED = 20260517
TOO_LARGE = (413, 414, 431)
"""Refusals that are described too, and that schemathesis doesn't know for refusals."""
NOT_CHECKED = {
    "ignored_auth",  # tests/serve/test_doors.py asks it, and knows of 429 for too many wrong keys
    # What a schema can't say is refused with the 422 that is described: a column that there isn't, in a
    # filter; a placement that nobody named; a person by name and by history at once.
    "positive_data_acceptance",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    Recommender(bundle_of(list(range(24)))).save(folder / "town")
    key = Keys.opened(folder / "keys.json", create=True).add(Role.ADMIN, "all")
    options = ("--keys", folder / "keys.json", "--store", folder / "store.sqlite", "--queue-ms", 5000)
    with served(folder / "town", *options, key=key) as service:
        yield service


def findings(service, examples: int) -> list[str]:
    """What is answered otherwise than it says, in so many requests to each operation."""
    key = {"X-API-Key": service.key}
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json", headers=key)
    checks = [check for check in CHECKS.get_all() if check.__name__ not in NOT_CHECKED]
    found: dict[str, str] = {}

    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(
            case=operation.as_strategy() | operation.as_strategy(schemathesis.GenerationMode.NEGATIVE)
        )
        def ask(case) -> None:
            try:
                response = case.call(headers=key)
                if response.status_code not in TOO_LARGE:
                    case.validate_response(response, checks=checks, headers=key)
            except BaseExceptionGroup as group:
                for each in group.exceptions:
                    found.setdefault(f"{case.method} {case.path} {type(each).__name__}", f"{each}"[:600])
            except AssertionError as each:
                found.setdefault(f"{case.method} {case.path} {type(each).__name__}", f"{each}"[:600])

        ask()
    return [f"{name}: {told}" for name, told in found.items()]


def test_every_operation_answers_as_it_is_described(service):
    found = findings(service, 4)
    assert not found, "\n\n".join(found)


@pytest.mark.slow
def test_every_operation_answers_as_it_is_described_however_it_is_asked(service):
    found = findings(service, 200)
    assert not found, "\n\n".join(found)
    assert "Traceback" not in service.log
