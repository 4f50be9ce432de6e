"""What happened: files → a catalogue, a log by users, and a report of what was repaired and refused.

Reading is loaded when it is asked for: who only answers never reads a file.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tastemaker.data.reading import Dataset, read, read_impressions, read_log, read_new_log

__all__ = ["Dataset", "read", "read_impressions", "read_log", "read_new_log"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tastemaker.data' has no attribute {name!r}")
    from tastemaker.data import reading

    return getattr(reading, name)
