"""How much of a GPU's arithmetic our unlearning step and our feature extraction use, with models of real size.

    python benchmarks/gpu.py                                   # Llama shapes of 1B and 8B, bfloat16, one CUDA GPU
    python benchmarks/gpu.py --device cpu --size tiny          # the same path in seconds, without a GPU

Needs torch, transformers, peft and the project; no Ray, no network, no file of weights: the model is random and made
on the device, its tokenizer is trained in memory on the prompts. What runs is `unlearn.train` and `outputs.features`,
as in a trial, with each of the code's own switches: sdpa or eager attention, activation checkpointing or not. The
variants take turns, each beside a plain matrix product of the same precision, measured in the same minute.

Model FLOP utilisation is operations over seconds over that product's operations a second: `least` counts what the
method needs (`arithmetic.py`: distinct prefixes, no gradient of frozen weights, nothing computed twice), `done` what
torch ran, by its own counter, which on a CPU leaves out the products inside of sdpa attention. The first training of a
variant is cold and not among the times. The last line is a JSON object: `ratio` is the utilisation (least) of the
unlearning step with sdpa, of the largest model that fits, with its quartiles.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks import arithmetic
from benchmarks.measuring import GIB, RESULTS, keep, machine, operations_run, own_peak_gib, significant, spread
from raysearch.config.downstream import DownstreamConfig, LoraConfig
from raysearch.config.schema import ModelConfig, TrialConfig
from raysearch.config.unlearning import GuardsConfig, LossTermConfig, NeutralTextConfig, UnlearningConfig
from raysearch.models.blocks import blocks_of
from raysearch.models.checkpointing import checkpoint_activations
from raysearch.models.language_model import LanguageModel, probed
from raysearch.models.update import updatable
from raysearch.pipeline import outputs, unlearn
from raysearch.pipeline.batches import batches_of_pairs, neutral_batches
from raysearch.pipeline.intrinsic import training_pairs
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.text.corpus import general_texts

LIMIT = 128
"""Tokens of a text whose features are computed."""


@dataclass(frozen=True)
class Size:
    """A model's shape, and how much it is given to do.

    Attributes:
        shape: arguments of transformers' LlamaConfig.
        pairs: of an unlearning step.
        texts: whose features are computed.
        product: side of the matrices whose product is the peak.
    """

    shape: dict[str, Any]
    pairs: int
    texts: int
    product: int


_LLAMA3 = {"vocab_size": 128256, "num_key_value_heads": 8, "num_attention_heads": 32, "rope_theta": 5e5}
SIZES = {
    "tiny": Size(
        {
            "vocab_size": 512,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        pairs=12,
        texts=12,
        product=256,
    ),
    "1b": Size(
        _LLAMA3
        | {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "tie_word_embeddings": True},
        pairs=512,
        texts=1024,
        product=8192,
    ),
    "8b": Size(
        _LLAMA3 | {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32},
        pairs=512,
        texts=512,
        product=8192,
    ),
}
VARIANTS = {"sdpa": ("sdpa", False), "sdpa_checkpointing": ("sdpa", True), "eager": ("eager", False)}
"""Attention, and whether activations are computed again."""


def trial_of(size: Size, steps: int) -> TrialConfig:
    """A trial with the demo's terms; guards off, as a random model has no answers to keep."""
    names = ("gradient_ascent", "learn", "probability_gap", "kl", "answer_mass")
    unlearning = UnlearningConfig(
        steps=steps,
        pairs_per_step=size.pairs,
        lr=1e-4,
        losses={name: LossTermConfig(weight=0.1) for name in names},
        lora=LoraConfig(rank=16),
        neutral=NeutralTextConfig(source="built_in", texts=16, texts_per_step=8),
        guards=GuardsConfig(least_answer_mass_ratio=None, least_signed_gap=None),
    )
    return TrialConfig(unlearning=unlearning)


def tokenizer_of(texts: list[str]) -> Any:
    """A small byte-pair tokenizer, trained on the texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=512, special_tokens=["<end>"], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=pieces, eos_token="<end>", pad_token="<end>", padding_side="right")


def random_model(size: Size, tokenizer: Any, device: torch.device, dtype: str) -> LanguageModel:
    """A Llama with random weights, made where it is used."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**size.shape, max_position_embeddings=2048, attn_implementation="sdpa")
    config.dtype = getattr(torch, dtype)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with device:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.eval().requires_grad_(False)
    return probed(LanguageModel(model, tokenizer, digest="random", device=device, config=ModelConfig(dtype=dtype)))


