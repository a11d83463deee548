"""Hidden states of a causal language model apart from the logits of its head, and lower blocks apart from upper ones.

The vocabulary head costs about as much as the whole backbone of a small model, so it is applied only where it is asked
for. Where only upper blocks are trained, the states that enter the first of them never change: they are computed once
(``entering``) and the pass begins there (``leaving``). Both are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from raysearch.errors import TrialError
from raysearch.models.blocks import BLOCK, blocks_of
from raysearch.models.token_tree import TokenTree


def hidden_states(model: nn.Module, tree: TokenTree, layer: int | None = None) -> Tensor:
    """Last hidden state of the backbone, after its final norm; no logits are computed.

    Args:
        model: a causal LM, or an adapter around one.
        tree: what to forward.
        layer: hidden states after so many blocks instead; those above are not computed.

    Returns:
        [packs, nodes, width].

    Raises:
        TrialError: the model has fewer blocks.
    """
    if layer is not None:
        blocks = len(blocks_of(_backbone(model)))
        if layer > blocks:
            raise TrialError(f"the model has {blocks} blocks; downstream.layer is {layer}. Lower it.")
        if layer < blocks:
            return entering(model, tree, layer)
    return _forward(model, tree)


class _ReachedError(Exception):
    """Carries the states that enter a block out of the pass, which ends there."""

    def __init__(self, states: Tensor) -> None:
        super().__init__("the block is reached")
        self.states = states


def entering(model: nn.Module, tree: TokenTree, block: int) -> Tensor:
    """Hidden states that enter a block, [packs, nodes, width]; it and those above are not computed."""

    def reached(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _ReachedError(args[0] if args else kwargs["hidden_states"])

    handle = blocks_of(_backbone(model))[block].register_forward_pre_hook(reached, with_kwargs=True)
    try:
        _forward(model, tree)
    except _ReachedError as stopped:
        return stopped.states
    finally:
        handle.remove()
    raise TrialError(f"{type(model).__name__} never came to its block {block}")


def leaving(model: nn.Module, tree: TokenTree, block: int, states: Tensor) -> Tensor:
    """Last hidden state, after the final norm, given the states that enter a block; those below are not computed.

    Args:
        model: a causal LM, or an adapter around one, unchanged below the block.
        tree: what ``states`` are of.
        block: the first that is computed.
        states: [packs, nodes, width] from ``entering``.
    """

    def put(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})

    blocks = blocks_of(_backbone(model))
    handle = blocks[block].register_forward_pre_hook(put, with_kwargs=True)
    try:
        with _passed_over(blocks[:block]):
            return _forward(model, tree)
    finally:
        handle.remove()


@contextmanager
def _passed_over(blocks: Any) -> Iterator[None]:
    """Within the block these hand on what they are given."""
    own = [block.__dict__.get("forward") for block in blocks]
    for block in blocks:
        block.forward = _hand_on  # where blocks give more than their states, ``language_model.probed`` has refused
    try:
        yield
    finally:
        for block, forward in zip(blocks, own, strict=True):
            if forward is None:
                del block.forward
            else:
                block.forward = forward


def _hand_on(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return hidden_states


def first_changed(model: nn.Module) -> int:
    """The first block that may differ from the base model's, by an adapter or by training; all are the same below.

    0 where something outside the blocks may differ, the embeddings for one; the number of blocks where nothing may.
    """
    changed = [name for name, parameter in model.named_parameters() if parameter.requires_grad or ".lora_" in name]
    found = [BLOCK.search(name) for name in changed]
    if not all(found):
        return 0
    return min((int(block[1]) for block in found if block), default=len(blocks_of(_backbone(model))))


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


def _forward(model: nn.Module, tree: TokenTree) -> Tensor:
    backbone = _backbone(model)
    given: dict[str, Any] = {"input_ids": tree.input_ids, "attention_mask": tree.attention_mask, "use_cache": False}
    if tree.visible is not None:
        dtype = backbone.get_input_embeddings().weight.dtype
        hidden_from = torch.zeros(tree.visible.shape, dtype=dtype, device=tree.visible.device)
        hidden_from.masked_fill_(~tree.visible, torch.finfo(dtype).min)
        given |= {"attention_mask": hidden_from.unsqueeze(1), "position_ids": tree.position_ids}
    last: Tensor = backbone(**given).last_hidden_state
    return last


def _backbone(model: nn.Module) -> Any:
    return _causal_lm(model).get_decoder()


def _causal_lm(model: nn.Module) -> Any:
    causal: Any = model
    return causal.get_base_model() if hasattr(causal, "get_base_model") else causal
