"""A causal language model with its tokenizer, loaded from safetensors only.

Backbone and head are called apart (``backbone.py``). Loading compares this split with the model's own logits on a probe
and refuses a model for which the two differ; it tries token trees the same way, and does without where they differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from raysearch.config.schema import ModelConfig
from raysearch.errors import AssetError, TrialError
from raysearch.models.backbone import entering, hidden_states, leaving, logits
from raysearch.models.blocks import blocks_of
from raysearch.models.checkpointing import checkpoint_activations
from raysearch.models.sharding import shard_blocks
from raysearch.models.sources import ModelFiles, resolve
from raysearch.models.token_tree import TokenTree, plant

_PROBE_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.1}
"""Largest difference between our logits and the model's own: rounding in the precision's last digits, no more."""
_STATES_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.03, "float16": 0.005}
"""Largest difference of hidden states between two ways to them, as a share of their norm: some last digits."""
_UNLIKE = (TypeError, ValueError, RuntimeError, AttributeError, IndexError, TrialError)
"""What a model raises that is not built as a shorter way supposes."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A loaded model. ``model`` may be wrapped by an adapter for a while; the wrapper shares its weights.

    Attributes:
        model: the causal LM, in evaluation mode, no parameter requiring a gradient.
        tokenizer: its tokenizer, padding on the right.
        digest: content digest of the weights (or hub id and revision).
        device: where the weights are.
        config: its settings.
        vocabulary: digest of the tokenizer.
        longest_shared: sequences up to so many tokens may share their beginnings; 0: never.
        splits: the pass may begin at any block.
    """

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    digest: str
    device: torch.device
    config: ModelConfig = field(default_factory=ModelConfig)
    vocabulary: str = ""
    longest_shared: int = 0
    splits: bool = False

    @property
    def identity(self) -> str:
        """What determines its outputs, besides library versions and the device."""
        config = self.config
        ways = (config.dtype, config.attention, config.sharding, self.longest_shared, self.splits)
        return f"{self.digest} {self.vocabulary} {ways}"

    def plant(self, rows: Sequence[Sequence[int]]) -> TokenTree:
        """The rows as one forward pass, beginnings shared where the model allows it."""
        return plant(rows, self.pad_id, self.device, share=max(map(len, rows)) <= self.longest_shared)

    @property
    def pad_id(self) -> int:
        """Id that fills up short rows; masked everywhere, so its value never matters."""
        for token_id in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if isinstance(token_id, int):
                return token_id
        return 0


def load(config: ModelConfig, device: torch.device | str = "cpu") -> LanguageModel:
    """Loads a model from safetensors.

    Raises:
        AssetError: the model is missing, has no safetensors, or its logits are not head(backbone).
    """
    files = resolve(config)
    device = torch.device(device)
    common: dict[str, Any] = {"trust_remote_code": config.trust_remote_code, "revision": config.revision or "main"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.location, **common)
        model = AutoModelForCausalLM.from_pretrained(
            files.location,
            dtype=getattr(torch, config.dtype),
            attn_implementation=config.attention,
            use_safetensors=True,
            **common,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise AssetError(_load_failure(config, files, error)) from error
    tokenizer.padding_side = "right"
    cast(nn.Module, model).to(device).eval().requires_grad_(False)
    if config.activation_checkpointing:
        checkpoint_activations(cast(nn.Module, model))
    digest = _loaded_digest(config, files, model)
    loaded = LanguageModel(model=model, tokenizer=tokenizer, digest=digest, device=device, config=config)
    loaded = probed(loaded)
    if config.sharding == "fsdp2":
        shard_blocks(loaded.model, device)
    return loaded


def _loaded_digest(config: ModelConfig, files: ModelFiles, model: Any) -> str:
    """Of a hub's model: the commit that was loaded, which a branch's name does not say."""
    commit = getattr(model.config, "_commit_hash", None)
    return f"hub:{config.source}@{commit}" if files.digest.startswith("hub:") and commit else files.digest


def _load_failure(config: ModelConfig, files: ModelFiles, error: Exception) -> str:
    words = " ".join(str(error).split())
    if "scaled_dot_product_attention" in words:
        return f"model '{config.source}': its architecture has no sdpa attention. Set `model: {{attention: eager}}`."
    return (
        f"model '{config.source}': transformers could not load {files.location}: {words[:300]} "
        "Give a folder with config.json, tokenizer and safetensors, or a name that `raysearch fetch --list` shows."
    )


def probed(loaded: LanguageModel) -> LanguageModel:
    """The model, told which shorter ways to its hidden states are as good as the whole way.

    Raises:
        AssetError: its logits are not head(backbone).
    """
    _check_split(loaded)
    return replace(
        loaded, vocabulary=_vocabulary(loaded), longest_shared=_longest_shared(loaded), splits=_splits(loaded)
    )


def _vocabulary(loaded: LanguageModel) -> str:
    """Digest of all that turns text into tokens."""
    backend = getattr(loaded.tokenizer, "backend_tokenizer", None)
    words = repr(sorted(loaded.tokenizer.get_vocab().items())) if backend is None else backend.to_str()
    return hashlib.sha256(words.encode()).hexdigest()[:16]


_PROBE = ([3, 4, 5, 6, 7, 8], [3, 4, 5, 9], [10, 4])
"""Two sequences that begin alike, and one that does not."""


def _probe(loaded: LanguageModel, share: bool) -> TokenTree:
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    rows = [[token % vocabulary for token in row] for row in _PROBE]
    return plant(rows, loaded.pad_id, loaded.device, share)


@torch.no_grad()
def _check_split(loaded: LanguageModel) -> None:
    probe = _probe(loaded, share=False)
    given = {"input_ids": probe.input_ids, "attention_mask": probe.attention_mask, "use_cache": False}
    own = loaded.model(**given).logits.float()[probe.attention_mask.bool()]
    ours = logits(loaded.model, hidden_states(loaded.model, probe))[probe.attention_mask.bool()]
    difference = float((own - ours).abs().max())
    if not difference <= _PROBE_TOLERANCE[loaded.config.dtype] * max(1.0, float(own.abs().max())):
        raise AssetError(
            f"model '{loaded.config.source}': its logits are not its head applied to its backbone (they differ by "
            f"{difference:.3g}); raysearch does not support this architecture "
            f"({type(loaded.model).__name__}). Use a Llama, Phi-3 or Gemma family model."
        )


@torch.no_grad()
def _longest_shared(loaded: LanguageModel) -> int:
    """Longest sequence that may share its beginning: shorter than a sliding window, which a tree's mask does not have.

    0 for a model that counts positions by itself or mixes tokens by other means than attention.
    """
    plain, tree = _probe(loaded, share=False), _probe(loaded, share=True)
    text_config = loaded.model.config.get_text_config()  # type: ignore[union-attr, operator]
    kinds = getattr(text_config, "layer_types", None) or getattr(text_config, "layers_block_type", None) or ()
    if not all("attention" in str(kind) and "linear" not in str(kind) for kind in kinds):
        return 0
    try:
        same = _alike(loaded, plain, hidden_states(loaded.model, plain), tree, hidden_states(loaded.model, tree))
    except _UNLIKE:  # no such argument, or another shape of mask
        return 0
    window = getattr(text_config, "sliding_window", None)
    most = int(getattr(text_config, "max_position_embeddings", 0))
    return (min(most, window) if isinstance(window, int) else most) if same else 0


@torch.no_grad()
def _splits(loaded: LanguageModel) -> bool:
    """Whether a pass that begins in the middle gives what the whole pass gives."""
    probe, last = _probe(loaded, share=False), len(blocks_of(loaded.model)) - 1
    whole = hidden_states(loaded.model, probe)
    try:
        found = [leaving(loaded.model, probe, at, entering(loaded.model, probe, at)) for at in (last // 2, last)]
    except _UNLIKE:  # blocks that give more than their states
        return False
    return all(_alike(loaded, probe, whole, probe, states) for states in found)


def _alike(loaded: LanguageModel, tree: TokenTree, states: Any, other: TokenTree, others: Any) -> bool:
    """Whether two passes over the probe gave the same states, up to the precision's rounding."""
    real = tree.mask.bool()
    one, two = (t.rows(s)[real].float() for t, s in ((tree, states), (other, others)))
    return float((one - two).norm()) <= _STATES_TOLERANCE[loaded.config.dtype] * float(one.norm())
