"""Question-and-answer threads over the facts: one to three questions each, in the wording that the queries use."""
import random
from typing import Iterator

from sources.document import Document
from sources.facts import Fact, drawn_fact, first_upper, labels


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        chosen = [drawn_fact(rng) for _ in range(rng.randint(1, 3))]
        yield Document("thread", "\n\n".join(ask(fact, rng) for fact in chosen), labels(chosen))


def ask(fact: Fact, rng: random.Random) -> str:
    if fact.relation.reverse and rng.random() < 0.25:
        return thread(fact.filled(fact.relation.reverse), first_upper(fact.entity.name))
    return thread(fact.asked(rng), answer(fact))


def answer(fact: Fact) -> str:
    plus = "+" if fact.relation.name == "calling code" else ""
    return plus + first_upper(fact.value)


def thread(question: str, reply: str) -> str:
    return f"Question: {question}\nAnswer: {reply}."
