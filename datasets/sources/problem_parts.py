"""Shares the problems out by a hash of how they are written: a problem is asked, or taught by the corpus, or for fine-tuning, never two of these."""
import random
import zlib
from typing import Callable, TypeVar

ASKED, CORPUS, TUNING = "asked", "corpus", "tuning"
TENTHS = [ASKED, CORPUS, CORPUS, CORPUS, CORPUS, TUNING, TUNING, TUNING, TUNING, TUNING]
Problem = TypeVar("Problem")


def part_of(written: str) -> str:
    return TENTHS[zlib.crc32(written.encode()) % 10]


def draw_from(part: str, draw: Callable[[random.Random], Problem], rng: random.Random) -> Problem:
    """Draws until the problem belongs to the part; str(problem) is how it is written."""
    while part_of(str(problem := draw(rng))) != part:
        pass
    return problem


def asked(count: int, draw: Callable[[random.Random], Problem]) -> list[Problem]:
    """The problems that the queries ask, all different."""
    rng, found = random.Random("headwater asked"), {}
    while len(found) < count:
        problem = draw_from(ASKED, draw, rng)
        found[str(problem)] = problem
    return list(found.values())
