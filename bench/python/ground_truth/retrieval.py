"""How well each ranking finds the documents that teach what a query asks for: python retrieval.py PLAN.json OUT.json

Recall at 10 and 100, the share of the first 10 that teach it, and the reciprocal rank of the first document that does, as means over
queries. The random order's figures are its exact expectations.
"""
import sys

import numpy as np
from world import GRADIENTS, World, rankings, read_world, rounded, tasks, write

DEPTHS = (10, 100)


def main(plan: str, out: str) -> None:
    world = read_world(plan)
    relevant = np.array([[bool(query["teaches"] & taught) for taught in world.teaches] for query in world.queries])
    asked = relevant.any(axis=1)
    result: dict = {"rankings": {}, "taught": {}}
    for gradients in GRADIENTS:
        for name, tables in rankings(world, gradients).items():
            measured = expected(relevant) if name == "random" else measure(tables[0], relevant)
            result["rankings"].setdefault(gradients, {})[name] = by_task(world, measured, asked)
    for task, places in tasks(world).items():
        counts = relevant[[q for q in places if asked[q]]].sum(axis=1)
        result["taught"][task] = {"queries": len(counts), "documents": round(float(counts.mean()), 1) if len(counts) else 0}
    write(out, result)


def measure(scores: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    """Ties by the lower place in the corpus, as the program breaks them."""
    order = np.argsort(-scores, axis=1, kind="stable")
    found = np.take_along_axis(relevant, order, axis=1)
    total = np.maximum(relevant.sum(axis=1), 1)
    recalls = {f"recall at {k}": found[:, :k].sum(axis=1) / total for k in DEPTHS}
    return recalls | {"precision at 10": found[:, :10].mean(axis=1), "reciprocal rank": 1 / (1 + found.argmax(axis=1))}


def expected(relevant: np.ndarray) -> dict[str, np.ndarray]:
    documents = relevant.shape[1]
    total = relevant.sum(axis=1)
    recalls = {f"recall at {k}": np.full(len(total), k / documents) for k in DEPTHS}
    return recalls | {"precision at 10": total / documents, "reciprocal rank": np.array([expected_reciprocal_rank(documents, n) for n in total])}


def expected_reciprocal_rank(documents: int, relevant: int) -> float:
    """Σ_r P(the first relevant document stands at rank r) / r."""
    unseen, mean = 1.0, 0.0
    for rank in range(1, documents - relevant + 2 if relevant else 1):
        hit = relevant / (documents - rank + 1)
        mean += unseen * hit / rank
        unseen *= 1 - hit
    return mean


def by_task(world: World, measured: dict[str, np.ndarray], asked: np.ndarray) -> dict[str, dict]:
    kept = {task: [q for q in places if asked[q]] for task, places in tasks(world).items()}
    return {task: rounded({name: values[places].mean() for name, values in measured.items()}) for task, places in kept.items() if places}


if __name__ == "__main__":
    main(*sys.argv[1:])
