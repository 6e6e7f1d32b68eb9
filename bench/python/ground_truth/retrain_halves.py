"""Trains the base model again on random halves of the corpus: python retrain_halves.py FOLDER --minutes 60 [--epochs 4]

Every half is half the documents, drawn one by one without replacement; the recipe is that of datasets/train_model.py. What is kept is
the model at each of CHECKPOINTS of the training, FOLDER/HALF-SEED/CHECKPOINT.safetensors, and what is there is not trained again, so
that the script can be stopped and started. The first TWICE halves are trained a second time, with other first weights and another order:
what two such models differ by is noise.
"""
import argparse
import json
import pathlib
import random
import sys
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.append("datasets")  # of the checkout that the bench runs in
import train_model  # noqa: E402

CHECKPOINTS = (0.85, 0.92, 1.0)  # of the steps; the learning rate ends at 0
TWICE = 2
HALVES = 200


def main() -> None:
    arguments = argparse.ArgumentParser(description="Trains the base model again on random halves of the corpus.")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--epochs", type=int, default=train_model.EPOCHS)
    given = arguments.parse_args()
    ends = time.monotonic() + 60 * given.minutes
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(train_model.HERE / "model" / "tokenizer.json"))
    documents = [train_model.encoded(tokenizer, row["text"]) for row in train_model.read_corpus()]
    took = 0.0
    for half, seed in order():
        folder = given.folder / f"{half}-{seed}"
        if (folder / "training.json").exists():
            continue
        began = time.monotonic()
        if began + took > ends:
            break
        folder.mkdir(parents=True, exist_ok=True)
        training = retrain([documents[d] for d in members(len(documents), half)], folder, seed, given.epochs)
        took = time.monotonic() - began
        (folder / "training.json").write_text(json.dumps(training) + "\n", encoding="utf-8")
        print(f"half {half} seed {seed}: {took:.0f} s, loss {training['loss']:.4f} nats a token", file=sys.stderr, flush=True)


def order() -> list[tuple[int, int]]:
    """Halves and seeds: after each of the first TWICE halves its second model."""
    return [(half, seed) for half in range(HALVES) for seed in ((0, 1) if half < TWICE else (0,))]


def members(documents: int, half: int) -> list[int]:
    return sorted(random.Random(f"half {half}").sample(range(documents), documents // 2))


def retrain(documents: list[list[int]], folder: pathlib.Path, seed: int, epochs: int) -> dict:
    """What train_model.train does, with a model kept at each checkpoint."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**train_model.CONFIG, attn_implementation="float32"))
    rng = random.Random(seed)
    batches = [batch for _ in range(epochs) for batch in train_model.batches(documents, rng)]
    moving = train_model.movers(model, len(batches), train_model.MATRIX_RATE, train_model.REST_RATE)
    stops = {round(share * len(batches)): share for share in CHECKPOINTS}
    late = []
    for n, batch in enumerate(batches, 1):
        loss = train_model.step(model, moving, [documents[d] for d in batch])
        if n > min(stops):
            late.append(loss)
        if n in stops:
            save_file({name: weights.contiguous() for name, weights in model.named_parameters()}, folder / f"{stops[n]}.safetensors")
    return {"epochs": epochs, "steps": len(batches), "loss": sum(late) / len(late)}


if __name__ == "__main__":
    main()
