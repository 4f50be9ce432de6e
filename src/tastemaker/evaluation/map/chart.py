"""A bundle becomes a chart: where its items stand, in what region, like whom, and how far that is to be
believed.

Neighbours are those that `similar` gives, of the whole catalogue, whatever the plane makes of them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.titles import english_half
from tastemaker.evaluation.map import projection
from tastemaker.evaluation.map.alignment import Alignment, Older, aligned, begun
from tastemaker.evaluation.map.colours import CLUSTER, Colour, chosen, colours_of, popularity
from tastemaker.evaluation.map.likeness import Likeness, likeness
from tastemaker.evaluation.map.regions import Region, parted, regions_of
from tastemaker.pages.section import Section, Table
from tastemaker.progress import Progress, Report, silent
from tastemaker.recommend import Recommender

LIMIT = 50_000
"""Items drawn at most, unless somebody wants more: a page of them is 9 MB."""
LISTED = 10
GRAPH = 20
"""Neighbours that a layout is made of."""
FEWEST = 20
"""Items that UMAP takes at least; fewer are laid out by PCA."""

Places = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chart:
    """Items drawn, n of the N there are.

    Attributes:
        rows: (n,) int32 of the catalogue, most popular first.
        places: (n, 2); only distances between them mean something.
        likeness: rows of what is listed are the catalogue's; those of the graph, 0..n-1.
        explained: the share of the variance that PCA's two directions hold.
        kept: of the neighbours that the layout was made of, the share among the 50 nearest on the map.
    """

    recommender: Recommender
    rows: npt.NDArray[np.int32]
    places: Places
    likeness: Likeness
    regions: list[Region]
    colours: list[Colour]
    colour: int
    projection: projection.Kind
    explained: float
    kept: float
    alignment: Alignment | None
    seed: int

    @property
    def name(self) -> str:
        return self.recommender.bundle.version

    @property
    def ids(self) -> list[str]:
        return self.recommender.catalogue.id_list(self.rows)

    @cached_property
    def counts(self) -> npt.NDArray[np.float64]:
        """(N,) how popular each item of the catalogue is."""
        return popularity(self.recommender)[1]

    @property
    def region(self) -> Colour:
        return next(colour for colour in self.colours if colour.name == CLUSTER)

    @property
    def is_thinned(self) -> bool:
        return len(self.rows) < self.recommender.catalogue.size

    def frame(self) -> pl.DataFrame:
        """Columns item_id, x, y, region."""
        named = [self.region.labels[code] for code in self.region.codes]
        columns = {"item_id": self.ids, "x": self.places[:, 0], "y": self.places[:, 1], "region": named}
        return pl.DataFrame(columns, schema_overrides={"item_id": pl.String, "region": pl.String})

    def as_json(self) -> dict[str, Any]:
        return self.section().as_json()

    def section(self) -> Section:
        """What a report says of the map: how it was made, how far it is true, what regions it has."""
        titles, drawn, size = (
            self.recommender.catalogue.titles,
            len(self.rows),
            self.recommender.catalogue.size,
        )
        table, found = [], []
        for number, region in enumerate(self.regions):
            known = np.flatnonzero(self.region.codes == number)[:3]  # most popular first
            best = [english_half(titles[self.rows[place]]) for place in known]
            table.append([region.name, f"{region.size:,}", ", ".join(best)])
            found.append({"name": region.name, "items": region.size, "titles": best})
        how = (
            "laid out by UMAP of the model's own neighbours"
            if self.projection == "umap"
            else f"projected by PCA, which keeps {self.explained:.0%} of the variance"
        )
        lead = (
            f"{drawn:,} of {size:,} items" if self.is_thinned else f"All {size:,} items"
        ) + f", {how}. {self.kept:.0%} of an item's nearest are among its 50 nearest on the map."
        values: dict[str, Any] = {
            "model_version": self.name, "items": size, "drawn": drawn, "projection": self.projection,
            "explained": self.explained, "kept_in_50": self.kept, "seed": self.seed, "regions": found,
            "colours": [colour.name for colour in self.colours],
            "alignment": None if self.alignment is None else vars(self.alignment),
        }  # fmt: skip
        tables = [Table("Regions, greatest first", ("named by", "items", "best known"), table, words=(2,))]
        return Section("map", "Map", lead, values, tables=tables, notes=self._notes())

    def _notes(self) -> list[str]:
        notes = ["Distances are a picture; the lists of neighbours are exact, as `similar` gives them."]
        if self.is_thinned:
            notes.insert(0, thinned(len(self.rows), self.recommender.catalogue.size))
        if self.alignment is not None:
            found = self.alignment
            notes.append(
                f"Aligned to {found.name} by {found.shared:,} shared items: they stand {found.after:.1%} of "
                f"its diagonal from where they stood (median), {found.before:.1%} had it not been turned."
                if found.shared >= 3
                else f"Not aligned to {found.name}: it shares {found.shared} items with this catalogue, and "
                "a turn takes three."
            )
        return notes


def thinned(drawn: int, size: int) -> str:
    """What to say of a map that leaves items out."""
    return (
        f"{drawn:,} of {size:,} items are drawn: the most popular half, the rest by lot. Neighbours are of "
        "all items."
    )


def chart(
    recommender: Recommender,
    *,
    kind: Literal["auto", "pca", "umap"] = "auto",
    colour: str | None = None,
    older: Older | None = None,
    limit: int = LIMIT,
    seed: int = 0,
    report: Report = silent,
) -> Chart:
    """The chart of a bundle.

    Args:
        kind: how it is laid out; auto is UMAP where that is installed.
        colour: what it is coloured by at first, a column's name, year, region or popularity.
        older: a map to stay close to.
        limit: items drawn at most.
    Raises: TastemakerError when UMAP isn't installed or nothing is called like `colour`.
    """
    settled = projection.settled(kind)
    if len(recommender.catalogue.ids) < FEWEST:
        settled = "pca"
    rows = drawn(popularity(recommender)[1], limit, seed)
    colours = colours_of(recommender, rows)
    chosen([*colours, _named([], np.zeros(0, np.int64))], colour)  # before any work is done
    found = likeness(recommender, rows, LISTED, GRAPH, report)
    vectors = recommender.nearest.neighbours.vectors[rows]
    places, explained = projection.pca(vectors)
    ids = recommender.catalogue.id_list(rows)
    if settled == "umap":
        report(Progress("layout", 0, 1))
        start = places if older is None else begun(places, ids, older, found.graph)
        places = projection.umap(found.graph, found.graph_scores, start, seed, older is not None)
        report(Progress("layout", 1, 1))
    alignment = None
    if older is not None:
        places, alignment = aligned(places, ids, older)
    numbers = parted(vectors, seed)
    regions = regions_of(recommender, rows, places, numbers)
    colours.append(_named(regions, numbers))
    kept = projection.kept(places, found.graph[:, :LISTED], seed=seed)
    first = chosen(colours, colour)
    return Chart(
        recommender, rows, places, found, regions, colours, first, settled, explained, kept, alignment, seed
    )


def positions(recommender: Recommender, **how: Any) -> pl.DataFrame:
    """Columns item_id, x, y, region; `how` as `chart` takes it."""
    return chart(recommender, **how).frame()


def drawn(counts: npt.NDArray[np.float64], limit: int, seed: int) -> npt.NDArray[np.int32]:
    """Rows to draw, most popular first: all, or of those that are too many the most popular half of `limit`
    and the rest by lot.
    """
    order = np.argsort(-counts, kind="stable").astype(np.int32)
    if len(order) <= limit:
        return order
    sure = (limit + 1) // 2
    lot = np.random.default_rng(seed).choice(len(order) - sure, limit - sure, replace=False)
    return np.concatenate([order[:sure], order[sure + np.sort(lot)]])


def _named(regions: list[Region], numbers: npt.NDArray[np.int64]) -> Colour:
    return Colour(CLUSTER, tuple(region.name for region in regions), numbers.astype(np.uint8))
