"""Settings saved as a placement: served from all workers, after a restart, whatever the file says."""

import threading
import time

import pytest

from tastemaker.recipe import PlacementRecipe, Recipe, RerankingRecipe
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.saved import Saved
from tests.serve.web.peopled import RULED, peopled, saved
from tests.served import served

SETTINGS = {
    "filter": 'town != "Gamma"',
    "reranking": {
        "diversity": {"strength": 0.8, "method": "dpp"},
        "popularity": {"strength": -0.3},
        "fairness": {"of": "town", "shares": {"Beta": 0.4}},
        "rules": [{"do": "pin", "name": "ours", "item": "n20", "place": 3}],
    },
}
HOSTILE = [
    "placements = 3",
    'base = "/etc/passwd"',
    '[data]\nitems = "/etc/passwd"',
    "[placements.x]\nk = 99999999",
    "[placements.'../../x']\nk = 3",
    '[placements.x]\nfilter = "town =="\n[reranking.placements.y.diversity]\nstrength = 1',
    "\x00\x01\x02",
    "x" * (1 << 21),
    "a = " + "[" * 5000,
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": str(path)} | {role.value: made.add(role, f"the {role.value}") for role in Role}


@pytest.fixture
def folder(town_bundle, tmp_path):
    return saved(peopled(town_bundle, RULED), tmp_path / "town")


@pytest.fixture
def start(folder, keys):
    """`with start() as service`: the same model, store and saved placements each time."""

    def started(*more):
        options = ("--keys", keys["path"], "--store", folder.parent / "store.sqlite", *more)
        return served(folder, *options, key=keys["admin"])

    return started


def placement(service, name, user_id="p3", **more):
    return service.ask("POST", "/v1/recommend", {"user_id": user_id, "placement": name, **more})


def told(answer):
    return [
        (each["item_id"], each["score"], each["reasons"], each.get("moves", [])) for each in answer["items"]
    ]


def test_it_serves_what_was_shown_from_every_worker_and_after_a_restart(start):
    with start("--workers", "2") as service:
        shown = {
            f"p{number}": service.post(
                "/page/api/recommend", {"user_id": f"p{number}", "settings": SETTINGS, "k": 7}
            )
            for number in range(4)
        }
        service.put("/page/api/placements/evening", {"settings": SETTINGS, "k": 7})
        time.sleep(3)  # by then, every worker, busy as the machine may be
        for _ in range(8):
            for user_id, looked in shown.items():
                said = placement(service, "evening", user_id)
                assert said.status == 200, said
                assert told(said.body) == told(looked)
        assert len(shown["p1"]["items"]) == 7
        assert "evening" in service.get("/v1/placements")
    with start() as service:
        for user_id, looked in shown.items():
            assert told(placement(service, "evening", user_id).body) == told(looked)
        service.delete("/page/api/placements/evening")
        assert placement(service, "evening").status == 422


def test_it_takes_an_admin(start, keys):
    with start() as service:
        for role, status in (("read", 403), ("write-events", 403), ("admin", 200)):
            said = service.ask("PUT", "/page/api/placements/x", {"settings": {}}, keys[role])
            assert said.status == status, role
        assert service.ask("DELETE", "/page/api/placements/x", None, keys["read"]).status == 403


def test_a_placement_of_the_recipe_is_only_replaced_knowingly_and_comes_back(start):
    with start() as service:
        before = told(placement(service, "late").body)
        said = service.ask("PUT", "/page/api/placements/late", {"settings": SETTINGS})
        assert said.status == 409
        assert "the recipe has" in said.body["error"]["message"]
        assert told(placement(service, "late").body) == before
        service.put("/page/api/placements/late", {"settings": SETTINGS, "is_known": True})
        assert told(placement(service, "late").body) != before
        again = service.ask("PUT", "/page/api/placements/late", {"settings": {}})
        assert again.status == 409
        service.delete("/page/api/placements/late")
        assert told(placement(service, "late").body) == before
        assert service.ask("DELETE", "/page/api/placements/late").status == 404


@pytest.mark.parametrize(
    ("name", "asked", "status"),
    [
        ("Capital", {}, 422),
        ("a%2Fb", {}, 404),
        ("x", {"settings": {"filter": "town =="}}, 422),
        ("x", {"settings": {"reranking": {"diversity": {"of": "colour", "strength": 0.5}}}}, 422),
        ("x", {"placement": "nowhere"}, 422),
        ("x", {"k": 0}, 422),
    ],
)
def test_what_cant_be_saved_is_refused(start, folder, name, asked, status):
    with start() as service:
        said = service.ask("PUT", f"/page/api/placements/{name}", asked)
        assert said.status == status, said
        assert not (folder.parent / "town.placements.toml").exists()


def test_a_broken_or_hostile_file_leaves_what_was_saved_answering(start, folder):
    file = folder.parent / "town.placements.toml"
    with start() as service:
        service.put("/page/api/placements/evening", {"settings": SETTINGS})
        before, good = told(placement(service, "evening").body), file.read_text()
        for number, content in enumerate(HOSTILE, 1):
            file.write_text(content)
            end = time.monotonic() + 20
            while service.log.count("placements_refused") < number and time.monotonic() < end:
                time.sleep(0.05)
            assert told(placement(service, "evening").body) == before, content[:40]
        assert service.log.count("placements_refused") == len(HOSTILE)
        assert "/etc/passwd" not in service.log
        said = service.ask("PUT", "/page/api/placements/other", {"settings": {}})
        assert said.status == 422  # what somebody wrote by hand isn't overwritten
        file.write_text(good)
        service.put("/page/api/placements/other", {"settings": {}})
        assert placement(service, "other").status == 200
    file.write_text(HOSTILE[0])
    with start() as service:
        assert placement(service, "home").status == 200
        assert "placements_refused" in service.log


def test_one_that_the_model_cant_serve_is_left_out_alone(start, folder):
    (folder.parent / "town.placements.toml").write_text(
        "[placements.good]\nk = 4\n[placements.bad]\nfilter = 'colour == \"red\"'\n"
    )
    with start() as service:
        assert len(placement(service, "good").body["items"]) == 4
        assert placement(service, "bad").status == 422
        assert "placement_left_out" in service.log


def test_a_pipe_in_its_place_holds_nobody_up(start, folder):
    import os

    os.mkfifo(folder.parent / "town.placements.toml")
    with start() as service:
        assert placement(service, "home").status == 200


def test_items_that_come_leave_placements_as_they_are(start):
    with start() as service:
        service.put("/page/api/placements/evening", {"settings": SETTINGS, "k": 4})
        service.delete("/v1/items/n199")
        time.sleep(0.6)
        assert len(placement(service, "evening").body["items"]) == 4


def test_many_who_save_at_once_lose_nothing(tmp_path):
    path = tmp_path / "placements.toml"
    place, rules = PlacementRecipe(k=3), RerankingRecipe()
    saves = [threading.Thread(target=Saved(path).put, args=(f"at{n}", place, rules)) for n in range(12)]
    for each in saves:
        each.start()
    for each in saves:
        each.join()
    own = Saved(path)
    assert own.look()
    assert sorted(own.names) == sorted(f"at{n}" for n in range(12))
    assert Recipe.read(path).placements["at3"].k == 3


def test_it_is_saved_and_deleted_with_eyes_and_hands(start, keys, look):
    with start() as service:
        seen = look(service)
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {keys['admin']!r})")
        page = seen.at("#/person?user=p3")
        page.wait_for_selector("#knob-diversity")
        page.locator("#knob-diversity").fill("0.85")
        page.wait_for_selector(".changed:has-text('Diversity')")
        page.fill("input[name=place]", "home")
        page.click(".save button[type=submit]")
        page.wait_for_selector("dialog:has-text('Replace it?')")
        page.click("dialog >> text=Cancel")
        assert not service.get("/page/api/controls")["placements"][0]["is_saved"]
        page.fill("input[name=place]", "evening")
        page.click(".save button[type=submit]")
        page.wait_for_selector(".save:has-text('Saved.')")
        ids = page.eval_on_selector_all(".places li", "all => all.map((one) => one.dataset.id)")
        assert [each["item_id"] for each in placement(service, "evening").body["items"]] == ids
        assert not seen.serious()
        page.click("[aria-label='Delete the placement evening']")
        page.click("dialog >> text=Delete >> nth=-1")
        page.wait_for_selector(".save:not(:has(.chip))")
        assert placement(service, "evening").status == 422
