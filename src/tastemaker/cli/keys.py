"""`tastemaker keys`: who may ask the service, and for what."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options
from tastemaker.serve.guard.roles import Role

app = typer.Typer(no_args_is_help=True, help="API keys of the service: make them, see them, take them away.")

File = Annotated[
    Path, typer.Option("--keys", envvar="TASTEMAKER_KEYS", help="The file of keys.", show_default=False)
]


@app.command()
def add(
    role: Annotated[Role, typer.Option(help="What it may do.", show_default=False)],
    name: Annotated[str, typer.Option(help="Who it is for, for your own eyes.", show_default=False)],
    keys: File,
    as_json: options.Json = False,
) -> None:
    """Make a key and print it: it is never shown again."""
    from tastemaker.serve.guard.keys import Keys

    key = Keys.opened(keys, create=True).add(role, name)
    typer.echo(json.dumps({"key": key, "role": role.value, "name": name}) if as_json else key)
    typer.echo("Keep it now: only a hash of it is stored.", err=True)


@app.command("list")
def list_keys(keys: File, as_json: options.Json = False) -> None:
    """Every key, less its secret."""
    from tastemaker.serve.guard.keys import Keys

    known = [
        {
            "id": key.id,
            "role": key.role.value,
            "made": datetime.fromtimestamp(key.made, UTC).isoformat(timespec="seconds"),
            "name": key.name,
        }
        for key in Keys.opened(keys).list()
    ]
    if as_json:
        typer.echo(json.dumps(known))
        return
    for key in known:
        typer.echo(f"{key['id']}  {key['role']:<12}  {key['made']}  {key['name']}")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.", show_default=False)],
    keys: File,
    as_json: options.Json = False,
) -> None:
    """Take a key away; a running service refuses it within a second."""
    from tastemaker.serve.guard.keys import Keys

    gone = Keys.opened(keys).revoke(key_id)
    typer.echo(
        json.dumps({"revoked": gone.id, "name": gone.name}) if as_json else f"Revoked {gone.id}, {gone.name}."
    )
