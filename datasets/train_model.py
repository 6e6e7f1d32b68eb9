"""Trains the bundled base model on the bundled corpus: a byte-level BPE tokenizer and a Llama of a million parameters, on one CPU thread.

    .venv/bin/python datasets/train_model.py [--epochs 4]

Every document is one window from its first token to the end-of-text token, each seen once an epoch: the setting that influence functions
assume. A bench trains the same recipe on some of the documents: train([documents[d] for d in chosen], EPOCHS, seed).
"""
import argparse
import json
import math
import pathlib
import random
import time

import pyarrow.parquet
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

HERE = pathlib.Path(__file__).parent
CONTEXT = 256  # tokens: what headwater.yaml cuts documents at
BATCH = 1024  # tokens, padding included
EPOCHS = 4
MATRIX_RATE, REST_RATE, WARMUP, DECAY = 1e-2, 5e-3, 60, 0.1
BOS, EOS = 0, 1

CONFIG = dict(
    vocab_size=2048, hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
    head_dim=32, max_position_embeddings=512, hidden_act="silu", rms_norm_eps=1e-5, tie_word_embeddings=True,
    bos_token_id=BOS, eos_token_id=EOS, initializer_range=0.02,
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description="Trains the bundled base model on the bundled corpus.")
    arguments.add_argument("--epochs", type=int, default=EPOCHS)
    epochs = arguments.parse_args().epochs
    rows = read_corpus()
    tokenizer = train_tokenizer([row["text"] for row in rows])
    documents = [encoded(tokenizer, row["text"]) for row in rows]
    print(f"{sum(map(len, documents))} tokens in {len(documents)} documents", flush=True)
    began = time.monotonic()
    model = train(documents, epochs, seed=0)
    seconds = round(time.monotonic() - began)
    model = model.half().float()
    save(model, tokenizer, "model", {"command": f"train_model.py --epochs {epochs}", "epochs": epochs, "seconds": seconds, **losses(model, rows, documents)})


def read_corpus() -> list[dict]:
    """The documents in the order of the corpus: id, text, source, teaches."""
    return [row for path in sorted(HERE.glob("corpus/*.parquet")) for row in pyarrow.parquet.read_table(path).to_pylist()]


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


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return (tokenizer.encode(text).ids + [EOS])[:CONTEXT]


def train(documents: list[list[int]], epochs: int, seed: int) -> LlamaForCausalLM:
    """A model trained from scratch on one thread; the seed sets its first weights and the order of the documents."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, attn_implementation="float32"))
    rng = random.Random(seed)
    plan = [batch for _ in range(epochs) for batch in batches(documents, rng)]
    moving = movers(model, len(plan), MATRIX_RATE, REST_RATE)
    for n, batch in enumerate(plan):
        loss = step(model, moving, [documents[d] for d in batch])
        if n % 100 == 99:
            print(f"step {n + 1}/{len(plan)} loss {loss:.3f} nats a token", flush=True)
    return model


def float32_attention(module, query, key, value, mask, **settings):
    """Attention in float32 inside bfloat16 autocast: its backward pass is five times as fast on a CPU."""
    with torch.autocast("cpu", enabled=False):
        out, weights = sdpa_attention_forward(module, query.float(), key.float(), value.float(), None, is_causal=True, **settings)
    return out, weights


AttentionInterface.register("float32", float32_attention)


def step(model: LlamaForCausalLM, moving: list, batch: list[list[int]], starts: list[int] | None = None) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        loss = batch_loss(model, batch, starts)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for mover in moving:
        mover.step()
    model.zero_grad()
    return loss.item()


def movers(model: LlamaForCausalLM, steps: int, matrix_rate: float, rest_rate: float) -> list:
    """Muon for the matrices inside the layers, AdamW for the rest, and the schedule of each: up over WARMUP steps, then down to 0."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.dim() < 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rest_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    rate = lambda n: min((n + 1) / WARMUP, max(0, steps - n) / (steps - WARMUP))
    return optimizers + [torch.optim.lr_scheduler.LambdaLR(optimizer, rate) for optimizer in optimizers]


def batches(documents: list[list[int]], rng: random.Random) -> list[list[int]]:
    """Documents of about equal length together, at most BATCH tokens with padding, drawn anew."""
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


def batch_loss(model: LlamaForCausalLM, batch: list[list[int]], starts: list[int] | None = None) -> torch.Tensor:
    """Mean nats a token; with `starts`, over the tokens from there on."""
    width = max(map(len, batch))
    ids = torch.tensor([d + [EOS] * (width - len(d)) for d in batch])
    labels = torch.tensor([d[1:] + [-100] * (width - len(d)) for d in batch])  # right padding needs no mask under causal attention
    for row, start in zip(labels, starts or []):
        row[: start - 1] = -100
    logits = model(input_ids=ids[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


@torch.no_grad()
def losses(model: LlamaForCausalLM, rows: list[dict], documents: list[list[int]]) -> dict:
    """Nats a token, end-of-text included: of all documents, and by source."""
    by_source: dict[str, list[float]] = {}
    for row, document in zip(rows, documents):
        found = by_source.setdefault(row["source"], [0.0, 0])
        found[0] += batch_loss(model, [document]).item() * (len(document) - 1)
        found[1] += len(document) - 1
    nats, tokens = (sum(found[n] for found in by_source.values()) for n in (0, 1))
    return {"loss": round(nats / tokens, 4), "lossBySource": {s: round(nats / tokens, 4) for s, (nats, tokens) in sorted(by_source.items())}}


@torch.no_grad()
def greedy(model: LlamaForCausalLM, tokenizer: Tokenizer, prompt: str, most: int) -> str:
    """What the model writes after the prompt until it ends the text, at most `most` tokens."""
    ids = tokenizer.encode(prompt).ids
    start = len(ids)
    while len(ids) < start + most:
        best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if best == EOS:
            break
        ids.append(best)
    return tokenizer.decode(ids[start:])


def load(folder: str) -> tuple[LlamaForCausalLM, Tokenizer]:
    torch.set_num_threads(1)
    return LlamaForCausalLM.from_pretrained(HERE / folder, dtype=torch.float32).eval(), Tokenizer.from_file(str(HERE / folder / "tokenizer.json"))


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, name: str, training: dict) -> None:
    folder = HERE / name
    model.half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "model_max_length": CONFIG["max_position_embeddings"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(names, indent=2) + "\n")
    (folder / "training.json").write_text(json.dumps(training, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in training.items() if name != "written"}, indent=1))


if __name__ == "__main__":
    main()
