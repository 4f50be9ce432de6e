"""`tastemaker data`: look at files before anything is trained on them, and bring others into our form."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look at data files, and convert published data sets.")


@app.command()
def check(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe whose [data] names the files.")] = None,
    items: Annotated[Path | None, typer.Option(help="The catalogue.")] = None,
    interactions: Annotated[Path | None, typer.Option(help="The log of who touched what.")] = None,
    users: Annotated[Path | None, typer.Option(help="What is known of users.")] = None,
    impressions: Annotated[Path | None, typer.Option(help="What users were shown.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="""One knob, as in 'data.columns."Year".role=date'.""")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    rejected: Annotated[Path, typer.Option(help="Where rows that can't be used are written.")] = Path(
        "rejected.csv"
    ),
) -> None:
    """Say what was read, what each column was taken for, and what was repaired or refused."""
    import json

    from rich.console import Console

    from tastemaker.data import read
    from tastemaker.recipe import Recipe

    data = read(items, interactions, users, Recipe.read(recipe, settings or ()).data, impressions)
    log = data.interactions
    sizes = {"items": data.items.size}
    if log is not None:
        sizes |= {"users": log.user_count, "events": log.size}
    if data.impressions is not None:
        sizes |= {"impressions": data.impressions.size}
    if as_json:
        report = data.report.as_json() | sizes | {"fingerprint": data.fingerprint}
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        console = Console()
        # A pipe has no width; eighty columns would break the table of roles.
        console = console if console.is_terminal else Console(width=120)
        console.print(data.report)
        console.print(", ".join(f"{count:,} {what}" for what, count in sizes.items()), highlight=False)
    if not data.report.rejected.is_empty():
        data.report.write_rejected(rejected)
        typer.echo(f"{data.report.rejected.height:,} refused rows are in {rejected}", err=True)


@app.command()
def convert(
    format: Annotated[str, typer.Argument(help="movielens, s3rec, lightgcn, recbole or csv.")],
    path: Annotated[Path, typer.Argument(help="The folder of the data set, or one file of it.")],
    out: Annotated[Path, typer.Option(help="Folder for items, interactions and users .parquet.")],
) -> None:
    """Turn a published data set into tables that every other command reads."""
    from tastemaker.data import sources

    frames = sources.convert(format, path)
    for file, frame in zip(sources.write(frames, out), frames.values(), strict=True):
        typer.echo(f"{file}  {frame.height:,} rows: {', '.join(frame.columns)}")


@app.command()
def split(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe whose [data] names the files.")] = None,
    items: Annotated[Path | None, typer.Option(help="The catalogue.")] = None,
    interactions: Annotated[Path | None, typer.Option(help="The log of who touched what.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="auto, global_time, leave_one_out or cold_item; else the recipe's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for train, history and targets .parquet.")] = Path(
        "split"
    ),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One knob, as in split.test_share=0.2.")
    ] = None,
) -> None:
    """Part a log into what may be learnt from, what is known when asked, and what should be found."""
    from tastemaker.data import read
    from tastemaker.data import split as splits
    from tastemaker.errors import DataError
    from tastemaker.recipe import Recipe

    chosen = Recipe.read(recipe, [*(settings or ()), *([f"split.strategy={strategy}"] if strategy else [])])
    data = read(items, interactions, None, chosen.data)
    if data.interactions is None:
        raise DataError("There is nothing to split: give a file of interactions.")
    fold, told = splits.choose(data.interactions, chosen.split, chosen.seed)
    splits.save(fold, data.items.ids, out, strategy=told.split(":")[0].split(",")[0])
    sizes = ", ".join(f"{name} {log.size:,}" for name, log in fold._asdict().items())
    typer.echo(f"{out}: {sizes} events. Split by {told}")
