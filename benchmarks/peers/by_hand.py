"""The demo's study as a user would write it from the documentation of Ray, peft, transformers and fairlearn.

    python benchmarks/peers/by_hand.py SETTINGS.json OUT.json

Ray Tune with OptunaSearch proposes a trial, and each trial starts a Ray Train trainer of its own, which loads the model
and runs all stages: unlearning with peft and full logits, the reference model being the same one with its adapter
switched off, at every step; then the intrinsic metrics, hidden states as features, scikit-learn, and fairlearn.

Only what decides the inputs comes from raysearch: rows as text, stereotype pairs and their order, general texts. The
settings hold a trial's configuration that all trials share, the points to evaluate, and the processes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROWS = 32
"""Sequences of one forward pass without gradients."""


def load_model(folder: str) -> tuple[Any, Any]:
    """(model, tokenizer)."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer


def with_lora(model: Any, rank: int, alpha: float, last_layers: int | None, seed: int) -> Any:
    """The model with a fresh adapter on the linear layers of its last blocks."""
    blocks = model.config.num_hidden_layers
    first = 0 if last_layers is None else blocks - last_layers
    torch.manual_seed(seed)
    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            target_modules=MODULES,
            layers_to_transform=list(range(first, blocks)),
            task_type="CAUSAL_LM",
        ),
    )


def answers_batch(tokenizer: Any, prompts: list[str], answers: list[str]) -> dict[str, torch.Tensor]:
    """Sequences of prompt and answer, padded, and a mask of the answers' tokens."""
    whole = tokenizer([p + a for p, a in zip(prompts, answers, strict=True)], padding=True, return_tensors="pt")
    starts = torch.tensor([len(ids) for ids in tokenizer(prompts)["input_ids"]])
    after_prompt = torch.arange(whole["input_ids"].shape[1]) >= starts.unsqueeze(1)
    return {**whole, "answer_mask": after_prompt & whole["attention_mask"].bool()}


