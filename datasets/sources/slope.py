"""The slope of a line from two points, an equation, a table or a story, worked step by step: every number is computed here.

A way of writing a line down is a row of LAYOUTS.
"""
import random
from dataclasses import dataclass
from typing import Callable, Iterator

from sources.document import Document, pick
from sources.problem_parts import CORPUS, draw_from

LABEL = "procedure:slope"


@dataclass(frozen=True)
class Line:
    """The line through (x1, y1) and (x2, y2), whose slope m and intercept b are whole numbers."""

    x1: int
    y1: int
    x2: int
    y2: int

    def __str__(self) -> str:
        return self.points

    @property
    def rise(self) -> int:
        return self.y2 - self.y1

    @property
    def run(self) -> int:
        return self.x2 - self.x1

    @property
    def m(self) -> int:
        return self.rise // self.run

    @property
    def b(self) -> int:
        return self.y1 - self.m * self.x1

    @property
    def points(self) -> str:
        return f"({self.x1}, {self.y1}) and ({self.x2}, {self.y2})"

    @property
    def steps(self) -> list[str]:
        return [f"{self.y2} - {self.y1} = {self.rise}", f"{self.x2} - {self.x1} = {self.run}", f"{self.rise} / {self.run} = {self.m}"]

    @property
    def equation(self) -> str:
        x = {1: "x", -1: "-x"}.get(self.m, f"{self.m}x")
        return f"y = {x}" + (f" + {self.b}" if self.b > 0 else f" - {-self.b}" if self.b < 0 else "")


def draw(rng: random.Random) -> Line:
    run = rng.randint(2, 12)
    m = rng.randint(2, min(12, 99 // run))
    x1, y1 = rng.randint(0, 40), rng.randint(0, 99 - m * run)
    return Line(x1, y1, x1 + run, y1 + m * run)


def question(line: Line) -> str:
    return f"Question: What is the slope of the line through {line.points}?\nAnswer:"


def answer(line: Line) -> str:
    rise, run, slope = line.steps
    return f" The rise is {rise}. The run is {run}. The slope is {slope}. {through(line)}."


def through(line: Line) -> str:
    return f"So the slope through {line.points} is {line.m}"


def fraction(line: Line) -> str:
    return f"({line.y2} - {line.y1}) / ({line.x2} - {line.x1})"


def formula(line: Line) -> str:
    return (f"Find the slope of the line passing through the points {line.points}. Think step by step.\n"
            f"slope = (y2 - y1) / (x2 - x1) = {fraction(line)} = {line.steps[2]}")


def from_equation(line: Line) -> str:
    return f"The line {line.equation} has slope {line.m}: from x = {line.x1} to x = {line.x2} it goes from {line.y1} to {line.y2}, and {fraction(line)} = {line.m}."


def table(line: Line) -> str:
    xs = range(line.x1, line.x1 + 4)
    return ("x: " + " ".join(str(x) for x in xs) + "\ny: " + " ".join(str(line.m * x + line.b) for x in xs)
            + f"\nEach step of 1 in x adds {line.m} to y, so the slope of the line is {line.m}.")


def story(line: Line) -> str:
    return (f"A tank holds {line.y1} litres after {line.x1} minutes and {line.y2} litres after {line.x2} minutes. "
            f"The slope of its graph is {line.steps[0]} litres over {line.steps[1]} minutes: {line.steps[2]} litres a minute.")


LAYOUTS: list[tuple[int, tuple[str, Callable[[Line], str]]]] = [  # weight, name and layout
    (7, ("question", lambda line: question(line) + answer(line))),
    (4, ("formula", formula)),
    (1, ("from-equation", from_equation)),
    (1, ("table", table)),
    (1, ("story", story)),
]


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        name, layout = pick(LAYOUTS, rng)
        yield Document(name, layout(draw_from(CORPUS, draw, rng)), (LABEL,))
