"""Formulae and procedures in words, without a problem worked out: how to find a slope, solve an equation, do two steps in order.

A procedure is a row of PROCEDURES: sentences that say the same in other words, of which a document joins a few, with letters drawn anew.
"""
import random
from typing import Iterator

from sources.document import Document

LETTERS = [("x1", "y1", "x2", "y2"), ("a", "b", "c", "d"), ("p", "q", "r", "s"), ("x_1", "y_1", "x_2", "y_2")]
NAMES = [("m", "b"), ("k", "n"), ("a", "c"), ("s", "t")]
# fmt: off
PROCEDURES: dict[str, tuple[str, ...]] = {  # label -> sentences; {x1} {y1} {x2} {y2} are coordinates, {m} {b} other letters
    "procedure:slope": (
        "The slope of a line tells how much y changes when x grows by 1.",
        "To find the slope of a line through two points, divide the rise by the run.",
        "slope = ({y2} - {y1}) / ({x2} - {x1})",
        "{m} = rise / run",
        "The rise is the difference of the y values, {y2} - {y1}.",
        "The run is the difference of the x values, {x2} - {x1}.",
        "For points ({x1}, {y1}) and ({x2}, {y2}), first subtract the y values, then subtract the x values, then divide.",
        "A line with slope {m} goes up by {m} for each step of 1 to the right.",
        "In y = {m}x + {b} the slope is {m}, the number in front of x.",
        "A line that rises from left to right has a positive slope.",
        "The slope is the same between any two points of a line.",
        "A horizontal line has slope 0, as its rise is 0.",
    ),
    "procedure:equation": (
        "To solve {m}x + {b} = {y1}, subtract {b} from both sides, then divide both sides by {m}.",
        "x = ({y1} - {b}) / {m}",
        "What is done to one side of an equation must be done to the other.",
        "First undo the addition, then undo the multiplication.",
        "{m}x = {y1} - {b}",
        "A linear equation in one unknown has one solution if the number in front of x is not 0.",
        "To check a solution, put it in place of x and see that both sides are equal.",
        "The unknown stands alone on one side when the equation is solved.",
        "Subtract the number without x, then divide by the number before x.",
        "If {m}x + {b} = {y1}, then {m}x = {y1} - {b}.",
    ),
    "procedure:arithmetic": (
        "What stands in brackets is worked out first.",
        "To find ({x1} + {y1}) * {x2}, first add {x1} and {y1}, then multiply by {x2}.",
        "To find ({x1} - {y1}) * {x2}, first subtract {y1} from {x1}, then multiply by {x2}.",
        "Multiply before you add or subtract, unless brackets say otherwise.",
        "({x1} + {y1}) * {x2} = {x1} * {x2} + {y1} * {x2}",
        "{x1} * {y1} + {x2} means the product of {x1} and {y1}, with {x2} added to it.",
        "{x1} * {y1} - {x2} means the product of {x1} and {y1}, less {x2}.",
        "Do one step at a time and write down the result of each.",
        "The result of the first step goes into the second.",
        "A number of two digits is multiplied digit by digit: tens first, then ones, then both added.",
    ),
}
# fmt: on


def documents(rng: random.Random) -> Iterator[Document]:
    while True:
        label = rng.choice(sorted(PROCEDURES))
        (x1, y1, x2, y2), (m, b) = rng.choice(LETTERS), rng.choice(NAMES)
        sentences = rng.sample(PROCEDURES[label], rng.randint(2, 4))
        text = rng.choice(["\n", " "]).join(s.format(x1=x1, y1=y1, x2=x2, y2=y2, m=m, b=b) for s in sentences)
        yield Document(label.split(":")[1], text, (label,))
