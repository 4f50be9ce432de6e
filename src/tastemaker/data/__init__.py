"""What happened: files → a catalogue, a log by users, and a report of what was repaired and refused."""

from tastemaker.data.read import Dataset, read

__all__ = ["Dataset", "read"]
