"""How much one step of training on the first documents of each ranking raises what the model wrote: python tail_patch.py PLAN.json OUT.json

For each query, the first n documents by each ranking are one batch, with their mean loss a token. All parameters of the model take one
step on it from where they are; measured is by how many nats the log-probability of the whole completion rises. Then the weights are put
back. A step is one of
    gradient  along the negative gradient, by a fixed share of the weights' norm, so that neither length nor loss decides how far
    sgd       the learning rate times the negative gradient; the rate is that by which random batches of n move the same share, on average
    recipe    that of datasets/train_model.py: Muon for the matrices inside the layers, Adam for the rest, each at the same share of its
              peak rate; Adam's second moments are those of random batches of ten, Muon's momentum is left out
The fine-tuned model is patched with the rankings by its own query gradients, the base model with those by its own.
"""
import sys

import numpy as np
import torch
from transformers import LlamaForCausalLM
from world import GRADIENTS, World, bootstrap, rankings, read_world, rounded, tasks, write

sys.path.append("datasets")
COUNTS = (1, 10)  # documents in the batch of a step
SHARES = {"gradient": 0.0003, "sgd": 0.0003, "recipe": 0.01}  # of the norm of the weights; of the peak rates of training
ADAM_SHARE = 0.05  # of a step in the second moments: 1 - β₂ of the training
SAMPLE = 32  # random batches that rates and second moments are taken from
PADDING = 1


class Patched:
    """A model, what its weights are, and the second moments of its gradients."""

    def __init__(self, folder: str, world: World, peak_rates: tuple[float, float]):
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.parameters = dict(self.model.named_parameters())
        self.weights = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.norm = norm(self.weights)
        self.peak_rates = peak_rates
        rng = np.random.default_rng(0)
        samples = {n: [self.gradient([world.documents[d] for d in rng.choice(len(world.documents), n, False)]) for _ in range(SAMPLE)] for n in COUNTS}
        self.mean_norm = {n: float(np.mean([norm(gradient) for gradient in found])) for n, found in samples.items()}
        self.second_moments = {name: torch.stack([sample[name] for sample in samples[10]]).square().mean(0) for name in self.weights}

    def gradient(self, documents: list[list[int]]) -> dict[str, torch.Tensor]:
        """Of the mean loss a token of the documents."""
        width = max(map(len, documents))
        ids = torch.tensor([ids + [PADDING] * (width - len(ids)) for ids in documents])
        labels = torch.tensor([ids[1:] + [-100] * (width - len(ids)) for ids in documents])  # causal attention does not see padding at the right
        logits = self.model(input_ids=ids[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return dict(zip(self.parameters, torch.autograd.grad(loss, list(self.parameters.values())), strict=True))

    def steps(self, gradient: dict[str, torch.Tensor], n: int) -> dict[str, tuple[float, dict[str, torch.Tensor]]]:
        """What is added to the weights, as a factor and a direction, by name of the step."""
        length = norm(gradient)
        recipe = self.recipe(gradient)
        return {
            "gradient": (-SHARES["gradient"] * self.norm / length, gradient),
            "sgd": (-SHARES["sgd"] * self.norm / self.mean_norm[n], gradient),
            "recipe": (-SHARES["recipe"], recipe),
        }

    def recipe(self, gradient: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        matrix_rate, rest_rate = self.peak_rates
        found = {}
        for name, value in gradient.items():
            if value.dim() == 2 and "embed" not in name and "lm_head" not in name:
                found[name] = matrix_rate * 0.2 * max(value.shape) ** 0.5 * orthogonalised(value)  # Muon with match_rms_adamw
            else:
                # The step's own share keeps what the sample never saw, such as a rare token, from moving without bound.
                second = (1 - ADAM_SHARE) * self.second_moments[name] + ADAM_SHARE * value.square()
                found[name] = rest_rate * value / (second.sqrt() + 1e-8)
        return found

    @torch.no_grad()
    def log_probability(self, query: dict) -> float:
        ids = query["prompt_ids"] + query["completion_ids"]
        logits = self.model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0, len(query["prompt_ids"]) - 1 :]
        return -torch.nn.functional.cross_entropy(logits, torch.tensor(query["completion_ids"]), reduction="sum").item()

    @torch.no_grad()
    def rise(self, query: dict, factor: float, direction: dict[str, torch.Tensor], before: float) -> float:
        for name, parameter in self.parameters.items():
            torch.add(self.weights[name], direction[name], alpha=factor, out=parameter.data)
        rise = self.log_probability(query) - before
        self.put_back()
        return rise

    def put_back(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.data.copy_(self.weights[name])


def norm(tensors: dict[str, torch.Tensor]) -> float:
    return sum(tensor.double().square().sum().item() for tensor in tensors.values()) ** 0.5


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """About U Vᵀ of the matrix's singular vectors."""
    moved = matrix / matrix.norm()
    for a, b, c in [(3.4445, -4.775, 2.0315)] * 5:  # Newton–Schulz, as torch.optim.Muon
        square = moved @ moved.T if matrix.shape[0] <= matrix.shape[1] else moved.T @ moved
        polynomial = b * square + c * square @ square
        moved = a * moved + (polynomial @ moved if matrix.shape[0] <= matrix.shape[1] else moved @ polynomial)
    return moved


def main(plan: str, out: str, *models: str) -> None:
    """Of both models, or of those that are named."""
    from train_model import MATRIX_RATE, REST_RATE

    torch.set_num_threads(1)
    world = read_world(plan)
    result = {}
    for gradients in models or GRADIENTS:
        folder = world.datasets / ("tuned" if gradients == "fine-tuned" else "model")
        rises = measure(Patched(str(folder), world, (MATRIX_RATE, REST_RATE)), world, rankings(world, gradients))
        result[gradients] = summarised(world, rises)
        write(out, result)


def measure(patched: Patched, world: World, ranked: dict[str, list[np.ndarray]]) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """(Q) The rise of each query, by step, number of documents and ranking."""
    rises: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    before = [patched.log_probability(query) for query in world.queries]
    for name, tables in ranked.items():
        for q, query in enumerate(world.queries):
            order = np.argsort(-tables[0][q], kind="stable")
            for n in COUNTS:
                gradient = patched.gradient([world.documents[d] for d in order[:n]])
                for step, (factor, direction) in patched.steps(gradient, n).items():
                    column = rises.setdefault((step, n), {}).setdefault(name, np.zeros(len(world.queries)))
                    column[q] = patched.rise(query, factor, direction, before[q])
        print(f"patched with {name}", file=sys.stderr, flush=True)
    return rises


def summarised(world: World, rises: dict[tuple[str, int], dict[str, np.ndarray]]) -> list[dict]:
    """Means with their errors, and EK-FAC minus every other ranking, query by query."""
    found = []
    for (step, documents), columns in sorted(rises.items()):
        differences = {name: columns["EK-FAC"] - column for name, column in columns.items() if name != "EK-FAC"}
        found.append({"step": step, "documents": documents, "rise": means(world, columns), "EK-FAC minus": means(world, differences)})
        found[-1]["queries better"] = rounded({name: (difference > 0).mean() for name, difference in differences.items()})
    return found


def means(world: World, columns: dict[str, np.ndarray]) -> dict[str, dict]:
    return {name: {task: bootstrap(column[places]) for task, places in tasks(world).items()} for name, column in columns.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
