"""PyTorch's plain forward + backward, a batch for each line of standard input: python forward_backward.py MODEL THREADS

    in:  {"ids": [[…], …]}                      windows of token ids
    out: {"loss": […], "seconds": …}            summed negative log-likelihood of each window, nats; what the batch took

The first line out is {"versions": "…"}. Gradients reach every parameter, as in training. Windows are padded on the right, where the
causal mask hides padding from every token, so that PyTorch keeps its fastest attention.
"""
import json
import sys
import time

import torch
import transformers
from torch.nn import functional

NO_LABEL = -100


def batch_of(windows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, windows))
    ids = torch.zeros(len(windows), longest, dtype=torch.long)
    labels = torch.full((len(windows), longest), NO_LABEL)
    for w, window in enumerate(windows):
        ids[w, : len(window)] = labels[w, : len(window)] = torch.tensor(window)
    return ids, labels[:, 1:]


def forward_backward(model: torch.nn.Module, windows: list[list[int]]) -> list[float]:
    ids, labels = batch_of(windows)
    model.zero_grad(set_to_none=True)
    logits = model(ids, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NO_LABEL, reduction="none")
    losses.sum().backward()
    return losses.detach().view(labels.shape).sum(1).tolist()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    print(json.dumps({"versions": f"PyTorch {torch.__version__}, transformers {transformers.__version__}"}), flush=True)
    for line in sys.stdin:
        windows = json.loads(line)["ids"]
        begun = time.perf_counter()
        loss = forward_backward(model, windows)
        print(json.dumps({"loss": loss, "seconds": time.perf_counter() - begun}), flush=True)
