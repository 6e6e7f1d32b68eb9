"""Writes real text that every machine with this Python has: python real_documents.py MODEL OUT

    OUT/full.parquet     documents of at least 512 tokens of MODEL's tokenizer: each fills a window
    OUT/mixed.parquet    whole docstrings, functions, reference pages, package pages and licences, as long as they are

Columns id, text, source. The text is the Python Software Foundation's and the packages' own; nothing of it is shipped with Headwater.
The order is a seeded shuffle of sorted names: the same on each run, with the same Python and packages.
"""
import ast
import hashlib
import itertools
import pathlib
import random
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator

import pyarrow
import pyarrow.parquet
from pydoc_data.topics import topics
from tokenizers import Tokenizer

WINDOW = 512  # tokens
COUNT = 512  # documents of each file
PIECES = 3  # of one work in full.parquet, so that no long file fills it
SHORTEST, LONGEST = 120, 20_000  # characters
LIBRARY = pathlib.Path(sysconfig.get_paths()["stdlib"])
PACKAGES = pathlib.Path(sysconfig.get_paths()["purelib"])
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "pydoc_data", "encodings", "__pycache__"}

Works = Iterable[tuple[str, str]]  # name, text


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(LIBRARY.rglob("*.py")):
        name = path.relative_to(LIBRARY)
        if not LEFT_OUT & set(name.parts):
            yield str(name), path.read_text(encoding="utf-8", errors="ignore")


def functions() -> Iterator[tuple[str, str]]:
    for name, code in modules():
        for node in ast.parse(code).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield f"{name}:{node.name}", ast.get_source_segment(code, node) or ""


def docstrings() -> Iterator[tuple[str, str]]:
    for name, code in modules():
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
                yield f"{name}:{getattr(node, 'name', '')}", ast.get_docstring(node) or ""


def reference() -> Iterator[tuple[str, str]]:
    yield from sorted(topics.items())


def package_pages() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGES.glob("*.dist-info/METADATA")):
        _, _, description = path.read_text(encoding="utf-8", errors="ignore").partition("\n\n")
        yield path.parent.name, description


def licences() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGES.glob("*.dist-info/**/*")):
        if path.is_file() and re.match(r"(LICEN[CS]E|COPYING|NOTICE)", path.name):
            yield str(path.relative_to(PACKAGES)), path.read_text(encoding="utf-8", errors="ignore")


WHOLE = {"code": functions, "docstrings": docstrings, "reference": reference, "packages": package_pages, "licences": licences}
LONG = {"code": modules, "reference": reference, "packages": package_pages, "licences": licences}


def whole(works: Works) -> Iterator[tuple[str, str]]:
    for name, text in works:
        if SHORTEST <= len(text.strip()):
            yield name, text.strip()[:LONGEST]


def pieces(works: Works, tokenizer: Tokenizer) -> Iterator[tuple[str, str]]:
    """Runs of whole paragraphs that fill a window."""
    for name, text in works:
        found = itertools.islice(fill_windows(re.split(r"\n\s*\n", text), tokenizer), PIECES)
        yield from ((f"{name}#{n}", piece) for n, piece in enumerate(found))


def fill_windows(paragraphs: list[str], tokenizer: Tokenizer) -> Iterator[str]:
    taken = ""
    for paragraph in paragraphs:
        taken = f"{taken}\n\n{paragraph}".strip("\n")
        if len(tokenizer.encode(taken).ids) >= WINDOW:
            yield taken
            taken = ""


def draw(sources: dict[str, Works]) -> list[dict]:
    """COUNT documents, the sources taking turns; a text that begins like an earlier one (a licence) is passed over."""
    shuffled = {name: shuffle(name, list(works)) for name, works in sources.items()}
    turns = itertools.zip_longest(*([(source, *work) for work in works] for source, works in shuffled.items()))
    rows, seen = [], set()
    for source, name, text in filter(None, itertools.chain.from_iterable(turns)):
        beginning = re.sub(r"\W+", " ", text)[:300]
        if beginning not in seen:
            seen.add(beginning)
            rows.append({"id": f"{source}/{name}", "text": text, "source": source})
    if len(rows) < COUNT:
        sys.exit(f"real_documents.py expected {COUNT} documents, found {len(rows)} in {LIBRARY} and {PACKAGES}")
    return shuffle("documents", rows[:COUNT])


def shuffle(name: str, items: list) -> list:
    random.Random(f"headwater {name}").shuffle(items)
    return items


def write(rows: list[dict], path: pathlib.Path, tokenizer: Tokenizer) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=128)
    lengths = sorted(len(tokenizer.encode(row["text"]).ids) for row in rows)
    digest = hashlib.sha256("\0".join(row["text"] for row in rows).encode()).hexdigest()
    print(f"{path}: {len(rows)} documents of {lengths[0]} to {lengths[-1]} tokens, median {lengths[len(rows) // 2]}, sha256 {digest[:16]}")


if __name__ == "__main__":
    tokenizer = Tokenizer.from_file(f"{sys.argv[1]}/tokenizer.json")
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    write(draw({name: pieces(works(), tokenizer) for name, works in LONG.items()}), out / "full.parquet", tokenizer)
    write(draw({name: whole(works()) for name, works in WHOLE.items()}), out / "mixed.parquet", tokenizer)
