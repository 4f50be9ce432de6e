"""What a model sees of people: their own columns, and somebody it knows nothing of."""

import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded


def encode_users(encoder: Encoder, users: Catalogue) -> Encoded:
    """(U + 1) people: those of `users`, then one of whom every column is missing.

    `users.rows(ids)` gives PAD = -1 for a stranger, which in NumPy is that last row.
    """
    stranger = users.frame.clear(n=1)
    return encoder.encode(pl.concat([users.frame, stranger]))
