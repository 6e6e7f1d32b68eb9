"""Golden gradients: one tiny random Llama per variation, and what PyTorch autograd says of every linear layer of it.

    python make.py OUT        # torch==2.13.0 transformers==5.23.0 safetensors numpy; OUT is this folder

Each variation becomes OUT/<name>/, which is a Hugging Face model folder (config.json, model.safetensors or shards) and also
    golden.json          {documents: [{ids, loss}], query: {ids, lossFrom, loss}, linears: [{name, O, I, bias}]}
    golden.safetensors   d0|d1|d2|query . <linear's name> . weight (O,I) | bias (O), float32

`loss` is the summed negative log-likelihood in nats, each document alone; a query's only over the labels at positions >= lossFrom
(f_q of EKFAC.md). Gradients are of that sum. The model runs in float64 from the weights as stored (float16 and bfloat16 are
widened exactly), the RMS norms too (transformers would compute them in float32); the rotary tables are
transformers' own, computed in float32. Only the result is rounded to float32.

How to measure: per linear layer, and weight and bias apart, max |difference| / max |golden|. The bound is 1e-4.
The weights are the projections' usual 1/sqrt(I) scale times 1.5 (queries and keys 3, so that attention is peaked and the rotary
table matters), norms are around 1, biases are not zero.
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

LENGTHS = (5, 9, 17)
QUERY = (13, 6)  # length, lossFrom

BASE = dict(
    vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
    max_position_embeddings=64, tie_word_embeddings=False, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
)
# Two heads of 8: four rotary frequencies, so that a scaling that treats them apart shows.
WIDE_HEADS = dict(num_attention_heads=2, num_key_value_heads=2)
LLAMA3 = dict(rope_type="llama3", rope_theta=100.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=48)

# name: (what differs from BASE, how it is stored)
VARIATIONS = {
    "mha-untied": (dict(), {}),
    "gqa-tied": (dict(num_key_value_heads=2, tie_word_embeddings=True), {}),
    "attention-bias": (dict(attention_bias=True), {}),
    "all-biases": (dict(attention_bias=True, mlp_bias=True, num_key_value_heads=1), {}),
    "rope-llama3": (dict(**WIDE_HEADS, rope_parameters=LLAMA3), {}),
    "rope-linear": (dict(**WIDE_HEADS, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0)), {}),
    "rope-old-form": (dict(**WIDE_HEADS, rope_parameters=dict(rope_type="default", rope_theta=500.0)), dict(old_form=True)),
    "rope-llama3-old-form": (dict(**WIDE_HEADS, rope_parameters=LLAMA3), dict(old_form=True)),
    "head-dim": (dict(head_dim=6, num_key_value_heads=2), {}),
    "sharded": (dict(), dict(shards=3)),
    "bfloat16": (dict(tie_word_embeddings=True), dict(dtype=torch.bfloat16)),
    "float16": (dict(), dict(dtype=torch.float16)),
}


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("norm.weight"):
            value = 1 + 0.2 * noise
        elif name.endswith(".bias"):
            value = 0.3 * noise
        elif "embed_tokens" in name:
            value = noise
        else:
            scale = 3.0 if ".q_proj" in name or ".k_proj" in name else 1.5
            value = noise * scale / parameter.shape[1] ** 0.5
        parameter.data.copy_(value)


def rewrite_config_in_old_form(folder):
    """As transformers 4 wrote it: rope_theta at top level, the scaling beside it, torch_dtype, no rope_parameters."""
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        config = json.load(file)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {**rope, "rope_type": kind}
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    with open(path, "w") as file:
        json.dump(config, file, indent=2)


def store(model, folder, old_form=False, shards=1, dtype=torch.float32):
    model = model.to(dtype)
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    model.save_pretrained(folder, max_shard_size=size // shards + 4096 if shards > 1 else "1GB")
    os.remove(os.path.join(folder, "generation_config.json"))
    if old_form:
        rewrite_config_in_old_form(folder)


def read_in_float64(folder):
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="sdpa")
    stored = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors") and name != "golden.safetensors":
            stored.update(load_file(os.path.join(folder, name)))
    own = model.state_dict()
    for name, tensor in stored.items():
        assert torch.equal(own[name], tensor.double()), name
    return model.eval()


def norm_in_float64(self, hidden):
    variance = hidden.double().pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))


def gradients(model, ids, loss_from):
    """Loss and {linear . weight|bias: gradient} of the labels at positions >= loss_from."""
    model.zero_grad()
    logits = model(torch.tensor([ids])).logits[0]
    loss = functional.cross_entropy(logits[loss_from - 1 : -1], torch.tensor(ids[loss_from:]), reduction="sum")
    loss.backward()
    tapped = {n: p.grad for n, p in model.named_parameters() if "_proj." in n}
    return loss.item(), {name: grad.float().contiguous() for name, grad in tapped.items()}


def make(out, name, seed):
    settings, storage = VARIATIONS[name]
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        os.remove(os.path.join(folder, old))
    model = LlamaForCausalLM(LlamaConfig(**{**BASE, **settings}))
    randomise(model, seed)
    store(model, folder, **storage)
    model = read_in_float64(folder)

    generator = torch.Generator().manual_seed(1000 + seed)
    draw = lambda length: torch.randint(3, BASE["vocab_size"], (length,), generator=generator).tolist()
    documents, arrays = [], {}
    for d, length in enumerate(LENGTHS):
        ids = draw(length)
        loss, grads = gradients(model, ids, 1)
        documents.append(dict(ids=ids, loss=loss))
        arrays.update({f"d{d}.{key}": grad for key, grad in grads.items()})
    ids, loss_from = draw(QUERY[0]), QUERY[1]
    loss, grads = gradients(model, ids, loss_from)
    arrays.update({f"query.{key}": grad for key, grad in grads.items()})

    linears = [
        dict(name=key, O=module.out_features, I=module.in_features, bias=module.bias is not None)
        for key, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and key != "lm_head"
    ]
    golden = dict(documents=documents, query=dict(ids=ids, lossFrom=loss_from, loss=loss), linears=linears)
    with open(os.path.join(folder, "golden.json"), "w") as file:
        json.dump(golden, file)
    save_file(arrays, os.path.join(folder, "golden.safetensors"))
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    smallest = min(float(grad.abs().max()) for grad in arrays.values())
    print(f"{name:22s} {size / 1024:6.0f} KB  losses {[round(d['loss'], 3) for d in documents]} query {loss:.3f}  smallest max|g| {smallest:.2g}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    LlamaRMSNorm.forward = norm_in_float64
    for seed, variation in enumerate(VARIATIONS):
        make(sys.argv[1], variation, seed)
