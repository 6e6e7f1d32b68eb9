"""Linear equations in one unknown, solved in two steps: every number is computed here. A way of writing one down is a row of LAYOUTS."""
import random
from dataclasses import dataclass
from typing import Callable, Iterator

from sources.document import Document, pick
from sources.problem_parts import CORPUS, draw_from

LABEL = "procedure:equation"


@dataclass(frozen=True)
class Equation:
    """mx + b = y, whose solution x is a whole number."""

    m: int
    x: int
    b: int

    def __str__(self) -> str:
        return f"{self.m}x + {self.b} = {self.y}"

    @property
    def y(self) -> int:
        return self.m * self.x + self.b

    @property
    def steps(self) -> list[str]:
        return [f"{self.y} - {self.b} = {self.m * self.x}", f"{self.m * self.x} / {self.m} = {self.x}"]

    @property
    def check(self) -> str:
        return f"{self.m} * {self.x} + {self.b} = {self.y}"


def draw(rng: random.Random) -> Equation:
    m = rng.randint(2, 12)
    return Equation(m, rng.randint(2, 120 // m if m > 5 else 20), rng.randint(2, 60))


def question(e: Equation) -> str:
    return f"Question: Solve {e} for x.\nAnswer:"


def answer(e: Equation) -> str:
    return f" Subtract: {e.steps[0]}. Divide: {e.steps[1]}. So {e} has the solution x = {e.x}."


def checked(e: Equation) -> str:
    return f"Is x = {e.x} a solution of {e}? Put {e.x} in place of x: {e.check}. Both sides are equal, so it is."


def balanced(e: Equation) -> str:
    return f"{e}\nTake {e.b} from both sides, {e.steps[0]}: {e.m}x = {e.m * e.x}\nDivide both sides by {e.m}, {e.steps[1]}: x = {e.x}"


def worked(e: Equation) -> str:
    return f"Worked example: {e}.\nFirst, {e.steps[0]}, so {e.m}x = {e.m * e.x}.\nThen, {e.steps[1]}, so x = {e.x}."


def story(e: Equation) -> str:
    return (f"A taxi takes {e.b} coins to start and {e.m} coins for each mile. A ride costs {e.y} coins. How many miles is it? "
            f"{e.m}x + {e.b} = {e.y}, {e.steps[0]}, and {e.steps[1]} miles.")


LAYOUTS: list[tuple[int, tuple[str, Callable[[Equation], str]]]] = [
    (6, ("question", lambda e: question(e) + answer(e))),
    (2, ("check", checked)),
    (1, ("balanced", balanced)),
    (2, ("worked", worked)),
    (1, ("story", story)),
]


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        name, layout = pick(LAYOUTS, rng)
        yield Document(name, layout(draw_from(CORPUS, draw, rng)), (LABEL,))
