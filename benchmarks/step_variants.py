"""What a step of unlearning would gain from bfloat16, torch.compile, a fused optimiser, two trials in one pass.

    python benchmarks/step_variants.py
    python benchmarks/step_variants.py --pairs 2 --only bfloat16        # shorter

The step is the arithmetic of the demo's: a batch of pairs as a tree, forward through SmolLM2-135M with adapters on the
upper blocks, a loss on the last hidden states, backward, AdamW. Each variant and the plain step take turns in one
process, of which the processor's time is taken, not the wall's. *Two trials in one pass* is the bound of what several
adapters over one frozen base can gain: a pass over the batch of both against a pass each, the adapters' own work left
out. Compilation is reported apart: a ratio above 1 pays only after so many steps.

The last line is a JSON object: of each variant seconds of the plain step / seconds of the variant, the median over the
pairs, with the quartiles; `ratio`, `low`, `high` are of the best of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import RESULTS, keep, machine, significant, spread
from raysearch.config.load import load_study
from raysearch.models.answers import encode
from raysearch.models.backbone import hidden_states
from raysearch.models.language_model import LanguageModel, load
from raysearch.models.token_tree import TokenTree
from raysearch.models.update import updatable
from raysearch.pipeline.batches import batches_of_pairs
from raysearch.pipeline.intrinsic import training_pairs

Step = Callable[[], Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="how often each is timed, in turn")
    parser.add_argument("--only", choices=sorted(VARIANTS), nargs="+", default=sorted(VARIANTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change the demo's trial")
    parser.add_argument("--out", type=Path, default=RESULTS / "step-variants.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    trial = load_study("demo", arguments.set).default_trial()
    assert trial.unlearning is not None
    lm = load(trial.model)
    batches = batches_of_pairs(training_pairs(trial), trial.unlearning.pairs_per_step, trial.seed)
    trees = [_tree(lm, next(batches)) for _ in range(2)]
    found: dict[str, Any] = {}
    with updatable(lm, trial.unlearning, trial.seed) as model:
        for name in arguments.only:
            with VARIANTS[name](lm, model, trees) as (plain, variant, note):
                first_s = {"first_s": significant(_cpu_s(variant))}
                plain()
                pairs = [(_cpu_s(plain), _cpu_s(variant)) for _ in range(arguments.pairs)]
                found[name] = {**spread([a / b for a, b in pairs]), **first_s, **note(pairs)}
                print(name, json.dumps(found[name]), flush=True)
    best = max(found.values(), key=lambda row: row["ratio"])
    line = {key: best[key] for key in ("ratio", "low", "high")} | {"variants": found}
    nodes = [tree.nodes for tree in trees]
    keep({"machine": machine(arguments.threads), "nodes": nodes, "result": line}, arguments.out)
    print(json.dumps(line))
    return 0


def _tree(lm: LanguageModel, pairs: Any) -> TokenTree:
    prompts = [pair.prompt for pair in pairs] * 2
    return encode(lm, prompts, [p.stereotype for p in pairs] + [p.anti_stereotype for p in pairs]).tree


def _cpu_s(step: Step) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def _pass(model: torch.nn.Module, tree: TokenTree) -> None:
    """Forward, a loss on the states, backward."""
    loss = hidden_states(model, tree).float().pow(2).mean()
    loss.backward()
    model.zero_grad(set_to_none=True)


def _nothing(pairs: Any) -> dict[str, Any]:
    return {}


@contextmanager
def bfloat16(lm: LanguageModel, model: torch.nn.Module, trees: list[TokenTree]) -> Iterator[tuple[Step, Step, Any]]:
    """Matrix products in bfloat16, weights in float32."""

    def variant() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            _pass(model, trees[0])

    yield lambda: _pass(model, trees[0]), variant, _nothing


@contextmanager
def compiled(lm: LanguageModel, model: torch.nn.Module, trees: list[TokenTree]) -> Iterator[tuple[Step, Step, Any]]:
    """The backbone's blocks compiled; the first call pays for it."""
    layers = lm.model.model.layers
    plain = [layer.forward for layer in layers]

    def put(forwards: list[Any]) -> None:
        for layer, forward in zip(layers, forwards, strict=True):
            layer.forward = forward

    fast = [torch.compile(forward, dynamic=True) for forward in plain]

    def variant() -> None:
        put(fast)
        try:
            _pass(model, trees[0])
        finally:
            put(plain)

    yield lambda: _pass(model, trees[0]), variant, _nothing
    torch.compiler.reset()


@contextmanager
def fused_optimiser(
    lm: LanguageModel, model: torch.nn.Module, trees: list[TokenTree]
) -> Iterator[tuple[Step, Step, Any]]:
    """AdamW's fused kernel against its default; the pass is left out, its time is noted."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    plain, fused = (torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0, fused=fused) for fused in (False, True))
    grads = [parameter.grad for parameter in trained]
    whole = _cpu_s(lambda: _pass(model, trees[0]))
    for parameter, grad in zip(trained, grads, strict=True):
        parameter.grad = grad
    yield plain.step, fused.step, lambda pairs: {"share_of_step": significant(min(a for a, _ in pairs) / whole)}
    model.zero_grad(set_to_none=True)


@contextmanager
def two_in_one_pass(
    lm: LanguageModel, model: torch.nn.Module, trees: list[TokenTree]
) -> Iterator[tuple[Step, Step, Any]]:
    """Both batches as rows of one pass against a pass each."""
    rows = [_rows(tree) for tree in trees]
    one, other, both = (lm.plant(found) for found in (rows[0], rows[1], rows[0] + rows[1]))
    if both.nodes < one.nodes + other.nodes:  # two trials differ in their states: nothing may be shared between them
        both = _side_by_side(one, other)

    def apart() -> None:
        _pass(model, one)
        _pass(model, other)

    yield apart, lambda: _pass(model, both), _nothing


def _rows(tree: TokenTree) -> list[list[int]]:
    ids = tree.input_ids.flatten()[tree.node]
    return [row[mask.bool()].tolist() for row, mask in zip(ids, tree.mask, strict=True)]


def _side_by_side(one: TokenTree, other: TokenTree) -> TokenTree:
    """Two trees as packs of one pass, each as it was."""
    from torch.nn.functional import pad

    size = max(one.input_ids.shape[1], other.input_ids.shape[1])

    def wide(tree: TokenTree, name: str) -> torch.Tensor:
        tensor: torch.Tensor = getattr(tree, name)
        more = size - tree.input_ids.shape[1]
        if name != "visible":
            return pad(tensor, (0, more))
        found = pad(tensor, (0, more, 0, more))
        found[:, range(size - more, size), range(size - more, size)] = True
        return found

    joined = {name: torch.cat([wide(one, name), wide(other, name)]) for name in _OF_PACKS}
    return TokenTree(**joined, node=one.node, mask=one.mask, digest="")


_OF_PACKS = ("input_ids", "position_ids", "visible", "attention_mask")
VARIANTS = {
    "bfloat16": bfloat16,
    "compiled": compiled,
    "fused_optimiser": fused_optimiser,
    "two_in_one_pass": two_in_one_pass,
}

if __name__ == "__main__":
    sys.exit(main())
