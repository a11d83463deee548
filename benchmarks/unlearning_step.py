"""A step of unlearning: ours against transformers' Trainer with the same loss, on the same pairs, and the arithmetic.

    python benchmarks/unlearning_step.py
    python benchmarks/unlearning_step.py --pairs 2 --steps 1 --threads 1       # shorter

Both train the demo's composite loss on SmolLM2-135M in float32: adapters on all layers, or on the upper quarter of the
blocks. Each side lives in a process of its own, and they take turns, one whole training of a few steps each; the time
is that of `unlearn.train` and of `trainer.train()`, with nothing taken off. The first training of each side is cold and
kept apart; in the later ones our runtime holds what it keeps from trial to trial (what the untouched model says of the
same pairs and texts), as in a study, where all trials of a seed train on the same pairs. The losses of all steps must
agree first: they begin with the same adapter, so the first step compares the loss, the later ones its gradient too.

Tokens are those of the peer, for both: real tokens of the two sequences of every pair, and of the neutral texts. The
share of peak is the least work that the method needs (`arithmetic.py`), over the seconds it took, over the operations
a second of a plain matrix product of the model's sizes with as many threads, measured before each training. What each
side runs instead of the least is counted by torch in one more training, which is not timed.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import arithmetic
from benchmarks.measuring import RESULTS, keep, machine, operations_run, own_peak_gib, significant, spread

SETTINGS = {"all_layers": None, "upper_quarter": 0.25}
"""Share of the blocks that carry an adapter, rounded up; None: all of them."""
TOLERANCE = 1e-4
"""Largest difference of a step's loss between the two, which sum in another order; the result file has what it was."""

_held: dict[str, Any] = {}
"""What a side's process keeps between its trainings."""


def prepare(changes: Sequence[str], share: float | None, steps: int, threads: int) -> None:
    """Begins a side's process: loads the model, and puts the batches in order. Both sides do the same."""
    import torch

    from benchmarks.peers.by_hand import inputs_of
    from raysearch.config.load import load_study
    from raysearch.pipeline.runtime import Runtime

    torch.set_num_threads(threads)
    trial = load_study("demo", [*changes, f"unlearning.steps={steps}"]).default_trial()
    runtime = Runtime()
    lm = runtime.language_model(trial.model)
    blocks = lm.model.config.num_hidden_layers
    unlearning = trial.unlearning
    last = None if share is None else math.ceil(blocks * share)
    lora = unlearning.lora.model_copy(update={"last_layers": last})
    trial = trial.model_copy(update={"unlearning": unlearning.model_copy(update={"lora": lora})})
    inputs = inputs_of(trial.model_dump(mode="json"))
    _held.update(trial=trial, runtime=runtime, lm=lm, steps=inputs["steps"])


def train_ours() -> dict[str, Any]:
    """One training by raysearch: seconds, losses, most memory."""
    from raysearch.models.update import updatable
    from raysearch.pipeline import unlearn
    from raysearch.pipeline.intrinsic import training_pairs

    trial, lm = _held["trial"], _held["lm"]
    pairs = training_pairs(trial)
    with updatable(lm, trial.unlearning, trial.seed) as model:
        start = time.perf_counter()
        curve = unlearn.train(lm, model, trial, pairs, _held["runtime"])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "losses": [point["loss"] for point in curve], "peak_gib": own_peak_gib()}


def operations_ours() -> int:
    """Operations that a warm training runs."""
    return operations_run(train_ours)


def operations_peer() -> int:
    """The same of the peer."""
    return operations_run(train_peer)


def train_peer() -> dict[str, Any]:
    """One training by transformers' Trainer."""
    from benchmarks.peers import by_hand, trainer_step

    trial, lm = _held["trial"], _held["lm"]
    unlearning = trial.unlearning.model_dump(mode="json")
    lora = unlearning["lora"]
    model = by_hand.with_lora(lm.model, lora["rank"], lora["alpha"], lora["last_layers"], trial.seed)
    trainer = trainer_step.trainer(model, lm.tokenizer, unlearning, _held["steps"])
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    model.unload()
    if hasattr(lm.model, "peft_config"):  # left behind by peft
        del lm.model.peft_config
    return {"seconds": seconds, "losses": trainer.losses, "peak_gib": own_peak_gib()}


def matmul_flops(times: int = 20) -> float:
    """Operations a second of a float32 matrix product of the model's sizes: the best of some."""
    import torch

    shape = arithmetic.Shape.of(_held["lm"].model.config)
    left, right = torch.randn(512, shape.width), torch.randn(shape.width, shape.inner)
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        torch.matmul(left, right)
        best = min(best, time.perf_counter() - start)
    return 2 * 512 * shape.width * shape.inner / best


