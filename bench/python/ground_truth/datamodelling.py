"""The linear datamodelling score of each ranking: python datamodelling.py PLAN.json FOLDER OUT.json

For each query, the Spearman correlation over halves between minus the loss of its completion under the model trained on the half and
the sum of the scores of the half's documents (Park et al. 2023), as a mean over queries. The loss is the mean over the checkpoints
that retrain_halves.py measured.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from retrain_halves import members, train_model
from safetensors.torch import load_file
from scipy.stats import rankdata
from transformers import LlamaConfig, LlamaForCausalLM
from world import GRADIENTS, World, bootstrap, rankings, read_world, rounded, tasks, write

DRAWS = 500


def main(plan: str, folder: str, out: str) -> None:
    torch.set_num_threads(1)
    world = read_world(plan)
    folders = sorted(path.parent for path in pathlib.Path(folder).glob("*-*/training.json"))
    training = [json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in folders]
    losses = {tuple(map(int, folder.name.split("-"))): np.mean(measured(world, folder, pathlib.Path(out).parent), axis=0) for folder in folders}
    halves = sorted(half for half, seed in losses if seed == 0)
    kept = np.array([members_as_mask(world, half) for half in halves])  # (halves, N)
    likelihood = -np.array([losses[half, 0] for half in halves]).T  # (Q, halves)
    result = {"halves": len(halves), "epochs": training[0]["epochs"], "steps": training[0]["steps"]}
    result |= rounded({"loss": np.mean([model["loss"] for model in training])})
    result |= {"scores": {}, "noise": noise(losses, halves), "spread": spread(world, likelihood)}
    for gradients in GRADIENTS:
        predicted = {name: [table @ kept.T for table in tables] for name, tables in rankings(world, gradients).items()}
        result["scores"][gradients] = scored(world, predicted, likelihood)
    write(out, result | {"losses": {f"{half}-{seed}": [round(value, 3) for value in found] for (half, seed), found in losses.items()}})


def measured(world: World, folder: pathlib.Path, beside: pathlib.Path) -> list[list[float]]:
    """The losses of a retrained model, from the file that an earlier call left."""
    file = beside / f"losses-{folder.name}.json"
    if not file.exists():
        file.write_text(json.dumps(completion_losses(world, folder)), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


@torch.no_grad()
def completion_losses(world: World, folder: pathlib.Path) -> list[list[float]]:
    """(checkpoints, Q) f_q of each checkpoint of a retrained model, in nats."""
    found = []
    for file in sorted(folder.glob("*.safetensors")):
        model = LlamaForCausalLM(LlamaConfig(**train_model.CONFIG)).eval()
        model.load_state_dict(load_file(file), strict=False)  # the output head is the embedding
        found.append([completion_loss(model, query) for query in world.queries])
    return found


def completion_loss(model: LlamaForCausalLM, query: dict) -> float:
    ids = query["prompt_ids"] + query["completion_ids"]
    logits = model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0, len(query["prompt_ids"]) - 1 :]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(query["completion_ids"]), reduction="sum").item()


def members_as_mask(world: World, half: int) -> np.ndarray:
    mask = np.zeros(len(world.texts))
    mask[members(len(world.texts), half)] = 1
    return mask


def scored(world: World, predicted: dict[str, list[np.ndarray]], likelihood: np.ndarray) -> dict:
    correlations = {name: np.mean([spearman(table, likelihood) for table in tables], axis=0) for name, tables in predicted.items()}
    found = {"lds": {}, "EK-FAC minus": {}}
    for name, values in correlations.items():
        found["lds"][name] = {task: bootstrap(values[places]) for task, places in tasks(world).items()}
        if name != "EK-FAC":
            difference = correlations["EK-FAC"] - values
            found["EK-FAC minus"][name] = {task: bootstrap(difference[places]) for task, places in tasks(world).items()}
            found["EK-FAC minus"][name]["all"] |= over_halves(predicted["EK-FAC"], predicted[name], likelihood)
    return found


def spearman(predicted: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """(Q) Over the columns."""
    one, other = (rankdata(table, axis=1) for table in (predicted, likelihood))
    one, other = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (one, other))
    norms = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.divide((one * other).sum(axis=1), norms, out=np.zeros(len(norms)), where=norms > 0)


def over_halves(ours: list[np.ndarray], theirs: list[np.ndarray], likelihood: np.ndarray) -> dict:
    """95 % interval of the mean difference where both queries and halves are drawn again: queries share the halves' noise."""
    rng = np.random.default_rng(0)
    Q, halves = likelihood.shape
    means = []
    for _ in range(DRAWS):
        at = np.ix_(rng.integers(Q, size=Q), rng.integers(halves, size=halves))
        means.append(spearman(ours[0][at], likelihood[at]).mean() - spearman(theirs[0][at], likelihood[at]).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return rounded({"low over halves": low, "high over halves": high})


def noise(losses: dict[tuple[int, int], np.ndarray], halves: list[int]) -> dict:
    """Pearson between two models of the same half, over halves and queries, each query's mean over the halves taken off."""
    twice = [half for half in halves if (half, 1) in losses]
    if len(twice) < 2:
        return {"halves": len(twice)}
    tables = [np.array([losses[half, seed] for half in twice]) for seed in (0, 1)]
    one, other = (table - table.mean(axis=0) for table in tables)
    one, other = (table / table.std() for table in (one, other))
    each = [np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, other.T)]
    return {"halves": len(twice)} | rounded({"correlation": (one * other).mean(), "median of queries": np.nanmedian(each)})


def spread(world: World, likelihood: np.ndarray) -> dict:
    """Standard deviation of a completion's loss over halves, nats, as a mean over a task's queries, and the mean loss."""
    return {task: rounded({"mean": -likelihood[places].mean(), "deviation": likelihood[places].std(axis=1, ddof=1).mean()}) for task, places in tasks(world).items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
