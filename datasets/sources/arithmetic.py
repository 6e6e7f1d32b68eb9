"""Two-step arithmetic, worked step by step: every number is computed here.

A form of expression is a row of FORMS, a way of writing it down a row of LAYOUTS.
"""
import random
import re
from dataclasses import dataclass
from typing import Callable, Iterator

# Problems that the queries ask and that no document may hold: the model can only work them out.
HELD_OUT = {"(7 - 4) * 8", "(3 + 5) * 6", "4 * 7 + 6", "(9 - 3) * 7", "8 * 3 - 5", "(2 + 4) * 9"}


@dataclass(frozen=True)
class Problem:
    expression: str
    first: str  # "7 - 4 = 3"
    second: str  # "3 * 8 = 24"
    value: int

    @property
    def first_value(self) -> int:
        return int(self.first.split(" = ")[1])


# fmt: off
FORMS: list[tuple[int, Callable[[int, int, int], Problem]]] = [  # weight, form
    (4, lambda a, b, c: Problem(f"({a} + {b}) * {c}", f"{a} + {b} = {a + b}", f"{a + b} * {c} = {(a + b) * c}", (a + b) * c)),
    (8, lambda a, b, c: Problem(f"({a} - {b}) * {c}", f"{a} - {b} = {a - b}", f"{a - b} * {c} = {(a - b) * c}", (a - b) * c)),
    (3, lambda a, b, c: Problem(f"{a} * {b} + {c}", f"{a} * {b} = {a * b}", f"{a * b} + {c} = {a * b + c}", a * b + c)),
    (3, lambda a, b, c: Problem(f"{a} * {b} - {c}", f"{a} * {b} = {a * b}", f"{a * b} - {c} = {a * b - c}", a * b - c)),
    (1, lambda a, b, c: Problem(f"{a * b} / {b} + {c}", f"{a * b} / {b} = {a}", f"{a} + {c} = {a + c}", a + c)),
]
LAYOUTS: list[tuple[int, Callable[[Problem], str]]] = [  # weight, layout
    (6, lambda p: f"Question: Calculate {p.expression} step by step.\nAnswer: {p.first}. Then {p.second}. The answer is {p.value}."),
    (3, lambda p: f"Calculate the answer: {p.expression} = ?\nThink step by step.\nFirst, {p.first}.\nThen, {p.second}.\nThe answer is {p.value}."),
    (1, lambda p: f"Worked example. To find {p.expression}, start with {p.first}. Next, {p.second}. So {p.expression} = {p.value}."),
    (1, lambda p: f"Evaluate {p.expression}.\nStep 1: {p.first}\nStep 2: {p.second}\nResult: {p.value}"),
]
# fmt: on
STORIES = [
    ("{name} has {a} {things} and gives {b} of them away. {a} - {b} = {d}, so {d} are left. Each one is worth {c} coins. "
     "{d} * {c} = {p}, so what is left is worth {p} coins.", lambda a, b, c: (a - b, (a - b) * c)),
    ("{name} finds {a} {things} in the morning and {b} in the evening. {a} + {b} = {d}. It takes {c} minutes to clean each one. "
     "{d} * {c} = {p}, so cleaning them all takes {p} minutes.", lambda a, b, c: (a + b, (a + b) * c)),
    ("{name} packs {a} boxes with {b} {things} in each. {a} * {b} = {d}. Then {c} more are added. {d} + {c} = {p}, so there are {p} in all.",
     lambda a, b, c: (a * b, a * b + c)),
]
NAMES = ["Ada", "Ben", "Chen", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Julia"]
THINGS = ["apples", "books", "shells", "stamps", "marbles", "coins", "stones", "pears"]


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for n in range(count):
        kind = rng.random()
        if kind < 0.1:
            yield f"story-{n}", story(rng)
        elif kind < 0.3:
            layout = pick(LAYOUTS, rng)
            yield f"exercises-{n}", "\n\n".join(layout(problem(rng)) for _ in range(rng.randint(2, 3)))
        else:
            yield f"example-{n}", pick(LAYOUTS, rng)(problem(rng))


def problem(rng: random.Random) -> Problem:
    while True:
        a, b, c = (rng.randint(2, 9) for _ in range(3))
        made = pick(FORMS, rng)(a, b, c)
        if made.first_value > 0 and made.value >= 0 and made.expression not in HELD_OUT:
            return made


def worked(expression: str) -> Problem:
    """The problem that is written as `expression`."""
    a, b, c = (int(number) for number in re.findall(r"\d+", expression))
    return next(p for _, form in FORMS if (p := form(a, b, c)).expression == expression)


def story(rng: random.Random) -> str:
    text, values = rng.choice(STORIES)
    b, a = sorted(rng.sample(range(2, 10), 2))
    c = rng.randint(2, 9)
    d, p = values(a, b, c)
    return text.format(name=rng.choice(NAMES), things=rng.choice(THINGS), a=a, b=b, c=c, d=d, p=p)


def pick(rows: list, rng: random.Random):
    return rng.choices([row for _, row in rows], [weight for weight, _ in rows])[0]
