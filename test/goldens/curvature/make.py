"""Golden curvature: what kronfluence 1.0.1 makes of two of the tiny Llamas in ../gradients, one with every bias and one with none.

    python make.py OUT      # torch==2.13.0 transformers==5.23.0 safetensors, and without their dependencies kronfluence==1.0.1
                            # einops==0.8.2 einconv==0.1.0 opt_einsum==3.4.0 (and accelerate==1.15.0); OUT is this folder

OUT/<model>/golden.json, N documents, Q queries, all scores (Q,N):
    {documents: [{ids}], queries: [{ids, lossFrom, loss}], linears: [{name, O, I, bias}], positions,
     scores: {ekfac, kfac, diagonal, identity},  real labels (empirical Fisher)
     cosine: {ekfac, identity},                  ⟨P q, g⟩ / (|P q| |g|), norms over all linears together
     blocks: {"2", "4"},                         ekfac, A and S cut to that many diagonal blocks
     sampled: {repeats, scores, expected}}       ekfac, labels sampled from the model: kronfluence's with each document `repeats`
                                                 times, and their exact expectation over the labels
OUT/<model>/golden.safetensors, float64, I' = I, with a bias I + 1 (the bias is the last column, its input 1):
    <linear>.A (I',I')  .S (O,O)                 means over all `positions`, the last of each document counted
    <linear>.lambda (O,I')                       ekfac's Λ; its rows and columns follow S's and A's eigenvalues, smallest first
    <linear>.lambdaDiagonal|lambdaBlocks2|lambdaSampled (O,I')     the last: the expectation; block after block
    <PRECONDITIONED>.query<q>.gradient|ekfac|kfac|diagonal (O,I')  ∇f_q and P(∇f_q)

Losses are sums in nats, no mean; the damping is 0.1 · mean(Λ) of each linear; everything is float64, as in ../gradients/make.py. All
linears are tracked but lm_head. Scores, A, S, Λ and P come from kronfluence. What it cannot do (cosine, blocks, the expectation) comes
from the plain torch below, which must first agree with it to TOLERANCE. About two minutes a model.
"""
import functools
import json
import os
import pathlib
import runpy
import sys
import tempfile
import warnings

import torch
import transformers
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.factor.config import FactorConfig
from kronfluence.task import Task
from kronfluence.utils.common.factor_arguments import pytest_factor_arguments
from kronfluence.utils.common.score_arguments import pytest_score_arguments
from kronfluence.utils.dataset import DataLoaderKwargs
from safetensors.torch import save_file
from torch.nn import functional

GRADIENTS = pathlib.Path(__file__).parent.parent / "gradients"
gradients = runpy.run_path(str(GRADIENTS / "make.py"))

MODELS = ("mha-untied", "all-biases")
LENGTHS = [5 + d % 20 for d in range(40)]
QUERIES = ((13, 6), (10, 4), (17, 9), (8, 5))  # length, lossFrom
STRATEGIES = ("ekfac", "kfac", "diagonal", "identity")
BLOCKS = (2, 4)
PRECONDITIONED = "model.layers.1.mlp.down_proj"
REPEATS = 2048  # of each document, for the labels that kronfluence samples
TOLERANCE = 1e-9  # max |difference| / max |value|
NO_LABEL = -100


# kronfluence ------------------------------------------------------------------------------------------------------------------------

class SummedLoss(Task):
    """L_d and f_q. Prompts and padding carry NO_LABEL."""

    def compute_train_loss(self, batch, model, sample=False):
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].flatten(0, 1)
        labels = batch["labels"][:, 1:].flatten()
        if sample:
            drawn = torch.multinomial(torch.softmax(logits.detach(), -1), 1).flatten()
            labels = torch.where(labels == NO_LABEL, labels, drawn)
        return functional.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="sum")

    def compute_measurement(self, batch, model):
        return self.compute_train_loss(batch, model)

    def get_influence_tracked_modules(self):
        return self.tracked

    def get_attention_mask(self, batch):
        return batch["attention_mask"]


