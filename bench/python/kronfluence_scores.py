"""EK-FAC by kronfluence 1.0.1: fits the factors of MLP layers, and scores documents where queries are given.

    python kronfluence_scores.py MODEL --fit FILE.parquet COUNT [--documents FILE.parquet COUNT --queries FILE.jsonl]
        [--layers 0,7,15] [--tokens 512] [--labels real|sampled] [--batch 1,2,4,8] [--threads 1] [--dtype float32|float64]

The first COUNT documents of each file, each cut to the tokens; without --layers all. Losses are sums, the damping is 0.1 · mean(Λ) of
each module, query gradients keep their full rank. Other arguments are kronfluence's defaults, which its documentation advises (of float64
what its own tests use). Of several batch sizes (documents) each pass tries all on as many documents as the largest, and keeps the fastest.
One line of JSON:
    {"scores": [[… Q] … COUNT] | null, "positions": …, "stages": {stage: {"seconds", "peakBytes", "batch", "trials"}}, "versions": "…"}

Stages: load, covariance, eigendecomposition, lambda, scores (the queries' gradients too). `seconds` and `peakBytes`, the most memory
resident during the stage (Linux), leave the trials out, but the allocator keeps what they had: measure memory with one batch size.
`seconds` holds what kronfluence writes to its temporary folder, `trials` are the seconds of each batch size tried.
"""
import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable

import pyarrow.parquet
import torch
import transformers
from exact_scores import norm_in_float64
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from kronfluence.utils.common.factor_arguments import pytest_factor_arguments
from kronfluence.utils.common.score_arguments import pytest_score_arguments
from kronfluence.utils.dataset import DataLoaderKwargs
from kronfluence.utils.state import release_memory
from torch.nn import functional
from transformers.models.llama.modeling_llama import LlamaRMSNorm

NO_LABEL = -100
FACTORS = "factors"

Example = tuple[list[int], int]  # ids; the position of the first label
Batch = dict[str, torch.Tensor]


class SummedLoss(Task):
    """Of the labels after the prompt, padding left out; of labels drawn from the model where `sample`."""

    def __init__(self, modules: list[str]) -> None:
        self.modules = modules

    def compute_train_loss(self, batch: Batch, model: torch.nn.Module, sample: bool = False) -> torch.Tensor:
        # Padding is on the right, where the causal mask hides it: without a mask PyTorch keeps its fastest attention.
        logits = model(batch["input_ids"], use_cache=False).logits[:, :-1].flatten(0, 1)
        labels = batch["labels"][:, 1:].flatten()
        if sample:
            with torch.no_grad():
                drawn = torch.multinomial(torch.softmax(logits, -1), 1).flatten()
            labels = torch.where(labels == NO_LABEL, labels, drawn)
        return functional.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="sum")

    def compute_measurement(self, batch: Batch, model: torch.nn.Module) -> torch.Tensor:
        return self.compute_train_loss(batch, model)

    def get_influence_tracked_modules(self) -> list[str]:
        return self.modules

    def get_attention_mask(self, batch: Batch) -> torch.Tensor:
        return batch["attention_mask"]


def collate(examples: list[Example]) -> Batch:
    shape = len(examples), max(len(ids) for ids, _ in examples)
    ids, mask, labels = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long), torch.full(shape, NO_LABEL)
    for row, (own, loss_from) in enumerate(examples):
        ids[row, : len(own)] = torch.tensor(own)
        mask[row, : len(own)] = 1
        labels[row, loss_from : len(own)] = torch.tensor(own[loss_from:])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def read_documents(file: str, count: str, tokenizer: transformers.PreTrainedTokenizerBase, tokens: int) -> list[Example]:
    texts = pyarrow.parquet.read_table(file, columns=["text"])["text"].to_pylist()[: int(count)]
    return [(tokenizer(text).input_ids[:tokens], 1) for text in texts]


def read_queries(file: str, tokenizer: transformers.PreTrainedTokenizerBase) -> list[Example]:
    examples = []
    with open(file, encoding="utf-8") as lines:
        for query in map(json.loads, lines):
            prompt = tokenizer(query["prompt"]).input_ids
            examples.append((prompt + tokenizer(query["completion"], add_special_tokens=False).input_ids, len(prompt)))
    return examples


