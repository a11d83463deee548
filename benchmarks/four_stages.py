"""The four stages on the real small model and real tables, with several seeds: what holds of the method's claims.

    python benchmarks/four_stages.py --seeds 5
    python benchmarks/four_stages.py --from benchmarks/results/four-stages.json     # the tables again

A seed fixes the split of the table and the order of training. The model is unlearned once a seed and judged on every
table, before and after, without and with counterfactual copies. Everything is measured on the test split: templates,
words and rows that chose nothing. Each seed is kept as it comes, so an interrupted run goes on. Prints Markdown tables:
means over seeds with 95 % intervals (Student's t), and paired differences to the baseline. The last line is a JSON
object: `ratio` is the held-out gap after unlearning over the gap before, with its interval.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.measuring import machine
from raysearch import registry
from raysearch.config.downstream import DownstreamConfig, LoraConfig
from raysearch.config.schema import CdaDuplicate, CdaNone, DataConfig, EvaluationConfig, TextConfig, TrialConfig
from raysearch.config.unlearning import LossTermConfig, NeutralTextConfig, StereotypeConfig, UnlearningConfig
from raysearch.metrics import groups
from raysearch.metrics.groups import CountCube
from raysearch.models.update import updatable
from raysearch.pipeline import unlearn
from raysearch.pipeline.data import prepare
from raysearch.pipeline.intrinsic import judged_pairs, measure_intrinsic, training_pairs
from raysearch.pipeline.leg import WHOLE
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import seed_everything
from raysearch.report.stages import EXTRINSIC, SHORT, STAGES, over_seeds

TABLES = {
    "adult": (DataConfig(table="adult", train_rows=300, validation_rows=300, test_rows=400), 7),
    "acs_employment_atlanta": (
        DataConfig(table="acs_employment_atlanta", train_rows=300, validation_rows=300, test_rows=400),
        6,
    ),
}
"""Table and columns written; few, as the texts' tokens are what the time goes into."""
UNLEARNING = UnlearningConfig(
    steps=200,
    pairs_per_step=48,
    lr=6e-3,
    lora=LoraConfig(rank=16, alpha=32.0, last_layers=12),
    losses={
        "probability_gap": LossTermConfig(weight=1.0),
        "kl": LossTermConfig(weight=1.2),
        "answer_mass": LossTermConfig(weight=0.6),
    },
    neutral=NeutralTextConfig(texts=256, texts_per_step=4),
)
"""Bounded terms alone, and KL on a large pool: chosen on validation prompts (docs/log.md)."""
PAPER = {
    "gap": "Phi-3: 0.565 -> 0.029 (-94.9 %)",
    "dp": "ACS Employment, Llama-3.1 features: DP 0.084 -> 0.080 (CDA) -> 0.014 (combined); combined AccP 0.096, "
    "EqOdds 0.167",
}
INTRINSIC = ("intrinsic_gap", "intrinsic_signed_gap", "answer_mass_ratio", "perplexity_ratio")


def config_of(seed: int, data: DataConfig, columns: int, unlearning: UnlearningConfig, pairs: int) -> TrialConfig:
    """A trial of this benchmark, judged on the test split."""
    return TrialConfig(
        data=data.model_copy(update={"split_seed": seed}),
        text=TextConfig(max_columns=columns, max_length_tokens=96),
        unlearning=unlearning,
        downstream=DownstreamConfig(kind="feature_logistic", pooling="mean", inverse_regularization=0.01),
        stereotypes=StereotypeConfig(evaluation_pairs=pairs),
        evaluation=EvaluationConfig(split="test", controls=True, perplexity_texts=64),
        seed=seed,
    )


def intrinsic(config: TrialConfig, subject: Subject, runtime: Runtime) -> dict[str, float]:
    """Intrinsic metrics with their breakdown, on unseen terms, and the gap on seen terms under ``seen_terms``."""
    found = measure_intrinsic(config, subject, judged_pairs(config), runtime)
    seen = config.model_copy(update={"stereotypes": config.stereotypes.model_copy(update={"terms": "seen"})})
    of_seen = measure_intrinsic(seen, subject, judged_pairs(seen), runtime)
    values = {name: measured.value for name, measured in (found.metrics | found.breakdown).items()}
    of_metrics = {f"seen_terms.{name}": of_seen.metrics[name].value for name in INTRINSIC[:3]}
    return values | of_metrics | {"seen_terms.control.paraphrases": of_seen.breakdown["control.paraphrases"].value}


def extrinsic(config: TrialConfig, subject: Subject, runtime: Runtime) -> dict[str, dict[str, float]]:
    """Group metrics of the downstream model, without and with counterfactual copies."""
    found = {}
    for cda in (CdaNone(), CdaDuplicate(mode="duplicate")):
        chosen = config.model_copy(update={"cda": cda})
        data = prepare(chosen, runtime)
        judged = registry.get("downstream", chosen.downstream.kind)().judge(chosen, data, subject, runtime, WHOLE)
        order = tuple(sorted(set(data.judged.groups.tolist())))
        cube = CountCube.from_predictions(data.judged.groups, data.judged.target, judged.decided, order)
        values = {name: float(groups.METRICS[name](cube.counts)) for name in EXTRINSIC}
        found[cda.mode] = values | {"majority_rate": groups.majority_rate(cube)}
    return found


