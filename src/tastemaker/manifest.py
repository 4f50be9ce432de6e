"""What a bundle says of itself: `manifest.json`, read strictly."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tastemaker.recipe import Column

FORMAT = 2

CURVES = "curves"
"""Where in `Manifest.training` lies how each training went: by stage, loss and validation by epoch."""


class IndexNote(BaseModel):
    """How the nearest items are looked up, and how well that went where the bundle was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["exact", "ivf", "hnsw", "annoy"]
    width: int = Field(0, ge=0)
    """of the search, in the index's own units; 0 of an exact one"""
    lists: int = 0
    """of ivf"""
    k: int
    recall: float
    """share of the true `k` nearest that were found"""
    queries: int
    """that were asked, of people's histories where there are any"""
    latency_us: dict[str, float]
    """microseconds, median and p95, of one query at a time"""
    built_seconds: float


class Manifest(BaseModel):
    """What the bundle is and where it came from; `manifest.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    kind: Literal["content", "history"]
    """content: made from a catalogue alone. history: from what people did"""
    recipe: dict[str, Any]
    """every knob as it was, the columns' roles included"""
    columns: dict[str, list[Column]]
    """of items and, where there are any, users"""
    history_length: int = Field(0, ge=0, le=1_000_000)
    """newest events that the query tower sees"""
    value_scale: dict[str, Any] = {}
    """how strengths of events were standardised"""
    index: IndexNote | None = None
    """None: an exact one"""
    pair_weight: float = 0.0
    """what counted pairs say is added to a score times this"""
    pair_ridge: float | None = None
    """of EASE, where they were counted by it"""
    spread: float | None = None
    """how far items that nobody has touched are spread about the mean; None where it isn't settled yet"""
    is_ordered: bool = True
    is_clock: bool = True
    data: dict[str, Any]
    """fingerprint and counts of what it was trained on"""
    training: dict[str, Any] = {}
    """epochs, seconds, what was chosen and why"""
    since: dict[str, Any] = {}
    """what came, changed and went since: how many of each, and a fingerprint of it all"""
    metrics: dict[str, float] = {}
    created: str
    versions: dict[str, str]
    files: dict[str, str] = {}
    """sha256 of every other file"""
    checksum: str = ""
    """sha256 of this file with nothing between these quotes"""
