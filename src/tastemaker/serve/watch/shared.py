"""Where several workers keep their counts, so that each one's `/metrics` tells those of all.

prometheus_client decides this at its import. So `prepare` is called before, by the process that
starts the workers; this file doesn't import it.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def prepare(workers: int) -> Path | None:
    """Make the folder for the counts of that many workers, and name it in the environment.

    One worker keeps them in its own memory: None is returned, and nothing is made. A folder that the
    environment names already is emptied, since counts of processes that are gone would be told again.

    Raises: RuntimeError where prometheus_client has been imported already.
    """
    if workers < 2:
        os.environ.pop(FOLDER, None)
        return None
    if "prometheus_client" in sys.modules:
        raise RuntimeError("metrics have to be prepared before prometheus_client is imported")
    named = os.environ.get(FOLDER)
    folder = Path(named) if named else Path(tempfile.mkdtemp(prefix="tastemaker-metrics-"))
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink()
    os.environ[FOLDER] = str(folder)
    return folder


def gone(pid: int) -> None:
    """A worker has ended: what it counted stays, what it told of the present is taken out."""
    folder = os.environ.get(FOLDER)
    if folder:
        for left in Path(folder).glob(f"gauge_live*_{pid}.db"):
            left.unlink(missing_ok=True)


def clean(folder: Path | None) -> None:
    """At the end of the last worker: take the folder away."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER, None)
