"""What one core does at best, for `benchmarks.train`: sgemm per second, bytes copied, one exponential."""

import numpy as np

from benchmarks.train import timed


def main() -> None:
    square = np.random.default_rng(1).random((1024, 1024), np.float32)
    target = np.empty_like(square)
    sgemm = 2 * 1024**3 / timed(lambda: np.matmul(square, square, out=target))
    bytes_ = np.zeros(1 << 26, np.uint8)
    copied = np.empty_like(bytes_)
    copy = 2 * len(bytes_) / timed(lambda: np.copyto(copied, bytes_))
    row = square[:256]
    exponential = timed(lambda: np.exp(row, out=target[:256])) / row.size
    print(sgemm, copy, exponential)


if __name__ == "__main__":
    main()
