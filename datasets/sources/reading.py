"""Short texts with a question that the text itself answers: nothing need be known and nothing worked out.

The control queries are of this kind: a problem of a reasoning query stands there, solved, and is only to be read off. A kind is a row of KINDS.
"""
import random
from typing import Callable, Iterator

from sources import arithmetic, equations, slope
from sources.document import Document
from sources.facts import drawn_fact, labels
from sources.problem_parts import CORPUS, draw_from
from sources.questions import answer, thread

SPEAKERS = ["A teacher", "A student", "A traveller", "A visitor", "The author", "A guide", "The editor", "A neighbour"]


def note(number: int) -> str:
    return f"A page holds the number {number}.\n" + thread("Which number does the page hold?", str(number))


def read_slope(line: slope.Line) -> str:
    return f"The line through {line.points} has slope {line.m}.\n" + thread(f"Which slope does the text give the line through {line.points}?", str(line.m))


def read_result(p: arithmetic.Problem) -> str:
    return f"A pupil found {p.statement}.\n" + thread(f"Which result of {p.expression} does the text give?", str(p.value))


def read_solution(e: equations.Equation) -> str:
    return f"The equation {e} has the solution x = {e.x}.\n" + thread(f"Which solution of {e} does the text give?", f"x = {e.x}")


# fmt: off
KINDS: dict[str, tuple[Callable, Callable]] = {  # how the problem is drawn, how the text is written
    "slope": (slope.draw, read_slope),
    "arithmetic": (arithmetic.draw, read_result),
    "equation": (equations.draw, read_solution),
}
# fmt: on


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        kind = rng.choice(["note", "fact", *KINDS])
        if kind == "note":
            yield Document(kind, note(rng.randint(10, 999)))
        elif kind == "fact":
            yield fact_text(rng)
        else:
            yield Document(kind, of_kind(kind, CORPUS, rng))


def of_kind(kind: str, part: str, rng: random.Random) -> str:
    draw, write = KINDS[kind]
    return write(draw_from(part, draw, rng))


def fact_text(rng: random.Random) -> Document:
    fact = drawn_fact(rng)
    text = f"{rng.choice(SPEAKERS)} writes: {fact.filled(fact.relation.statements[0])}\n"
    return Document("fact", text + thread(f"Which {fact.relation.name} does the text name?", answer(fact)), labels([fact]))
