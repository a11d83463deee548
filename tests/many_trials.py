"""A made-up run of many trials of every kind, for tests of what must hold at size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from raysearch.config.load import Study
from raysearch.ledger.record import Estimate, TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.page.build import Gathered
from raysearch.uncertainty.configurations import configurations
from raysearch.uncertainty.table import configuration_frame

SPACE = """\
name: many
trial:
  model: {source: smollm2-135m}
  cda: !choice [{mode: none}, {mode: duplicate}]
  unlearning:
    lr: !float {low: 1.0e-3, high: 1.0e-2, log: true}
    losses:
      kl: {weight: !float {low: 0.3, high: 3.0, log: true}}
      learn: {weight: !float {low: 0.0, high: 0.03}}
objectives:
  intrinsic_gap: minimize
  demographic_parity_difference: minimize
  equalized_odds_difference: minimize
  accuracy: maximize
constraints: [{metric: accuracy, at_least: 0.5}]
search: {trials: 5000}
"""
OBJECTIVES = ("intrinsic_gap", "demographic_parity_difference", "equalized_odds_difference", "accuracy")


def record(trial: int, rng: np.random.Generator) -> TrialRecord:
    """Trial 0 is the baseline; of the others some fail, some stop early and some are infeasible."""
    lr, kl, learn = 10 ** rng.uniform(-3, -2), rng.uniform(0.3, 3), rng.uniform(0, 0.03)
    chance = rng.normal(0, 0.03, 3)
    gap = 0.45 - 8 * lr + 0.05 * kl + chance[0]
    accuracy = 0.75 - 15 * lr - 0.2 * rng.exponential(0.2) + chance[1]
    values = (abs(gap), abs(0.1 + chance[2] - gap / 10), abs(0.2 + chance[1]), accuracy)
    state = "failed" if trial % 50 == 7 else "stopped" if trial % 5 == 3 else "complete"
    metrics = {
        name: Estimate(value=value, low=value - 0.05, high=value + 0.05, n=200)
        for name, value in zip(OBJECTIVES, map(float, values), strict=True)
    }
    cda = str(rng.choice(["none", "duplicate"]))
    return TrialRecord.model_validate(
        {
            "study": "many",
            "trial": trial,
            "kind": "anchor" if trial == 0 else "search",
            "stage": "baseline" if trial == 0 else "combined" if cda == "duplicate" else "unlearning",
            "state": state,
            "reason": None
            if state == "complete"
            else "the machine ran out of memory"
            if state == "failed"
            else "halving",
            "params": {"cda": cda, "unlearning.lr": lr, "unlearning.losses.kl.weight": kl} if trial else {},
            "config": {
                "model": {"source": "smollm2-135m"},
                "cda": {"mode": cda},
                "unlearning": {"lr": lr, "losses": {"kl": {"weight": kl}, "learn": {"weight": learn}}},
                "evaluation": {"split": "validation", "confidence": 0.95},
                "seed": 0,
            },
            "seed": 0,
            "objectives": {} if state == "failed" else {name: metrics[name].value for name in OBJECTIVES},
            "metrics": {} if state == "failed" else metrics,
            "constraints": {} if state == "failed" else {"accuracy >= 0.5": 0.5 - accuracy},
            "feasible": None if state == "failed" else bool(accuracy >= 0.5),
            "groups": {} if state == "failed" else {"female": [[30, 20], [10, 40]], "male": [[20, 30], [10, 40]]},
            "curves": [
                {name: math.exp(-step / 20) * (1 + place) for place, name in enumerate(("step", "loss", "kl", "learn"))}
                for step in range(60)
            ],
            "costs_s": {"unlearning": 20.0, "downstream": 10.0, "total": 30.0},
            "finished_at": f"2026-01-01T{trial // 3600:02d}:{trial // 60 % 60:02d}:{trial % 60:02d}+00:00",
        }
    )


def gathered(folder: Path, trials: int) -> Gathered:
    """The run as the report reads it, without a file a trial."""
    rng = np.random.default_rng(0)
    records = [record(trial, rng) for trial in range(trials)]
    run = RunFolder.create(folder, SPACE, {"overrides": []})
    study = Study.from_text(SPACE, folder / "study.yaml", ())
    table = configuration_frame(records, study.config.objectives, study.config.corner)
    return Gathered(run, study, records, configurations(records), table)
