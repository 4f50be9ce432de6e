"""Whatever the page asks for takes a key whose role is enough, and no page of another site can ask for it."""

import asyncio
import re

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import table
from tastemaker.serve.service import Service
from tastemaker.serve.settings import Settings
from tastemaker.serve.web.routes import routes
from tests.served import served


@pytest.fixture(scope="module")
def folder(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    Recommender(by_hand).save(folder / "six")
    return folder


@pytest.fixture(scope="module")
def asked(folder) -> dict[tuple[str, str], str]:
    """Methods and paths of all that stands below /page/api, and the role that each needs."""

    async def read() -> dict[tuple[str, str], str]:
        settings = Settings(
            bundle=folder / "six", store=str(folder / "read.sqlite"), workshop=folder, log_level="error"
        )
        service = await Service.started(settings)
        try:
            found = [route for router in routes(service) for route in router.routes]
            roles = table(found)
            return {
                (method, route.path): str(roles.of(method, at(route.path)).role)
                for route in found
                if route.path.startswith("/page/api/")
                for method in route.methods
            }
        finally:
            await service.stop()

    found = asyncio.run(read())
    assert ("GET", "/page/api/facts") in found
    return found


@pytest.fixture(scope="module")
def keys(folder) -> dict[str, str]:
    path = folder / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": str(path)} | {role.value: made.add(role, f"the {role.value}") for role in Role}


@pytest.fixture(scope="module")
def guarded(folder, keys):
    options = ("--keys", keys["path"], "--store", folder / "guarded.sqlite")
    with served(folder / "six", *options, key=keys["admin"]) as service:
        for role in Role:
            service.ask("GET", "/v1/models", None, keys[role.value])
        yield service


@pytest.fixture(scope="module")
def open_to_all(folder):
    with served(folder / "six", "--no-auth", "--store", folder / "open.sqlite") as service:
        yield service


def at(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "0123456789ab", path)


def test_every_route_of_the_page_takes_a_key_whose_role_is_enough(guarded, asked, keys):
    for (method, path), needed in asked.items():
        assert needed in ("read", "admin"), path
        assert guarded.ask(method, at(path), None, "").status == 401, path
        for role in Role:
            is_enough = role is Role.ADMIN or role == needed
            if not is_enough:
                assert guarded.ask(method, at(path), None, keys[role.value]).status == 403, (
                    method,
                    path,
                    role,
                )


def test_whatever_changes_something_is_for_admins(asked):
    for (method, path), needed in asked.items():
        # A list is asked for with a body; a map is made once for each model, whoever looks first.
        looks = method in ("GET", "HEAD") or path in ("/page/api/recommend", "/page/api/map")
        assert looks or needed == "admin", (method, path)


def test_nonsense_is_refused_by_a_line_and_never_by_a_defect(open_to_all, asked):
    nonsense = (None, b"", b"{", b"[]", b'{"a": NaN}', b"\x00\xff", {"a": 1}, {"model": "../up"}, b"[" * 5000)
    for method, path in asked:
        for body in nonsense:
            said = open_to_all.ask(method, at(path), body)
            assert said.status < 500, (method, path, body, said)
            if said.status >= 400 and method != "HEAD":
                assert said.body["error"]["message"], (method, path, body)
        for query in (
            "model=../../up",
            "model=try-",
            "id=%00",
            "q=" + "x" * 300,
            "k=-1",
            "k=x",
            "%ff=1",
            "name=..",
        ):
            said = open_to_all.ask(method, f"{at(path)}?{query}")
            assert said.status < 500, (method, path, query, said)


FETCHED = [
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403),
    ({"Origin": "https://example.com"}, 403),
    ({"Host": "rebound.example:8000"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), FETCHED)
def test_without_keys_the_page_of_another_site_or_port_gets_nothing(open_to_all, headers, status):
    assert open_to_all.ask("GET", "/page/api/facts", **headers).status == status
    changed = open_to_all.ask("POST", "/v1/events", {"events": [{"user_id": "x", "item_id": "a"}]}, **headers)
    assert changed.status == (202 if status == 200 else 403)


def test_without_a_page_there_is_none(folder):
    with served(folder / "six", "--no-auth", "--no-page", "--store", folder / "none.sqlite") as service:
        assert service.ask("GET", "/").status == 404
        assert service.ask("GET", "/page/api/facts").status == 404
        assert service.ids(user_id="ann")