def count() -> dict[str, Any]:
    """Tokens and operations of a training: what the peer reads, and the least that the method needs."""
    trial, lm = _held["trial"], _held["lm"]
    shape, lora = arithmetic.Shape.of(lm.model.config), trial.unlearning.lora
    trained = shape.blocks if lora.last_layers is None else lora.last_layers
    peer_tokens = least = distinct = 0
    for step in _held["steps"]:
        answers, texts = _tokenized(lm.tokenizer, step, trial.unlearning.neutral.max_length_tokens)
        peer_tokens += sum(len(ids) for ids, _ in answers) + sum(map(len, texts))
        work = arithmetic.needed(answers) + arithmetic.whole(map(len, texts))
        distinct += work.tokens
        least += arithmetic.step(shape, work, trained, lora.rank)
    return {
        "trained_blocks": trained,
        "blocks": shape.blocks,
        "pairs_per_step": trial.unlearning.pairs_per_step,
        "tokens": peer_tokens,
        "distinct_tokens": distinct,
        "least_gflop": significant(least / 1e9),
    }


def _tokenized(tokenizer: Any, step: dict[str, Any], limit: int) -> tuple[list[tuple[list[int], int]], list[list[int]]]:
    """([(ids of prompt and answer, position of the answer)], [ids of a neutral text])."""
    answers = [
        (tokenizer(prompt + answer)["input_ids"], len(tokenizer(prompt)["input_ids"]))
        for prompt, *both in step["pairs"]
        for answer in both
    ]
    return answers, [tokenizer(text)["input_ids"][:limit] for text in step["texts"]]


def compare(setting: str, options: argparse.Namespace) -> dict[str, Any]:
    """One setting: the check, the cold trainings, and the pairs."""
    place = multiprocessing.get_context("spawn")
    given = (options.set, SETTINGS[setting], options.steps, options.threads)
    sides = [ProcessPoolExecutor(1, place, initializer=prepare, initargs=given) for _ in range(2)]
    try:
        ours, peer = sides
        counted = ours.submit(count).result()
        cold = {"ours": ours.submit(train_ours).result(), "peer": peer.submit(train_peer).result()}
        differences = [abs(a - b) for a, b in zip(cold["ours"]["losses"], cold["peer"]["losses"], strict=True)]
        print(f"{setting}: losses differ by {', '.join(f'{d:.1e}' for d in differences)}", flush=True)
        if not max(differences) <= TOLERANCE:
            sys.exit(f"{setting}: the two losses differ by more than {TOLERANCE}: this compares two different things")
        pairs = []
        for number in range(options.pairs):
            peak = ours.submit(matmul_flops).result()
            pair = {"peak_gflops": significant(peak / 1e9)}
            pair |= {"ours": ours.submit(train_ours).result(), "peer": peer.submit(train_peer).result()}
            pairs.append(pair)
            print(f"{setting} {number + 1}: {_seconds(pair['ours'])} against {_seconds(pair['peer'])} s", flush=True)
        counted["ours_gflop"] = significant(ours.submit(operations_ours).result() / 1e9)
        counted["peer_gflop"] = significant(peer.submit(operations_peer).result() / 1e9)
    finally:
        for side in sides:
            side.shutdown()
    return _result(counted, cold, pairs, max(differences), options.steps)


def _seconds(side: dict[str, Any]) -> float:
    return significant(side["seconds"])


def _result(
    counted: dict[str, Any], cold: dict[str, Any], pairs: list[dict[str, Any]], difference: float, steps: int
) -> dict[str, Any]:
    shares = [counted["least_gflop"] / (pair["ours"]["seconds"] * pair["peak_gflops"]) for pair in pairs]
    share = spread(shares)
    sides = {}
    for side in ("ours", "peer"):
        middle = statistics.median(pair[side]["seconds"] for pair in pairs)
        sides[side] = {
            "seconds_a_step": significant(middle / steps),
            "tokens_a_second": significant(counted["tokens"] / middle),
            "cold_seconds_a_step": significant(cold[side]["seconds"] / steps),
            "peak_gib": max(pair[side]["peak_gib"] for pair in pairs),
            "cold_peak_gib": cold[side]["peak_gib"],
        }
    return {
        **spread([pair["peer"]["seconds"] / pair["ours"]["seconds"] for pair in pairs]),
        "cold_ratio": significant(cold["peer"]["seconds"] / cold["ours"]["seconds"]),
        "largest_difference_of_a_loss": difference,
        "share_of_peak": {"median": share["ratio"], "low": share["low"], "high": share["high"]},
        **counted,
        **sides,
        "pairs": [
            {"ours_s": _seconds(p["ours"]), "peer_s": _seconds(p["peer"]), "peak_gflops": p["peak_gflops"]}
            for p in pairs
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="how often the two are timed, in turn")
    parser.add_argument("--steps", type=int, default=2, help="of a training")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side; they do not run at once")
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--set", action="append", default=[], help="PATH=VALUE in the demo's trial, for both sides")
    parser.add_argument("--out", type=Path, default=RESULTS / "unlearning-step.json")
    options = parser.parse_args()
    facts = machine(options.threads)
    found = {setting: compare(setting, options) for setting in options.settings}
    keep({"machine": facts, "changes": options.set, "steps": options.steps, "settings": found}, options.out)
    first, *others = found.items()
    line = {name: first[1][name] for name in ("ratio", "low", "high")}
    for name, result in others:
        line[name] = {key: result[key] for key in ("ratio", "low", "high")}
    line["share_of_peak"] = {name: result["share_of_peak"]["median"] for name, result in found.items()}
    for side in ("ours", "peer"):
        line[f"{side}_peak_gib"] = {name: result[side]["peak_gib"] for name, result in found.items()}
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
