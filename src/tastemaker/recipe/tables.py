"""The knobs, a class for each table of a recipe. What moves a knob says what it does beside it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError


class Role(StrEnum):
    """What a column is to the model."""

    ID = "id"
    TITLE = "title"
    CATEGORY = "category"
    CATEGORIES = "categories"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    POPULARITY = "popularity"
    USER = "user"
    ITEM = "item"
    TIME = "time"
    WEIGHT = "weight"
    POSITION = "position"
    RECOMMENDATION = "recommendation"
    SOURCE = "source"
    DEVICE = "device"
    CLICK = "click"
    WATCH_TIME = "watch_time"
    COMPLETION = "completion"
    LIKE = "like"
    HIDDEN = "hidden"
    OUTCOME = "outcome"
    RANDOMISED = "randomised"
    PROPENSITY = "propensity"
    IGNORED = "ignored"


DateOrder = Literal["ymd", "dmy", "mdy"]


class Table(BaseModel):
    """One table of the recipe: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Column(Table):
    """How one column is read. Inferred from the file, written into the bundle, overridable."""

    name: str
    """as in the file's header"""
    role: Role
    separator: str | None = None
    """between the values of a `categories` column, e.g. "|" """
    date_order: DateOrder | None = None
    """how a `date` column writes its dates; needed only where the file leaves it open"""
    decimal: Literal[".", ","] | None = None
    """the decimal mark of a column of numbers; the other mark groups digits"""


class ColumnChoice(Table):
    """What a person says of a column; whatever is left out is inferred."""

    role: Role | None = None
    separator: str | None = None
    date_order: DateOrder | None = None
    decimal: Literal[".", ","] | None = None


class DataRecipe(Table):
    """Where the data lie and how they are read; the `[data]` table."""

    items: Path | None = None
    interactions: Path | None = None
    users: Path | None = None
    impressions: Path | None = None
    columns: dict[str, ColumnChoice] = {}
    """by column name, of any of the files: `[data.columns."Release Date"]`"""
    max_rejected: float = Field(0.1, ge=0, le=1)
    """share of a file's rows that may be unusable before reading stops"""


class SplitRecipe(Table):
    """How the past is parted from what should be found; the `[split]` table."""

    strategy: Literal[
        "auto", "global_time", "leave_one_out", "random", "cold_item", "user_holdout", "cold_user"
    ] = "auto"
    """auto: global_time where the log has a shared clock and enough people are seen on both sides
    of the cut; else leave_one_out. random: some of each user's events. cold_item: items that nobody is known
    to have touched. user_holdout: users who aren't learnt from, most of whose events are known when asked.
    cold_user: the same, of whom next to nothing is known"""
    test_share: float = Field(0.1, gt=0, lt=1)
    """global_time: the newest share of events, held out; random: of each user's; cold_item: the share of
    items; user_holdout and cold_user: of users"""
    gap_days: float = Field(0.0, ge=0)
    """global_time: days before the cut that are known when asked, but not learnt from: how old a model is
    then"""
    fold_in: float = Field(0.8, gt=0, lt=1)
    """user_holdout: the share of a user's events that are known when asked"""
    cold_events: int = Field(1, ge=0)
    """cold_user: how many events of a user are known when asked"""


class FeatureRecipe(Table):
    """What a model sees of an item or a user beside the id; the `[features]` table."""

    hash_rows: int = Field(1 << 16, ge=1 << 8, le=1 << 22)
    """rows of the table that words and character n-grams are hashed into"""
    ngrams: tuple[int, int] = (3, 5)
    """shortest and longest character n-gram"""
    max_text: int = Field(160, ge=8)
    """words and n-grams kept of one text, the rarest first"""
    sounds: bool = True
    """whether titles are also read by how they sound, which brings scripts together"""
    names: bool = True
    """whether what stands before a title's first ":" counts once more: it names what belongs together"""
    vectors: Literal["none", "wordllama"] = "none"
    """pre-trained vectors of title and texts, for a catalogue alone. wordllama: means of pieces of words,
    mostly English (extra `text`)"""
    buckets: int = Field(16, ge=2)
    """quantile buckets of a number or a year"""
    min_count: int = Field(2, ge=1)
    """a category value, word or n-gram met in fewer rows is out of vocabulary; 1 where there are
    fewer than 100 rows"""


