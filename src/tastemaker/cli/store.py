"""`tastemaker store`: what a service kept, as files; what is old, gone; and whether all is well."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemaker.cli import options

app = typer.Typer(no_args_is_help=True, help="What a service keeps of people and of its answers.")

Address = Annotated[
    str, typer.Argument(metavar="URL", help="An SQLite file, or postgresql://…", show_default=False)
]
DAY_S = 86_400.0


@app.command()
def export(
    url: Address,
    out: Annotated[Path, typer.Option(help="Folder to write into.", show_default=False)],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="A date, a time, or seconds since 1970.")
    ] = None,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="Of the files.")] = "parquet",
    as_json: options.Json = False,
) -> None:
    """Write interactions, impressions and answers as files that `tastemaker train` reads."""
    import json

    from tastemaker.serve.store.export import gathered

    kept = gathered(url, options.moment(since, "--since") or 0.0)
    paths = kept.write(out, form)
    rows = {path.name: frame.height for path, frame in zip(paths, kept, strict=True)}
    if as_json:
        typer.echo(json.dumps({"out": str(out), "rows": rows}, ensure_ascii=False))
        return
    for name, height in rows.items():
        typer.echo(f"{out / name}: {height:,} rows")


@app.command()
def forget(
    url: Address,
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", help="How old.", min=0.0, show_default=False)
    ],
    as_json: options.Json = False,
) -> None:
    """Delete events and answers that are older than so many days."""
    import asyncio
    import json
    import time

    from tastemaker.serve.store.opening import found

    async def work() -> int:
        store = await found(url)
        try:
            return await store.forget(time.time() - older_than * DAY_S)
        finally:
            await store.close()

    gone = asyncio.run(work())
    typer.echo(json.dumps({"deleted": gone}) if as_json else f"Deleted {gone:,} events and answers.")


@app.command()
def check(url: Address, as_json: options.Json = False) -> None:
    """Whether a store can be read and written, and every page of a file is whole. Exit status 1: no."""
    import asyncio
    import json

    from tastemaker.errors import StoreError
    from tastemaker.serve.store.opening import file_of, found
    from tastemaker.serve.store.sqlite_file import check_pages

    async def work() -> None:
        path = file_of(url)
        if path is not None and path.exists():
            check_pages(path)
        store = await found(url)
        try:
            await store.check()
        finally:
            await store.close()

    trouble = None
    try:
        asyncio.run(work())
    except StoreError as error:
        trouble = str(error)
    if as_json:
        typer.echo(json.dumps({"is_well": trouble is None, "trouble": trouble}, ensure_ascii=False))
    else:
        typer.echo(trouble or "The store can be read and written.")
    if trouble is not None:
        raise typer.Exit(1)
