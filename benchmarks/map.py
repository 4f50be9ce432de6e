"""How long does a map take, how large is its page, and how smooth?    python -m benchmarks.map BUNDLE

Asked of Debian's Chromium without a window, which draws in software: a graphics card only makes it quicker. A
frame is drawn in whole for each step of a drag; a click is counted until its neighbours stand in the panel.
`--shot docs/map.png` also keeps the pictures of the documentation: all of it, and with an item chosen.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rows import record
from tastemaker.evaluation.map import sheet
from tastemaker.evaluation.map.chart import chart
from tastemaker.recommend import Recommender

DRAG = """async (seconds) => {
  const began = performance.now(), before = plane.frames;
  for (let n = 0; performance.now() - began < 1000 * seconds; n++) {
    plane.pan(n % 120 < 60 ? 4 : -4, 1);
    await new Promise(requestAnimationFrame);
  }
  return 1000 * (plane.frames - before) / (performance.now() - began);
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
    asked = words.parse_args()
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
            **looked_at(file, asked.title, asked.shot),
        )  # fmt: skip
    print(row)


def looked_at(file: Path, title: str, shot: Path | None) -> dict[str, Any]:
    """Seconds to open, frames a second while dragged, milliseconds from a click to neighbours: medians."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        opened = []
        for _ in range(3):
            began = time.perf_counter()
            page.goto(file.as_uri())
            opened.append(time.perf_counter() - began)
        frames = sorted(page.evaluate(DRAG, 2) for _ in range(5))
        clicks = sorted(page.evaluate(CLICK, row) for row in range(20))
        if shot is not None:
            page.goto("about:blank")
            page.goto(file.as_uri())
            page.wait_for_timeout(500)
            page.screenshot(path=shot)
            page.fill("#query", title)
            page.press("#query", "Enter")
            page.wait_for_timeout(500)
            page.screenshot(path=shot.with_name(f"{shot.stem}-chosen{shot.suffix}"))
        browser.close()
    return {
        "opened_seconds": round(sorted(opened)[1], 2),
        "frames_per_second": round(frames[2], 1),
        "frames_spread": [round(frames[0], 1), round(frames[-1], 1)],
        "click_ms": round(clicks[10], 1),
    }


if __name__ == "__main__":
    main()
