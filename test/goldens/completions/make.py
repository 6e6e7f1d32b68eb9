"""Golden completions: what PyTorch decodes greedily from the tiny Llamas of ../gradients and from the bundled model.

    python make.py            # torch==2.13.0 transformers==5.23.0; writes golden.json beside this file

golden.json: {model: {contextTokens, maxNewTokens, endOfText, prompts: [ids], completions: [{ids, cut}], margin}}

Each prompt is completed alone. The ids are those of a loop over float64 logits of the whole text, without a cache; the loop asserts
that `generate(do_sample=False)` in float32 gives the same, and that at no step the two highest logits are nearer than MARGIN of the
highest magnitude, so that no rounding decides. Prompts that break the margin are left out. `margin` is the least that was met.
`cut` says that the completion reached maxNewTokens or the context before a token of endOfText, which `ids` never hold.
"""
import json
import os

import torch
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "..", "gradients")
BUNDLED = os.path.join(HERE, "..", "..", "..", "datasets")
MARGIN = 1e-4

# name: the tokens that end a text. A random model repeats itself: many of them make completions end at different lengths.
TINY_MODELS = {
    "mha-untied": [2],
    "gqa-tied": [2, 7, 11, 30],
    "all-biases": [5, 9, 14, 21, 33, 40],
    "rope-llama3": [3, 8, 13],
    "rope-linear": [4],
    "head-dim": [6, 12, 18, 24, 35, 50],
    "bfloat16": [10, 20, 30],
}
LENGTHS = (1, 2, 3, 5, 8, 13, 21, 29, 31)
CONTEXT = 32
NEW = 20


def norm_in_float64(self, hidden):
    variance = hidden.double().pow(2).mean(-1, keepdim=True)
    return (self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))).to(hidden.dtype)


def decode(model, prompt, room, end_of_text):
    """Ids, whether they were cut, and the least relative margin between the two highest logits."""
    ids, margin = [], float("inf")
    while len(ids) < room:
        with torch.no_grad():
            logits = model(torch.tensor([prompt + ids])).logits[0, -1]
        first, second = logits.topk(2).values.tolist()
        margin = min(margin, (first - second) / logits.abs().max().item())
        token = int(logits.argmax())
        if token in end_of_text:
            return ids, False, margin
        ids.append(token)
    return ids, True, margin


def generate(model, prompt, room, end_of_text):
    settings = dict(do_sample=False, max_new_tokens=room, eos_token_id=end_of_text or None, pad_token_id=0)
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), **settings)[0, len(prompt) :].tolist()
    return out[:-1] if out[-1] in end_of_text else out


def make(folder, prompts, context, new, end_of_text):
    precise = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    single = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    kept, completions, least, left_out = [], [], float("inf"), 0
    for prompt in prompts:
        room = min(new, context - len(prompt))
        ids, cut, margin = decode(precise, prompt, room, end_of_text)
        if margin < MARGIN:
            left_out += 1
            continue
        assert generate(single, prompt, room, end_of_text) == ids, (folder, prompt)
        least = min(least, margin)
        kept.append(prompt)
        completions.append(dict(ids=ids, cut=cut))
    lengths = [len(c["ids"]) for c in completions]
    print(f"{os.path.basename(folder):12s} {len(kept)} prompts, {left_out} left out, lengths {lengths}, {sum(c['cut'] for c in completions)} cut, margin {least:.1e}")
    return dict(contextTokens=context, maxNewTokens=new, endOfText=end_of_text, prompts=kept, completions=completions, margin=least)


def tiny_prompts(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 64, (length,), generator=generator).tolist() for length in LENGTHS]


def bundled_prompts():
    """Every fifth prompt of datasets/queries.jsonl as it stands."""
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(BUNDLED, "tuned"))
    with open(os.path.join(BUNDLED, "queries.jsonl")) as file:
        return [tokenizer(json.loads(line)["prompt"])["input_ids"] for line in list(file)[::5]]


if __name__ == "__main__":
    torch.set_num_threads(1)
    LlamaRMSNorm.forward = norm_in_float64
    golden = {name: make(os.path.join(TINY, name), tiny_prompts(seed), CONTEXT, NEW, end) for seed, (name, end) in enumerate(TINY_MODELS.items())}
    golden["bundled"] = make(os.path.join(BUNDLED, "tuned"), bundled_prompts(), 512, 96, [1])
    with open(os.path.join(HERE, "golden.json"), "w") as file:
        json.dump(golden, file)
