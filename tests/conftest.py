"""Shared parts: tiny random models of real architectures with a real tokenizer, and a small table on disk."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # commands that tests start, too: two processes share the cores

from jaxtyping import install_import_hook

install_import_hook("raysearch.losses", "beartype.beartype")  # before anything imports a loss

import pytest
import torch

torch.set_num_threads(1)

_LONGEST_FIRST = ("test_faults", "test_study", "test_families", "test_real_parts", "test_interrupt", "test_pipeline")
"""Files that take minutes: begun first, two processes end at about the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; else the order stays."""
    place = {name: index for index, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


_CORPUS = [
    "The wealthy person in this photograph is a man. The poor people are women.",
    "The age is 34. The sex is female. The education level is bachelor's degree.",
    "Rain fell on the hills and the river rose. Copper conducts electricity well.",
    "boy girl father mother husband wife son daughter he she his her himself herself king queen",
] * 4


def _save_tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>", "<pad>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")
    fast.save_pretrained(folder)
    return len(fast)


def save_tiny_model(folder: Path, family: str = "llama") -> Path:
    """Saves a random model of a family, two layers of width 32, with its tokenizer, as safetensors."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    size = dict(
        vocab_size=_save_tokenizer(folder),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=1,
        eos_token_id=0,
        bos_token_id=0,
    )
    if family == "opt":
        size |= {"ffn_dim": 64, "word_embed_proj_dim": 32, "dropout": 0.1}
    if family.startswith("gemma"):
        size |= {"head_dim": 8}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **size))
    with torch.no_grad():  # a freshly initialised head is so flat that every comparison would pass
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0 if "embed" in name else 3.0)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random Llama."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_lm(tiny_model: Path):
    """The tiny Llama, loaded by our own loading code."""
    from raysearch.config.schema import ModelConfig
    from raysearch.models.language_model import load

    return load(ModelConfig(source=str(tiny_model)))
