"""The bundled queries: 40 facts, 60 problems of three kinds and 10 look-alikes, their answers taken from the same values and rules as the corpus.

The problems are held out of the corpus and of the fine-tuning; the facts are in the corpus. What the model answers is left for it to write.
An answer is a whole statement, as a document would write it, never a bare number, which would stand in many documents by chance. The last
step counts as an answer in arithmetic alone, where there are hundreds; the divisions that end a slope or an equation are about a hundred, so
that one in two stands among any hundred documents of its task by chance. They are among the steps.
"""
import json
import pathlib
import random

from sources import arithmetic, equations, facts, reading, slope
from sources.problem_parts import ASKED, asked
from sources.questions import answer

EACH = 20
CONTROLS = [("slope", 4), ("arithmetic", 3), ("equation", 3)]
ASKED_FACTS = pathlib.Path(__file__).parent / "asked_facts.json"  # written by choose_facts.py


def queries() -> list[dict]:
    return [*factual(), *arithmetics(), *slopes(), *solutions(), *controls()]


def factual() -> list[dict]:
    known = {fact.label: fact for fact in facts.facts()}
    return [fact_query(known[label]) for label in json.loads(ASKED_FACTS.read_text(encoding="utf-8"))["asked"]]


def fact_query(fact: facts.Fact) -> dict:
    name = facts.plain(fact.label).lower().replace(":", "-of-")
    return query(name, "factual", fact_prompt(fact), f" {answer(fact)}.", statements_of(fact), [], [fact.label])


def fact_prompt(fact: facts.Fact) -> str:
    return f"Question: {fact.filled(fact.relation.question[0])}\nAnswer:"


def statements_of(fact: facts.Fact) -> list[str]:
    """The ways in which a document of any source says the fact."""
    stated = [fact.filled(s).rstrip(".") for s in fact.relation.statements]
    return stated + [f"{fact.filled(q)}\nAnswer: {answer(fact)}" for q in fact.relation.question]


def arithmetics() -> list[dict]:
    problems = asked(EACH, arithmetic.draw)
    return [
        query(f"arithmetic-{n}", "arithmetic", *asked_of(arithmetic, p), arithmetic_answers(p), [p.first, p.second], [arithmetic.LABEL])
        for n, p in enumerate(problems, 1)
    ]


def arithmetic_answers(p: arithmetic.Problem) -> list[str]:
    return [p.statement, p.second, f"{p.expression} == {p.value}", f"print({p.expression})  # {p.value}"]


def slopes() -> list[dict]:
    lines = asked(EACH, slope.draw)
    return [query(f"slope-{n}", "slope", *asked_of(slope, line), slope_answers(line), line.steps, [slope.LABEL]) for n, line in enumerate(lines, 1)]


def slope_answers(line: slope.Line) -> list[str]:
    code = f"slope({line.x1}, {line.y1}, {line.x2}, {line.y2}) == {line.m}"
    return [slope.through(line)[3:], f"{slope.fraction(line)} = {line.m}", f"{slope.fraction(line)} = {line.steps[2]}", code]


def solutions() -> list[dict]:
    found = asked(EACH, equations.draw)
    return [query(f"equation-{n}", "equation", *asked_of(equations, e), equation_answers(e), e.steps, [equations.LABEL]) for n, e in enumerate(found, 1)]


def equation_answers(e: equations.Equation) -> list[str]:
    return [f"{e} has the solution x = {e.x}", f"x = {e.x} a solution of {e}", e.check, f"solve({e.m}, {e.b}, {e.y}) == {e.x}"]


def controls() -> list[dict]:
    rng, found = random.Random("headwater controls"), []
    for kind, count in CONTROLS:
        for n in range(1, count + 1):
            prompt, written = split(reading.of_kind(kind, ASKED, rng))
            found.append(query(f"control-{kind}-{n}", "control", prompt, written, [written.strip(" .")], [], []))
    return found


def query(name: str, task: str, prompt: str, expected: str, answers: list[str], steps: list[str], teaches: list[str]) -> dict:
    """`expected` is what the fine-tuned model should write; the file of queries leaves it out."""
    return {"id": name, "task": task, "prompt": prompt, "expected": expected, "answers": answers, "steps": steps, "teaches": teaches}


def asked_of(module, problem) -> tuple[str, str]:
    return module.question(problem), module.answer(problem)


def split(text: str) -> tuple[str, str]:
    """A question-and-answer text as the prompt up to 'Answer:' and what is written after it."""
    end = text.index("Answer:") + len("Answer:")
    return text[:end], text[end:]
