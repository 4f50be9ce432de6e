"""What a service is started with; its workers are handed it in their environment."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tastemaker.recipe import Recipe

NAME = "TASTEMAKER_SERVICE"
"""The variable of the environment that workers read."""


class Settings(BaseModel):
    """Every knob of the service."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bundle: Path | None = None
    """the one model, or"""
    registry: Path | None = None
    """where the live one is named"""
    store: str
    """where events go: a file, or postgresql://…"""
    spool: Path | None = None
    """a folder that events wait in while the store is down; without one they are refused then"""
    keys: Path | None = None
    """the file of API keys; None where everybody on this machine may do everything"""
    recipe: Path | None = None
    """placements and rules instead of those of the model"""
    saved: Path | None = None
    """a recipe file of placements that were saved by hand, laid over those of `recipe` and model; looked at
    as it changes. None: none can be saved"""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    workers: int = Field(1, ge=1, le=256)
    budget_ms: float = Field(100.0, gt=0)
    """time for one list, the wait for its turn included; stages that it isn't enough for are left out"""
    queue_ms: float = Field(50.0, gt=0)
    """who would wait longer for their turn is refused"""
    history: int = Field(500, ge=1, le=10_000)
    """newest events of a person that are read"""
    keep_days: float | None = Field(None, gt=0)
    """events and answers older than this are deleted; None keeps them"""
    ahead_s: float = Field(300.0, ge=0)
    """an event may be so far in the future, by a clock that is wrong; further ahead it is refused"""
    requests_per_s: float = Field(500.0, gt=0)
    """of one key, to one worker; twice as many at once"""
    log_features: bool = True
    """whether what the ranker saw of each item shown is written down with the answer"""
    drain_s: float = Field(10.0, gt=0)
    """time that requests have to end when the service is told to stop"""
    log_level: str = "info"
    has_page: bool = True
    """whether the page at `/` is there"""
    workshop: Path | None = None
    """a folder for what the page has made: maps, reports, models of files that are tried; None: nothing of
    the kind is made"""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.bundle is None) == (self.registry is None):
            raise ValueError("A service has a bundle or a registry, one of the two")
        return self

    @property
    def placements(self) -> Recipe | None:
        """What the recipe beside the model says, read anew."""
        return None if self.recipe is None else Recipe.read(self.recipe)

    def hand_over(self) -> None:
        """Into the environment, for workers."""
        os.environ[NAME] = self.model_dump_json()

    @classmethod
    def handed_over(cls) -> "Settings":
        return cls.model_validate_json(os.environ[NAME])
