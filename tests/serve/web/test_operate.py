"""What the page says of how the service does: requests that were made, quantiles, drift, and who may ask."""

import json
import time

import numpy as np
import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tests.served import served

MODULE = "/page/prometheus.js"


@pytest.fixture(scope="module")
def service(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operate")
    Recommender(by_hand).save(folder / "six")
    with served(folder / "six", "--no-auth", "--store", folder / "store.sqlite") as service:
        yield service


def run(page, code: str, **given):
    """What a script of the page's own modules gives."""
    return page.evaluate(
        f"""async (given) => {{ const it = await import(new URL({MODULE!r}, location.href)); {code} }}""",
        given,
    )


def test_what_was_asked_is_counted_and_what_the_page_asks_is_not(service, look):
    seen = look(service)
    page = seen.at("#/operate")
    for _ in range(7):
        service.post("/v1/recommend", {"user_id": "ann"})
    service.post("/v1/recommend", {"user_id": "nobody knows them"})
    service.post("/v1/events", {"events": [{"user_id": "ann", "item_id": "b"}]})
    service.ask("POST", "/v1/recommend", {"k": 0})
    row = page.locator("section:has-text('Requests by route') tr", has_text="POST /v1/recommend")
    row.locator("td:text-is('9')").wait_for()
    assert page.locator("section:has-text('Requests by route') tr").count() == 2  # and POST /v1/events
    assert page.locator(".tile:has-text('Cold share') b").inner_text() == "12.5 %"
    assert page.locator("section:has-text('Events') tr:has-text('accepted') td").inner_text() == "1"
    page.locator("figure svg path.line-0").first.wait_for(state="attached")
    assert "1 worker" in page.locator(".tile:has-text('Model')").inner_text()
    assert not seen.serious()


def test_quantiles_of_a_histogram_are_where_the_values_lay(service, look):
    page = look(service).at()
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, 0.004, 20_000)
    bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    lines = [
        f't_bucket{{le="{bound}",route="a \\"b\\" \\\\ c"}} {(values <= bound).sum()}' for bound in bounds
    ]
    text = "# HELP t\n" + "\n".join([*lines, f't_bucket{{le="+Inf",route="a \\"b\\" \\\\ c"}} {len(values)}'])
    found = run(
        page,
        "const counts = it.buckets(it.parsed(given.text), 't', (labels) => labels.route === given.route);"
        "return [0.05, 0.5, 0.95].map((q) => it.quantile(counts, q));",
        text=text,
        route='a "b" \\ c',
    )
    at = [0.0, *bounds]
    for q, value in zip((0.05, 0.5, 0.95), found, strict=True):
        true = float(np.quantile(values, q))
        bucket = int(np.searchsorted(at, true))
        assert at[bucket - 1] <= value <= at[bucket]  # the right bucket, and in it as far as counts say
        share = (values <= value).mean()
        assert share == pytest.approx(q, abs=0.05)
    assert run(page, "return it.quantile(it.buckets([], 't'), 0.5);") is None


def test_a_counter_that_began_anew_gives_no_negative_rate(service, look):
    page = look(service).at()
    code = "return it.since([['a', 3], ['b', 9], ['c', 2]], [['a', 10], ['b', 4]]);"
    assert run(page, code) == [["a", 3], ["b", 5], ["c", 2]]


def test_drift_is_looked_into_beside_the_service(by_hand, tmp_path, look):
    """Sixty people touch what the model knows, another day sixty others what it doesn't."""
    Recommender(by_hand).save(tmp_path / "six")
    with served(tmp_path / "six", "--no-auth", "--store", tmp_path / "store.sqlite") as service:
        seen = look(service)
        page = seen.at("#/operate")
        page.click("text=Look into it")
        page.wait_for_selector(".drift .notice:has-text('Nobody has done anything yet')")
        events = [
            {"user_id": f"p{n}", "item_id": item, "timestamp": time.time() - 3600 + n}
            for n in range(60)
            for item in ("a", "x", "y")
        ]
        service.post("/v1/events", {"events": events})
        page.click("text=Look into it")
        page.wait_for_selector(".drift .notice:has-text('The log before has 2 people')")
        job = service.get("/page/api/drift")["job"]
        assert job["state"] == "failed"
        assert str(tmp_path) not in json.dumps(job)


def test_a_reader_sees_how_it_does_and_starts_nothing(by_hand, tmp_path, look):
    Recommender(by_hand).save(tmp_path / "six")
    keys = Keys.opened(tmp_path / "keys.json", create=True)
    reader = keys.add(Role.READ, "reader")
    options = ("--keys", tmp_path / "keys.json", "--store", tmp_path / "store.sqlite")
    with served(tmp_path / "six", *options, key=reader) as service:
        seen = look(service, width=390, height=800, color_scheme="dark")
        seen.context.add_init_script(f"sessionStorage.setItem('tastemaker.key', {reader!r})")
        page = seen.at("#/operate")
        page.wait_for_selector(".tile")
        assert not page.locator(".drift button").count()
        assert "role admin" in page.inner_text(".drift")
        assert service.ask("POST", "/page/api/drift").status == 403
        assert not seen.is_wider_than_the_window()
        assert not seen.serious()
