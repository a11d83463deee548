"""A causal language model with its tokenizer, loaded from safetensors only, and the one way to read logits from it.

The vocabulary head costs about as much as the whole backbone of a small model, so hidden states and head are called
apart: ``hidden_states`` runs the backbone, ``logits`` applies the head to the few positions that are needed. Loading
compares this split with the model's own logits on a probe and refuses a model for which the two differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from raysearch.config.schema import ModelConfig
from raysearch.errors import AssetError, TrialError
from raysearch.models.checkpointing import checkpoint_activations
from raysearch.models.sharding import shard_blocks
from raysearch.models.sources import ModelFiles, resolve

_PROBE_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.1}
"""Largest difference between our logits and the model's own: rounding in the precision's last digits, no more."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A loaded model. ``model`` may be wrapped by an adapter for a while; the wrapper shares its weights.

    Attributes:
        model: the causal LM, in evaluation mode, no parameter requiring a gradient.
        tokenizer: its tokenizer, padding on the right.
        digest: content digest of the weights (or hub id and revision).
        device: where the weights are.
    """

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    digest: str
    device: torch.device
    config: ModelConfig = field(default_factory=ModelConfig)

    @property
    def pad_id(self) -> int:
        """Id that fills up short rows; masked everywhere, so its value never matters."""
        for token_id in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if isinstance(token_id, int):
                return token_id
        return 0


def hidden_states(model: nn.Module, input_ids: Tensor, attention_mask: Tensor, layer: int | None = None) -> Tensor:
    """Last hidden state of the backbone, after its final norm; no logits are computed.

    Args:
        model: a causal LM, or an adapter around one.
        input_ids: [rows, tokens], padded on the right.
        attention_mask: [rows, tokens], 1 for real tokens.
        layer: hidden states after so many blocks instead.

    Returns:
        [rows, tokens, width].

    Raises:
        TrialError: the model has fewer blocks.
    """
    backbone: Any = _causal_lm(model).get_decoder()
    given = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
    if layer is None:
        last: Tensor = backbone(**given).last_hidden_state
        return last
    states: tuple[Tensor, ...] = backbone(**given, output_hidden_states=True).hidden_states
    if layer >= len(states):
        raise TrialError(f"the model has {len(states) - 1} blocks; downstream.layer is {layer}. Lower it.")
    return states[layer]


def logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Vocabulary logits of hidden states, in float32, with the family's soft cap where it has one.

    Args:
        model: a causal LM, or an adapter around one.
        hidden: [..., width].

    Returns:
        [..., vocabulary].
    """
    causal = _causal_lm(model)
    scores: Tensor = causal.get_output_embeddings()(hidden).float()
    cap = getattr(causal.config.get_text_config(), "final_logit_softcapping", None)
    return scores if cap is None else torch.tanh(scores / cap) * cap


def _causal_lm(model: nn.Module) -> Any:
    causal: Any = model
    return causal.get_base_model() if hasattr(causal, "get_base_model") else causal


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
    loaded = LanguageModel(model=model, tokenizer=tokenizer, digest=files.digest, device=device, config=config)
    _check_split(loaded)
    if config.sharding == "fsdp2":
        shard_blocks(loaded.model, device)
    return loaded


def _load_failure(config: ModelConfig, files: ModelFiles, error: Exception) -> str:
    words = " ".join(str(error).split())
    if "scaled_dot_product_attention" in words:
        return f"model '{config.source}': its architecture has no sdpa attention. Set `model: {{attention: eager}}`."
    return (
        f"model '{config.source}': transformers could not load {files.location}: {words[:300]} "
        "Give a folder with config.json, tokenizer and safetensors, or a name that `raysearch fetch --list` shows."
    )


@torch.no_grad()
def _check_split(loaded: LanguageModel) -> None:
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    probe = torch.arange(3, 9, device=loaded.device).remainder(vocabulary).unsqueeze(0)
    mask = torch.ones_like(probe)
    own = loaded.model(input_ids=probe, attention_mask=mask, use_cache=False).logits.float()
    ours = logits(loaded.model, hidden_states(loaded.model, probe, mask))
    difference = float((own - ours).abs().max())
    if not difference <= _PROBE_TOLERANCE[loaded.config.dtype] * max(1.0, float(own.abs().max())):
        raise AssetError(
            f"model '{loaded.config.source}': its logits are not its head applied to its backbone (they differ by "
            f"{difference:.3g}); raysearch does not support this architecture "
            f"({type(loaded.model).__name__}). Use a Llama, Phi-3 or Gemma family model."
        )
