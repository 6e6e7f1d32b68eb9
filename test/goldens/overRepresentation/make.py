"""Makes golden.json: hypergeometric upper tails in exact integers, which scipy is checked against, for operators/accumulators/overRepresentation.ts.

    pip install scipy==1.17.1 && python make.py
"""

import json
import math
from fractions import Fraction
from pathlib import Path

import scipy
from scipy.stats import hypergeom


def at_least(x, n, K, N):
    """P(X >= x): of the ways to draw n of N documents, those with x or more of the K marked ones."""
    i = max(x, 0, n - (N - K))
    if i > min(n, K):
        return 0.0
    ways = math.comb(K, i) * math.comb(N - K, n - i)
    total = 0
    while True:
        total += ways
        if i == min(n, K):
            return float(Fraction(total, math.comb(N, n)))
        ways = ways * (K - i) * (n - i) // ((i + 1) * (N - K - n + i + 1))
        i += 1


def cases():
    for N in (5, 11, 100, 10_000, 5_000_000):
        for n in sorted({min(n, N) for n in (1, 3, 10, 100, 500)}):
            for K in sorted({1, 2, N // 100 or 1, N // 7 or 1, N // 2, N - 1, N}):
                mean = n * K // N
                for x in sorted({0, 1, 2, mean - 1, mean, mean + 1, mean + 5, 2 * mean, 3 * mean, n // 2, min(n, K)}):
                    if 0 <= x <= n:
                        yield x, n, K, N


def main():
    rows = [[*case, at_least(*case)] for case in cases()]
    rows = [row for row in rows if row[-1] == 0 or row[-1] > 1e-300]
    apart = 0.0
    for x, n, K, N, p in rows:
        theirs = float(hypergeom.sf(x - 1, N, K, n))
        if p > 0:
            apart = max(apart, abs(theirs / p - 1))
        else:
            assert theirs == 0
    print(f"{len(rows)} rows; scipy is within {apart:.1e} of the exact p")
    assert apart < 1e-6
    golden = {
        "made by": f"exact integers; scipy {scipy.__version__} within {apart:.1e} of them",
        "x, n, K, N, p": rows,
    }
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
