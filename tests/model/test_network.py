import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Batch, Window
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.recipe import LossRecipe

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from tastemaker.model.entry import BagEntry, SequenceEntry  # noqa: E402
from tastemaker.model.history import QueryTower  # noqa: E402
from tastemaker.model.items import Items  # noqa: E402
from tastemaker.model.losses import softmax  # noqa: E402
from tastemaker.model.network import Network  # noqa: E402
from tastemaker.model.sequence import SequenceTower  # noqa: E402
from tastemaker.model.work import Bench, Work  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS, DIM, LENGTH, RATE = 9, 4, 3, 0.1
SQUARE = 0.1
"""Of gradients before: where there were none, Adagrad steps by the sign of the gradient, not its size."""
USER = Encoded(
    (Field("kind", "category", 3),),
    (Bag(np.array([[1], [2], [1]], np.int32), np.ones((3, 1), np.float32)),),
    np.array([[0.5, -1], [0, 2], [1, 1]], np.float32),
)


def network(
    recipe: LossRecipe, encoder: str, in_order: bool = True, tied: bool = True, user: Encoded | None = None
) -> Network:
    """`encoder` is that of bags, or where a transformer normalises."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    items = Items(np.ones(ITEMS, np.float32), DIM, None, 0.0, "adagrad", rng, tied)
    items.tables["ids"].values[:] = rng.normal(size=(ITEMS, DIM))
    items.tables["bias"].values[:] = rng.normal(size=(ITEMS, 1))
    if encoder in ("before", "after"):
        knobs = {"blocks": 1, "heads": 2, "slow": 0.4, "width": 2, "before": encoder == "before"}
        entry = SequenceEntry(SequenceTower(LENGTH, DIM, **knobs, dropout=0.0, user=user))
    else:
        entry = BagEntry(
            QueryTower(
                length=LENGTH,
                dim=DIM,
                hidden=(6,),
                activation="gelu",
                dropout=0.0,
                encoder=encoder,
                in_order=in_order,
                user=user,
            )
        )
    made = Network(entry, items, user, softmax(), recipe, RATE, "adagrad")
    for variable in made.trainable_variables:  # so that nothing is 0, and every gradient says something
        variable.assign_add(rng.normal(0, 0.3, variable.shape))
    for squares in made.tower_optimizer.variables[2:]:  # after its count of steps and its rate
        squares.assign(np.full(squares.shape, SQUARE))
    for table in items.tables.values():
        table.state()["squares"][:] = SQUARE
    return made


def work_for(made: Network) -> tuple[Work, Batch]:
    """Against the whole catalogue; one history is empty, items come again and again."""
    rng = np.random.default_rng(2)
    users, rows = rng.integers(0, 3, 20).astype(np.int32), rng.integers(0, ITEMS, 20).astype(np.int32)
    log = Interactions.from_events(["a", "b", "c"], users, rows)
    history = rng.integers(-1, ITEMS, (8, LENGTH)).astype(np.int32)
    history[0] = PAD
    values = np.where(history == PAD, 0, rng.normal(size=history.shape)).astype(np.float32)
    labels, owners = rng.integers(0, ITEMS, 8).astype(np.int32), rng.integers(0, 3, 8).astype(np.int32)
    batch = Batch(Window(history, values), labels, owners, owners)
    if isinstance(made.entry, SequenceEntry):
        batch = shared(batch)
    return Bench(made.items, log, None).lay_out(batch, batch.owners, rng), batch


def shared(batch: Batch) -> Batch:
    """The same labels, each after one of the events of the first four histories, which have no gaps."""
    counts = np.array([[3], [1], [2], [3]])
    is_event = np.arange(LENGTH) < counts
    rows = np.where(is_event, np.abs(batch.history.rows[4:]), PAD).astype(np.int32)
    values = np.where(is_event, batch.history.values[:4] + 0.5, 0).astype(np.float32)
    owners, after = batch.owners[:4], np.flatnonzero(is_event)[1:].astype(np.int32)
    return Batch(Window(rows, values), batch.labels, owners[after // LENGTH], owners, after)


def prefixes(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(B, T), (B, T): of each example a history of its own, which begins where its label comes after."""
    rows, values = np.full((8, LENGTH), PAD), np.zeros((8, LENGTH), np.float32)
    for b, (owner, place) in enumerate(divmod(at, LENGTH) for at in batch.after.tolist()):
        rows[b, : LENGTH - place] = batch.history.rows[owner, place:]
        values[b, : LENGTH - place] = batch.history.values[owner, place:]
    return rows, values


