"""Builds each peer's environment once, runs it there, and reads its row; the standard library alone."""

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PINNED = sorted(path.stem.removeprefix("requirements-") for path in HERE.glob("requirements-*.txt"))
PEERS = tuple(name for name in PINNED if (HERE / f"{name}.py").exists())
"""Of `benchmarks.train`; the others are of `benchmarks.train_quality` alone."""

MEMORY_GB = 24
TIMEOUT_S = 600
ONLY_OURS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # chosen for our own BLAS; a peer picks its kernels


def python_of(peer: str) -> Path:
    """The interpreter of the peer's environment under `build/peers/`, made if it is missing."""
    home = ROOT / "build" / "peers" / peer
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Written last, so that an installation that broke off is taken up again; and again when the pins change.
    done = home / "installed.txt"
    wanted = (HERE / f"requirements-{peer}.txt").read_text()
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "-r", HERE / f"requirements-{peer}.txt"]
        subprocess.run(install, check=True)
        done.write_text(wanted)
    return python


def run(peer: str, workload: str, seconds: float = 20, threads: int = 1, seed: int = 1) -> dict[str, Any]:
    """The peer's row, or `{"peer", "workload", "error"}` where it ran out of memory or time, or failed."""
    return run_with(python_of(peer), peer, workload, seconds, threads, seed)


def run_with(
    python: Path, peer: str, workload: str, seconds: float = 20, threads: int = 1, seed: int = 1
) -> dict[str, Any]:
    """`run` with an interpreter that is there already."""
    words = [python, HERE / f"{peer}.py", "--workload", workload]
    for name, value in (("seconds", seconds), ("threads", threads), ("seed", seed)):
        words += [f"--{name}", str(value)]
    refusal = {"peer": peer, "workload": workload}
    try:
        done = subprocess.run(
            words,
            env=environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            # Libraries map far more addresses than they touch: it is the data segment that is held.
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_DATA, (MEMORY_GB << 30,) * 2),
        )
    except subprocess.TimeoutExpired:
        return refusal | {"error": f"not done after {TIMEOUT_S} s"}
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        return refusal | {"error": f"exit code {done.returncode}: {last}"}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def run_task(script: str, peer: str | None, task: dict[str, Any], seed: int) -> None:
    """Let a script of `benchmarks.train_quality` do a task; in this environment where `peer` is None.

    Raises: RuntimeError with the last line of what it said, where it failed.
    """
    python = Path(sys.executable) if peer is None else python_of(peer)
    words = [python, HERE / f"{script}.py", "--workload", "ml-1m", "--seed", str(seed)]
    done = subprocess.run(
        words, env=environment(), cwd=ROOT, input=json.dumps(task), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{script}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")


def environment() -> dict[str, str]:
    """Of a process that is measured."""
    return {name: value for name, value in os.environ.items() if name not in ONLY_OURS}