def collate(examples):
    """Pads on the right."""
    longest = max(len(ids) for ids, _ in examples)
    batch = dict(input_ids=torch.zeros(len(examples), longest, dtype=torch.long))
    batch["attention_mask"] = torch.zeros_like(batch["input_ids"])
    batch["labels"] = torch.full_like(batch["input_ids"], NO_LABEL)
    for row, (ids, loss_from) in enumerate(examples):
        batch["input_ids"][row, : len(ids)] = torch.tensor(ids)
        batch["attention_mask"][row, : len(ids)] = 1
        batch["labels"][row, loss_from : len(ids)] = torch.tensor(ids[loss_from:])
    return batch


class Kronfluence:
    def __init__(self, name, folder, documents, queries):
        task = SummedLoss()
        model = read(name)
        task.tracked = [name for name, _ in linears(model)]
        self.documents, self.queries = documents, queries
        self.analyzer = Analyzer(name, prepare_model(model, task), task, cpu=True, disable_tqdm=True, output_dir=folder)
        self.analyzer.set_dataloader_kwargs(DataLoaderKwargs(collate_fn=collate))

    def fit(self, strategy, batch=1, repeats=0):
        """Returns the name of the factors: with `repeats`, of sampled labels. One document a batch needs no padding."""
        factors = f"{strategy}-{batch}-{repeats}"
        arguments = pytest_factor_arguments(strategy)
        arguments.use_empirical_fisher = repeats == 0
        dataset = [document for document in self.documents for _ in range(max(repeats, 1))]
        self.analyzer.fit_all_factors(factors, dataset, batch, factor_args=arguments)
        return factors

    def scores(self, factors, batch=1):
        arguments = pytest_score_arguments(damping_factor=None)
        options = dict(per_device_query_batch_size=batch, per_device_train_batch_size=batch, score_args=arguments)
        self.analyzer.compute_pairwise_scores(factors, factors, self.queries, self.documents, **options)
        return self.analyzer.load_pairwise_scores(factors)["all_modules"]

    def curvature(self, factors):
        """{linear: {A, S, lambda}}, normalised."""
        sums = self.analyzer.load_covariance_matrices(factors) or {}
        sums.update(self.analyzer.load_lambda_matrices(factors) or {})
        parts = (
            ("A", "activation_covariance", "num_activation_covariance_processed"),
            ("S", "gradient_covariance", "num_gradient_covariance_processed"),
            ("lambda", "lambda_matrix", "num_lambda_processed"),
        )
        kept = [(part, sums[total], sums[count]) for part, total, count in parts if total in sums]
        return {name: {part: total[name] / count[name] for part, total, count in kept} for name in kept[0][1]}

    def precondition(self, factors, name, gradient):
        loaded = self.analyzer.load_all_factors(factors)
        storage = {factor: modules[name] for factor, modules in loaded.items()}
        config = FactorConfig.CONFIGS[factors.partition("-")[0]]
        config.prepare(storage, pytest_score_arguments(damping_factor=None), torch.device("cpu"))
        return config.precondition_gradient(gradient[None], storage)[0]


# The same in plain torch ------------------------------------------------------------------------------------------------------------

def read(name):
    return gradients["read_in_float64"](str(GRADIENTS / name))


def linears(model):
    return [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name != "lm_head"]


def tap(model, ids, loss):
    """{linear: (a (B,T,I'), δ (B,T,O))} of loss(logits), ids (B,T)."""
    seen = {}

    def keep(name, module, inputs, output):
        a = inputs[0].detach()
        if module.bias is not None:
            a = torch.cat([a, torch.ones_like(a[..., :1])], -1)
        output.register_hook(lambda delta: seen.update({name: (a, delta)}))

    handles = [module.register_forward_hook(functools.partial(keep, name)) for name, module in linears(model)]
    loss(model(ids).logits).backward()
    for handle in handles:
        handle.remove()
    return seen


def tap_one(model, ids, loss_from):
    def loss(logits):
        return functional.cross_entropy(logits[0, loss_from - 1 : -1], torch.tensor(ids[loss_from:]), reduction="sum")

    return tap(model, torch.tensor([ids]), loss)


