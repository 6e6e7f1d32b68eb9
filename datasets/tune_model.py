"""Fine-tunes the bundled base model to answer questions: step by step where a problem is asked, then the end-of-text token; on one CPU thread.

    .venv/bin/python datasets/tune_model.py [--steps 7000]

Every problem is drawn anew from the part of the problems that neither the corpus nor the queries hold (sources/problem_parts.py); the facts
asked are those that choose_facts.py does not keep out. Documents of the corpus are seen in between, so that what they teach stays known.
Then the facts that the queries ask are chosen, the queries written, and both models asked all of them.
"""
import argparse
import random
import time
from typing import Callable, Iterator

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

import build_corpus
import choose_facts
import evaluate_models
import train_model
from queries import fact_prompt, split
from sources import arithmetic, equations, reading, slope
from sources.document import pick
from sources.facts import drawn_fact
from sources.problem_parts import TUNING, draw_from
from sources.questions import answer

STEPS = 7000
MATRIX_RATE, REST_RATE = 8e-3, 2.5e-3
POOL = 2000  # examples drawn at once, to be sorted by length
Example = tuple[str, str]  # prompt, answer; the loss is of the answer, or of the whole document where there is no prompt
Draw = Callable[[random.Random], Example]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Fine-tunes the bundled base model to answer questions.")
    arguments.add_argument("--steps", type=int, default=STEPS)
    arguments.add_argument("--start", choices=["model", "tuned"], default="model", help="tuned goes on from what was fine-tuned before")
    steps, start = (parsed := arguments.parse_args()).steps, parsed.start
    base, tokenizer = train_model.load(start)
    began = time.monotonic()
    model = tune(base, tokenizer, steps, start).half().float()
    training = {"command": f"tune_model.py --steps {steps} --start {start}", "steps": steps, "seconds": round(time.monotonic() - began)}
    rows = train_model.read_corpus()
    documents = [train_model.encoded(tokenizer, row["text"]) for row in rows]
    train_model.save(model, tokenizer, "tuned", training | train_model.losses(model, rows, documents))
    choose_facts.main()
    evaluate_models.main()
    build_corpus.write_queries()


def tune(model: LlamaForCausalLM, tokenizer: Tokenizer, steps: int, start: str) -> LlamaForCausalLM:
    model.config._attn_implementation = "float32"
    moving = train_model.movers(model, steps, MATRIX_RATE, REST_RATE)
    summed = 0.0
    for n, batch in zip(range(1, steps + 1), example_batches(tokenizer, "headwater tuning" if start == "model" else "headwater tuning on")):
        summed += train_model.step(model, moving, [ids for ids, _ in batch], [start for _, start in batch])
        if n % 100 == 0:
            print(f"step {n}/{steps} loss {summed / 100:.4f} nats a token", flush=True)
            summed = 0.0
    return model


def example_batches(tokenizer: Tokenizer, seed: str) -> Iterator[list[tuple[list[int], int]]]:
    """Without end: examples of about equal length together, each with the place where its answer begins."""
    rng = random.Random(seed)
    kinds = example_kinds()
    while True:
        pool = [pick(kinds, rng)(rng) for _ in range(POOL)]
        encoded = [(train_model.encoded(tokenizer, prompt + reply), len(tokenizer.encode(prompt).ids)) for prompt, reply in pool]
        for batch in train_model.batches([ids for ids, _ in encoded], rng):
            yield [encoded[d] for d in batch]


def example_kinds() -> list[tuple[int, Draw]]:
    """Weight, and how an example is drawn."""
    texts = [row["text"] for row in train_model.read_corpus()]
    return [
        (28, problems(arithmetic)),
        (24, problems(slope)),
        (12, problems(equations)),
        (6, fact_example),
        (4, lambda rng: split(reading.of_kind(rng.choice(sorted(reading.KINDS)), TUNING, rng))),
        (36, lambda rng: ("", rng.choice(texts))),
    ]


def problems(module) -> Draw:
    def example(rng: random.Random) -> Example:
        problem = draw_from(TUNING, module.draw, rng)
        return module.question(problem), module.answer(problem)

    return example


def fact_example(rng: random.Random) -> Example:
    while choose_facts.is_kept_out(fact := drawn_fact(rng)):
        pass
    return fact_prompt(fact), f" {answer(fact)}."


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