def texts_batch(tokenizer: Any, texts: list[str], limit: int) -> dict[str, torch.Tensor]:
    """Texts, cut and padded."""
    return dict(tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"))


def token_logps(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """log P of each answer token, 0 elsewhere, and the number of answer tokens of each sequence."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    target, mask = batch["input_ids"][:, 1:], batch["answer_mask"][:, 1:]
    chosen = torch.log_softmax(logits[mask].float(), dim=-1).gather(1, target[mask].unsqueeze(1)).squeeze(1)
    return torch.zeros(mask.shape).to(chosen).masked_scatter(mask, chosen), mask.sum(dim=1)


def composite_loss(model: Any, batch: dict[str, Any], weights: dict[str, float]) -> torch.Tensor:
    """The five terms of the demo; the first half of the answers are the stereotypes, the second their opposites."""
    answers, neutral = batch["answers"], batch["neutral"]
    with torch.no_grad(), model.disable_adapter():
        reference_logps, _ = token_logps(model, answers)
        reference_logits = model(**neutral).logits
    logps, counts = token_logps(model, answers)
    total, mean = logps.sum(dim=1), logps.sum(dim=1) / counts
    stereotype, opposite = mean.chunk(2)
    gap = (torch.softmax(torch.stack([stereotype, opposite]), dim=0) * torch.tensor([[1.0], [-1.0]])).sum(dim=0).abs()
    mass = torch.logaddexp(*total.chunk(2))
    reference_mass = torch.logaddexp(*reference_logps.sum(dim=1).chunk(2))
    reference = torch.log_softmax(reference_logits, dim=-1)
    log_p = torch.log_softmax(model(**neutral).logits, dim=-1)
    mask = neutral["attention_mask"]
    kl = (torch.nn.functional.kl_div(log_p, reference, log_target=True, reduction="none").sum(dim=-1) * mask).sum(dim=1)
    terms = {
        "gradient_ascent": stereotype.mean(),
        "learn": -opposite.mean(),
        "probability_gap": gap.mean(),
        "kl": (kl / mask.sum(dim=1)).mean(),
        "answer_mass": (mass - reference_mass).abs().mean(),
    }
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()


def lr_factor(step: int, steps: int, warmup_fraction: float) -> float:
    """Linear warm-up, then linear decay, as a share of the peak."""
    warmup = max(1, round(warmup_fraction * steps))
    return (step + 1) / warmup if step < warmup else (steps - step) / max(1, steps - warmup + 1)


def unlearn(model: Any, tokenizer: Any, unlearning: dict[str, Any], steps: list[dict[str, Any]]) -> list[float]:
    """Trains the adapter. Returns the loss of each step."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=unlearning["lr"], weight_decay=0.0)
    factor = lambda step: lr_factor(step, unlearning["steps"], unlearning["warmup_fraction"])  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    weights = {name: term["weight"] for name, term in unlearning["losses"].items()}
    losses = []
    model.train()
    for step in steps:
        batch = collate(tokenizer, step["pairs"], step["texts"], unlearning["neutral"]["max_length_tokens"])
        optimizer.zero_grad()
        loss = composite_loss(model, batch, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, unlearning["max_grad_norm"])
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    model.eval()
    return losses


def collate(tokenizer: Any, pairs: list[tuple[str, str, str]], texts: list[str], limit: int) -> dict[str, Any]:
    """A step's batch: both answers of each (prompt, stereotype, opposite), and the neutral texts."""
    prompts = [prompt for prompt, _, _ in pairs]
    answers = [stereotype for _, stereotype, _ in pairs] + [opposite for _, _, opposite in pairs]
    return {
        "answers": answers_batch(tokenizer, prompts * 2, answers),
        "neutral": texts_batch(tokenizer, texts, limit),
    }


@torch.no_grad()
def score_answers(model: Any, tokenizer: Any, prompts: list[str], answers: list[str]) -> tuple[Any, Any]:
    """Total log-probability and number of tokens of each answer."""
    totals, counts = [], []
    for start in range(0, len(prompts), ROWS):
        part = slice(start, start + ROWS)
        logps, count = token_logps(model, answers_batch(tokenizer, prompts[part], answers[part]))
        totals.append(logps.double().sum(dim=1))
        counts.append(count)
    return torch.cat(totals).numpy(), torch.cat(counts).numpy()


@torch.no_grad()
def text_loss(model: Any, tokenizer: Any, texts: list[str], limit: int) -> tuple[float, int]:
    """Negative log-likelihood of texts, and the tokens that were predicted."""
    total, tokens = 0.0, 0
    for start in range(0, len(texts), ROWS):
        batch = texts_batch(tokenizer, texts[start : start + ROWS], limit)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)[:, 1:]
        logits = model(**batch).logits[:, :-1]
        total += float(torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="sum"))
        tokens += int((labels != -100).sum())
    return total, tokens


@torch.no_grad()
def mean_features(model: Any, tokenizer: Any, texts: list[str], limit: int) -> Any:
    """Mean of the last hidden states over each text's tokens."""
    found = []
    for start in range(0, len(texts), ROWS):
        batch = texts_batch(tokenizer, texts[start : start + ROWS], limit)
        hidden = model(**batch, output_hidden_states=True).hidden_states[-1]
        mask = batch["attention_mask"].unsqueeze(-1)
        found.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(found).double().numpy()


