"""Trains the bundled model on the bundled corpus: a byte-level BPE tokenizer and a Llama of a million parameters, on one CPU thread in about
20 minutes.

    .venv/bin/python datasets/train_model.py [--epochs 20]

Every document is one window from its first token to the end-of-text token, cut at CONTEXT, each seen once an epoch: the setting that
influence functions assume. State is kept in .work/training.pt after each epoch, from which an interrupted run goes on.
"""
import argparse
import json
import pathlib
import random

import pyarrow.parquet
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
STATE = HERE / ".work" / "training.pt"
CONTEXT = 256  # tokens: what headwater.yaml cuts documents at
BATCH = 1024  # tokens, padding included
MATRIX_RATE, REST_RATE, WARMUP, DECAY = 8e-3, 4e-3, 100, 0.1
BOS, EOS = 0, 1

CONFIG = dict(
    vocab_size=2048, hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
    head_dim=32, max_position_embeddings=512, hidden_act="silu", rms_norm_eps=1e-5, tie_word_embeddings=True,
    bos_token_id=BOS, eos_token_id=EOS, initializer_range=0.02,
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description="Trains the bundled model on the bundled corpus.")
    arguments.add_argument("--epochs", type=int, default=20)
    epochs = arguments.parse_args().epochs
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [row for path in sorted(HERE.glob("corpus/*.parquet")) for row in pyarrow.parquet.read_table(path).to_pylist()]
    tokenizer = train_tokenizer([row["text"] for row in rows])
    documents = [(tokenizer.encode(row["text"]).ids + [EOS])[:CONTEXT] for row in rows]
    model = LlamaForCausalLM(LlamaConfig(**CONFIG))
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {sum(map(len, documents))} tokens in {len(documents)} documents", flush=True)
    train(model, documents, epochs)
    save(model, tokenizer, report(model.half().float(), tokenizer, rows, documents, epochs))


def train_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab_size"], special_tokens=["<s>", "</s>"], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", BOS)])
    return tokenizer


def train(model: LlamaForCausalLM, documents: list[list[int]], epochs: int) -> None:
    steps = sum(len(batches(documents, epoch)) for epoch in range(epochs))
    moving = movers(model, steps)
    for epoch in range(resumed(model, moving, epochs), epochs):
        total = count = 0.0
        for batch in batches(documents, epoch):
            with torch.autocast("cpu", torch.bfloat16):
                loss = batch_loss(model, [documents[d] for d in batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for mover in moving:
                mover.step()
            model.zero_grad()
            tokens = sum(len(documents[d]) - 1 for d in batch)
            total, count = total + loss.item() * tokens, count + tokens
        print(f"epoch {epoch + 1}/{epochs} loss {total / count:.4f} nats a token", flush=True)
        STATE.parent.mkdir(exist_ok=True)
        torch.save({"epochs": epochs, "done": epoch + 1, "model": model.state_dict(), "moving": [m.state_dict() for m in moving]}, STATE)
    STATE.unlink(missing_ok=True)


def movers(model: LlamaForCausalLM, steps: int) -> list:
    """Muon for the matrices inside the layers, AdamW for the rest, and the schedule of each: up over WARMUP steps, then down to 0."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.dim() < 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=REST_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rate = lambda step: min((step + 1) / WARMUP, max(0, steps - step) / (steps - WARMUP))
    return optimizers + [torch.optim.lr_scheduler.LambdaLR(optimizer, rate) for optimizer in optimizers]


def resumed(model: LlamaForCausalLM, moving: list, epochs: int) -> int:
    """The epoch to go on from: 0, or what an interrupted run of as many epochs left behind."""
    if not STATE.exists() or (state := torch.load(STATE))["epochs"] != epochs:
        return 0
    model.load_state_dict(state["model"])
    for mover, kept in zip(moving, state["moving"]):
        mover.load_state_dict(kept)
    return state["done"]


def batches(documents: list[list[int]], epoch: int) -> list[list[int]]:
    """Documents of about equal length together, at most BATCH tokens with padding, in an order of the epoch's own."""
    rng = random.Random(epoch)
    order = sorted(rng.sample(range(len(documents)), len(documents)), key=lambda d: len(documents[d]))
    found, batch = [], []
    for d in order:  # ascending length, so that the last one sets the padded width
        if batch and (len(batch) + 1) * len(documents[d]) > BATCH:
            found.append(batch)
            batch = []
        batch.append(d)
    found.append(batch)
    rng.shuffle(found)
    return found


def batch_loss(model: LlamaForCausalLM, batch: list[list[int]]) -> torch.Tensor:
    width = max(map(len, batch))
    ids = torch.tensor([d + [EOS] * (width - len(d)) for d in batch])
    labels = torch.tensor([d[1:] + [-100] * (width - len(d)) for d in batch])  # right padding needs no mask under causal attention
    logits = model(input_ids=ids[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


@torch.no_grad()
def report(model: LlamaForCausalLM, tokenizer: Tokenizer, rows: list[dict], documents: list[list[int]], epochs: int) -> dict:
    model.eval()
    queries = [json.loads(line) for line in (HERE / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    right: dict[str, list[int]] = {}
    for query in queries:
        written = greedy(model, tokenizer, query["prompt"], len(query["completion"]) + 16)
        right.setdefault(query["task"], []).append(int(written == query["completion"]))
        print("right" if written == query["completion"] else "wrong", query["id"], repr(written), flush=True)
    return {
        "epochs": epochs,
        "loss": mean_loss(model, documents),
        "lossBySource": {s: mean_loss(model, [d for d, row in zip(documents, rows) if row["source"] == s]) for s in sorted({row["source"] for row in rows})},
        "queriesAnswered": {task: f"{sum(marks)} of {len(marks)}" for task, marks in right.items()},
    }


def greedy(model: LlamaForCausalLM, tokenizer: Tokenizer, prompt: str, most: int) -> str:
    """What the model writes after the prompt until a line ends, at most `most` tokens."""
    ids = tokenizer.encode(prompt).ids
    start = len(ids)
    while len(ids) < start + most:
        best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if best == EOS or "\n" in tokenizer.decode([best]):
            break
        ids.append(best)
    return tokenizer.decode(ids[start:])


def mean_loss(model: LlamaForCausalLM, documents: list[list[int]]) -> float:
    """Nats a token, end-of-text included."""
    summed = sum(batch_loss(model, [d]).item() * (len(d) - 1) for d in documents)
    return round(summed / sum(len(d) - 1 for d in documents), 4)


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, training: dict) -> None:
    folder = HERE / "model"
    model.half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "model_max_length": CONFIG["max_position_embeddings"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(names, indent=2) + "\n")
    (folder / "training.json").write_text(json.dumps(training, indent=2) + "\n")
    print(json.dumps(training, indent=2))


if __name__ == "__main__":
    main()
