"""The model card: what a person should know before trusting a bundle; `card.md`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tastemaker.manifest import CURVES

if TYPE_CHECKING:
    from tastemaker.evaluation.report import Report
    from tastemaker.manifest import Manifest


def card(
    manifest: "Manifest", evaluation: "Report | None", rejected: int, ranker: Mapping[str, Any] | None = None
) -> str:
    """Markdown: what it is made from, how it was trained, how good it is, what it can't do."""
    data, training = manifest.data, manifest.training
    kind = {
        "content": "a model of the catalogue alone: it knows what items are, not who liked them",
        "history": "a model of what people did: it foretells the next item from a history",
    }[manifest.kind]
    lines = [
        "# Model card",
        "",
        f"This is {kind}. Made {manifest.created} with preset `{manifest.recipe.get('preset', 'default')}`.",
        "",
        "## Data",
        "",
        f"- {data['items']:,} items, {data['users']:,} users, {data['interactions']:,} interactions"
        f" (fingerprint `{data['fingerprint'][:12]}`).",
        f"- {rejected:,} rows of the input could not be used; they are in `rejected.csv`."
        if rejected
        else "- Every row of the input was used.",
        "",
        "## Training",
        "",
        *(f"- {name}: {value}" for name, value in training.items() if name != CURVES),
        *(f"- rules for the last order: {'; '.join(rules)}" for rules in [_rules(manifest)] if rules),
        "",
        "## How good it is",
        "",
        evaluation.markdown() if evaluation is not None else "No exam was held: there was too little to ask.",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in _limits(manifest)),
        *(
            ["- The ranker has never seen a real impression: it learnt from lists that retrieval found."]
            if ranker is not None and ranker["kind"] == "found"
            else []
        ),
    ]
    return "\n".join(lines) + "\n"


def _rules(manifest: "Manifest") -> list[str]:
    """Those that change lists, in the order in which they run."""
    reranking: dict[str, Any] = manifest.recipe.get("reranking", {})
    told = []
    for name in reranking.get("order", ()):
        table = reranking[name]
        if table.get("strength"):
            told.append(f"{name} {table['strength']:g}")
        elif table.get("quota"):
            told.append(f"{name}, {table['quota']:.0%} of the places for what was hardly shown")
        elif table.get("of") and table.get("shares"):
            told.append(f"{name} of {table['of']}")
        elif table.get("method", "none") in ("epsilon", "thompson"):
            told.append(f"{name} by {table['method']}")
    if reranking.get("rules"):
        told.append(f"{len(reranking['rules'])} of the business")
    if reranking.get("placements"):
        told.append(f"others in {', '.join(reranking['placements'])}")
    return told


def _limits(manifest: "Manifest") -> list[str]:
    recipe: dict[str, Any] = manifest.recipe
    if recipe.get("preset") == "seed-content":
        return [
            "It has the item's id in its input and as its target, so it learns the identity, not likeness."
        ]
    if manifest.kind == "content":
        return [
            "It has never seen a person: likeness of names and fields is not taste.",
            "It may prefer the language that the catalogue is mostly in.",
        ]
    return [
        "It has learnt from what people did: what is popular is partly so for being shown.",
        "Items without any interaction are placed by their metadata alone.",
        "Numbers above come from a model trained before the refit; what is served has seen more.",
    ]
