"""What happened: files → a catalogue, a log by users, and a report of what was repaired and refused."""

from tastemaker.data.read import Dataset, read, read_log

__all__ = ["Dataset", "read", "read_log"]
