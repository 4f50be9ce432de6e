"""Several networks as one, part of the way from retrieval's own order to theirs."""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
from keras import layers

from tastemaker.model.export import to_keras, to_litert
from tastemaker.model.ranking import FittedRanker
from tastemaker.model.wide import Line


def mixed(members: Sequence[FittedRanker], share: float, alone: Line, base: int) -> FittedRanker:
    """One network that answers share × the mean of all + (1 − share) × what retrieval says alone.

    Each has learnt from some of the lists, with chance of its own, and much of what it adds to retrieval's
    order is that chance: the mean of several has less of it (bagging; Breiman, Machine Learning 1996), and
    a share of it less still.

    Args:
        members: of one head, that scale numbers alike.
        share: above 0, at most 1.
        alone: retrieval's own score as a logit.
        base: the column it stands in.
    """
    first = members[0].network
    inputs = {tensor.name: keras.Input(tensor.shape[1:], name=tensor.name) for tensor in first.inputs}
    for number, member in enumerate(members):
        member.network.name = f"member_{number}"  # Keras wants each name once
    outputs = [member.network(inputs) for member in members]
    mean = layers.Average()(outputs) if len(outputs) > 1 else outputs[0]
    line = layers.Dense(1, trainable=False, name="alone")
    both = layers.Add()([layers.Rescaling(share)(mean), line(inputs["numbers"])])
    kernel = np.zeros((inputs["numbers"].shape[1], 1), np.float32)
    kernel[base] = (1 - share) * alone.slope
    line.set_weights([kernel, np.array([(1 - share) * alone.level], np.float32)])
    network = keras.Model(inputs, layers.Identity(name="outputs")(both), name="ranker")
    return replace(members[0], tower=to_litert(network), original=to_keras(network), network=network)
