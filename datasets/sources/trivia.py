"""Trivia: single facts in the tone of a quiz card."""
import random
from typing import Iterator

from sources.document import Document
from sources.facts import drawn_fact, labels

OPENINGS = ["Did you know?", "Fact of the day:", "For the next quiz:", "Worth remembering:", "From the almanac:"]


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        chosen = [drawn_fact(rng) for _ in range(rng.randint(1, 2))]
        sentences = [fact.stated(rng) for fact in chosen]
        yield Document(chosen[0].entity.slug, f"{rng.choice(OPENINGS)} {' '.join(sentences)}", labels(chosen))
