"""Short texts with a question that the text itself answers: nothing need be known and nothing worked out.

The control queries are of this kind. Countries, elements and numbers stand in sentences that look like those of the other sources.
"""
import random
from typing import Iterator

from sources.facts import RELATIONS, entities, having
from sources.questions import answer, thread

SPEAKERS = ["A teacher", "A student", "A traveller", "A visitor", "The author", "A guide", "The editor", "A neighbour"]


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    known = entities()
    for n in range(count):
        kind = rng.choice(["note", "slope", "fact"])
        if kind == "note":
            yield f"note-{n}", note(rng.choice(SPEAKERS), rng.randint(10, 99))
        elif kind == "slope":
            yield f"slope-{n}", slope(rng.choice(SPEAKERS), rng.randint(2, 30))
        else:
            relation = rng.choice([r for r in RELATIONS if r.name in ("capital", "symbol")])
            entity = rng.choice(having(known, relation))
            statement = relation.statements[0].format(s=entity.name, v=entity.values[relation.name])
            what = "city" if relation.name == "capital" else "symbol"
            yield f"fact-{n}", f"Text: {rng.choice(SPEAKERS)} writes: {statement}\n" + thread(f"Which {what} does the text name?", answer(entity, relation))


def note(speaker: str, number: int) -> str:
    return f"Text: {speaker} writes the number {number} on a page.\n" + thread("Which number does the text name?", str(number))


def slope(speaker: str, number: int) -> str:
    return f"Text: {speaker} says that the slope of the line is {number}.\n" + thread("Which slope does the text name?", str(number))
