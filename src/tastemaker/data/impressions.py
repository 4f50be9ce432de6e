"""What people were shown, where it stood, and what came of it: a log of looks beside the log of choices.

Cleaned by `clean_shown`; a simulator makes one by `Impressions.from_events`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions

Floats = npt.NDArray[np.float32]
Which = npt.NDArray[np.bool_]

OUTCOMES = ("click", "watch_time", "completion", "like", "hidden")
"""What may come of something that was shown. watch_time is in seconds, the others are 0 or 1."""

CHOSEN_BY = OUTCOMES[:4]
"""Above 0, these say that it was chosen. Who hides something chose nothing."""


@dataclass(frozen=True)
class Labels:
    """One short string an event, as codes.

    Attributes:
        names: "" for unknown, and then the others in order of the alphabet.
        codes: (E,) int32 places in `names`.
    """

    names: tuple[str, ...]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[str] | pl.Series) -> "Labels":
        """Code (E,) strings; None is unknown too."""
        cells = pl.Series("text", texts, dtype=pl.String).fill_null("")
        known = cells.filter(cells != "").unique().sort().to_list()
        codes = {"": 0} | {name: code for code, name in enumerate(known, start=1)}
        return cls(("", *known), cells.replace_strict(codes, return_dtype=pl.Int32).to_numpy())

    def where(self, keep: Which) -> "Labels":
        """The same names with only the events in `keep` (E,)."""
        return replace(self, codes=self.codes[keep])


@dataclass(frozen=True)
class Impressions:
    """Everything that was shown, one event a place; every array goes by the events of `shown`.

    Events are grouped by user, oldest first; those of one moment by their list and then by position. A list
    whose rows were written at several moments need not lie together.

    Attributes:
        shown: who was shown which row, and when; weights 1 where it was chosen, else 0. A time that nobody
            knows is infinite.
        positions: (E,) int32, 1 is the best place; 0 where unknown.
        lists: (E,) int32, which list each was part of, numbered from 0 by first appearance. A list is what
            has one recommendation id, of one user; without an id, what one user was shown at one moment.
            What has neither stands alone.
        list_ids: recommendation id of each list, "" where there is none.
        sources: which stage brought it.
        devices: what it was shown on.
        outcomes: (E,) float32 by name of `OUTCOMES`, only those that are known of anything; NaN where
            unknown. watch_time in seconds, the others 0 or 1.
        is_random: (E,) whether chance alone put it where it stood; False where nobody says so.
    """

    shown: Interactions
    positions: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    list_ids: tuple[str, ...]
    sources: Labels
    devices: Labels
    outcomes: Mapping[str, Floats]
    is_random: Which

    @classmethod
    def from_events(
        cls,
        user_ids: Sequence[str],
        users: npt.NDArray[np.int32],
        rows: Rows,
        times: npt.NDArray[np.float64] | None,
        *,
        positions: npt.NDArray[np.int32] | None = None,
        list_ids: Sequence[str] | pl.Series | None = None,
        sources: Sequence[str] | pl.Series | None = None,
        devices: Sequence[str] | pl.Series | None = None,
        outcomes: Mapping[str, Floats] | None = None,
        is_random: Which | None = None,
        chosen: Floats | None = None,
    ) -> "Impressions":
        """Sort events that come in any order, and find out which were one list.

        Args:
            user_ids: (U,) external ids.
            users: (E,) int32 positions in `user_ids`.
            rows: (E,) int32 catalogue rows; no user has one twice at one moment.
            times: (E,) seconds or a sequence number, infinite where unknown; None where all are.
            positions: (E,) from 1; 0, or None for all, where unknown.
            list_ids: (E,) recommendation ids; "", or None for all, where unknown.
            sources, devices: (E,); "", or None for all, where unknown.
            outcomes: (E,) each, as in the attribute.
            is_random: (E,), or None for nowhere.
            chosen: (E,) weights of `shown`; None takes them from the outcomes.
        """
        size = len(rows)
        outcomes = outcomes or {}
        ids = pl.Series("id", [""] * size if list_ids is None else list_ids, dtype=pl.String)
        moments = np.full(size, np.inf) if times is None else np.asarray(times, np.float64)
        places = np.zeros(size, np.int32) if positions is None else np.asarray(positions, np.int32)
        if chosen is None:
            chosen = np.zeros(size, np.float32)
            for name in CHOSEN_BY:
                chosen = np.where(outcomes.get(name, chosen) > 0, np.float32(1), chosen)
        last = np.where(places > 0, places.astype(np.int64), np.iinfo(np.int64).max)
        events = pl.DataFrame({"user": users, "time": moments, "id": ids, "last": last, "row": rows})
        order = events.select(pl.arg_sort_by(events.columns)).to_series().to_numpy()
        lists, found = _lists(events[order])
        texts = {"sources": sources, "devices": devices}
        labels = {
            name: Labels.of([""] * size if given is None else given).where(order)
            for name, given in texts.items()
        }
        return cls(
            Interactions.from_events(
                user_ids,
                np.asarray(users, np.int32)[order],
                np.asarray(rows, np.int32)[order],
                None if times is None else moments[order],
                chosen[order],
            ),
            places[order],
            lists,
            found,
            **labels,
            outcomes={
                name: np.asarray(outcomes[name], np.float32)[order] for name in OUTCOMES if name in outcomes
            },
            is_random=np.zeros(size, np.bool_)
            if is_random is None
            else np.asarray(is_random, np.bool_)[order],
        )

    @property
    def size(self) -> int:
        """Number of events."""
        return self.shown.size

    @property
    def list_count(self) -> int:
        return len(self.list_ids)

    def where(self, keep: Which) -> "Impressions":
        """Only the events in `keep` (E,): the same users and names; lists without any event go."""
        met, first, lists = np.unique(self.lists[keep], return_index=True, return_inverse=True)
        by_appearance = np.argsort(first)
        return replace(
            self,
            shown=self.shown.where(keep),
            positions=self.positions[keep],
            lists=np.argsort(by_appearance).astype(np.int32)[lists],
            list_ids=tuple(self.list_ids[number] for number in met[by_appearance]),
            sources=self.sources.where(keep),
            devices=self.devices.where(keep),
            outcomes={name: values[keep] for name, values in self.outcomes.items()},
            is_random=self.is_random[keep],
        )

    def renumbered(self, new_rows: Rows) -> "Impressions":
        """The same events in another catalogue: row r becomes `new_rows[r]`, or goes where that is PAD."""
        kept = self.where(new_rows[self.shown.rows] != PAD)
        return replace(kept, shown=kept.shown.renumbered(new_rows))

    def until(self, time: float) -> "Impressions":
        """What was shown before `time` or at it.

        Impressions whose times are no clock could be from any time, so none of them is known then.
        """
        return self.where((self.shown.times <= time) & self.shown.is_clock)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over everything: equal exactly when the impressions are."""
        digest = hashlib.sha256(self.shown.fingerprint.encode())
        for array in (self.shown.weights, self.positions, self.lists, self.is_random):
            digest.update(b"\0" + np.ascontiguousarray(array).tobytes())
        for names, codes in (
            (self.list_ids, self.lists),
            (self.sources.names, self.sources.codes),
            (self.devices.names, self.devices.codes),
        ):
            digest.update(b"\0" + "\x1f".join(names).encode() + b"\0" + np.ascontiguousarray(codes).tobytes())
        for name, values in self.outcomes.items():
            # There are many NaNs; they all mean that nobody knows.
            plain = np.where(np.isnan(values), np.float32(np.nan), values)
            digest.update(f"\0{name}\0".encode() + plain.tobytes())
        return digest.hexdigest()


def _lists(events: pl.DataFrame) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """(E,) the list of each event, and (L,) the ids of the lists. Columns user, id, time; in order."""
    has_id = pl.col("id") != ""
    found = events.with_row_index("place").select(
        "user",
        "id",
        "place",
        moment=pl.when(has_id).then(0.0).otherwise("time"),
        # Rows of unknown moments have nothing in common.
        alone=pl.when(~has_id & pl.col("time").is_infinite()).then(pl.col("place") + 1).otherwise(0),
    )
    first = found.select(pl.col("place").min().over("user", "id", "moment", "alone")).to_series().to_numpy()
    starts, lists = np.unique(first, return_inverse=True)
    return lists.astype(np.int32), tuple(events["id"].gather(starts).to_list())
