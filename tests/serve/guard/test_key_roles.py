"""Which route asks for which role; what no table names is for admins."""

import pytest

from tastemaker.serve.guard.roles import Role, Table

TABLE = Table(
    [
        ("POST", "/v1/recommend", Role.READ),
        ("GET", "/v1/items/{item_id}/similar", Role.READ),
        ("POST", "/v1/events", Role.WRITE_EVENTS),
        ("GET", "/files/{rest:path}", Role.READ),
        ("GET", "/files/{name}/secret", Role.ADMIN),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "route", "role"),
    [
        ("POST", "/v1/recommend", "POST /v1/recommend", "read"),
        ("GET", "/v1/recommend", "other", "admin"),
        ("POST", "/v1/recommend/", "other", "admin"),
        ("POST", "//v1/recommend", "other", "admin"),
        ("POST", "/V1/recommend", "other", "admin"),
        ("post", "/v1/recommend", "other", "admin"),
        ("GET", "/v1/items/7/similar", "GET /v1/items/{item_id}/similar", "read"),
        ("HEAD", "/v1/items/7/similar", "GET /v1/items/{item_id}/similar", "read"),
        ("GET", "/v1/items/a\nb/similar", "GET /v1/items/{item_id}/similar", "read"),
        ("GET", "/v1/items/a/b/similar", "other", "admin"),
        ("GET", "/v1/items//similar", "other", "admin"),
        ("GET", "/v1/items/7/similar\n", "other", "admin"),
        ("DELETE", "/v1/items/7/similar", "other", "admin"),
        ("GET", "/files/a/b/c", "GET /files/{rest:path}", "read"),
        ("GET", "/files/a\n/b", "GET /files/{rest:path}", "read"),
        ("GET", "/files/a/secret", "GET /files/{name}/secret", "admin"),
        ("GET", "", "other", "admin"),
    ],
)
def test_a_request_asks_for_a_role(method, path, route, role):
    assert TABLE.of(method, path) == (route, role)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.READ, {"read"}),
        (Role.WRITE_EVENTS, {"write-events"}),
        (Role.ADMIN, {"read", "write-events", "admin"}),
    ],
)
def test_a_role_is_for_one_thing_and_an_admin_for_all(role, may):
    assert {needed.value for needed in Role if role.may(needed)} == may
