"""Where a benchmark's answers are kept: `results/<name>.jsonl`, one JSON object a line, newest last.

Every row carries what repeats it: the commit, the kind of machine, threads and versions. It never
carries what doesn't: host names and absolute paths.
"""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """A `type` for argparse: `choices` won't do where any number of them may be named, none of them too."""

    def check(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(names)}")
        return word

    return check


def record(name: str, **values: Any) -> dict[str, Any]:
    """Append one row to `results/<name>.jsonl` and return it as written.

    Args:
        values: plain values, lists and dicts of them, NumPy's; a path is kept as its last part only.
    """
    row = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        **_machine(),
        **_plain(values),
    }
    line = json.dumps(row, ensure_ascii=False)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    return dict(json.loads(line))


def _commit() -> str:
    """Short hash of the code measured, with a `+` when files differ from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "src", "benchmarks/*.py")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}{'+' if changed else ''}"


def _git(*words: str) -> str:
    here = Path(__file__).parent.parent
    return subprocess.run(
        ["git", *words], cwd=here, check=True, capture_output=True, text=True
    ).stdout.strip()


def _machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in ("numpy", "scipy", "keras")},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """The same for `json`, with every path shortened to its last part."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        return Path(value).name
    return value