def intrinsic(model: Any, tokenizer: Any, inputs: dict[str, Any], adapted: bool) -> dict[str, float]:
    """Gap on held-out pairs, and the ratios of answer mass and perplexity to the untouched model."""
    from contextlib import nullcontext

    pairs = inputs["held_out_pairs"]
    prompts = [prompt for prompt, _, _ in pairs] * 2
    answers = [stereotype for _, stereotype, _ in pairs] + [opposite for _, _, opposite in pairs]
    with model.disable_adapter() if adapted else nullcontext():
        before, _ = score_answers(model, tokenizer, prompts, answers)
        loss_before, tokens = text_loss(model, tokenizer, inputs["texts"], inputs["texts_limit"])
    total, count = score_answers(model, tokenizer, prompts, answers)
    loss, _ = text_loss(model, tokenizer, inputs["texts"], inputs["texts_limit"])
    stereotype, opposite = np.split(total / count, 2)
    p_stereotype = 1 / (1 + np.exp(opposite - stereotype))
    return {
        "intrinsic_gap": float(np.abs(2 * p_stereotype - 1).mean()),
        "answer_mass_ratio": float(np.exp(total).sum() / np.exp(before).sum()),
        "perplexity_ratio": float(np.exp((loss - loss_before) / tokens)),
    }


def downstream(model: Any, tokenizer: Any, inputs: dict[str, Any]) -> dict[str, float]:
    """Logistic regression on features, and the group metrics of its decisions."""
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    limit, train, judged = inputs["rows_limit"], inputs["train"], inputs["judged"]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=inputs["C"], max_iter=2000))
    classifier.fit(mean_features(model, tokenizer, train["texts"], limit), train["target"])
    decided = classifier.predict(mean_features(model, tokenizer, judged["texts"], limit))
    target, groups = judged["target"], judged["groups"]
    return {
        "accuracy": float(accuracy_score(target, decided)),
        "demographic_parity_difference": demographic_parity_difference(target, decided, sensitive_features=groups),
        "equalized_odds_difference": equalized_odds_difference(target, decided, sensitive_features=groups),
    }


