"""Time and peak memory of searching every pair of two large sets, which is never stored."""

import argparse
import resource
import time

import torch

from benchmarks._points import points
from hiergeo import pairwise

GIB = 2**20
"""``ru_maxrss`` counts KiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("operation", choices=("count", "topk"))
    args = parser.parse_args()

    x, y = points(args.n, args.dim, 0), points(args.n, args.dim, 1)
    pairwise.cone_count(*(type(p)(p.direction[:1000], p.radius[:1000]) for p in (x, y)), -1.0)
    before, start = peak(), time.perf_counter()
    if args.operation == "count":
        pairwise.cone_count(x, y, -1.0)
    else:
        pairwise.cone_topk(x, y, -1.0, 10)
    took, after = time.perf_counter() - start, peak()
    print(
        f"{args.operation} of {args.n:,} x {args.n:,} pairs, D = {args.dim}, {torch.get_num_threads()} threads: "
        f"{took:.0f} s, peak {after:.2f} GiB in all, {after - before:.2f} GiB beyond a run on 1,000 x 1,000"
    )


def peak() -> float:
    """Peak resident memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB


if __name__ == "__main__":
    main()
