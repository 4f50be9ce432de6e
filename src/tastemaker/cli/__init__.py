"""The command line: results to stdout, progress to stderr.

Exit status 0: done. 1: the answer is no. 2: a mistake in what was asked or given, with one clear line.
Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import errno
import os
import sys
import threading

import typer

from tastemaker.cli import (
    ask,
    compare,
    curve,
    data,
    demo,
    drift,
    evaluate,
    explore,
    items,
    keys,
    models,
    ope,
    raters,
    serve,
    store,
    train,
    tune,
)
from tastemaker.errors import AmbiguousTitleError, TastemakerError

INTERRUPTED = 130
"""Exit status after a Ctrl-C, as shells have it: 128 and the number of the signal."""

LEASH = "TASTEMAKER_LEASH"
"""With `stdin` in this variable a command ends, whatever it does, as soon as its stdin is closed: so it
doesn't outlive the service that began it, however that ended."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From one catalogue file, and a log of what people watched where there is one, to recommendations.",
)
app.add_typer(data.app, name="data")
app.add_typer(items.app, name="items")
app.add_typer(store.app, name="store")
app.add_typer(models.app, name="models")
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("tuned")(tune.tuned)
app.command("recommend")(ask.recommend)
app.command("similar")(ask.similar)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("rerank-curve")(curve.rerank_curve)
app.add_typer(raters.app, name="raters")
app.command("ope")(ope.ope)
app.command("drift")(drift.drift)
app.command("explore")(explore.explore)
app.add_typer(keys.app, name="keys")
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)


def main() -> None:
    """Entry point of the `tastemaker` command."""
    _keep_libraries_quiet()
    if os.environ.get(LEASH) == "stdin":
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        app()
    except AmbiguousTitleError as error:
        _complain(str(error))
        for candidate in error.candidates:
            print(f"  {candidate}", file=sys.stderr)
        sys.exit(2)
    except TastemakerError as error:
        _complain(str(error))
        sys.exit(2)
    except tune.Interrupted as stopped:
        _complain(f"interrupted; {stopped}")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _complain(_of_system(error))
        sys.exit(2)
    except MemoryError:
        _complain("There is not enough memory for this.")
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as stopped:
        if isinstance(stopped, SystemExit) and stopped.code != INTERRUPTED:  # which typer makes of a Ctrl-C
            raise
        _complain("interrupted; nothing was written.")
        sys.exit(INTERRUPTED)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(INTERRUPTED)


def _keep_libraries_quiet() -> None:
    """TensorFlow and LiteRT greet on stderr from C++, past any setting of theirs; nobody needs to read that.

    So their stderr leads nowhere, while Python's goes on to the real one. TF_CPP_MIN_LOG_LEVEL=0 in the
    environment lets them speak.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        real = os.dup(sys.stderr.fileno())
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return  # no real stderr: inside a test, or closed by the caller
    sys.stderr = os.fdopen(real, "w", buffering=1, errors="backslashreplace")


def _complain(line: str) -> None:
    print(f"tastemaker: {' '.join(line.split())}", file=sys.stderr)


def _of_system(error: OSError) -> str:
    what = "No space is left on the disk" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return f"{what}: {error.filename}" if error.filename else what
