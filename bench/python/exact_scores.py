"""Influence scores by PyTorch autograd: python exact_scores.py MODEL DOCUMENTS.parquet QUERIES.jsonl COUNT TOKENS float32|float64

s(q,d) = Σ ⟨∇f_q, ∇L_d⟩ over the weights of the MLPs, of the first COUNT documents, each cut to TOKENS. L_d is the summed loss of the
document, f_q that of the completion given the prompt; no 1/N. Tokenised here, by the Rust tokenizers. One line of JSON:
    {"scores": [[… Q] … COUNT], "versions": "…"}
"""
import json
import sys

import pyarrow.parquet
import torch
import transformers
from torch.nn import functional
from transformers.models.llama.modeling_llama import LlamaRMSNorm


def gradients_of(model: torch.nn.Module, ids: list[int], loss_from: int) -> list[torch.Tensor]:
    """The gradient at each MLP weight of the summed loss of the labels at positions >= loss_from."""
    model.zero_grad(set_to_none=True)
    logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    functional.cross_entropy(logits[loss_from - 1 : -1], torch.tensor(ids[loss_from:]), reduction="sum").backward()
    return [weight.grad for weight in model.parameters() if weight.requires_grad]


def dot(query: list[torch.Tensor], document: list[torch.Tensor]) -> float:
    # float64: the modules' terms differ in sign and by orders of magnitude.
    return sum(torch.dot(q.flatten().double(), d.flatten().double()).item() for q, d in zip(query, document))


def norm_in_float64(self: LlamaRMSNorm, hidden: torch.Tensor) -> torch.Tensor:
    variance = hidden.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))


def main(folder: str, documents: str, queries: str, count: str, tokens: str, dtype: str) -> None:
    if dtype == "float64":
        LlamaRMSNorm.forward = norm_in_float64  # transformers would compute it in float32
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    for name, weight in model.named_parameters():
        weight.requires_grad_(".mlp." in name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    query_gradients = []
    with open(queries, encoding="utf-8") as lines:
        for query in map(json.loads, lines):
            prompt = tokenizer(query["prompt"]).input_ids
            completion = tokenizer(query["completion"], add_special_tokens=False).input_ids
            query_gradients.append(gradients_of(model, prompt + completion, len(prompt)))

    scores = []
    for text in pyarrow.parquet.read_table(documents, columns=["text"])["text"].to_pylist()[: int(count)]:
        gradients = gradients_of(model, tokenizer(text).input_ids[: int(tokens)], 1)
        scores.append([dot(query, gradients) for query in query_gradients])
    versions = f"PyTorch {torch.__version__}, transformers {transformers.__version__}"
    print(json.dumps({"scores": scores, "versions": versions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