def tap_each_label(model, ids):
    """Each label that could be drawn, alone, in a copy of the document, and its probability: the labels of a document are drawn apart
    and the mean of each one's gradient is 0, so that the second moments of their sum are the sums of each one's."""
    with torch.no_grad():
        p = torch.softmax(model(torch.tensor([ids])).logits[0, :-1], -1)
    positions, vocabulary = p.shape
    t, y = torch.arange(positions).repeat_interleave(vocabulary), torch.arange(vocabulary).repeat(positions)

    def loss(logits):
        return -torch.log_softmax(logits[torch.arange(len(t)), t], -1)[torch.arange(len(t)), y].sum()

    return p.flatten(), tap(model, torch.tensor([ids]).repeat(len(t), 1), loss)


def second_moments(tapped, bases=None):
    """{linear: Σ weight · a aᵀ, Σ weight · δ δᵀ} or, in these bases, {linear: Σ weight · (Q_Sᵀ G Q_A)²}. tapped: (weight (B), taps)…"""
    sums = {}
    for weight, taps in tapped:
        for name, (a, delta) in taps.items():
            if bases is None:
                moments = [torch.einsum("b,bti,btj->ij", weight, rows, rows) for rows in (a, delta)]
            else:
                Q_S, Q_A = bases[name]
                moments = [torch.einsum("b,boi->oi", weight, gradient(a @ Q_A, delta @ Q_S).square())]
            sums[name] = [x + y for x, y in zip(sums[name], moments)] if name in sums else moments
    return sums


def gradient(a, delta):
    return delta.mT @ a