class ContentRecipe(Table):
    """The model of a catalogue alone: items matched by corrupted views; the `[content]` table."""

    dim: int = Field(128, ge=2)
    epochs: int = Field(12, ge=1)
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    loss: Literal["info_nce", "triplet"] = "info_nce"
    """info_nce: the second view is to be found among all of the batch. triplet: it is to lie nearer than the
    nearest other, by a margin"""
    temperature: float = Field(0.07, gt=0)
    """of info_nce; lower is sharper"""
    margin: float = Field(0.2, gt=0, le=2)
    """of triplet, in cosine"""
    halves: float = Field(0.5, ge=0, le=1)
    """chance that a bilingual title shows its native half in one view, its English half in the other"""
    drop_words: float = Field(0.3, ge=0, lt=1)
    drop_ngrams: float = Field(0.2, ge=0, lt=1)
    drop_fields: float = Field(0.5, ge=0, lt=1)
    tfidf_share: float = Field(0.5, ge=0, le=1)
    """how much of the served similarity is plain n-gram TF-IDF, the rest being the tower's"""
    vectors_share: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """how much of that rest is the likeness of the vectors that `features.vectors` names; they are an input
    of the tower anyway. auto: 0.7 where there is a column of texts, 0 where there are only titles"""


class HistoryRecipe(Table):
    """The model of people's histories: query tower, softmax over items; the `[history]` table."""

    dim: int = Field(64, ge=2)
    hidden: tuple[int, ...] = (128,)
    """widths of the layers between the history and the query vector"""
    activation: Literal["gelu", "relu"] = "gelu"
    """of those layers"""
    tied: bool = True
    """whether an item in a history has the vector that it has as an answer; if not, one of its own, of its id
    alone"""
    length: int = Field(50, ge=1)
    """newest events that the query tower sees"""
    encoder: Literal["recency", "mean", "transformer", "pooling", "gru"] = "recency"
    """how a history becomes a vector. recency: several weighted means, each with a memory it learns;
    mean: every event alike. The others read it event by event and learn from all of its prefixes.
    transformer: each event sees those before it; pooling: attention with one learnt question; gru"""
    blocks: int = Field(2, ge=1)
    """layers of the transformer"""
    heads: int = Field(2, ge=1)
    """of its attention"""
    slow: float = Field(0.7, ge=0, lt=1)
    """share of the low-pass filter beside the attention"""
    slow_width: int = Field(5, ge=1)
    """events that the low-pass filter looks at"""
    norm: Literal["before", "after"] = "after"
    """where a block of the transformer normalises: before its parts, or after each"""
    gaps: Literal["auto"] | bool = "auto"
    """whether an encoder that reads events hears how long after the one before it each was. auto: no, since
    it doesn't pay on what was measured"""
    order: Literal["auto", "time", "none"] = "auto"
    """time: the label is the event after the history. none: any event, from all the others.
    auto: time where the log has an order"""
    item_features: bool = True
    """add the item's metadata to its id embedding"""
    epochs: int = Field(30, ge=1)
    """at most; early stopping finds the number"""
    patience: int = Field(4, ge=1)
    """epochs without a better validation NDCG@10, the mean of three epochs, before training stops"""
    checkpoint_every: float = Field(60.0, ge=0)
    """seconds between two checkpoints"""
    batch_size: int = Field(256, ge=1)
    optimizer: Literal["adam", "adagrad"] = "adam"
    """adagrad keeps one number a row of a table, adam two tables more"""
    learning_rate: float = Field(2e-3, gt=0)
    decay: Literal["none", "linear"] = "none"
    """of the learning rate: linear goes down to 0 over `epochs`"""
    warm_up: float = Field(0.0, ge=0)
    """epochs over which the learning rate goes up to its full size, where it decays"""
    dropout: float = Field(0.5, ge=0, lt=1)
    id_dropout: float = Field(0.1, ge=0, le=1)
    """share of items whose id is hidden in a step, so that their metadata learns to stand alone; 1 learns
    from metadata only"""
    pairs: Literal["auto", "following", "ease", "even_ease", "none"] = "auto"
    """counted item pairs, added to the network's scores with a weight chosen on validation.
    following: what comes after what. ease: what the same people touch, up to 20,000 items.
    even_ease: the same, those who touched much counting less for each. auto: following where the log has
    an order, else even_ease"""
    pair_weight: float | None = Field(None, ge=0)
    """what the pairs say counts so much beside the network, instead of the validation's choice"""
    pair_ridge: float | None = Field(None, gt=0)
    """of ease: higher trusts co-occurrence less"""

    @property
    def reads_events(self) -> bool:
        """Whether the encoder reads a history event by event, and not as a few sums."""
        return self.encoder not in ("recency", "mean")


class LossRecipe(Table):
    """How far the right item should stand above the others; the `[loss]` table."""

    kind: Literal["softmax", "info_nce", "triplet", "bpr", "gbce"] = "softmax"
    """softmax: over all items, or over the candidates of `[negatives]`. info_nce: the same on unit vectors.
    triplet, bpr, gbce: pairs and binary losses over the same candidates"""
    temperature: float = Field(1.0, gt=0)
    """scores are divided by it; with info_nce try 0.07"""
    learn_temperature: bool = False
    margin: float = Field(0.3, gt=0)
    """triplet"""
    calibration: float = Field(0.75, ge=0, le=1)
    """gbce: 0 is plain binary cross-entropy, 1 corrects all of what sampling does to it"""
    spread_out: float = Field(0.0, ge=0)
    """weight of the mean squared product of two different items' vectors: keeps groups apart"""
    gravity: float = Field(0.0, ge=0)
    """weight of the mean squared score of any query and any candidate, whoever belongs to whom"""

    @property
    def is_softmax(self) -> bool:
        """Whether an answer is one of a sum over all, which a history's other answers can share."""
        return self.kind in ("softmax", "info_nce")


