"""Functions of openly licensed packages, whole and at most 900 characters, and small functions of our own with computed results.

A place to take code from is a row of PLACES.
"""
import ast
import random
from typing import Iterator

from packages import archive

LONGEST = 900  # characters: what a context of 256 tokens holds of code
PLACES = [  # package, folder inside its archive, files
    ("simple-statistics", "package/src/", ".js"),
    ("d3-array", "package/src/", ".js"),
    ("d3-interpolate", "package/src/", ".js"),
    ("ml-regression-simple-linear", "package/src/", "index.ts"),
    ("more-itertools", "more_itertools/", ".py"),
    ("toolz", "toolz/", ".py"),
    ("sympy", "sympy/geometry/", ".py"),
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
    found = [document for place in PLACES for document in functions_of(*place)]
    ours = count // 5
    for n in range(ours):
        slug, text = OURS[n % len(OURS)]
        yield f"own-{slug}-{n}", ours_with_numbers(text, rng)
    # d3-array and the like are small: take everything that mentions a line first, then a sample.
    chosen = [d for d in found if "slope" in d[1].lower()]
    rest = [d for d in found if "slope" not in d[1].lower()]
    yield from chosen + rng.sample(rest, min(len(rest), count - ours - len(chosen)))


def ours_with_numbers(text: str, rng: random.Random) -> str:
    x1, y1, m, run = rng.randint(0, 9), rng.randint(1, 9), rng.randint(2, 9), rng.randint(1, 6)
    numbers = {"x1": x1, "y1": y1, "x2": x1 + run, "y2": y1 + m * run, "m": m, "run": run, "b": y1 - m * x1}
    return text.format(**numbers, product=(x1 + y1) * m, value=m * run + y1)


def functions_of(package: str, folder: str, suffix: str) -> Iterator[tuple[str, str]]:
    files = archive(package)
    for path in files.paths(folder, suffix):
        if "/tests/" in path or path.endswith("__init__.py"):
            continue
        name = path.removeprefix("package/").removesuffix(suffix if suffix.startswith(".") else "")
        pieces = python_functions(files.text(path)) if suffix == ".py" else [("", files.text(path))]
        for piece, text in pieces:
            if 120 <= len(text) <= LONGEST:
                yield f"{package}/{name}{'.' + piece if piece else ''}", text


def python_functions(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = lines[node.lineno - 1 : node.end_lineno]
            yield f"{node.name}-{node.lineno}", "\n".join(line[node.col_offset :] for line in body) + "\n"
