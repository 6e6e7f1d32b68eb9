"""Question-and-answer threads over the facts: three to five questions each, in the wording that the queries use."""
import random
from typing import Iterator

from sources.facts import RELATIONS, Entity, Relation, entities, first_upper, having


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    known = entities()
    for n in range(count):
        yield f"{n}", "\n\n".join(ask(known, rng) for _ in range(rng.randint(3, 5)))


def ask(known: list[Entity], rng: random.Random) -> str:
    relation = rng.choices(RELATIONS, [r.asked for r in RELATIONS])[0]
    entity = rng.choice(having(known, relation))
    if relation.reverse and rng.random() < 0.25:
        return thread(relation.reverse.format(v=entity.values[relation.name]), first_upper(entity.name))
    return thread(rng.choice(relation.question).format(s=entity.name), answer(entity, relation))


def answer(entity: Entity, relation: Relation) -> str:
    return first_upper(entity.values[relation.name])


def thread(question: str, reply: str) -> str:
    return f"Question: {question}\nAnswer: {reply}."
