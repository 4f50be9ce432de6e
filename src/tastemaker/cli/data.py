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
        str | None,
        typer.Option(
            help="auto, global_time, leave_one_out, random, cold_item, user_holdout or cold_user; else the "
            "recipe's."
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="So many splits, in fold-1, fold-2 …, that hold out everything once.", min=2, max=100
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for train, history and targets .parquet.")] = Path(
        "split"
    ),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One knob, as in split.test_share=0.2.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Part a log into what may be learnt from, what is known when asked, and what should be found."""
    import json

    from tastemaker.data import protocols, read, split_files
    from tastemaker.errors import DataError
    from tastemaker.recipe import Recipe

    chosen = Recipe.read(recipe, [*(settings or ()), *([f"split.strategy={strategy}"] if strategy else [])])
    data = read(items, interactions, None, chosen.data)
    log = data.interactions
    if log is None:
        raise DataError("There is nothing to split: give a file of interactions.")
    if folds is None:
        made = [(out, protocols.choose(log, chosen.split, chosen.seed))]
    else:
        found = protocols.folds(log, chosen.split, folds, chosen.seed)
        made = [(out / f"fold-{number}", each) for number, each in enumerate(found, 1)]
    for folder, each in made:
        split_files.check_folder(folder)
        if not each.fold.targets.size:
            raise DataError(f"Nothing would be left to be found: {each.why} What is known isn't asked for.")
    told = []
    for folder, each in made:
        print_ = split_files.save(each, log, data.items.ids, folder, chosen.split, chosen.seed)
        sizes = {name: part.size for name, part in each.fold._asdict().items()}
        told.append({"folder": str(folder), "events": sizes, "why": each.why, "fingerprint": print_})
        if not as_json:
            counted = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
            typer.echo(f"{folder}: {counted} events. Split by {each.why}")
            typer.echo(f"fingerprint {print_}")
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))


@app.command()
def leaks(
    split: Annotated[Path, typer.Argument(help="A folder made by `tastemaker data split`.")],
    items: Annotated[Path | None, typer.Option(help="The catalogue: its columns may know too much.")] = None,
    users: Annotated[Path | None, typer.Option(help="What is known of users.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for ways in which a split tells what it asks for; exit status 1 where there is one."""
    import json

    from tastemaker.cli.show import console
    from tastemaker.data import read, split_files
    from tastemaker.data.leaks import Protocol
    from tastemaker.data.leaks import leaks as leaks_of

    data = read(split_files.items_of(split) if items is None else items, None, users)
    saved = split_files.opened(split, data.items)
    found = leaks_of(saved.split.fold, data.items, Protocol.of(saved.manifest), data.users)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(found.section())
    raise typer.Exit(0 if found.is_clean else 1)
