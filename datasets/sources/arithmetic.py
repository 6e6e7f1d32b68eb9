"""Two-step arithmetic, worked step by step: every number is computed here.

A form of expression is a row of FORMS, a way of writing it down a row of LAYOUTS.
"""
import random
from dataclasses import dataclass
from typing import Callable, Iterator

from sources.document import Document, pick
from sources.problem_parts import CORPUS, draw_from

LABEL = "procedure:arithmetic"


@dataclass(frozen=True)
class Problem:
    expression: str  # "(47 - 34) * 6"
    first: str  # "47 - 34 = 13"
    second: str  # "13 * 6 = 78"
    value: int

    def __str__(self) -> str:
        return self.expression

    @property
    def statement(self) -> str:
        return f"{self.expression} = {self.value}"


def sum_times(rng: random.Random) -> Problem:
    a, b, c = rng.randint(3, 35), rng.randint(3, 25), rng.randint(2, 9)
    return Problem(f"({a} + {b}) * {c}", f"{a} + {b} = {a + b}", f"{a + b} * {c} = {(a + b) * c}", (a + b) * c)


def difference_times(rng: random.Random) -> Problem:
    d, b, c = rng.randint(3, 60), rng.randint(3, 39), rng.randint(2, 9)
    return Problem(f"({d + b} - {b}) * {c}", f"{d + b} - {b} = {d}", f"{d} * {c} = {d * c}", d * c)


def product_plus(rng: random.Random) -> Problem:
    a, b, c = rng.randint(11, 40), rng.randint(2, 9), rng.randint(2, 20)
    return Problem(f"{a} * {b} + {c}", f"{a} * {b} = {a * b}", f"{a * b} + {c} = {a * b + c}", a * b + c)


def product_minus(rng: random.Random) -> Problem:
    a, b, c = rng.randint(11, 40), rng.randint(2, 9), rng.randint(2, 20)
    return Problem(f"{a} * {b} - {c}", f"{a} * {b} = {a * b}", f"{a * b} - {c} = {a * b - c}", a * b - c)


# fmt: off
FORMS: list[tuple[int, Callable[[random.Random], Problem]]] = [(3, sum_times), (3, difference_times), (2, product_plus), (2, product_minus)]
LAYOUTS: list[tuple[int, tuple[str, Callable[[Problem], str]]]] = [  # weight, name and layout
    (6, ("question", lambda p: question(p) + answer(p))),
    (3, ("calculate", lambda p: f"Calculate the answer: {p.expression} = ?\nThink step by step.\nFirst, {p.first}.\nThen, {p.second}.\nThe answer is {p.value}.")),
    (1, ("worked", lambda p: f"Worked example. To find {p.expression}, start with {p.first}. Next, {p.second}. So {p.statement}.")),
    (1, ("steps", lambda p: f"Evaluate {p.expression}.\nStep 1: {p.first}\nStep 2: {p.second}\nResult: {p.value}")),
]
# fmt: on
STORIES = [
    "{name} has {a} {things} and gives {b} of them away. {a} - {b} = {d}, so {d} are left. Each one is worth {c} coins. "
    "{d} * {c} = {p}, so what is left is worth {p} coins.",
    "{name} takes {b} {things} out of a box of {a}: {a} - {b} = {d} stay. In {c} such boxes there are {d} * {c} = {p}.",
]
NAMES = ["Ada", "Ben", "Chen", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Julia"]
THINGS = ["apples", "books", "shells", "stamps", "marbles", "coins", "stones", "pears"]


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        if rng.random() < 0.15:
            yield Document("story", story(rng), (LABEL,))
        else:
            name, layout = pick(LAYOUTS, rng)
            yield Document(name, layout(draw_from(CORPUS, draw, rng)), (LABEL,))


def draw(rng: random.Random) -> Problem:
    return pick(FORMS, rng)(rng)


def question(p: Problem) -> str:
    return f"Question: Calculate {p.expression} step by step.\nAnswer:"


def answer(p: Problem) -> str:
    return f" First {p.first}. Then {p.second}. So {p.statement}."


def story(rng: random.Random) -> str:
    p = draw_from(CORPUS, difference_times, rng)
    a, _, b, _, d = p.first.split(" ")
    c = p.second.split(" ")[2]
    return rng.choice(STORIES).format(name=rng.choice(NAMES), things=rng.choice(THINGS), a=a, b=b, c=c, d=d, p=p.value)
