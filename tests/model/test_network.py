import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Batch, Window
from tastemaker.recipe import LossRecipe

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from tastemaker.model.history import QueryTower  # noqa: E402
from tastemaker.model.items import Items  # noqa: E402
from tastemaker.model.losses import softmax  # noqa: E402
from tastemaker.model.network import Network  # noqa: E402
from tastemaker.model.work import Bench, Work  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS, DIM, LENGTH, RATE = 9, 4, 3, 0.1


def network(recipe: LossRecipe, encoder: str, in_order: bool, tied: bool = True) -> Network:
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    items = Items(np.ones(ITEMS, np.float32), DIM, None, 0.0, "adagrad", rng, tied)
    items.tables["ids"].values[:] = rng.normal(size=(ITEMS, DIM))
    items.tables["bias"].values[:] = rng.normal(size=(ITEMS, 1))
    tower = QueryTower(
        length=LENGTH,
        dim=DIM,
        hidden=(6,),
        activation="gelu",
        dropout=0.0,
        encoder=encoder,
        in_order=in_order,
        user=None,
    )
    made = Network(tower, items, None, softmax(), recipe, RATE, "adagrad")
    for variable in made.trainable_variables:  # so that nothing is 0, and every gradient says something
        variable.assign_add(rng.normal(0, 0.3, variable.shape))
    return made


def work_for(made: Network) -> tuple[Work, Batch]:
    """Against the whole catalogue; one history is empty, items come again and again."""
    rng = np.random.default_rng(2)
    users, rows = rng.integers(0, 3, 20).astype(np.int32), rng.integers(0, ITEMS, 20).astype(np.int32)
    log = Interactions.from_events(["a", "b", "c"], users, rows)
    history = rng.integers(-1, ITEMS, (8, LENGTH)).astype(np.int32)
    history[0] = PAD
    values = np.where(history == PAD, 0, rng.normal(size=history.shape)).astype(np.float32)
    batch = Batch(
        Window(history, values),
        rng.integers(0, ITEMS, 8).astype(np.int32),
        rng.integers(0, 3, 8).astype(np.int32),
    )
    return Bench(made.items, log, None).lay_out(batch, batch.users, rng), batch


def plain_loss(made: Network, work: Work, batch: Batch, vectors, bias, past=None):
    """The whole model in TensorFlow's own operations."""
    recipe = made.recipe
    rows, values = batch.history
    gathered = tf.gather(vectors if past is None else past, np.maximum(rows, 0))
    if made.bags.trainable_variables:
        weights = made.bags.weights_of(tf.constant(rows >= 0, tf.float32), values)
    else:
        weights = ((rows >= 0) / np.maximum((rows >= 0).sum(1, keepdims=True), 1))[:, None].astype("float32")
    bags = tf.einsum("bht,btd->bhd", weights, gathered)
    queries = made.after_bags({"bags": bags}, training=True)
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
    ("recipe", "encoder", "in_order", "tied"),
    [
        (LossRecipe(), "recency", True, True),
        (LossRecipe(), "recency", False, True),
        (LossRecipe(), "mean", True, True),  # whose weights can't learn, though the vectors under them can
        (LossRecipe(temperature=0.5, learn_temperature=True), "recency", True, True),
        (LossRecipe(kind="info_nce", temperature=0.3, learn_temperature=True), "recency", True, True),
        (LossRecipe(kind="info_nce", temperature=0.3, spread_out=0.7), "mean", True, True),
        (LossRecipe(spread_out=0.7, gravity=0.4), "recency", True, True),
        (LossRecipe(), "recency", True, False),
        (LossRecipe(kind="info_nce", temperature=0.3), "mean", True, False),
    ],
)
def test_a_step_is_adagrads_on_the_gradients_of_the_plain_model(recipe, encoder, in_order, tied):
    made = network(recipe, encoder, in_order, tied)
    work, batch = work_for(made)
    tables = {name: tf.Variable(table.values) for name, table in made.items.tables.items()}
    variables = made.trainable_variables
    with tf.GradientTape() as tape:
        loss = plain_loss(made, work, batch, *tables.values())
    slopes = tape.gradient(loss, [*tables.values(), *(variable.value for variable in variables)])
    slopes = [tf.convert_to_tensor(slope).numpy() for slope in slopes]
    wanted = []
    for table, slope in zip(tables.values(), slopes, strict=False):  # row by row
        size = np.sqrt(0.1 + (slope**2).mean(1, keepdims=True)) + 1e-7
        wanted.append(table.numpy() - RATE * slope / size)
    if recipe.kind == "info_nce":
        wanted[1] = tables["bias"].numpy()  # directions are compared, and nothing else
    for variable, slope in zip(variables, slopes[len(tables) :], strict=True):  # number by number
        wanted.append(np.asarray(variable) - RATE * slope / np.sqrt(0.1 + slope**2 + 1e-7))

    assert made.learn(work) == pytest.approx(float(loss), rel=1e-4)
    found = [*(table.values for table in made.items.tables.values()), *map(np.asarray, variables)]
    for part, right in zip(found, wanted, strict=True):
        assert part == pytest.approx(right, rel=1e-3, abs=2e-5)


def test_a_network_put_back_goes_on_as_if_it_had_never_stopped():
    recipe = LossRecipe(kind="info_nce", temperature=0.3, learn_temperature=True, spread_out=0.1)
    first, second = (network(recipe, "recency", True) for _ in range(2))
    work, _ = work_for(first)
    first.learn(work)
    kept = {name: np.array(array) for name, array in first.state().items()}
    wanted = [first.learn(work) for _ in range(3)]
    second.learn(work)
    second.learn(work)
    second.restore(kept)
    assert [second.learn(work) for _ in range(3)] == wanted
