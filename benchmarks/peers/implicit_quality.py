"""`implicit`: alternating least squares and BPR, for `benchmarks.train_quality`; a pass is an iteration.

settings: `model` is "als" or "bpr", the rest goes to it as it stands. They know users, not histories, so
the test is asked of the factors that the training part gave.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.peers.limits import limits, words

os.environ.update(limits())
import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix

from benchmarks.peers.quality import Diary, Log, Rows, ranked, read_task

MODELS = {"als": AlternatingLeastSquares, "bpr": BayesianPersonalizedRanking}


def main() -> None:
    task = read_task()
    settings = dict(task.settings)
    kind = MODELS[settings.pop("model")]

    def ask(known: Log) -> Rows:
        return ranked(known, task.k, lambda part: model.user_factors[part] @ model.item_factors.T)

    diary = Diary(task, ask)
    model = kind(**settings, iterations=task.passes, num_threads=words().threads, random_state=words().seed)
    touched = csr_matrix(
        (np.ones(len(task.train.rows), np.float32), task.train.rows, task.train.offsets),
        shape=(task.train.users, task.items),
    )
    model.fit(touched, show_progress=False, callback=lambda iteration, *_: diary.passed(iteration + 1))
    diary.close()


if __name__ == "__main__":
    main()
