"""Lists for very many, written into one file: a block at a time, in constant memory.

Blocks that are done lie in a folder beside the file until all are. The same work, asked for again after it
was cut off, goes on from there.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from tastemaker.data.catalogue import PAD
from tastemaker.errors import TastemakerError
from tastemaker.hits import Hits
from tastemaker.progress import Progress, Report

BLOCK = 4096
"""Lists held at once."""


def cores() -> int:
    """Of the machine, those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def frame_of(key: str, ids: Sequence[str], hits: Hits, item_ids: pl.Series) -> pl.DataFrame:
    """Columns `key`, item_id, score, rank: the lists of `ids` (B,). `item_ids` (N,) are of the catalogue."""
    found = hits.rows != PAD
    whose, places = np.nonzero(found)
    return pl.DataFrame(
        {
            key: pl.Series(ids, dtype=pl.String).gather(whose),
            "item_id": item_ids.gather(hits.rows[found]),
            "score": hits.scores[found].astype(np.float64),
            "rank": (places + 1).astype(np.int32),
        }
    )


def write_lists(
    path: Path,
    ids: Sequence[str],
    answer: Callable[[Sequence[str]], pl.DataFrame],
    asked: Sequence[str],
    report: Report,
) -> int:
    """Write the answers for all of `ids` into a .csv or .parquet file, whole or not at all.

    Args:
        answer: the rows of a block of ids; several threads ask for some at once.
        asked: what else the answers depend on, in words; work that was cut off is gone on with only
            where this and the ids are the same.
    Returns: rows written.
    Raises: TastemakerError when a file can't be written; what is done stays for the next try.
    """
    if len(ids) <= BLOCK:
        frame = answer(ids)
        _written(path, frame.write_csv if path.suffix == ".csv" else frame.write_parquet)
        return frame.height
    parts = _Parts(path, asked, ids)
    try:
        rows, files = parts.answered(ids, answer, report)
    except OSError as error:
        raise TastemakerError(_complaint(parts.folder, error)) from None
    whole = pl.scan_parquet(files, glob=False)
    _written(path, whole.sink_csv if path.suffix == ".csv" else whole.sink_parquet)
    parts.remove()
    return rows


def _written(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    except (OSError, pl.exceptions.ComputeError) as error:
        raise TastemakerError(_complaint(path, error)) from None
    finally:
        partial.unlink(missing_ok=True)


def _complaint(path: Path, error: Exception) -> str:
    return f"Can't write {path}: {getattr(error, 'strerror', None) or error}."


class _Parts:
    """Blocks that are done, a file each, in a hidden folder beside `path`."""

    def __init__(self, path: Path, asked: Sequence[str], ids: Sequence[str]) -> None:
        self.folder = path.with_name(f".{path.name}.parts")
        self._mark = hashlib.sha256(json.dumps([BLOCK, *asked, *ids]).encode()).hexdigest()

    def answered(
        self, ids: Sequence[str], answer: Callable[[Sequence[str]], pl.DataFrame], report: Report
    ) -> tuple[int, list[Path]]:
        """Rows, and the files they stand in, in order; blocks that are there already aren't asked for."""

        def part(number: int) -> int:
            file = files[number]
            if not file.is_file():
                partial = file.with_suffix(".partial")
                answer(ids[number * BLOCK : (number + 1) * BLOCK]).write_parquet(partial)
                os.replace(partial, file)
            return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())

        self._open()
        files = [self.folder / f"{number:06}.parquet" for number in range(-(-len(ids) // BLOCK))]
        rows = 0
        # A thread a core, each with products of its own: most of the work is NumPy's, which leaves the lock.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
            try:
                for number, more in enumerate(pool.map(part, range(len(files))), 1):
                    rows += more
                    report(Progress("lists", min(number * BLOCK, len(ids)), len(ids)))
            finally:  # of an error or a Ctrl-C, what hasn't begun is left
                pool.shutdown(cancel_futures=True)
        return rows, files

    def _open(self) -> None:
        """Keep what was begun of the same work, and nothing else."""
        mark = self.folder / "asked"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != self._mark:
            self.remove()
            self.folder.mkdir()
            mark.write_text(self._mark, encoding="utf-8")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
