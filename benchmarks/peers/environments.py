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
PEERS = tuple(sorted(path.stem.removeprefix("requirements-") for path in HERE.glob("requirements-*.txt")))

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
    environment = {name: value for name, value in os.environ.items() if name not in ONLY_OURS}
    refusal = {"peer": peer, "workload": workload}
    try:
        done = subprocess.run(
            words,
            env=environment,
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
