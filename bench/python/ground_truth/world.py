"""The bundled world as the ground truth needs it: documents with what they teach, queries with what they ask for, and tables of scores.

A plan, written by bench/groundTruth.ts, says where each thing lies:
    {"datasets": FOLDER, "rankings": [{"name", "gradients": "base"|"fine-tuned", "run": RUN}, …]}
A RUN is a run folder with keepScores; the first one also says how documents were cut.
"""
import json
import pathlib
import re
import sys
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute
import pyarrow.parquet
from tokenizers import Tokenizer

GRADIENTS = ("base", "fine-tuned")  # whose query gradients a ranking was made with
DRAWS = 3  # orders of the corpus that stand for a random ranking


@dataclass
class World:
    datasets: pathlib.Path
    plan: dict
    texts: list[str] = field(default_factory=list)
    teaches: list[set[str]] = field(default_factory=list)
    documents: list[list[int]] = field(default_factory=list)  # token ids, cut as the program cuts them
    queries: list[dict] = field(default_factory=list)  # id, task, prompt, completion, teaches; and prompt_ids, completion_ids
    first_row: dict[str, int] = field(default_factory=dict)  # name of a file of the corpus -> place of its first document


def read_world(plan_file: str) -> World:
    plan = json.loads(pathlib.Path(plan_file).read_text(encoding="utf-8"))
    world = World(pathlib.Path(plan["datasets"]), plan)
    run = json.loads((pathlib.Path(plan["rankings"][0]["run"]) / "run.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(world.datasets / "model" / "tokenizer.json"))
    for path in sorted(world.datasets.glob("corpus/*.parquet")):
        world.first_row[path.name] = len(world.texts)
        for row in pyarrow.parquet.read_table(path).to_pylist():
            world.texts.append(row["text"])
            world.teaches.append(set(row["teaches"].split()))
    context = run["configuration"]["contextTokens"]
    world.documents = [encoding.ids[:context] for encoding in tokenizer.encode_batch(world.texts)]
    world.queries = read_queries(world.datasets / "queries.jsonl", tokenizer)
    return world


def read_queries(path: pathlib.Path, tokenizer: Tokenizer) -> list[dict]:
    queries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for query in queries:
        query["teaches"] = set(query["teaches"])
        query["prompt_ids"] = tokenizer.encode(query["prompt"]).ids
        query["completion_ids"] = tokenizer.encode(query["completion"], add_special_tokens=False).ids
    return queries


def rankings(world: World, gradients: str) -> dict[str, list[np.ndarray]]:
    """(Q, N) scores of every way to rank the corpus: one table each, of the random order DRAWS. A run that is not there yet is left out."""
    runs = {ranking["name"]: pathlib.Path(ranking["run"]) for ranking in world.plan["rankings"] if ranking["gradients"] == gradients}
    ours = {name: [read_scores(world, run)] for name, run in runs.items() if is_complete(run)}
    shape = (len(world.queries), len(world.texts))
    return ours | {"BM25": [bm25_scores(world)], "random": [np.random.default_rng(seed).standard_normal(shape) for seed in range(DRAWS)]}


def is_complete(run: pathlib.Path) -> bool:
    file = run / "run.json"
    return file.exists() and json.loads(file.read_text(encoding="utf-8"))["complete"]


def read_scores(world: World, run: pathlib.Path) -> np.ndarray:
    """(Q, N) from a run's scores.parquet; what was set aside scores nothing."""
    table = pyarrow.parquet.read_table(run / "scores.parquet", columns=["query_id", "score", "file", "row"])
    places = {query["id"]: q for q, query in enumerate(world.queries)}
    scores = np.zeros((len(places), len(world.texts)))
    q = indices(table["query_id"], lambda name: places[name])
    first = indices(table["file"], lambda name: world.first_row[pathlib.Path(name).name])
    scores[q, first + table["row"].to_numpy()] = table["score"].to_numpy()
    return scores


def indices(column: pyarrow.ChunkedArray, place: callable) -> np.ndarray:
    encoded = pyarrow.compute.dictionary_encode(column).combine_chunks()
    encoded = encoded if isinstance(encoded, pyarrow.DictionaryArray) else encoded.chunk(0)
    return np.array([place(name) for name in encoded.dictionary.to_pylist()])[encoded.indices.to_numpy()]


def bm25_scores(world: World) -> np.ndarray:
    """(Q, N) BM25 of whole texts with k1 1.2 and b 0.75 for the different words of prompt and completion."""
    words = [split_words(text) for text in world.texts]
    lengths = np.array([len(found) for found in words], dtype=float)
    postings: dict[str, dict[int, int]] = {}
    for d, found in enumerate(words):
        for word in found:
            counts = postings.setdefault(word, {})
            counts[d] = counts.get(d, 0) + 1
    scores = np.zeros((len(world.queries), len(words)))
    saturation = 1.2 * (1 - 0.75 + 0.75 * lengths / lengths.mean())
    for q, query in enumerate(world.queries):
        for word in sorted(set(split_words(query["prompt"]) + split_words(query["completion"]))):
            holders = np.array(list(postings.get(word, {})), dtype=int)
            counts = np.array(list(postings.get(word, {}).values()), dtype=float)
            rarity = np.log(1 + (len(words) - len(holders) + 0.5) / (len(holders) + 0.5))
            scores[q, holders] += rarity * counts * 2.2 / (counts + saturation[holders])
    return scores


def split_words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


def tasks(world: World) -> dict[str, list[int]]:
    """The places of each task's queries, and of all of them."""
    found: dict[str, list[int]] = {}
    for q, query in enumerate(world.queries):
        found.setdefault(query["task"], []).append(q)
    return found | {"all": list(range(len(world.queries)))}


def bootstrap(values: np.ndarray, draws: int = 10_000) -> dict:
    """Mean, standard error and 95 % interval of the mean over resampled queries."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return rounded({"mean": values.mean(), "error": values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0, "low": low, "high": high})


def rounded(figures: dict) -> dict:
    return {name: float(f"{value:.5g}") for name, value in figures.items()}


def write(path: str, result: dict) -> None:
    pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
