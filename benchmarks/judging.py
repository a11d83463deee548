"""Features of a table's rows by an unlearned model: its adapter folded into the weights, against the adapter apart.

    python benchmarks/judging.py
    python benchmarks/judging.py --set model.source=gemma3-270m

The passes are those of a trial of the study (the demo by default), from the first adapted block on: what lies below is
kept from an earlier trial. Folding is counted in. Both must give the same features up to rounding, or it ends there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.measuring import RESULTS, keep, machine, significant, spread
from raysearch.config.load import load_study
from raysearch.models.features import pooled_features, tokenize_texts
from raysearch.models.lora import adapted, folded
from raysearch.pipeline.data import prepare
from raysearch.pipeline.outputs import Passes
from raysearch.pipeline.runtime import Runtime
from raysearch.replay import at_stage


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="demo")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="an override of the study")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "judging.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = at_stage(load_study(arguments.study, arguments.set).default_trial(), "unlearning")
    assert config.unlearning is not None
    runtime = Runtime()
    lm, data = runtime.language_model(config.model), prepare(config, runtime)
    tokens = tokenize_texts(lm, tuple(dict.fromkeys(data.train.texts)), config.text.max_length_tokens)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with adapted(lm, config.unlearning.lora, 0) as model:
        for name, parameter in model.named_parameters():
            if ".lora_B" in name:
                torch.nn.init.normal_(parameter, 0.0, 0.01)
        states = Passes(lm, model, runtime)

        def features(fold: bool) -> np.ndarray:
            begin = time.perf_counter()
            with folded(model) if fold else nullcontext():
                found = pooled_features(lm, model, tokens, config.downstream.pooling, states=states)
            seconds[fold].append(time.perf_counter() - begin)
            return found

        features(False)  # the states below the adapter
        seconds[False].clear()
        for _ in range(arguments.pairs):
            np.testing.assert_allclose(features(True), features(False), rtol=1e-3, atol=1e-3)
    line = {
        **spread([apart / together for apart, together in zip(seconds[False], seconds[True], strict=True)]),
        "folded_s": significant(float(np.median(seconds[True]))),
        "apart_s": significant(float(np.median(seconds[False]))),
        "rows": len(tokens.ids),
    }
    keep({"machine": machine(arguments.threads), "seconds": seconds, **line}, arguments.out)
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