def plain_loss(made: Network, work: Work, batch: Batch, vectors, bias, past=None):
    """The whole model in TensorFlow's own operations."""
    recipe = made.recipe
    rows, values = batch.history[:2] if batch.after is None else prefixes(batch)
    present, values = tf.constant(rows >= 0, tf.float32), tf.constant(values)
    gathered = tf.gather(vectors if past is None else past, np.maximum(rows, 0)) * present[:, :, None]
    user = {}
    if made.user:
        parts = {"ids": USER.joined.ids, "weights": USER.joined.weights, "dense": USER.dense}
        user = {f"user_{name}": tf.constant(array[batch.users]) for name, array in parts.items()}
    *bags, after = made.entry.layers
    if not bags:
        encoded = after({"history": gathered, "present": present, "value": values} | user, training=True)
        queries = encoded[:, 0]
    else:
        if bags[0].trainable_variables:
            weights = bags[0].weights_of(present, values)
        else:
            weights = (present / tf.maximum(tf.reduce_sum(present, 1, keepdims=True), 1))[:, None]
        summed = tf.einsum("bht,btd->bhd", weights, gathered)
        queries = after({"bags": summed} | user, training=True)
    if recipe.kind == "info_nce":
        queries, vectors = tf.math.l2_normalize(queries, 1), tf.math.l2_normalize(vectors, 1)
    queries = queries / tf.exp(made.log_temperature)
    scores = tf.matmul(queries, vectors, transpose_b=True) + bias[:, 0]
    known = np.zeros((8, ITEMS), np.float32)
    known[np.repeat(np.arange(8), np.diff(work.starts)), work.known] = -1e9
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(work.columns, scores + known))
    products = tf.square(tf.matmul(vectors, vectors, transpose_b=True)) * (1 - np.eye(ITEMS, dtype="float32"))
    loss += recipe.spread_out * tf.reduce_sum(products) / (ITEMS * (ITEMS - 1))
    return loss + recipe.gravity * tf.reduce_mean(tf.square(tf.matmul(queries, vectors, transpose_b=True)))


@pytest.mark.parametrize(
    ("recipe", "encoder", "in_order", "tied", "user"),
    [
        (LossRecipe(), "recency", True, True, None),
        (LossRecipe(), "recency", False, True, None),
        (LossRecipe(), "mean", True, True, None),  # weights can't learn, though the vectors under them can
        (LossRecipe(temperature=0.5, learn_temperature=True), "recency", True, True, None),
        (LossRecipe(kind="info_nce", temperature=0.3, learn_temperature=True), "recency", True, True, None),
        (LossRecipe(kind="info_nce", temperature=0.3, spread_out=0.7), "mean", True, True, None),
        (LossRecipe(spread_out=0.7, gravity=0.4), "recency", True, True, None),
        (LossRecipe(), "recency", True, False, None),
        (LossRecipe(kind="info_nce", temperature=0.3), "mean", True, False, None),
        (LossRecipe(), "recency", True, True, USER),
        (LossRecipe(), "after", True, True, None),
        (LossRecipe(), "before", True, True, USER),
        (LossRecipe(kind="info_nce", temperature=0.3, learn_temperature=True), "after", True, False, USER),
        (LossRecipe(spread_out=0.7, gravity=0.4), "before", True, False, None),
    ],
)
def test_a_step_is_adagrads_on_the_gradients_of_the_plain_model(recipe, encoder, in_order, tied, user):
    made = network(recipe, encoder, in_order, tied, user)
    work, batch = work_for(made)
    tables = {name: tf.Variable(table.values) for name, table in made.items.tables.items()}
    variables = made.trainable_variables
    with tf.GradientTape() as tape:
        loss = plain_loss(made, work, batch, *tables.values())
    slopes = tape.gradient(loss, [*tables.values(), *(variable.value for variable in variables)])
    slopes = [tf.convert_to_tensor(slope).numpy() for slope in slopes]
    wanted = []
    for table, slope in zip(tables.values(), slopes, strict=False):  # row by row
        size = np.sqrt(SQUARE + (slope**2).mean(1, keepdims=True)) + 1e-7
        wanted.append(table.numpy() - RATE * slope / size)
    if recipe.kind == "info_nce":
        wanted[1] = tables["bias"].numpy()  # directions are compared, and nothing else
    for variable, slope in zip(variables, slopes[len(tables) :], strict=True):  # number by number
        wanted.append(np.asarray(variable) - RATE * slope / np.sqrt(SQUARE + slope**2 + 1e-7))

    assert made.learn(work) == pytest.approx(float(loss), rel=1e-4)
    found = [*(table.values for table in made.items.tables.values()), *map(np.asarray, variables)]
    for part, right in zip(found, wanted, strict=True):
        assert part == pytest.approx(right, rel=1e-3, abs=2e-5)


@pytest.mark.parametrize("encoder", ["recency", "after"])
def test_a_step_at_half_the_rate_goes_half_as_far(encoder):
    whole, half, back = (network(LossRecipe(), encoder, tied=False) for _ in range(3))
    work, _ = work_for(whole)
    start = whole.get_weights()
    losses = [whole.learn(work), half.learn(work, 0.5), back.learn(work, 0.5)]
    assert losses[0] == losses[1] == losses[2]
    for at, full, part in zip(start, whole.get_weights(), half.get_weights(), strict=True):
        assert part - at == pytest.approx((full - at) / 2, rel=1e-4, abs=1e-6)
    # A share is of the rate at the start, not of that of the step before.
    back.learn(work)
    half.learn(work, 1.0)
    for one, other in zip(half.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("encoder", ["recency", "after"])
def test_a_network_put_back_goes_on_as_if_it_had_never_stopped(encoder):
    recipe = LossRecipe(kind="info_nce", temperature=0.3, learn_temperature=True, spread_out=0.1)
    first, second = (network(recipe, encoder) for _ in range(2))
    work, _ = work_for(first)
    first.learn(work)
    kept = {name: np.array(array) for name, array in first.state().items()}
    rates = (0.5, 0.5, 0.25)
    wanted = [first.learn(work, rate) for rate in rates]
    second.learn(work)
    second.learn(work, 0.5)  # at the rate with which it will go on
    second.restore(kept)
    assert [second.learn(work, rate) for rate in rates] == wanted
