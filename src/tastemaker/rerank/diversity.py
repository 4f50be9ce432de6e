"""What is alike stands apart: by vectors of the model, or by what a column says."""

import numpy as np

from tastemaker.data.names import plain_name
from tastemaker.recipe.reranking import DiversityRule
from tastemaker.rerank.dpp import greedy_dpp
from tastemaker.rerank.draft import Draft, Order, Request
from tastemaker.rerank.facts import VECTORS, Facts
from tastemaker.rerank.mmr import maximal_marginal_relevance


class Diversity:
    """Fills the places of the list out of the whole draft, by MMR or by a DPP; what is left follows as it
    stands.

    Relevance is `Draft.relevance`, whatever its scale was before: of two drafts whose scores differ by a
    factor, the orders are the same.

    Raises: RecipeError where there is no such column as `knobs.of`.
    """

    name = "diversity"

    def __init__(self, knobs: DiversityRule, facts: Facts) -> None:
        self._knobs, self._facts = knobs, facts
        self._reason = _reason(knobs.of)
        self._picks = {"mmr": maximal_marginal_relevance, "dpp": greedy_dpp}[knobs.method]
        if knobs.strength and knobs.of != VECTORS:
            facts.groups(knobs.of)  # a wrong name is told when a bundle is opened, not to who asks first

    def __call__(self, draft: Draft, request: Request) -> Draft:
        if not self._knobs.strength:
            return draft
        order = self._picks(
            draft.relevance,
            self._facts.alike(self._knobs.of, draft.rows),
            request.k,
            self._knobs.strength,
            self._knobs.window,
        )
        return draft.ordered(order, dict.fromkeys(draft.rows[_lifted(order)].tolist(), self._reason))


def _lifted(order: Order) -> Order:
    """Places that the list has, or has higher up, because of the rule: from behind its end, or past an item
    that is still shown. Who only closes up to where one went missing wasn't lifted.

    Args:
        order: (k,) for each place of the list the place before.
    """
    if not len(order):
        return order
    # Of all that stand below, the one that stood highest.
    least_below = np.minimum.accumulate(order[::-1])[::-1]
    is_past = np.append(order[:-1] > least_below[1:], False)
    return order[is_past | (order >= len(order))]


def _reason(of: str) -> str:
    """In words: `language` → to vary languages."""
    if of == VECTORS:
        return "unlike what stands above it"
    word = plain_name(of).replace("_", " ") or of
    if word.isascii() and not word.endswith("s"):
        word = word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"
    return f"to vary {word}"
