"""What does each part of the history model pay?    python -m benchmarks.ablation ml-100k --seeds 1 2

One training for each row and seed, on validation alone: weights from all but the last two events of each
user, marked by the last but one; no exam is held. Each row differs from the first by what its name says, and
what neither it nor `--set` names is as the log decides it. A row of one's own:
`--row "wider: history.dim=256 history.heads=4"`. A difference says something where it is larger than the
spread over seeds.
"""

import argparse
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality import DATA, PROTOCOLS, Protocol, teller
from benchmarks.rows import one_of, record
from tastemaker.data import read
from tastemaker.data.sources import convert
from tastemaker.recipe import Recipe
from tastemaker.training.histories import on_validation
from tastemaker.training.settings import note, settled

ROWS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "gaps": ("history.gaps=true",),
    "filter off": ("history.slow=0",),
    "norm before": ("history.norm=before",),
    "no attributes": ("history.item_features=false",),
    "ids never hidden": ("history.id_dropout=0",),
    "no pairs": ("history.pairs=none",),
    "attention pooling": ("history.encoder=pooling",),
    "gru": ("history.encoder=gru",),
    "recency bags": ("history.encoder=recency",),
    "mean": ("history.encoder=mean",),
}
EXAMPLES = Path(__file__).parents[1] / "examples/data"
SMALL = "ml-latest-small"
DATA_SETS = [SMALL, *(name for name, protocol in PROTOCOLS.items() if not protocol.is_parted)]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data_sets", nargs="*", type=one_of(DATA_SETS), help=", ".join(DATA_SETS))
    words.add_argument("--only", nargs="*", choices=ROWS, default=list(ROWS), help="of the rows known here")
    words.add_argument("--row", dest="own", action="append", type=own_row, default=[], help="NAME: a.b=c …")
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--set", dest="settings", action="append", default=[], help="of every row")
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    console = Console(width=110)
    chosen = {name: ROWS[name] for name in asked.only} | dict(asked.own)
    if not chosen:
        words.error("there is nothing to train: name a row after --only, or give one with --row")
    for name in asked.data_sets or ["ml-100k"]:
        rows = [
            measured(name, row, settings, seed, asked, console)
            for seed in asked.seeds
            for row, settings in chosen.items()
        ]
        console.print(table(name, rows))


def own_row(text: str) -> tuple[str, tuple[str, ...]]:
    """`NAME: a.b=c d.e=f` as a row."""
    name, _, settings = text.partition(":")
    if not name.strip() or not settings.strip() or not all("=" in setting for setting in settings.split()):
        raise argparse.ArgumentTypeError(f"'{text}' isn't like 'wider: history.dim=256 history.heads=4'")
    return name.strip(), tuple(settings.split())


def measured(
    name: str,
    row: str,
    settings: tuple[str, ...],
    seed: int,
    asked: argparse.Namespace,
    console: Console,
) -> dict[str, Any]:
    """One training, as a row of the results."""
    protocol = PROTOCOLS.get(name, Protocol(SMALL, "movielens", True, {}))
    folder = EXAMPLES if name == SMALL else asked.data / protocol.folder
    frames = convert(protocol.format, folder)
    data = read(frames.get("items") if protocol.with_items else None, frames["interactions"])
    assert data.interactions is not None
    fixed = [f"seed={seed}", "split.strategy=leave_one_out"]
    recipe = settled(Recipe.read(None, [*asked.settings, *settings, *fixed]), data.interactions)
    console.print(f"{name}, {row}, seed {seed}: {note(recipe)}")
    epochs: list[float] = []
    started = time.perf_counter()
    choice = on_validation(data, data.interactions, recipe, teller(console), epochs.append)
    assert choice is not None
    return record(
        "ablation",
        data_set=name,
        row=row,
        settings=[*asked.settings, *settings],
        seed=seed,
        ndcg_at_10=round(choice.value, 5),
        network_alone=[round(value, 5) for value in epochs],
        epochs=choice.epochs,
        pairs=choice.pairs,
        seconds=round(time.perf_counter() - started, 1),
        chosen=note(recipe),
    )


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """Means over the seeds, the first row first."""
    shown = Table("row", "NDCG@10", "± seeds", "against the first", "best epoch alone", "seconds", title=name)
    first = mean(row["ndcg_at_10"] for row in rows if row["row"] == rows[0]["row"])
    for row in dict.fromkeys(row["row"] for row in rows):
        mine = [each for each in rows if each["row"] == row]
        values = [each["ndcg_at_10"] for each in mine]
        shown.add_row(
            row,
            f"{mean(values):.4f}",
            f"{stdev(values):.4f}" if len(values) > 1 else "",
            f"{mean(values) / first - 1:+.1%}",
            f"{mean(max(each['network_alone']) for each in mine):.4f}",
            f"{mean(each['seconds'] for each in mine):.0f}",
        )
    return shown


if __name__ == "__main__":
    main()
