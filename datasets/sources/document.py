"""What every source yields: a text, its name inside the source, and what it teaches."""
import random
from dataclasses import dataclass
from typing import Callable, Iterator


@dataclass(frozen=True)
class Document:
    slug: str
    text: str
    teaches: tuple[str, ...] = ()  # labels: `capital:Peru`, `procedure:slope`


Documents = Callable[[random.Random], Iterator[Document]]  # without end where the documents are computed


def pick(rows: list, rng: random.Random):
    """The second of one of the rows (weight, row), drawn by weight."""
    return rng.choices([row for _, row in rows], [weight for weight, _ in rows])[0]
