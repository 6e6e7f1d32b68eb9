"""Makes golden.json: Pearson's r from scipy, and two-sided p to fifty digits from mpmath, for operators/accumulators/correlations.ts.

    pip install scipy==1.17.1 mpmath==1.3.0 && python make.py
"""

import json
from pathlib import Path

import mpmath
import numpy as np
import scipy
from scipy.stats import pearsonr

mpmath.mp.dps = 50


def lower_beta(x, a, b):
    """The regularised incomplete beta function, by the series that converges for every x below 1."""
    log_beta = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
    return mpmath.exp(a * mpmath.log(x) + b * mpmath.log1p(-x) - mpmath.log(a) - log_beta) * mpmath.hyp2f1(a + b, 1, a + 1, x)


def two_sided_p(r, n):
    """P(|T| >= |t|) with n - 2 degrees of freedom and t = r sqrt((n - 2) / (1 - r^2)): the incomplete beta function at 1 - r^2."""
    r, half, a = mpmath.mpf(r), mpmath.mpf(1) / 2, mpmath.mpf(n - 2) / 2
    if r == 0:
        return mpmath.mpf(1)
    if r * r < 0.5 and a * r * r < 30:  # p above 1e-19: fifty digits bear the subtraction, and the series is short
        return 1 - lower_beta(r * r, half, a)
    return lower_beta(1 - r * r, a, half)


def p_grid():
    rows = []
    for n in (3, 4, 5, 10, 31, 100, 1000, 100_000, 5_000_000):
        ts = (1e-6, 0.01, 0.5, 1.5, 2.5, 4, 6, 8, 12, 20, 30, 36)
        rs = {float(t / np.sqrt(n - 2 + t * t)) for t in ts} | {0.0, 0.9, 0.99, 0.999999, 1 - 2**-40}
        for r in sorted(rs):
            p = two_sided_p(r, n)
            if p > 1e-300:
                rows.append([r, n, float(p)])
                rows.append([-r, n, float(p)])
    return rows


def table(documents, queries, offset, seed):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(queries, queries))
    return (generator.normal(size=(documents, queries)) @ mixing + offset).tolist()


def pairs(scores):
    columns = np.array(scores).T
    rows = []
    for a in range(len(columns)):
        for b in range(a + 1, len(columns)):
            result = pearsonr(columns[a], columns[b])
            rows.append([a, b, float(result.statistic), float(result.pvalue)])
    return rows


def main():
    tables = [table(3, 3, 0, 1), table(10, 4, 0, 2), table(57, 5, 1000, 3), table(200, 3, -0.5, 4)]
    golden = {
        "made by": f"scipy {scipy.__version__}, numpy {np.__version__}, mpmath {mpmath.__version__}",
        "p: r, n, p": p_grid(),
        "tables": [{"scores": scores, "pairs: a, b, r, p": pairs(scores)} for scores in tables],
    }
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")


main()
