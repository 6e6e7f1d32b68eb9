"""The bundled queries: a handful of each task, their completions taken from the same values and rules as the corpus.

The problems of the reasoning queries are held out of the corpus; the facts of the factual ones are in it.
"""
from sources import arithmetic, equations, facts, questions, reading, slope

FACTUAL = [  # relation, subject
    ("capital", "France"), ("capital", "Japan"), ("capital", "Kenya"), ("capital", "Peru"), ("capital", "Norway"),
    ("symbol", "iron"), ("symbol", "gold"), ("symbol", "sodium"), ("atomic number", "carbon"), ("atomic number", "oxygen"),
]
CONTROL = [reading.note("A traveller", 47), reading.slope("A student", 13), reading.note("The editor", 82)]


def queries() -> list[dict]:
    return [*slopes(), *arithmetics(), *solutions(), *factual(), *controls()]


def factual() -> list[dict]:
    known = {entity.name: entity for entity in facts.entities()}
    rows = {relation.name: relation for relation in facts.RELATIONS}
    found = []
    for name, subject in FACTUAL:
        value = questions.answer(known[subject], rows[name])
        text = questions.thread(rows[name].question[0].format(s=subject), value)
        found.append(query(f"{name.replace(' ', '-')}-of-{subject.lower()}", "factual", *split(text), [value], []))
    return found


def arithmetics() -> list[dict]:
    found = []
    for n, expression in enumerate(sorted(arithmetic.HELD_OUT)):
        problem = arithmetic.worked(expression)
        text = arithmetic.LAYOUTS[0][1](problem)
        found.append(query(f"arithmetic-{n + 1}", "arithmetic", *split(text), [str(problem.value)], [problem.first, problem.second]))
    return found


def slopes() -> list[dict]:
    lines = [slope.Line(*points) for points in sorted(slope.HELD_OUT)]
    return [
        query(f"slope-{n + 1}", "slope", slope.question(line), slope.answer(line), [str(line.m)], line.steps)
        for n, line in enumerate(lines)
    ]


def solutions() -> list[dict]:
    return [
        query(f"equation-{n + 1}", "equation", equations.question(*mxb), equations.answer(*mxb), [str(mxb[1])], equations.steps(*mxb))
        for n, mxb in enumerate(equations.ASKED)
    ]


def controls() -> list[dict]:
    return [query(f"control-{n + 1}", "control", *split(text), [split(text)[1].strip(" .")], []) for n, text in enumerate(CONTROL)]


def query(name: str, task: str, prompt: str, completion: str, answers: list[str], steps: list[str]) -> dict:
    return {"id": name, "task": task, "prompt": prompt, "completion": completion, "answers": answers, "steps": steps}


def split(text: str) -> tuple[str, str]:
    """A question-and-answer text as the prompt up to 'Answer:' and the completion after it."""
    end = text.index("Answer:") + len("Answer:")
    return text[:end], text[end:]