def eigenvectors(matrix, blocks):
    """Of that many diagonal blocks, the i-th from row floor(i · n / blocks), one after the other."""
    n = len(matrix)
    bounds = [i * n // blocks for i in range(blocks + 1)]
    return torch.block_diag(*(torch.linalg.eigh(matrix[start:end, start:end])[1] for start, end in zip(bounds, bounds[1:])))


def precondition(G, Q_S, Q_A, Lambda):
    return Q_S @ ((Q_S.T @ G @ Q_A) / (Lambda + 0.1 * Lambda.mean())) @ Q_A.T


class Plain:
    def __init__(self, name, documents, queries):
        self.model = read(name).requires_grad_(False)
        self.model.model.embed_tokens.weight.requires_grad_(True)  # so that there is a graph
        self.ids = [ids for ids, _ in documents]
        self.taps = [(torch.ones(1, dtype=torch.float64), tap_one(self.model, *document)) for document in documents]
        self.positions = sum(map(len, self.ids))
        self.gradients = [gradients_of(taps) for _, taps in self.taps]
        self.query_gradients = [gradients_of(tap_one(self.model, *query)) for query in queries]

    def covariances(self):
        return {name: [part / self.positions for part in sums] for name, sums in second_moments(self.taps).items()}

    def ekfac(self, blocks=1):
        bases = {name: (eigenvectors(S, blocks), eigenvectors(A, blocks)) for name, (A, S) in self.covariances().items()}
        return self.with_eigenvalues(bases, self.taps)

    def kfac(self):
        parts = {name: (*torch.linalg.eigh(S), *torch.linalg.eigh(A)) for name, (A, S) in self.covariances().items()}
        return {name: (Q_S, Q_A, torch.outer(d_S, d_A)) for name, (d_S, Q_S, d_A, Q_A) in parts.items()}

    def diagonal(self):
        bases = {name: (torch.eye(len(S)).double(), torch.eye(len(A)).double()) for name, (A, S) in self.covariances().items()}
        return self.with_eigenvalues(bases, self.taps)

    def expected_ekfac(self):
        """Of sampled labels. The inputs, and so A, are those of the real ones."""
        expected = second_moments(tap_each_label(self.model, ids) for ids in self.ids)
        bases = {}
        for name, (A, _) in self.covariances().items():
            bases[name] = eigenvectors(expected[name][1] / self.positions, 1), eigenvectors(A, 1)
        return self.with_eigenvalues(bases, (tap_each_label(self.model, ids) for ids in self.ids))

    def with_eigenvalues(self, bases, tapped):
        sums = second_moments(tapped, bases)
        return {name: (*bases[name], sums[name][0] / len(self.ids)) for name in bases}

    def preconditioned(self, factors):
        """Identity where factors is None."""
        if factors is None:
            return self.query_gradients
        return [{name: precondition(G, *factors[name]) for name, G in query.items()} for query in self.query_gradients]

    def scores(self, factors, cosine=False):
        queries, documents = (torch.stack([flat(g) for g in rows]) for rows in (self.preconditioned(factors), self.gradients))
        if cosine:
            queries, documents = functional.normalize(queries), functional.normalize(documents)
        return queries @ documents.T


def gradients_of(taps):
    return {name: gradient(a, delta)[0] for name, (a, delta) in taps.items()}


def flat(gradients):
    return torch.cat([gradients[name].flatten() for name in sorted(gradients)])


# Golden -----------------------------------------------------------------------------------------------------------------------------

def difference(x, y):
    return float((x - y).abs().max() / y.abs().max())


def agree(what, pairs):
    worst = max(difference(x, y) for x, y in pairs)
    print(f"    {what:58s} differ by {worst:.1e}")
    assert worst <= TOLERANCE, what


def pearson(x, y):
    """The lowest of any query."""
    return min(float(torch.corrcoef(torch.stack(rows))[0, 1]) for rows in zip(x, y))


def draw(generator, length):
    return torch.randint(3, gradients["BASE"]["vocab_size"], (length,), generator=generator).tolist()


def make(out, name, seed):
    generator = torch.Generator().manual_seed(2000 + seed)
    documents = [(draw(generator, length), 1) for length in LENGTHS]
    queries = [(draw(generator, length), loss_from) for length, loss_from in QUERIES]
    print(name)
    with tempfile.TemporaryDirectory() as folder:
        golden, arrays = compute(Kronfluence(name, folder, documents, queries), Plain(name, documents, queries))
    golden = dict(**describe(name, documents, queries), **golden)
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "golden.json"), "w") as file:
        json.dump(golden, file)
    save_file({key: array.contiguous() for key, array in arrays.items()}, os.path.join(folder, "golden.safetensors"))
    print(f"    {sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)) / 1024:.0f} KB")


def describe(name, documents, queries):
    model = read(name)
    return dict(
        documents=[dict(ids=ids) for ids, _ in documents],
        queries=[dict(ids=ids, lossFrom=start, loss=gradients["gradients"](model, ids, start)[0]) for ids, start in queries],
        linears=[dict(name=n, O=m.out_features, I=m.in_features, bias=m.bias is not None) for n, m in linears(model)],
    )


def compute(kronfluence, plain):
    fitted = {strategy: kronfluence.fit(strategy) for strategy in STRATEGIES}
    factors = dict(ekfac=plain.ekfac(), kfac=plain.kfac(), diagonal=plain.diagonal(), identity=None)
    scores = {strategy: kronfluence.scores(fitted[strategy]) for strategy in STRATEGIES}
    curvature, diagonal = kronfluence.curvature(fitted["ekfac"]), kronfluence.curvature(fitted["diagonal"])
    check(kronfluence, plain, factors, scores, curvature, diagonal)

    blocks = {b: plain.ekfac(b) for b in BLOCKS}
    expected = plain.expected_ekfac()
    sampled = sample(kronfluence, plain.scores(expected), expected, scores["ekfac"])
    for b in BLOCKS:
        print(f"    {b} blocks and 1: Pearson {pearson(plain.scores(blocks[b]), scores['ekfac']):.5f}")
    golden = dict(
        positions=plain.positions,
        scores=lists(scores),
        cosine=lists({strategy: plain.scores(factors[strategy], cosine=True) for strategy in ("ekfac", "identity")}),
        blocks=lists({b: plain.scores(blocks[b]) for b in BLOCKS}),
        sampled=dict(repeats=REPEATS, **lists(dict(scores=sampled, expected=plain.scores(expected)))),
    )
    arrays = {f"{name}.{part}": array for name, parts in curvature.items() for part, array in parts.items()}
    arrays.update({f"{name}.lambdaDiagonal": parts["lambda"] for name, parts in diagonal.items()})
    arrays.update({f"{name}.lambdaBlocks2": Lambda for name, (_, _, Lambda) in blocks[2].items()})
    arrays.update({f"{name}.lambdaSampled": Lambda for name, (_, _, Lambda) in expected.items()})
    for q, query in enumerate(plain.query_gradients):
        G = query[PRECONDITIONED]
        arrays[f"{PRECONDITIONED}.query{q}.gradient"] = G
        for strategy in ("ekfac", "kfac", "diagonal"):
            arrays[f"{PRECONDITIONED}.query{q}.{strategy}"] = kronfluence.precondition(fitted[strategy], PRECONDITIONED, G)
    return golden, arrays