def one_seed(seed: int, unlearning: UnlearningConfig, pairs: int, threads: int) -> dict[str, Any]:
    """All four stages of one seed: {stage or table/stage: metrics}."""
    torch.set_num_threads(threads)
    runtime, start = Runtime(), time.perf_counter()
    configs = {name: config_of(seed, data, columns, unlearning, pairs) for name, (data, columns) in TABLES.items()}
    any_config = next(iter(configs.values()))
    seed_everything(seed)
    lm = runtime.language_model(any_config.model)
    result: dict[str, Any] = {"seed": seed}
    untouched = Subject(lm, lm.model, untouched=True)
    result["before"] = intrinsic(any_config, untouched, runtime)
    for name, config in configs.items():
        both = extrinsic(config, untouched, runtime)
        result[f"{name}/baseline"], result[f"{name}/cda"] = both["none"], both["duplicate"]
    with updatable(lm, unlearning, seed) as model:
        curve = unlearn.train(lm, model, any_config, training_pairs(any_config), runtime)
        subject = Subject(lm, model, untouched=False)
        result["after"] = intrinsic(any_config, subject, runtime)
        for name, config in configs.items():
            both = extrinsic(config, subject, runtime)
            result[f"{name}/unlearning"], result[f"{name}/combined"] = both["none"], both["duplicate"]
    result["trained_gap"] = float(np.mean([point["probability_gap"] for point in curve[-10:]]))
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def tables(seeds: list[dict[str, Any]]) -> str:
    """Markdown: the intrinsic table, the extrinsic one, and paired differences to the baseline."""
    lines = ["| held out | before | after | change |", "| --- | --- | --- | --- |"]
    rows = {
        "gap, terms of training": "seen_terms.intrinsic_gap",
        "the same, paraphrases": "seen_terms.control.paraphrases",
        "gap, unseen terms": "intrinsic_gap",
        "signed gap, unseen terms": "intrinsic_signed_gap",
        "the same, both answers named in either order": "control.both_orders",
        "effect of that order": "control.order_effect",
        "answer-mass ratio, terms of training": "seen_terms.answer_mass_ratio",
        "answer-mass ratio, unseen terms": "answer_mass_ratio",
        "perplexity ratio": "perplexity_ratio",
    }
    for label, name in rows.items():
        before, after = [s["before"][name] for s in seeds], [s["after"][name] for s in seeds]
        words = ""
        if "signed" not in name:
            change = over_seeds([b / a - 1 for a, b in zip(before, after, strict=True)])
            words = f"{change.mean:+.1%} ({change.low:+.1%} to {change.high:+.1%})"
        lines.append(f"| {label} | {np.mean(before):.3f} | {over_seeds(after)} | {words} |")
    lines += ["", "| table | stage | " + " | ".join(SHORT[name] for name in EXTRINSIC) + " |", "|" + " --- |" * 6]
    for table in TABLES:
        for stage in STAGES:
            cells = [str(over_seeds([s[f"{table}/{stage}"][name] for s in seeds])) for name in EXTRINSIC]
            lines.append(f"| {table} | {stage} | " + " | ".join(cells) + " |")
    lines += ["", "| table | stage against baseline, paired | " + " | ".join(SHORT[n] for n in EXTRINSIC) + " |"]
    lines.append("|" + " --- |" * 6)
    for table in TABLES:
        for stage in STAGES[1:]:
            cells = []
            for name in EXTRINSIC:
                difference = [s[f"{table}/{stage}"][name] - s[f"{table}/baseline"][name] for s in seeds]
                change = over_seeds(difference)
                cells.append(f"{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f})")
            lines.append(f"| {table} | {stage} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"The paper: {PAPER['gap']}. {PAPER['dp']}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=UNLEARNING.steps)
    parser.add_argument("--pairs", type=int, default=192, help="held-out pairs that the gap is measured on")
    parser.add_argument("--processes", type=int, default=2, help="seeds at once")
    parser.add_argument("--threads", type=int, default=1, help="of each")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "four-stages.json")
    parser.add_argument("--from", dest="source", type=Path, help="print the tables of a kept file; run nothing")
    options = parser.parse_args()
    unlearning = UNLEARNING.model_copy(update={"steps": options.steps})
    place: Path = options.source or options.out
    kept: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {"seeds": []}
    if options.source is None:
        settings = {"unlearning": unlearning.model_dump(mode="json"), "pairs": options.pairs}
        if kept["seeds"] and kept["settings"] != settings:
            sys.exit(f"{place}: holds seeds of other settings. Move it away, or give --out.")
        done = {seed["seed"] for seed in kept["seeds"]}
        todo = [seed for seed in range(options.seeds) if seed not in done]
        kept |= {"settings": settings, "machine": machine(options.threads)}
        with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
            running = [pool.submit(one_seed, seed, unlearning, options.pairs, options.threads) for seed in todo]
            for finished in as_completed(running):
                kept["seeds"] = sorted([*kept["seeds"], finished.result()], key=lambda seed: seed["seed"])
                place.write_text(json.dumps(kept, indent=1) + "\n")
                print(
                    f"seed {finished.result()['seed']}: {finished.result()['seconds']} s", file=sys.stderr, flush=True
                )
    seeds = kept["seeds"]
    print(tables(seeds))
    name = "seen_terms.intrinsic_gap"
    ratio = over_seeds([seed["after"][name] / seed["before"][name] for seed in seeds])
    print(json.dumps({"ratio": round(ratio.mean, 4), "low": round(ratio.low, 4), "high": round(ratio.high, 4)}))


if __name__ == "__main__":
    main()