class Stages:
    """Seconds and peak memory of each stage, batch sizes tried first."""

    def __init__(self) -> None:
        self.measured: dict[str, dict] = {}

    def measure(self, stage: str, work: Callable):
        reset_peak()
        result, seconds = timed(work)
        self.measured[stage] = {"seconds": seconds, "peakBytes": peak_bytes()}
        return result

    def measure_fastest(self, stage: str, work: Callable[[list[Example], int], None], examples: list[Example], sizes: list[int]) -> None:
        work(examples[:1], 1)  # what a first pass pays for, such as touching the weights, is no size's
        few = examples[: max(sizes)]
        trials = {size: timed(lambda: work(few, size))[1] for size in sizes} if len(sizes) > 1 else {}
        batch = min(trials, key=trials.get) if trials else sizes[0]
        reset_peak()
        _, seconds = timed(lambda: work(examples, batch))
        self.measured[stage] = {"seconds": seconds, "peakBytes": peak_bytes(), "batch": batch, "trials": trials}


def timed(work: Callable) -> tuple:
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def reset_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # proc(5): VmHWM begins again at what is resident now


def peak_bytes() -> int:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def read_model(folder: str, dtype: str, layers: str | None) -> tuple[torch.nn.Module, Task]:
    if dtype == "float64":
        LlamaRMSNorm.forward = norm_in_float64  # transformers would compute it in float32
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    numbers = map(int, layers.split(",")) if layers else range(model.config.num_hidden_layers)
    task = SummedLoss([f"model.layers.{n}.mlp.{kind}_proj" for n in numbers for kind in ("gate", "up", "down")])
    release_memory()  # kronfluence calls it between stages, and its first call imports PyTorch's compiler
    return prepare_model(model, task), task


def fit(analyzer: Analyzer, examples: list[Example], sizes: list[int], arguments: FactorArguments, stages: Stages) -> int:
    """Returns the number of positions."""
    options = {"factor_args": arguments, "overwrite_output_dir": True}

    def covariance(documents: list[Example], batch: int) -> None:
        analyzer.fit_covariance_matrices(FACTORS, documents, batch, **options)

    def correct_eigenvalues(documents: list[Example], batch: int) -> None:
        analyzer.fit_lambda_matrices(FACTORS, documents, batch, **options)

    stages.measure_fastest("covariance", covariance, examples, sizes)
    stages.measure("eigendecomposition", lambda: analyzer.perform_eigendecomposition(FACTORS, **options))
    stages.measure_fastest("lambda", correct_eigenvalues, examples, sizes)
    counts = analyzer.load_covariance_matrices(FACTORS)["num_activation_covariance_processed"]
    return int(next(iter(counts.values())))


def score(
    analyzer: Analyzer, documents: list[Example], queries: list[Example], batch: int, arguments: ScoreArguments
) -> list[list[float]]:
    arguments.query_gradient_accumulation_steps = len(queries)  # so that documents pass once
    options = {"per_device_query_batch_size": 1, "per_device_train_batch_size": batch, "score_args": arguments}
    analyzer.compute_pairwise_scores("scores", FACTORS, queries, documents, **options)
    return analyzer.load_pairwise_scores("scores")["all_modules"].T.tolist()


def main(given: argparse.Namespace) -> None:
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    stages = Stages()
    model, task = stages.measure("load", lambda: read_model(given.model, given.dtype, given.layers))
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
    exact = given.dtype == "float64"
    factor_arguments = pytest_factor_arguments() if exact else FactorArguments()
    factor_arguments.use_empirical_fisher = given.labels == "real"
    score_arguments = pytest_score_arguments(damping_factor=None) if exact else ScoreArguments(damping_factor=None)
    sizes = [int(size) for size in given.batch.split(",")]

    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer("bench", model, task, cpu=True, disable_tqdm=True, output_dir=folder)
        analyzer.set_dataloader_kwargs(DataLoaderKwargs(collate_fn=collate))
        positions = fit(analyzer, read_documents(*given.fit, tokenizer, given.tokens), sizes, factor_arguments, stages)
        scores = None
        if given.queries:
            documents, queries = read_documents(*given.documents, tokenizer, given.tokens), read_queries(given.queries, tokenizer)
            batch = stages.measured["lambda"]["batch"]
            scores = stages.measure("scores", lambda: score(analyzer, documents, queries, batch, score_arguments))
    versions = f"kronfluence 1.0.1, PyTorch {torch.__version__}, transformers {transformers.__version__}"
    print(json.dumps({"scores": scores, "positions": positions, "stages": stages.measured, "versions": versions}))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--fit", nargs=2, required=True, metavar=("FILE", "COUNT"))
    parser.add_argument("--documents", nargs=2, metavar=("FILE", "COUNT"))
    parser.add_argument("--queries")
    parser.add_argument("--layers")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--labels", choices=("real", "sampled"), default="real")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if bool(given.documents) != bool(given.queries):
        parser.error("--documents and --queries expected each other, got one alone")
    return given


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # kronfluence 1.0.1 is older than this PyTorch
    transformers.utils.logging.disable_progress_bar()
    main(read_arguments())
