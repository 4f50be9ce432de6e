"""How long does a map take, how large is its page, and how smooth?    python -m benchmarks.map BUNDLE

Asked of Debian's Chromium without a window, which draws in software: a graphics card only makes it quicker. A
frame is drawn for each step of a drag, with all points or, where they take too long, the fewest told; a click
is counted until its neighbours stand in the panel.
`--shot docs/map.png` also keeps the pictures of the documentation: all of it, and with an item chosen.

`--served` asks the page of a service instead, which has its map made in a job; `--least 24000` lets a smaller
catalogue grow first, by titles that are said twice.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import polars as pl

from benchmarks.rows import record
from benchmarks.serving.server import serving
from tastemaker.evaluation.map import sheet
from tastemaker.evaluation.map.chart import chart
from tastemaker.recommend import Recommender

WAIT_S = 900.0
DRAWN = "#entries button"
"""There once the map stands."""
DRAG = """async (seconds) => {
  const began = performance.now(), before = plane.frames;
  let least = plane.count;
  for (let n = 0; performance.now() - began < 1000 * seconds; n++) {
    plane.pan(n % 120 < 60 ? 4 : -4, 1);
    await new Promise(requestAnimationFrame);
    least = Math.min(least, plane.shown);
  }
  return [1000 * (plane.frames - before) / (performance.now() - began), least];
}"""
CLICK = """async (row) => {
  const began = performance.now();
  choose(row);
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("bundle", type=Path)
    words.add_argument("--projection", choices=("pca", "umap"), default="umap")
    words.add_argument("--title", default="Wednesday", help="chosen in the second picture")
    words.add_argument("--shot", type=Path, help="keep pictures here, .png")
    words.add_argument("--served", action="store_true", help="the map of a service, not one in a file")
    words.add_argument("--least", type=int, default=0, help="items that the catalogue grows to (--served)")
    asked = words.parse_args()
    if asked.served:
        print(of_a_service(asked.bundle, asked.least, asked.title, asked.shot))
        return
    recommender = Recommender.load(asked.bundle)
    began = time.process_time()
    made = chart(recommender, kind=asked.projection)
    build = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.html"
        file.write_text(sheet.html(made), encoding="utf-8")
        row = record(
            "map", bundle=asked.bundle, items=len(made.rows), projection=asked.projection,
            cpu_seconds=round(build, 1), kept_in_50=round(made.kept, 3), bytes=file.stat().st_size,
            **looked_at(file.as_uri(), asked.title, asked.shot),
        )  # fmt: skip
    print(row)


def of_a_service(bundle: Path, least: int, title: str, shot: Path | None) -> dict[str, Any]:
    """The row of a map that a service has made, shows and lets move."""
    recommender = Recommender.load(bundle)
    missing = least - recommender.catalogue.size
    if missing > 0:
        frame, column = recommender.catalogue.frame, recommender.catalogue.title_column
        again = frame.head(missing).with_columns(pl.col(column) + " (again)")
        recommender = recommender.with_items(again)
    with tempfile.TemporaryDirectory() as folder:
        recommender.save(Path(folder) / "bundle")
        store = str(Path(folder) / "store.sqlite")
        with serving(["tastemaker", "serve"], Path(folder) / "bundle", store) as service:
            page = f"http://127.0.0.1:{service.port}/page"
            made_seconds = until_made(page)
            asked = Request(f"{page}/api/map/data", headers={"Accept-Encoding": "gzip"})
            with urlopen(asked) as answer:
                sent = len(answer.read())
            return record(
                "map", bundle=bundle, page="served", items=recommender.catalogue.size,
                made_seconds=round(made_seconds, 1), bytes_sent=sent,
                **looked_at(f"{page}/map.html", title, shot),
            )  # fmt: skip


def until_made(page: str) -> float:
    """Seconds until the job is done, one process beside the service."""
    began = time.perf_counter()
    while True:
        with urlopen(f"{page}/api/map") as answer:
            job = json.load(answer)["job"]
        if job["state"] == "done":
            return time.perf_counter() - began
        if job["state"] not in ("waiting", "running") or time.perf_counter() - began > WAIT_S:
            raise SystemExit(f"The map is {job['state']}: {job['message']}")
        time.sleep(0.2)


def looked_at(address: str, title: str, shot: Path | None) -> dict[str, Any]:
    """Seconds to open, frames a second while dragged, milliseconds from a click to neighbours: medians."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        opened = []
        for _ in range(3):
            began = time.perf_counter()
            page.goto("about:blank")
            page.goto(address)
            page.wait_for_selector(DRAWN, state="attached")
            opened.append(time.perf_counter() - began)
        frames = sorted(page.evaluate(DRAG, 2) for _ in range(5))
        clicks = sorted(page.evaluate(CLICK, row) for row in range(20))
        if shot is not None:
            page.goto("about:blank")
            page.goto(address)
            page.wait_for_selector(DRAWN, state="attached")
            page.wait_for_timeout(500)
            page.screenshot(path=shot)
            page.fill("#query", title)
            page.press("#query", "Enter")
            page.wait_for_timeout(500)
            page.screenshot(path=shot.with_name(f"{shot.stem}-chosen{shot.suffix}"))
        browser.close()
    return {
        "opened_seconds": round(sorted(opened)[1], 2),
        "frames_per_second": round(frames[2][0], 1),
        "frames_spread": [round(frames[0][0], 1), round(frames[-1][0], 1)],
        "fewest_drawn": min(least for _, least in frames),
        "click_ms": round(clicks[10], 1),
    }


if __name__ == "__main__":
    main()
