"""A PostgreSQL to keep events in: one server a session, emptied for each test."""

import os
from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, binaries, cluster


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """A server of our own, which a test may stop and kill."""
    if binaries() is None:
        pytest.skip("PostgreSQL isn't installed")
    with cluster() as running:
        yield running


@pytest.fixture
def postgres(request) -> str:
    """The address of an empty database: TASTEMAKER_TEST_POSTGRES, or one of our own server."""
    address = os.environ.get("TASTEMAKER_TEST_POSTGRES") or request.getfixturevalue("server").address
    return emptied(address)


def emptied(address: str) -> str:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS tastemaker CASCADE")
    return address