def lists(scores):
    return {name: table.tolist() for name, table in scores.items()}


def check(kronfluence, plain, factors, scores, curvature, diagonal):
    """kronfluence against the plain torch, and against itself with padding."""
    conditions, gaps = zip(*(spectrum(parts[side]) for parts in curvature.values() for side in "AS"))
    print(f"    {plain.positions} positions; A and S: condition at most {max(conditions):.1e}, eigenvalues apart by at least {min(gaps):.1e}")
    for strategy in STRATEGIES:
        agree(f"{strategy} scores, kronfluence's and torch's", [(plain.scores(factors[strategy]), scores[strategy])])
    covariances = plain.covariances()
    agree("A, kronfluence's and torch's", [(covariances[name][0], parts["A"]) for name, parts in curvature.items()])
    agree("S, kronfluence's and torch's", [(covariances[name][1], parts["S"]) for name, parts in curvature.items()])
    for strategy, parts in dict(ekfac=curvature, diagonal=diagonal).items():
        agree(f"Λ of {strategy}, kronfluence's and torch's", [(factors[strategy][name][2], part["lambda"]) for name, part in parts.items()])
    for strategy in ("ekfac", "kfac", "diagonal"):
        theirs = kronfluence.precondition(f"{strategy}-1-0", PRECONDITIONED, plain.query_gradients[0][PRECONDITIONED])
        agree(f"P of {strategy}, kronfluence's and torch's", [(plain.preconditioned(factors[strategy])[0][PRECONDITIONED], theirs)])
    agree("ekfac scores with 8 padded documents a batch and with 1", [(kronfluence.scores(kronfluence.fit("ekfac", 8), 8), scores["ekfac"])])


def spectrum(matrix):
    """The condition, and the smallest distance between neighbours relative to the largest eigenvalue."""
    values = torch.linalg.eigvalsh(matrix)
    return float(values[-1] / values[0]), float(values.diff().min() / values[-1])


def sample(kronfluence, expected_scores, expected, empirical):
    print(f"    sampled labels' expectation and real labels: Pearson {pearson(empirical, expected_scores):.5f}")
    for repeats in (1, 16, 256, REPEATS):
        torch.manual_seed(repeats)
        fitted = kronfluence.fit("ekfac", min(repeats, 256), repeats)
        scores = kronfluence.scores(fitted, 1)
        means = [parts["lambda"].mean() / expected[name][2].mean() - 1 for name, parts in kronfluence.curvature(fitted).items()]
        print(
            f"    {repeats:4d} samples of each document's labels and their expectation: Pearson {pearson(scores, expected_scores):.5f}, "
            f"scores differ by {difference(scores, expected_scores):.1e}, mean Λ by at most {max(map(abs, means)):.1e}"
        )
    return scores


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # kronfluence 1.0.1 is older than this torch
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    gradients["LlamaRMSNorm"].forward = gradients["norm_in_float64"]
    for seed, model in enumerate(MODELS):
        make(sys.argv[1], model, seed)
