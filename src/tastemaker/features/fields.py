"""What is known of items as one sparse matrix, whose products are likenesses."""

from typing import Any

import numpy as np
from scipy import sparse

from tastemaker.features.schema import Bag, Encoded


def fields_of(encoded: Encoded) -> sparse.csr_array:
    """(N, ΣF) all bags side by side, each of length 1, so that a product is a sum of cosines.

    What is missing or out of vocabulary is like nothing.
    """
    blocks = [_unit(bag, field.size) for field, bag in zip(encoded.fields, encoded.bags, strict=True)]
    joined: Any = sparse.hstack(blocks) if blocks else sparse.csr_array((encoded.size, 1))
    return sparse.csr_array(joined.astype(np.float32))


def _unit(bag: Bag, size: int) -> sparse.csr_array:
    things, places = np.nonzero((bag.weights != 0) & (bag.ids > 0))
    values = bag.weights[things, places]
    matrix = sparse.csr_array((values, (things, bag.ids[things, places])), shape=(len(bag.ids), size))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return sparse.csr_array(sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix)
