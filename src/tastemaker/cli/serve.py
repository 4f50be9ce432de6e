"""`tastemaker serve`: a bundle, or a registry of them, over HTTP."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.serve.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT = 8000


def serve(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle made by `tastemaker train`.", show_default=False)
    ] = None,
    registry: Annotated[
        Path | None, typer.Option(help="A registry instead: what is live there answers, and can change.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where events go: a file, or postgresql://… [default: events.sqlite beside the model]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)
    ] = PORT,
    workers: Annotated[int, typer.Option(help="Processes, one a core.", min=1, max=256)] = 1,
    keys: Annotated[
        Path | None,
        typer.Option(help="The file of API keys, see `tastemaker keys`.", envvar="TASTEMAKER_KEYS"),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Without keys: whoever is on this machine may do everything.")
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="Placements and rules instead of those of the model: a recipe file.")
    ] = None,
    spool: Annotated[
        Path | None, typer.Option(help="A folder that events wait in while the store is down.")
    ] = None,
    budget_ms: Annotated[
        float,
        typer.Option(help="Time for one list; stages that it isn't enough for are left out.", min=0.001),
    ] = 100.0,
    queue_ms: Annotated[
        float, typer.Option(help="Who would wait longer for their turn is refused.", min=0.001)
    ] = 50.0,
    keep_days: Annotated[
        float | None, typer.Option(help="Delete events and answers older than this.", min=0.001)
    ] = None,
    requests_per_s: Annotated[float, typer.Option(help="Of one key, to one worker.", min=0.001)] = 500.0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    page: Annotated[bool, typer.Option("--page/--no-page", help="The page for people, at /.")] = True,
    workshop: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the page makes maps, reports and models of files that are tried. [default: a folder "
            "that is gone at the end]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Answer over HTTP: POST /v1/recommend, /v1/events and more; GET /openapi.json says what.

    Until SIGTERM or Ctrl-C; what was begun is answered before.
    """
    import gc

    gc.disable()  # until the model is warm: nothing of what is made by then is to be let go

    from tastemaker.serve.run import run
    from tastemaker.serve.settings import Settings

    if (bundle is None) == (registry is None):
        raise TastemakerError("serve takes a bundle or --registry, one of the two.")
    if log_level not in ("debug", "info", "warning", "error"):
        raise TastemakerError(f"--log-level {log_level}: there are debug, info, warning, error.")
    _check_door(host, keys, no_auth)
    settings = Settings(
        bundle=bundle,
        registry=registry,
        store=store or _beside(bundle, registry),
        spool=spool,
        keys=None if no_auth else keys,
        recipe=recipe,
        saved=_saved(bundle, registry),
        host=host,
        port=port,
        workers=workers,
        budget_ms=budget_ms,
        queue_ms=queue_ms,
        keep_days=keep_days,
        requests_per_s=requests_per_s,
        log_level=log_level,
    )
    _one_thread_each()
    with _workshop(page, workshop) as folder:
        settings = settings.model_copy(update={"has_page": page, "workshop": folder})
        run(settings, lambda address: _tell(settings, address))


@contextmanager
def _workshop(page: bool, folder: Path | None) -> Iterator[Path | None]:
    """Raises TastemakerError where it can't be had."""
    if not page:
        yield None
    elif folder is None:
        try:
            temporary = tempfile.TemporaryDirectory(prefix="tastemaker-", ignore_cleanup_errors=True)
        except OSError:  # nowhere may be written: lists are served all the same
            yield None
            return
        with temporary as made:
            yield Path(made)
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TastemakerError(f"Can't make --workshop {folder}: {error.strerror}.") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TastemakerError(f"Nothing may be written into --workshop {folder}.")
        yield folder.resolve()


def _check_door(host: str, keys: Path | None, no_auth: bool) -> None:
    """Nothing is open by mistake."""
    if no_auth and host not in LOOPBACK:
        raise TastemakerError(
            f"--no-auth listens on this machine alone, and {host} is not it: leave out --host, or use --keys."
        )
    if not no_auth and keys is None:
        raise TastemakerError(
            "Who may ask? `tastemaker keys add --role read --name NAME --keys FILE` makes a key, and serve "
            "takes --keys FILE; or --no-auth lets whoever is on this machine do everything."
        )


def _beside(bundle: Path | None, registry: Path | None) -> str:
    """A bundle is never written to, so its events lie beside it."""
    if registry is not None:
        return str(registry / "events.sqlite")
    path = Path(os.path.realpath(str(bundle)))
    return str(path.parent / f"{path.name}.events.sqlite")


def _saved(bundle: Path | None, registry: Path | None) -> Path:
    """Where placements are kept that somebody saves by hand."""
    if registry is not None:
        return registry.resolve() / "placements.toml"
    path = Path(os.path.realpath(str(bundle)))
    return path.parent / f"{path.name}.placements.toml"


def _one_thread_each() -> None:
    """Processes are what a service grows by; teams of threads within one only wait for each other."""
    for name in ("OMP", "OPENBLAS", "MKL", "POLARS_MAX"):
        os.environ.setdefault(f"{name}_NUM_THREADS" if name != "POLARS_MAX" else "POLARS_MAX_THREADS", "1")


def _tell(settings: "Settings", address: str) -> None:
    print(f"Serving on {address}", file=sys.stderr)
    if settings.keys is None:
        print("Without keys: whoever is on this machine may do everything.", file=sys.stderr)
