"""Functions of openly licensed packages, whole and short, and small functions of our own with computed results.

A place to take code from is a row of PLACES.
"""
import ast
import fnmatch
import pathlib
import random
import re
from dataclasses import dataclass
from typing import Iterator

from packages import archive
from sources import arithmetic, equations, slope
from sources.document import Document
from sources.problem_parts import CORPUS, draw_from

SHORTEST, LONGEST = 80, 420  # characters
LONGEST_ON_SLOPES = 900  # functions on slopes are few, and wanted
PLACES = [  # package, files inside its archive, how many functions
    ("simple-statistics", "package/src/*.js", 60),
    ("d3-array", "package/dist/d3-array.js", 55),
    ("d3-interpolate", "package/dist/d3-interpolate.js", 30),
    ("more-itertools", "more_itertools/*.py", 70),
    ("toolz", "toolz/*.py", 55),
    ("sympy", "sympy/geometry/*.py", 80),
]
# fmt: off
OURS = [  # label, slug, text with results computed from a problem of its task
    (slope.LABEL, "slope-python", "def slope(x1, y1, x2, y2):\n    return (y2 - y1) // (x2 - x1)\n\n\nassert slope({line.x1}, {line.y1}, {line.x2}, {line.y2}) == {line.m}\n"),
    (slope.LABEL, "slope-javascript", "const slope = (p, q) => (q.y - p.y) / (q.x - p.x);\n"
                                      "console.assert(slope({{ x: {line.x1}, y: {line.y1} }}, {{ x: {line.x2}, y: {line.y2} }}) === {line.m});\n"),
    (slope.LABEL, "rise-python", "rise = {line.y2} - {line.y1}\nrun = {line.x2} - {line.x1}\nslope = rise // run\nprint(slope)  # {line.m}\n"),
    (arithmetic.LABEL, "steps-python", "first = {sum.first_side}\nsecond = first * {sum.factor}\nassert second == {sum.problem.value}\n"),
    (arithmetic.LABEL, "function-javascript", "const twoSteps = (a, b, c) => (a + b) * c;\nconsole.assert(twoSteps({sum.a}, {sum.b}, {sum.factor}) === {sum.problem.value});\n"),
    (arithmetic.LABEL, "print-python", "print({sum.problem})  # {sum.problem.value}\n"),
    (equations.LABEL, "solve-python", "def solve(m, b, y):\n    return (y - b) // m\n\n\nassert solve({equation.m}, {equation.b}, {equation.y}) == {equation.x}\n"),
    (equations.LABEL, "solve-javascript", "const solve = (m, b, y) => (y - b) / m;\nconsole.assert(solve({equation.m}, {equation.b}, {equation.y}) === {equation.x});\n"),
    (equations.LABEL, "check-python", "x = ({equation.y} - {equation.b}) // {equation.m}\nassert {equation.m} * x + {equation.b} == {equation.y}\nprint(x)  # {equation.x}\n"),
]
# fmt: on


@dataclass(frozen=True)
class Sum:
    """A problem (a + b) * factor with its parts, for a text to be filled with."""

    problem: arithmetic.Problem

    @property
    def first_side(self) -> str:
        return self.problem.first.split(" = ")[0]

    @property
    def a(self) -> str:
        return self.first_side.split(" + ")[0]

    @property
    def b(self) -> str:
        return self.first_side.split(" + ")[1]

    @property
    def factor(self) -> str:
        return self.problem.expression.split(" * ")[1]


def documents(rng: random.Random) -> Iterator[Document]:
    for package, files, most in PLACES:
        found = list(functions_of(package, files))
        on_slopes = [d for d in found if d.teaches]
        rest = [d for d in found if not d.teaches]
        yield from on_slopes + rng.sample(rest, min(len(rest), most - len(on_slopes)))
    while True:
        for label, slug, text in OURS:
            yield Document(f"own-{slug}", with_numbers(text, rng), (label,))


def is_on_slopes(text: str) -> bool:
    return "slope" in text.lower()


def with_numbers(text: str, rng: random.Random) -> str:
    line, equation, problem = (draw_from(CORPUS, draw, rng) for draw in (slope.draw, equations.draw, arithmetic.sum_times))
    return text.format(line=line, equation=equation, sum=Sum(problem))


def functions_of(package: str, files: str) -> Iterator[Document]:
    found = archive(package)
    for path in fnmatch.filter(found.files, files):
        functions = python_functions if path.endswith(".py") else javascript_functions
        for name, text in functions(found.text(path)):
            if SHORTEST <= len(text) <= (LONGEST_ON_SLOPES if is_on_slopes(text) else LONGEST):
                yield Document(f"{package}/{pathlib.PurePath(path).stem}.{name}", text, (slope.LABEL,) if is_on_slopes(text) else ())


def python_functions(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = lines[node.lineno - 1 : node.end_lineno]
            yield f"{node.name}-{node.lineno}", "\n".join(line[node.col_offset :] for line in body) + "\n"


def javascript_functions(source: str) -> Iterator[tuple[str, str]]:
    """Functions at the top level, with the comment before them."""
    comment = r"(?:/\*\*(?:(?!\*/).)*\*/\n)?"
    for match in re.finditer(comment + r"^(?:export default )?(?:async )?function\*? ?(\w+)\(.*?^}\n", source, re.M | re.S):
        yield match[1], match[0]
