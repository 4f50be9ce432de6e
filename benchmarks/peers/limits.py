"""How many threads a peer may use, as environment variables; only the standard library, to come first.

A thread pool is made when its library is imported, so a peer says `os.environ.update(limits())` before
it imports any other.
"""

import argparse


def words() -> argparse.Namespace:
    """What the command line asks of a peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True, help="a name in benchmarks.workloads")
    parser.add_argument("--seconds", type=float, default=20, help="how long to time, all chunks together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def limits() -> dict[str, str]:
    """The variables that hold every library to `--threads`."""
    threads = str(words().threads)
    pools = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
    return {f"{pool}_NUM_THREADS": threads for pool in pools} | {
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "NPROC": threads,  # the size of XLA's pool
        "XLA_FLAGS": (
            f"--xla_cpu_multi_thread_eigen={'false' if threads == '1' else 'true'} "
            f"intra_op_parallelism_threads={threads}"
        ),
    }
