"""The slope of a line from two points, an equation, a table or a story, worked step by step: every number is computed here.

A way of writing a line down is a row of LAYOUTS.
"""
import random
from dataclasses import dataclass
from typing import Callable, Iterator

from sources.arithmetic import pick

# Pairs of points that the queries ask about and that no document may hold.
HELD_OUT = {(2, 3, 5, 12), (1, 4, 5, 12), (3, 2, 5, 12), (0, 6, 4, 10), (2, 1, 5, 13)}


@dataclass(frozen=True)
class Line:
    """The line through (x1, y1) and (x2, y2), whose slope m and intercept b are whole numbers."""

    x1: int
    y1: int
    x2: int
    y2: int

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


def question(line: Line) -> str:
    return f"Question: What is the slope of the line through {line.points}?\nAnswer:"


def answer(line: Line) -> str:
    rise, run, slope = line.steps
    return f" The rise is {rise}. The run is {run}. The slope is {slope}."


def formula(line: Line) -> str:
    return (f"Find the slope of the line passing through the points {line.points}. Think step by step.\n"
            f"slope = (y2 - y1) / (x2 - x1) = ({line.y2} - {line.y1}) / ({line.x2} - {line.x1}) = {line.steps[2]}")


def from_equation(line: Line) -> str:
    return (f"The line {line.equation} has slope {line.m}. At x = {line.x1}, y = {line.y1}, and at x = {line.x2}, y = {line.y2}. "
            f"The rise is {line.steps[0]}, the run is {line.steps[1]}, and the slope is {line.steps[2]}.")


def table(line: Line) -> str:
    xs = range(line.x1, line.x1 + 5)
    verb = "adds" if line.m > 0 else "takes away"
    end = "to" if line.m > 0 else "from"
    return ("x: " + " ".join(str(x) for x in xs) + "\ny: " + " ".join(str(line.m * x + line.b) for x in xs)
            + f"\nEach step of 1 in x {verb} {abs(line.m)} {end} y, so the slope of the line is {line.m}.")


def through_point(line: Line) -> str:
    product = line.m * line.x1
    return (f"Write the equation of the line with slope {line.m} through the point ({line.x1}, {line.y1}).\n"
            f"Put the point into y = mx + b: {line.y1} = {line.m} * {line.x1} + b. Since {line.m} * {line.x1} = {product}, "
            f"b = {line.y1} - {product if product >= 0 else f'({product})'} = {line.b}.\nThe equation is {line.equation}.")


def story(line: Line) -> str:
    return (f"A tank holds {line.y1} litres after {line.x1} minutes and {line.y2} litres after {line.x2} minutes. "
            f"The change is {line.steps[0]} litres in {line.steps[1]} minutes. The rate of change is the slope of the graph: {line.steps[2]} litres per minute.")


def meaning(line: Line) -> str:
    direction = "rises" if line.m > 0 else "falls"
    return (f"The slope of a line tells how much y changes when x grows by 1. It is the rise divided by the run. "
            f"From ({line.x1}, {line.y1}) to ({line.x2}, {line.y2}) the rise is {line.rise} and the run is {line.run}, so the slope is {line.steps[2]}. "
            f"The slope is {'positive' if line.m > 0 else 'negative'}, so the line {direction} from left to right.")


LAYOUTS: list[tuple[int, tuple[str, Callable[[Line], str]]]] = [  # weight, name and layout
    (10, ("question", lambda line: question(line) + answer(line))),
    (4, ("formula", formula)),
    (2, ("from-equation", from_equation)),
    (1, ("table", table)),
    (1, ("through-point", through_point)),
    (1, ("story", story)),
    (1, ("meaning", meaning)),
]


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for n in range(count):
        name, layout = pick(LAYOUTS, rng)
        yield f"{name}-{n}", layout(draw(rng))


def draw(rng: random.Random) -> Line:
    while True:
        m = rng.choice([1, 2, 3, 4, 5, 6]) if rng.random() < 0.9 else rng.choice([-1, -2, -3])
        x1, run = rng.randint(0, 5), rng.randint(1, 5)
        y1 = rng.randint(0, 9) if m > 0 else rng.randint(-m * run, 20)
        line = Line(x1, y1, x1 + run, y1 + m * run)
        if (line.x1, line.y1, line.x2, line.y2) not in HELD_OUT:
            return line
