"""How many tokens are forwarded: with shared beginnings, and sequence by sequence with padding, as is usual.

    python benchmarks/tokens.py
    python benchmarks/tokens.py --space adult

Counted: the batches of unlearning that the space's default trial makes (the prompt with each answer of each
pair), and the texts of its table's rows in the passes in which their features are computed. The usual way pads the
sequences of a batch to the longest; of rows, whatever the batch, at best nothing is padded, so that is what they are
compared with.

The last line is a JSON object: tokens of the usual way / tokens that we forward, of a batch of pairs, the median over
the batches, with the quartiles; and of the rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import RESULTS, keep, significant, spread
from raysearch.config.load import load_study
from raysearch.models.answers import encode, tokenize
from raysearch.models.features import passes, tokenize_texts
from raysearch.models.language_model import LanguageModel, load
from raysearch.pipeline.batches import batches_of_pairs
from raysearch.pipeline.data import prepare
from raysearch.pipeline.intrinsic import training_pairs
from raysearch.pipeline.runtime import Runtime
from raysearch.stereotypes.pairs import StereotypePair


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="demo", help="a shipped search space, or a study's file")
    parser.add_argument("--batches", type=int, default=18)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change a value")
    parser.add_argument("--out", type=Path, default=RESULTS / "tokens.json")
    arguments = parser.parse_args()
    trial = load_study(arguments.space, arguments.set).default_trial()
    lm = load(trial.model)
    if trial.unlearning is None:
        parser.error(f"{arguments.space}: its default trial unlearns nothing")
    found = batches_of_pairs(training_pairs(trial), trial.unlearning.pairs_per_step, trial.seed)
    counts = [of_pairs(lm, batch) for batch in itertools.islice(found, arguments.batches)]
    size = trial.unlearning.pairs_per_step
    print(f"a batch of {size} pairs: {counts[0][0]} padded tokens, {counts[0][1]} forwarded")
    data = prepare(trial, Runtime())
    plain, forwarded, seconds = of_rows(
        lm, list(dict.fromkeys([*data.train.texts, *data.judged.texts])), trial.text.max_length_tokens
    )
    print(f"rows of {trial.data.table}: {plain} tokens, {forwarded} forwarded; tokenising took {seconds:.3f} s")
    line = {
        **spread([usual / ours for usual, ours in counts]),
        "rows": {
            "ratio": significant(plain / forwarded),
            "tokens": plain,
            "forwarded": forwarded,
            "tokenising_cpu_s": significant(seconds),
        },
    }
    keep({"space": arguments.space, "changes": arguments.set, "pairs": counts, "result": line}, arguments.out)
    print(json.dumps(line))
    return 0


def of_pairs(lm: LanguageModel, batch: Sequence[StereotypePair]) -> tuple[int, int]:
    """(tokens of all prompts with their answers, padded to the longest; nodes of the tree)."""
    prompts = [pair.prompt for pair in batch] * 2
    answers = [pair.stereotype for pair in batch] + [pair.anti_stereotype for pair in batch]
    lengths = [sum(map(len, tokenize(lm, *both))) for both in zip(prompts, answers, strict=True)]
    return len(lengths) * max(lengths), encode(lm, prompts, answers).tree.nodes


def of_rows(lm: LanguageModel, texts: Sequence[str], limit: int) -> tuple[int, int, float]:
    """(tokens of the texts without any padding, nodes of the trees in which they are forwarded, the processor's seconds
    of tokenising)."""
    start = time.process_time()
    tokens = tokenize_texts(lm, texts, limit)
    seconds = time.process_time() - start
    nodes = sum(lm.plant([tokens.ids[row] for row in rows]).nodes for rows in passes(lm, tokens))
    return sum(map(len, tokens.ids)), nodes, seconds


if __name__ == "__main__":
    sys.exit(main())
