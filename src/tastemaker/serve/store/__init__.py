"""Where a service keeps what people do, what they were answered, and which items came and went.

`opened` takes an address and gives a `Store`: SQLite in a file, or PostgreSQL. Both keep the promises of
`contract`, and tests hold both to them.
"""

from tastemaker.serve.store.contract import (
    Answer,
    Event,
    Given,
    ItemChange,
    Meaning,
    Past,
    Person,
    Store,
)
from tastemaker.serve.store.opening import opened

__all__ = ["Answer", "Event", "Given", "ItemChange", "Meaning", "Past", "Person", "Store", "opened"]
