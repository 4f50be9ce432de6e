"""The models that there are, which of them is live, and why: a folder that several processes share.

    DIR/models/<version>/   immutable bundles, each named by its own checksum
    DIR/live.json           the one reference: what is live, what was before, what is being tried
    DIR/history.jsonl       who was added, promoted, refused or tried when, by whom and why
    DIR/.lock               held by whoever changes one of them

Only a bundle whose bytes and answers were proven comes in, and it is proven again before it goes live.
"""

from tastemaker.registry.reference import Kind, Reference, Trial
from tastemaker.registry.registry import Refused, Registry, Version

__all__ = ["Kind", "Reference", "Refused", "Registry", "Trial", "Version"]
