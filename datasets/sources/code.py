"""Functions of openly licensed packages, whole and short, and small functions of our own with computed results.

A place to take code from is a row of PLACES.
"""
import ast
import fnmatch
import pathlib
import random
import re
from typing import Iterator

from packages import archive

SHORTEST, LONGEST = 120, 700  # characters: what a context of 256 tokens holds of code
LONGEST_ON_SLOPES = 1500  # functions on slopes are few, and wanted
PLACES = [  # package, files inside its archive, how many functions
    ("simple-statistics", "package/src/*.js", 55),
    ("d3-array", "package/dist/d3-array.js", 50),
    ("d3-interpolate", "package/dist/d3-interpolate.js", 25),
    ("more-itertools", "more_itertools/*.py", 50),
    ("toolz", "toolz/*.py", 45),
    ("sympy", "sympy/geometry/*.py", 55),
]
OURS = [  # slug, text with results computed from (x1, y1, m, run)
    ("slope-python", 'def slope(x1, y1, x2, y2):\n    """The slope of the line through two points."""\n    return (y2 - y1) // (x2 - x1)\n\n\n'
                     "assert slope({x1}, {y1}, {x2}, {y2}) == {m}\n"),
    ("slope-javascript", "function slope(p, q) {{\n  const rise = q.y - p.y;\n  const run = q.x - p.x;\n  return rise / run;\n}}\n\n"
                         "console.assert(slope({{ x: {x1}, y: {y1} }}, {{ x: {x2}, y: {y2} }}) === {m});\n"),
    ("line-python", "def line_through(p, q):\n    (x1, y1), (x2, y2) = p, q\n    m = (y2 - y1) / (x2 - x1)\n    b = y1 - m * x1\n    return m, b\n\n\n"
                    "m, b = line_through(({x1}, {y1}), ({x2}, {y2}))\nassert m == {m} and b == {b}\n"),
    ("two-steps-python", "def two_steps(a, b, c):\n    first = a + b\n    second = first * c\n    return second\n\n\nassert two_steps({x1}, {y1}, {m}) == {product}\n"),
    ("two-steps-javascript", "function twoSteps(a, b, c) {{\n  const first = a + b;\n  return first * c;\n}}\n\nconsole.assert(twoSteps({x1}, {y1}, {m}) === {product});\n"),
    ("solve-python", "def solve(m, b, y):\n    \"\"\"The x with m * x + b == y.\"\"\"\n    return (y - b) // m\n\n\nassert solve({m}, {y1}, {value}) == {run}\n"),
]


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for package, files, most in PLACES:
        found = list(functions_of(package, files))
        on_slopes = [d for d in found if is_on_slopes(d[1])]
        rest = [d for d in found if not is_on_slopes(d[1])]
        yield from on_slopes + rng.sample(rest, min(len(rest), most - len(on_slopes)))
    for n in range(count - sum(most for _, _, most in PLACES)):
        slug, text = OURS[n % len(OURS)]
        yield f"own-{slug}-{n}", ours_with_numbers(text, rng)


def is_on_slopes(text: str) -> bool:
    return "slope" in text.lower()


def ours_with_numbers(text: str, rng: random.Random) -> str:
    x1, y1, m, run = rng.randint(0, 9), rng.randint(1, 9), rng.randint(2, 9), rng.randint(1, 6)
    numbers = {"x1": x1, "y1": y1, "x2": x1 + run, "y2": y1 + m * run, "m": m, "run": run, "b": y1 - m * x1}
    return text.format(**numbers, product=(x1 + y1) * m, value=m * run + y1)


def functions_of(package: str, files: str) -> Iterator[tuple[str, str]]:
    found = archive(package)
    for path in fnmatch.filter(found.files, files):
        functions = python_functions if path.endswith(".py") else javascript_functions
        for name, text in functions(found.text(path)):
            if SHORTEST <= len(text) <= (LONGEST_ON_SLOPES if is_on_slopes(text) else LONGEST):
                yield f"{package}/{pathlib.PurePath(path).stem}.{name}", text


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
