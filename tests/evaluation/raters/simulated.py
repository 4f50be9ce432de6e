"""Raters who know what they like."""

from tastemaker.evaluation.raters.study import Asked


def side_of(asked: Asked, whose: str) -> str:
    """Where a list stands."""
    return "left" if asked.left == whose else "right"
