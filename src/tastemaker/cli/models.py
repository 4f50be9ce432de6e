"""`tastemaker models`: which models there are, which is live, and how that changes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from rich.table import Table

    from tastemaker.registry import Reference, Registry, Version
    from tastemaker.registry.history import Line

app = typer.Typer(no_args_is_help=True, help="The models of a registry: see them, let one go live, go back.")

Where = Annotated[
    Path, typer.Option("--registry", metavar="DIR", help="The folder of models.", show_default=False)
]
Because = Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; it is kept in the history.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who does it; it is kept in the history.")]

HEADLINES = ("ndcg", "recall", "coverage")
"""What is shown of a model's exam in a list."""


@app.command("list")
def listed(registry: Where, as_json: options.Json = False) -> None:
    """Show every model, what is live, what is tried, and what was refused."""
    from tastemaker.cli.show import console
    from tastemaker.registry import Registry

    opened = Registry.opened(registry)
    versions, refused = opened.versions(), opened.refused()
    if as_json:
        _print(
            {
                "reference": _of_reference(opened.reference()),
                "versions": [_of_version(version) for version in versions],
                "refused": [vars(each) for each in refused],
            }
        )
        return
    screen = console()
    if not versions:
        screen.print("There are no models yet: tastemaker models promote BUNDLE brings one in.")
    else:
        screen.print(_table(versions))
    for each in refused[-5:]:
        screen.print(f"Refused {each.at[:19]}: {each.version or each.path}: {each.reason}", markup=False)


@app.command()
def show(
    version: Annotated[str, typer.Argument(help="As `models list` has it [default: the live one]")] = "",
    *,
    registry: Where,
    as_json: options.Json = False,
) -> None:
    """Show one model: its exam with intervals, its card, and what it replaced."""
    from rich.markdown import Markdown

    from tastemaker.bundle import Bundle
    from tastemaker.cli.show import console
    from tastemaker.evaluation.report import Report
    from tastemaker.registry import Registry

    opened = Registry.opened(registry)
    name = version or _live(opened)
    found, told = opened.version(name), [line for line in opened.history() if line.version == name]
    bundle = Bundle.open(opened.folder(name))
    if as_json:
        happened = [line.model_dump(mode="json") for line in told]
        _print(
            _of_version(found)
            | {"evaluation": bundle.evaluation, "card": bundle.card, "history": happened}
            | {"manifest": bundle.manifest.model_dump(mode="json", include={"data", "training", "versions"})}
        )
        return
    screen = console()
    screen.print(_table([found]))
    for line in told:
        screen.print(_sentence(line), markup=False)
    if bundle.evaluation is not None:
        screen.print(Report.from_json(bundle.evaluation))
    screen.print(Markdown(_without_exam(bundle.card)))


@app.command()
def promote(
    model: Annotated[
        str, typer.Argument(help="A version, or the path of a bundle to be added.", show_default=False)
    ],
    registry: Where,
    because: Because = "",
    by: By = "",
    as_json: options.Json = False,
) -> None:
    """Let a model answer from now on, once its bytes and its answers were proven."""
    from tastemaker.registry import Registry
    from tastemaker.registry.names import VERSION

    if VERSION.fullmatch(model):
        opened, version = Registry.opened(registry), model
    else:
        opened = Registry.opened(registry, create=True)
        version = opened.add(model, by)
    before = opened.reference().live
    reference = opened.promote(version, because, by)
    _tell(reference, before, as_json)


@app.command()
def rollback(registry: Where, because: Because = "", by: By = "", as_json: options.Json = False) -> None:
    """Go back to the model that was live before; again, further back."""
    from tastemaker.registry import Registry

    opened = Registry.opened(registry)
    before = opened.reference().live
    _tell(opened.rollback(because, by), before, as_json)


@app.command()
def trial(
    version: Annotated[str, typer.Argument(help="To be tried; none with --end.")] = "",
    *,
    registry: Where,
    placement: Annotated[str, typer.Option(help="Where [default: everywhere]", show_default=False)] = "",
    kind: Annotated[
        str, typer.Option(help="canary: some people see it. shadow: it is only logged.")
    ] = "canary",
    share: Annotated[float, typer.Option(help="Of people.")] = 0.05,
    end: Annotated[bool, typer.Option("--end", help="End the trial of that kind there.")] = False,
    because: Because = "",
    by: By = "",
    as_json: options.Json = False,
) -> None:
    """Try a model beside the live one, or end that."""
    from tastemaker.registry import Registry

    if kind not in ("canary", "shadow"):
        raise TastemakerError(f"--kind {kind}: there are canary and shadow.")
    opened = Registry.opened(registry)
    if end == bool(version):
        raise TastemakerError("Give the version to be tried, or --end without one.")
    if end:
        reference = opened.end_trial(placement, kind, because, by)  # type: ignore[arg-type]
    else:
        reference = opened.trial(placement, kind, version, share, because, by)  # type: ignore[arg-type]
    if as_json:
        _print(_of_reference(reference))
        return
    for each in reference.trials:
        where = f"at {each.placement}" if each.placement else "everywhere"
        typer.echo(f"{each.version} is tried {where} as {each.kind} with {each.share:.1%} of people.")
    if not reference.trials:
        typer.echo("Nothing is tried now.")


def _tell(reference: "Reference", before: str | None, as_json: bool) -> None:
    if as_json:
        _print(_of_reference(reference) | {"instead_of": before})
    elif reference.live == before:
        typer.echo(f"{reference.live} was live already.")
    else:
        typer.echo(f"{reference.live} is live now" + (f" instead of {before}." if before else "."))


def _live(registry: "Registry") -> str:
    live = registry.reference().live
    if live is None:
        raise TastemakerError("Nothing is live yet: give a version, see models list.")
    return live


def _table(versions: "list[Version]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    found = {name for version in versions for name in version.metrics or {}}
    shown = [name for headline in HEADLINES for name in sorted(found) if name.startswith(f"{headline}@")]
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("model", "", "made", "kind"):
        table.add_column(head)
    for head in ("items", "people", *map(escape, shown)):
        table.add_column(head, justify="right")
    for version in versions:
        if version.damage:
            table.add_row(version.name, "[red]damaged[/]", escape(version.damage))
            continue
        said = [f"[green]live[/] since {escape(version.since[:16])}"] if version.is_live else []
        said += [escape(f"{t.kind} {t.share:.0%} {t.placement}".strip()) for t in version.trials]
        marks = [(version.metrics or {}).get(name) for name in shown]
        table.add_row(
            version.name,
            "\n".join(said),
            escape(version.created[:16]),
            version.kind,
            f"{version.items:,}",
            f"{version.users:,}",
            *("–" if mark is None else f"{mark:.4f}" for mark in marks),
        )
    return table


def _sentence(line: "Line") -> str:
    instead = f" instead of {line.instead_of}" if line.instead_of else ""
    by = f" by {line.by}" if line.by else ""
    why = f": {line.reason}" if line.reason else ""
    return f"{line.at[:19]}  {line.event}{instead}{by}{why}"


def _without_exam(card: str) -> str:
    """The exam is told above, with more."""
    parts = card.split("\n## ")
    return "\n## ".join(part for part in parts if not part.startswith("How good it is"))


def _of_reference(reference: "Reference") -> dict[str, Any]:
    return reference.model_dump(mode="json", exclude={"last"})


def _of_version(version: "Version") -> dict[str, Any]:
    return vars(version) | {"trials": [trial.model_dump(mode="json") for trial in version.trials]}


def _print(values: Any) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False, indent=1))
