"""Which facts the queries ask: the candidates, and the choice of half that the fine-tuned model answers right and half wrong.

    .venv/bin/python datasets/choose_facts.py

A candidate is a fact that at least two documents teach, of a relation in ASKED_RELATIONS, whose label has an even hash: those are kept out
of the fine-tuning. Among them the rule takes, in a drawn order, EACH facts that the model in tuned/ answers right and EACH that it answers
wrong, at most A_RELATION of each relation on either side. The choice is kept in asked_facts.json.
"""
import collections
import json
import random
import zlib

from queries import ASKED_FACTS, fact_prompt
from sources.facts import Fact, facts
from sources.questions import answer

ASKED_RELATIONS = ["capital", "symbol", "atomic number", "country", "currency", "calling code", "discovery"]
EACH, A_RELATION = 20, 6


def is_kept_out(fact: Fact) -> bool:
    return fact.relation.name in ASKED_RELATIONS and zlib.crc32(fact.label.encode()) % 2 == 0


def candidates(rows: list[dict]) -> list[Fact]:
    """In a drawn order; `rows` are the documents."""
    taught = collections.Counter(label for row in rows for label in row["teaches"].split())
    found = [fact for fact in facts() if is_kept_out(fact) and taught[fact.label] >= 2]
    return random.Random("headwater candidates").sample(found, len(found))


def chosen(marked: list[tuple[Fact, bool]]) -> list[str]:
    """EACH labels answered right, then EACH answered wrong; marked is every candidate with whether it was answered right."""
    labels = []
    for side in (True, False):
        often: collections.Counter = collections.Counter()
        for fact, right in marked:
            if right is side and often[fact.relation.name] < A_RELATION and often.total() < EACH:
                often[fact.relation.name] += 1
                labels.append(fact.label)
        if often.total() < EACH:
            raise ValueError(f"choose_facts.py expected {EACH} candidates answered {'right' if side else 'wrong'}, got {often.total()}")
    return labels


def is_right(written: str, fact: Fact) -> bool:
    return written.strip().rstrip(".") == answer(fact)


def main() -> None:
    import train_model  # here, as training needs no more of this file than is_kept_out

    model, tokenizer = train_model.load("tuned")
    marked = []
    for fact in candidates(train_model.read_corpus()):
        marked.append((fact, is_right(train_model.greedy(model, tokenizer, fact_prompt(fact), 16), fact)))
    right = sum(mark for _, mark in marked)
    rule = f"of {len(marked)} candidates the fine-tuned model answers {right}; the first {EACH} are answered right, the rest wrong"
    ASKED_FACTS.write_text(json.dumps({"rule": rule, "asked": chosen(marked)}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(rule)


if __name__ == "__main__":
    main()