class NegativesRecipe(Table):
    """Which items the right one is set against; the `[negatives]` table.

    The shares say how `count` is drawn; the batch shares all of them. What a user is known to have
    touched is no negative for that user, wherever it comes from.
    """

    count: int | Literal["all", "auto"] = "auto"
    """items drawn a batch. all: the whole catalogue, nothing drawn. auto: all of up to 20,000 items,
    else 4,096"""
    in_batch: bool = True
    """the other labels of the batch stand there too"""
    uniform: float = Field(0.5, ge=0)
    popularity: float = Field(0.5, ge=0)
    alpha: float = Field(0.75, ge=0)
    """popularity^alpha"""
    hard: float = Field(0.0, ge=0)
    """what the model itself ranks highest, found anew each epoch"""
    queue: float = Field(0.0, ge=0)
    """labels of the batches before"""
    seen_not_chosen: float = Field(0.0, ge=0)
    """what people were shown and passed over: wants a file of impressions, and a `count` that is drawn"""
    odds: Literal["exact", "streaming"] = "exact"
    """of labels. exact: counted in the log. streaming: estimated as they come by"""

    @field_validator("count", mode="before")
    @classmethod
    def _is_count(cls, value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not is_number and value not in ("all", "auto"):
            raise PydanticCustomError("count", "Input should be 'all', 'auto' or a whole number from 0 up")
        return value


class IndexRecipe(Table):
    """How the nearest items are looked up; the `[retrieval.index]` table."""

    kind: Literal["auto", "exact", "ivf", "hnsw", "annoy"] = "auto"
    """exact looks at every item. ivf: at the nearest of many clusters. hnsw: along a graph of neighbours.
    annoy: down many random trees (extra `annoy`). auto: exact while that is fast enough, else ivf"""
    recall: float = Field(0.99, gt=0, le=1)
    """share of the true nearest that must be found: the search is widened until it is"""
    k: int = Field(100, ge=1)
    """of how many nearest"""


class SourcesRecipe(Table):
    """Where candidates come from, each source with its share; the `[retrieval.sources]` table.

    Only how the shares compare counts. A source with share 0 isn't asked; what one can't fill, the others do.
    """

    nearest: float = Field(1.0, ge=0)
    """what the model holds to be next"""
    item_to_item: float = Field(0.0, ge=0)
    """like one of the newest liked items, by the model"""
    kin: float = Field(0.0, ge=0)
    """like one of the newest liked items, by what is known of both: texts, or else the other columns"""
    next_season: float = Field(0.0, ge=0)
    """the season after the last one touched, of each series"""
    popular: float = Field(0.0, ge=0)
    """touched most, of all time"""
    trending: float = Field(0.0, ge=0)
    """touched most of late: an event counts half as much every `half_life_days`"""
    newest: float = Field(0.0, ge=0)
    """by release date or year; where there is neither, by when it was first touched"""

    @model_validator(mode="after")
    def _is_of_something(self) -> Self:
        if not any(self.model_dump().values()):
            raise PydanticCustomError("sources", "Input should give one source at least a share above 0")
        return self


class RetrievalRecipe(Table):
    """Which few hundred items come into question; the `[retrieval]` table."""

    index: IndexRecipe = IndexRecipe()
    candidates: int = Field(500, ge=1)
    """items that come into question for one person"""
    sources: SourcesRecipe = SourcesRecipe()
    half_life_days: float = Field(14.0, gt=0)
    """of an event, where `trending` counts it"""
    norm_power: float = Field(1.0, ge=0, le=1)
    """what an item vector's length counts for in a model of histories. 1: all of it, the dot product. 0:
    nothing, the cosine"""


class WarmStartRecipe(Table):
    """How training goes on from an older bundle, `train --warm-start`; the `[warm_start]` table."""

    epochs: float = Field(0.18, gt=0, le=1)
    """share of `history.epochs`, rounded up"""
    rate: float = Field(0.5, gt=0)
    """share of `history.learning_rate` to begin with"""


class EvaluationRecipe(Table):
    """What is measured; the `[evaluation]` table."""

    k: int = Field(10, ge=1)
    bootstrap: int = Field(1000, ge=100)
    """resamples of the users behind an interval"""
    max_users: int = Field(20_000, ge=1)
    """users asked at most in the exam held while training, drawn by the seed"""
    curve_people: int = Field(300, ge=0)
    """of those, asked at most for what each rule of `[reranking]` costs and brings; 0: that isn't measured"""