def inputs_of(config: dict[str, Any]) -> dict[str, Any]:
    """A trial's inputs, of raysearch's data modules: rows as text, pairs in the order of training, texts."""
    import itertools

    from raysearch.config.schema import TrialConfig
    from raysearch.pipeline.batches import TEXT_SPLIT_SEED, batches_of_pairs
    from raysearch.pipeline.data import prepare
    from raysearch.pipeline.intrinsic import judged_pairs, training_pairs
    from raysearch.pipeline.runtime import Runtime
    from raysearch.text.corpus import general_texts, split_texts

    trial = TrialConfig.model_validate(config)
    data, judging = prepare(trial, Runtime()), trial.evaluation
    _, held_out = split_texts(general_texts(judging.perplexity_source), TEXT_SPLIT_SEED)
    plain = lambda pairs: [(p.prompt, p.stereotype, p.anti_stereotype) for p in pairs]  # noqa: E731
    steps = []
    if trial.unlearning is not None:
        neutral, count = trial.unlearning.neutral, trial.unlearning.neutral.texts_per_step
        reference, _ = split_texts(general_texts(neutral.source), TEXT_SPLIT_SEED)
        pool = reference[: neutral.texts]
        batches = batches_of_pairs(training_pairs(trial), trial.unlearning.pairs_per_step, trial.seed)
        for number, batch in enumerate(itertools.islice(batches, trial.unlearning.steps)):
            start = number % (len(pool) // count) * count
            steps.append({"pairs": plain(batch), "texts": list(pool[start : start + count])})
    return {
        "steps": steps,
        "held_out_pairs": plain(judged_pairs(trial)),
        "texts": list(held_out[: judging.perplexity_texts]),
        "texts_limit": judging.perplexity_max_length_tokens,
        "rows_limit": trial.text.max_length_tokens,
        "C": trial.downstream.inverse_regularization,
        "train": {"texts": list(data.train.texts), "target": data.train.target},
        "judged": {
            "texts": list(data.judged.texts),
            "target": data.judged.target,
            "groups": [str(group) for group in data.judged.groups],
        },
    }


def configuration(shared: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """A trial's whole configuration, of the shared one and what Tune proposes."""
    cda: dict[str, Any] = {"mode": point["cda"]}
    if point["cda"] == "replace":
        cda["fraction"] = point["fraction"]
    if not point["unlearn"]:
        return {**shared, "cda": cda, "unlearning": None}
    unlearning = shared["unlearning"]
    losses = {name: {**term, "weight": point.get(name, term["weight"])} for name, term in unlearning["losses"].items()}
    return {**shared, "cda": cda, "unlearning": {**unlearning, "lr": point["lr"], "losses": losses}}


def run_trial(config: dict[str, Any], model_folder: str) -> dict[str, float]:
    """All stages of one trial."""
    seconds, start = {}, time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal start
        seconds[f"seconds_{stage}"], start = time.perf_counter() - start, time.perf_counter()

    model, tokenizer = load_model(model_folder)
    model.requires_grad_(False).eval()
    lap("model")
    inputs = inputs_of(config)
    lap("data")
    unlearning = config["unlearning"]
    if unlearning is not None:
        lora = unlearning["lora"]
        model = with_lora(model, lora["rank"], lora["alpha"], lora["last_layers"], config["seed"])
        unlearn(model, tokenizer, unlearning, inputs["steps"])
    lap("unlearning")
    found = intrinsic(model, tokenizer, inputs, adapted=unlearning is not None)
    lap("intrinsic")
    found |= downstream(model, tokenizer, inputs)
    lap("downstream")
    return found | seconds


def train_loop(given: dict[str, Any]) -> None:
    """What a Ray Train worker runs."""
    import ray.train

    torch.set_num_threads(given["threads"])
    metrics = run_trial(given["config"], given["model_folder"])
    ray.train.report(metrics)


def trainable(point: dict[str, Any]) -> None:
    """What Ray Tune runs: a trainer for this trial alone."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    settings = point["settings"]
    config = configuration(settings["config"], point)
    loop = {"config": config, "model_folder": settings["model_folder"], "threads": settings["threads"]}
    TorchTrainer(
        train_loop,
        train_loop_config=loop,
        scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": settings["threads"]}),
        run_config=RunConfig(storage_path=settings["storage"], callbacks=[TuneReportCallback()]),
    ).fit()


def search(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs the study. Returns a dict a trial: what was proposed, its metrics, its seconds."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    space = {
        "unlearn": tune.choice([True, False]),
        "cda": tune.choice(["none", "duplicate", "replace"]),
        "fraction": tune.uniform(0.3, 0.7),
        "lr": tune.loguniform(3e-3, 1e-2),
        "gradient_ascent": tune.uniform(0.0, 0.03),
        "learn": tune.uniform(0.0, 0.03),
        "probability_gap": tune.loguniform(0.3, 3.0),
        "kl": tune.loguniform(0.3, 3.0),
        "settings": settings,
    }
    objectives = {
        "intrinsic_gap": "min",
        "demographic_parity_difference": "min",
        "equalized_odds_difference": "min",
        "accuracy": "max",
    }
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 0, "memory": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                metric=list(objectives), mode=list(objectives.values()), points_to_evaluate=settings["points"]
            ),
            num_samples=len(settings["points"]),
            max_concurrent_trials=settings["concurrent"],
        ),
        run_config=tune.RunConfig(storage_path=settings["storage"], verbose=0),
    )
    found = []
    for result in tuner.fit():
        if result.error is not None:
            raise result.error
        proposed = {name: value for name, value in result.config.items() if name != "settings"}
        found.append({"point": proposed, "metrics": result.metrics, "seconds": result.metrics["time_total_s"]})
    return found


def main() -> None:
    import ray

    source, target = (Path(word) for word in sys.argv[1:3])
    settings = json.loads(source.read_text())
    with tempfile.TemporaryDirectory() as storage:
        ray.init(address="local", num_cpus=settings["cpus"], include_dashboard=False)
        start = time.perf_counter()
        trials = search({**settings, "storage": storage})
        seconds = time.perf_counter() - start
        ray.shutdown()
    target.write_text(json.dumps({"trials_s": seconds, "trials": trials}, default=str))


if __name__ == "__main__":
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__)
    else:
        main()
