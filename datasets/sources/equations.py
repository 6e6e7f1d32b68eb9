"""Linear equations in one unknown, solved in two steps: every number is computed here."""
import random
from typing import Iterator

# Equations that the queries ask and that no document may hold.
ASKED = [(3, 5, 4), (5, 7, 2)]  # m, x, b of mx + b


def documents(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for n in range(count):
        m, x, b = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
        while (m, x, b) in ASKED:
            b = rng.randint(1, 9)
        if rng.random() < 0.7:
            yield f"question-{n}", question(m, x, b) + answer(m, x, b)
        else:
            yield f"check-{n}", check(m, x, b)


def equation(m: int, x: int, b: int) -> str:
    return f"{m}x + {b} = {m * x + b}"


def question(m: int, x: int, b: int) -> str:
    return f"Question: Solve {equation(m, x, b)} for x.\nAnswer:"


def answer(m: int, x: int, b: int) -> str:
    first, second = steps(m, x, b)
    return f" Subtract {b}: {first}. Divide by {m}: {second}. So x = {x}."


def steps(m: int, x: int, b: int) -> list[str]:
    return [f"{m * x + b} - {b} = {m * x}", f"{m * x} / {m} = {x}"]


def check(m: int, x: int, b: int) -> str:
    return (f"Is x = {x} a solution of {equation(m, x, b)}? Put {x} in place of x: {m} * {x} = {m * x}, and {m * x} + {b} = {m * x + b}. "
            f"Both sides are equal, so x = {x} is the solution.")
