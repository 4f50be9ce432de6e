"""`tastemaker demo`: both kinds of model on real films, from files to answers, in a few minutes."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli.serve import PORT
from tastemaker.errors import DataError, TastemakerError

if TYPE_CHECKING:
    from tastemaker.data import Dataset
    from tastemaker.recommend import Recommender

THREE_FILMS = ("260", "1196", "2571")
"""Star Wars, The Empire Strikes Back, The Matrix: the taste of somebody the log never saw."""

QUICK = (
    "history.encoder=recency",
    "history.patience=2",
    "history.batch_size=512",
    "history.learning_rate=0.003",
)
"""The demo takes the encoder that trains in a minute, and stops a little early."""


def demo(
    data: Annotated[Path, typer.Option(help="Folder with movies.csv and ratings.csv.")] = Path(
        "examples/data"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the two bundles.")] = Path("models"),
    port: Annotated[int, typer.Option(help="Port to serve on at the end.", min=1, max=65_535)] = PORT,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End with the tables.")] = False,
) -> None:
    """Train on MovieLens without and with its ratings, measure both, ask them, and serve the second."""
    movies, ratings = data / "movies.csv", data / "ratings.csv"
    if not movies.is_file() or not ratings.is_file():
        raise DataError(
            f"{data} has no movies.csv and ratings.csv: run the demo from a clone of the project."
        )

    if not no_serve:
        check_free(port)

    from tastemaker.cli.show import console, slate_table
    from tastemaker.data import read, read_log
    from tastemaker.evaluation.judge import judge, remembered

    screen = console()
    started = time.perf_counter()

    screen.rule("1. A catalogue alone: 9,125 films, no users")
    content = _trained(read(items=movies), (), out / "demo-content", screen)
    screen.print("\nNobody's taste was known. How well does it foretell what people rated?", style="bold")
    screen.print(judge(content, read_log(ratings, content.catalogue)[0]))
    screen.print(slate_table(content.similar("The Matrix", k=5), "like The Matrix, by metadata alone"))

    screen.rule("2. The same films with 100,004 ratings")
    hybrid = _trained(read(items=movies, interactions=ratings), QUICK, out / "demo", screen)
    screen.print(remembered(hybrid))
    screen.print(slate_table(hybrid.recommend(user_id="42"), "for user 42"))
    slate = hybrid.recommend(history=THREE_FILMS)
    names = ", ".join(hybrid.catalogue.titles[row] for row in hybrid.catalogue.rows(THREE_FILMS))
    screen.print(slate_table(slate, f"for a stranger who liked {names}"))
    screen.print(slate_table(hybrid.similar("The Matrix"), "like The Matrix"))
    screen.print(f"Done in {time.perf_counter() - started:.0f} s. Ask on:")
    screen.print(f"  tastemaker recommend {out / 'demo'} --user 7")
    screen.print(f"  tastemaker similar {out / 'demo'} 'toy stroy'")
    if not no_serve:
        screen.rule("3. Served, until Ctrl-C")
        served(out / "demo", port)


def served(bundle: Path, port: int) -> None:
    """Serve a bundle to this machine, as `tastemaker serve BUNDLE --no-auth` does, in a process without
    TensorFlow."""
    address = f"http://127.0.0.1:{port}"
    asked = "-H 'content-type: application/json' -d"
    typer.echo(f"""Look, in a browser:
  {address}/
Try, from another terminal:
  curl -s {address}/v1/recommend {asked} '{{"user_id": "42", "k": 3}}'
  curl -s '{address}/v1/search?q=toy+stroy'
  curl -s {address}/v1/events {asked} '{{"events": [{{"user_id": "42", "item_id": "1"}}]}}'
""")
    command = [sys.executable, "-m", "tastemaker", "serve", str(bundle), "--no-auth", "--port", str(port)]
    service = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        status = service.wait()
    except KeyboardInterrupt:  # which it hears too
        status = service.wait()
    raise typer.Exit(status)


def check_free(port: int) -> None:
    """Said before minutes are spent on training. Raises TastemakerError where it isn't."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise TastemakerError(
                f"Port {port} can't be had ({error.strerror}): give another with --port, or --no-serve."
            ) from None


def _trained(data: "Dataset", settings: tuple[str, ...], out: Path, screen: object) -> "Recommender":
    from rich.console import Console

    from tastemaker.cli.show import progress
    from tastemaker.recipe import Recipe
    from tastemaker.training import train

    assert isinstance(screen, Console)
    screen.print(data.report)
    with progress() as report:
        recommender = train(data, Recipe.read(None, settings), report)
    recommender.save(out)
    return recommender
