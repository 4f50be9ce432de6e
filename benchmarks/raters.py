"""Can the verdict of a small study be believed?    python -m benchmarks.raters --worlds 1000

Simulated raters (nobody was asked) answer simulated questions: how much better `a` is differs by question
and by rater, and each answer has noise of its own; a difference too small to notice is a tie, and one answer
in twenty is missing. The true share is known, so it is counted how often the interval holds it, how wide it
is, and, where neither is better, how often a model is called better all the same. Beside it stands the
bootstrap over questions and raters (Owen, AoAS 2007), and one over questions alone.

    python -m benchmarks.raters --answer study/       files of five simulated raters, to try `raters read` on
    python -m benchmarks.raters --picture study/rate.html docs/raters.png       the page in Chromium
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.rows import record
from tastemaker.evaluation.crossed import crossed_interval
from tastemaker.evaluation.raters.reading import FEWEST, LEVEL, sign_flips
from tastemaker.evaluation.raters.study import FORMAT, Key

Points = npt.NDArray[np.float64]

TIE, MISSING = 0.6, 0.05


class World(NamedTuple):
    """In standard deviations of a single answer's noise."""

    questions: int
    raters: int
    better: float
    by_question: float
    by_rater: float

    def draw(self, rng: np.random.Generator) -> Points:
        """(Q, R) points of `a`."""
        shape = self.questions, self.raters
        felt = self.better + self.by_question * rng.normal(size=(self.questions, 1))
        felt = felt + self.by_rater * rng.normal(size=(1, self.raters)) + rng.normal(size=shape)
        points = np.where(felt > TIE, 1.0, np.where(felt < -TIE, 0.0, 0.5))
        points[rng.random(shape) < MISSING] = np.nan
        return points

    @property
    def share(self) -> float:
        spread = math.sqrt(1 + self.by_question**2 + self.by_rater**2)
        wins, losses = (stats.norm.cdf((sign * self.better - TIE) / spread) for sign in (1, -1))
        return float(0.5 + (wins - losses) / 2)


WORLDS = [
    World(30, raters, better, 0.7, by_rater)
    for raters in (2, 3, 5, 8)
    for by_rater in (0.0, 0.3, 0.7)
    for better in (0.0, 0.5)
]


def bootstrap(points: Points, rng: np.random.Generator, with_raters: bool, resamples: int = 500) -> Points:
    """(2,) the middle 95 % of means of questions, and of raters where asked, drawn again."""
    known = ~np.isnan(points)
    values = np.where(known, points, 0.0)
    questions, raters = points.shape
    rows = rng.multinomial(questions, np.full(questions, 1 / questions), resamples)
    columns = np.ones((resamples, raters))
    if with_raters:
        columns = rng.multinomial(raters, np.full(raters, 1 / raters), resamples)
    means = ((rows @ values) * columns).sum(1) / np.maximum(((rows @ known) * columns).sum(1), 1)
    return np.quantile(means, [0.025, 0.975])


def row_of(world: World, worlds: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    held = {"crossed": 0, "bootstrap of both": 0, "bootstrap of questions": 0}
    widths, called = [], 0
    for _ in range(worlds):
        points = world.draw(rng)
        found = crossed_interval(points, (0.0, 1.0))
        chance = sign_flips(points - 0.5, rng, flips=2000)
        held["crossed"] += found.low <= world.share <= found.high
        for name, with_raters in (("bootstrap of both", True), ("bootstrap of questions", False)):
            low, high = bootstrap(points, rng, with_raters)
            held[name] += low <= world.share <= high
        widths.append(found.high - found.low)
        is_shown = not found.low <= 0.5 <= found.high and chance is not None and chance <= LEVEL
        called += is_shown and found.questions >= FEWEST
    return {
        "world": world._asdict(),
        "share": round(world.share, 4),
        "worlds": worlds,
        "seed": seed,
        "covered": {name: count / worlds for name, count in held.items()},
        "width": round(float(np.mean(widths)), 4),
        "called": called / worlds,
    }


def answer(folder: Path, raters: int, seed: int) -> None:
    """Files as the page saves them, of raters who like `a` better by half a standard deviation; the last one
    chooses the left side, whatever stands there."""
    key, rng = Key.read(folder), np.random.default_rng(seed)
    by_query: dict[str, float] = {}
    for number in range(raters):
        taste, told = 0.2 * rng.normal(), []
        for asked in key.questions:
            liked = by_query.setdefault(asked.query, 0.7 * rng.normal())
            felt = (
                3.0 if "chance" in (asked.left, asked.right) else 0.6 + liked + taste
            ) + 0.6 * rng.normal()
            side = "left" if (felt > 0) == (asked.left == "a") else "right"
            choice = side if abs(felt) > TIE else str(rng.choice(["both", "neither"]))
            if number == raters - 1:
                choice = "left" if rng.random() < 0.9 else choice
            marks = {
                place: [n for n in range(len(ids)) if rng.random() < (0.08 if whose == "a" else 0.2)]
                for place, whose, ids in (
                    ("left", asked.left, asked.left_ids),
                    ("right", asked.right, asked.right_ids),
                )
            }
            seconds = round(float(rng.lognormal(2.4, 0.4)), 1)
            told.append({"number": asked.number, "choice": choice, **marks, "seconds": seconds})
        name = f"simulated-{number + 1}"
        whole = {"format": FORMAT, "study": key.study, "rater": name, "answers": told}
        (folder / f"answers-{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def picture(page: Path, out: Path) -> None:
    """The first question with an answer, as a rater sees it."""
    import shutil

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1040, "height": 780})
        tab.goto(page.resolve().as_uri())
        tab.fill("#rater", "Ann")
        tab.keyboard.press("Enter")
        tab.locator("#left ol button").nth(3).click()
        tab.keyboard.press("2")
        tab.screenshot(path=out)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raters", type=int, default=5)
    parser.add_argument("--answer", type=Path)
    parser.add_argument("--picture", type=Path, nargs=2, metavar=("PAGE", "FILE"))
    asked = parser.parse_args()
    if asked.answer is not None:
        answer(asked.answer, asked.raters, asked.seed)
    elif asked.picture is not None:
        picture(*asked.picture)
    else:
        for world in WORLDS:
            print(json.dumps(record("raters", **row_of(world, asked.worlds, asked.seed))), flush=True)


if __name__ == "__main__":
    main()