@contextmanager
def switched(lm: LanguageModel, attention: str, checkpointing: bool) -> Iterator[None]:
    """The model with a variant's switches, within the block."""
    model: Any = lm.model
    model.set_attn_implementation(attention)
    if checkpointing:
        checkpoint_activations(model)
    try:
        yield
    finally:
        if checkpointing:
            for block in blocks_of(model):
                del block.forward  # the class's own again
        model.set_attn_implementation("sdpa")


class Bench:
    """A model with its work, and the clock of its device.

    Args:
        size: of the model.
        options: of the command line.
    """

    def __init__(self, size: Size, options: argparse.Namespace) -> None:
        self.size, self.device = size, torch.device(options.device)
        self.trial = trial_of(size, options.steps)
        self.pairs = training_pairs(self.trial)
        sentences = list(general_texts("built_in"))
        words = [pair.prompt + pair.stereotype for of_set in self.pairs.values() for pair in of_set[:2000]]
        draw = np.random.default_rng(0)
        self.texts = [" ".join(draw.choice(sentences, 16)) for _ in range(size.texts)]
        self.dtype = options.dtype or ("bfloat16" if self.device.type == "cuda" else "float32")
        self.lm = random_model(size, tokenizer_of(sentences + words), self.device, self.dtype)
        self.shape = arithmetic.Shape.of(self.lm.model.config)
        self.runtime = Runtime(device=self.device)

    def unlearn(self) -> None:
        """A trial's unlearning, from fresh adapter to its end."""
        config = self.trial.unlearning
        assert config is not None  # ``trial_of`` gives one
        with updatable(self.lm, config, self.trial.seed) as model:
            unlearn.train(self.lm, model, self.trial, self.pairs, self.runtime)

    def features(self) -> None:
        """One vector a text, of a model that is taken for changed, so that nothing is kept."""
        subject = Subject(self.lm, self.lm.model, untouched=False)
        outputs.features(subject, [self.texts], DownstreamConfig(), LIMIT, self.runtime)

    def seconds(self, run: Callable[[], None]) -> float:
        """Time until the device has done what was asked."""
        self._wait()
        start = time.perf_counter()
        run()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_flops(self) -> float:
        """Operations a second of a square matrix product in the model's precision: the best of some."""
        side = self.size.product
        left = torch.randn(side, side, device=self.device, dtype=getattr(torch, self.dtype))
        best = min(self.seconds(lambda: torch.matmul(left, left)) for _ in range(10))
        return 2 * side**3 / best

    def least(self) -> dict[str, tuple[int, int]]:
        """(tokens, operations) that each of the two needs at the least."""
        config = self.trial.unlearning
        assert config is not None
        neutral = neutral_batches(
            self.lm, config.neutral, 1, self.runtime, outputs.Passes(self.lm, self.lm.model, self.runtime)
        )
        batches = batches_of_pairs(self.pairs, config.pairs_per_step, self.trial.seed)
        tokens = operations = 0
        for number in range(config.steps):
            texts = neutral[number % len(neutral)][0].tree.mask.sum(dim=1).tolist()
            work = arithmetic.needed(self._sequences(next(batches))) + arithmetic.whole(texts)
            tokens += work.tokens
            operations += arithmetic.step(self.shape, work, self.shape.blocks, config.lora.rank)
        lengths = [min(LIMIT, len(ids)) for ids in self.lm.tokenizer(self.texts)["input_ids"]]
        of_texts = arithmetic.whole(lengths, head=False)
        return {
            "unlearning": (tokens, operations),
            "features": (of_texts.tokens, arithmetic.forward(self.shape, of_texts, self.shape.blocks)),
        }

    def _sequences(self, pairs: Any) -> Iterator[tuple[list[int], int]]:
        for pair in pairs:
            first = len(self.lm.tokenizer(pair.prompt)["input_ids"])
            for answer in (pair.stereotype, pair.anti_stereotype):
                yield self.lm.tokenizer(pair.prompt + answer)["input_ids"], first

    def held_gib(self) -> float | None:
        """Memory of the device that tensors hold now; None on a CPU, where nobody counts it."""
        gc.collect()
        return round(torch.cuda.memory_allocated(self.device) / GIB, 3) if self.device.type == "cuda" else None

    def peak_gib(self) -> float:
        """Most memory since ``forget_peak``; on a CPU of the whole process since its start."""
        if self.device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self.device) / GIB, 3)
        return own_peak_gib()

    def forget_peak(self) -> None:
        """Counts the peak anew."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)


def one_round(bench: Bench, variant: str) -> dict[str, dict[str, float]]:
    """Both tasks once in one variant, each beside the product, with their memory."""
    found = {}
    with switched(bench.lm, *VARIANTS[variant]):
        for task, run in (("unlearning", bench.unlearn), ("features", bench.features)):
            peak = bench.peak_flops()
            bench.forget_peak()
            seconds = bench.seconds(run)
            found[task] = {"seconds": seconds, "peak_flops": peak, "peak_gib": bench.peak_gib()}
    return found


def measured(bench: Bench, rounds: int) -> dict[str, Any]:
    """All variants in turn, so many times; one that does not fit in memory is left out, and said to be."""
    held, least = bench.held_gib(), bench.least()
    times: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in VARIANTS}
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        for variant in VARIANTS:
            if variant in failed:
                continue
            try:
                found = one_round(bench, variant)
            except torch.cuda.OutOfMemoryError:
                failed[variant] = "out of memory"
                gc.collect()
                torch.cuda.empty_cache()
                continue
            if number:  # the first is cold
                times[variant].append(found)
    after, done = bench.held_gib(), {}
    if "sdpa" not in failed:
        done = {"unlearning": operations_run(bench.unlearn), "features": operations_run(bench.features)}
    bench.runtime.reset()
    variants = {name: _of_variant(rows, least, done if name == "sdpa" else {}) for name, rows in times.items() if rows}
    return {
        "parameters": sum(parameter.numel() for parameter in bench.lm.model.parameters()),
        "dtype": bench.dtype,
        "held_gib_before": held,
        "held_gib_after": after,
        "held_gib_after_without_caches": bench.held_gib(),
        **variants,
        **{name: {"failed": reason} for name, reason in failed.items()},
    }


def _of_variant(
    rows: list[dict[str, dict[str, float]]], least: dict[str, tuple[int, int]], done: dict[str, int]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for task, (tokens, operations) in least.items():
        of_task = [row[task] for row in rows]
        middle = statistics.median(row["seconds"] for row in of_task)
        found[task] = {
            "utilisation_least": spread([operations / (row["seconds"] * row["peak_flops"]) for row in of_task]),
            "seconds": significant(middle),
            "tokens": tokens,
            "tokens_a_second": significant(tokens / middle),
            "least_tflop": significant(operations / 1e12),
            "peak_tflops": significant(statistics.median(row["peak_flops"] for row in of_task) / 1e12),
            "peak_gib": max(row["peak_gib"] for row in of_task),
        }
        if task in done:
            ran = [done[task] / (row["seconds"] * row["peak_flops"]) for row in of_task]
            found[task] |= {"done_tflop": significant(done[task] / 1e12), "utilisation_done": spread(ran)}
    return found


def device_name(device: str) -> str:
    """For a file's name."""
    name = torch.cuda.get_device_name(torch.device(device)) if device.startswith("cuda") else device
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=["1b", "8b"])
    parser.add_argument("--pairs", type=int, default=5, help="how often each variant is timed, in turn")
    parser.add_argument("--steps", type=int, default=4, help="of a training")
    parser.add_argument("--dtype", help="default: bfloat16 on a GPU, float32 on a CPU")
    parser.add_argument("--out", type=Path, help="default: results/gpu-DEVICE.json")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA GPU here: nothing to measure. Try --device cpu --size tiny.")
        return 2
    name = device_name(options.device)
    facts, sizes = machine(torch.get_num_threads()) | {"device": name, "cuda": torch.version.cuda}, {}
    place = options.out or RESULTS / f"gpu-{name}.json"
    for size in options.size:
        try:
            sizes[size] = measured(Bench(SIZES[size], options), options.pairs)
        except torch.cuda.OutOfMemoryError:
            sizes[size] = {"sdpa": {"failed": "the weights do not fit in the device's memory"}}
        keep({"machine": facts, "steps": options.steps, "sizes": sizes}, place)  # a later size may not fit
        print(f"{size}: {json.dumps(sizes[size])}", flush=True)
        gc.collect()
        if options.device.startswith("cuda"):
            torch.cuda.empty_cache()
    fitting = [found for found in sizes.values() if "failed" not in found["sdpa"]]
    if not fitting:
        print("no size fits in the device's memory")
        return 1
    last = fitting[-1]["sdpa"]["unlearning"]
    line = {**last["utilisation_least"], "done": last["utilisation_done"]["ratio"]}
    line["features"] = fitting[-1]["sdpa"]["features"]["utilisation_least"]["ratio"]
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
