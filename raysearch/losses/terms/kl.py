"""Stay close to the untouched model on neutral text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from raysearch.losses.inputs import LossInputs
from raysearch.registry import register


@register("loss", "kl")
@dataclass(frozen=True)
class KullbackLeibler:
    """Preserves language: a true divergence from the untouched model, not a cross-entropy.

    Formula: KL(ref || model) = sum_v p_ref(v) (log p_ref(v) - log p(v)), mean over the real tokens of a text.
    Unit: nats a token. Range: [0, inf); exactly 0 at the start. Padding is never read.
    Source: Yao et al., 2023, Large Language Model Unlearning, arXiv:2310.10683 (the retaining term).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"neutral"})

    def per_example(self, inputs: LossInputs) -> Tensor:
        """[texts]."""
        neutral = inputs.neutral_text()
        rows, columns = neutral.mask.nonzero(as_tuple=True)
        # Real tokens are picked out first: a masked product would still turn garbage in padding into NaN.
        reference = torch.log_softmax(neutral.reference_logits[rows, columns].detach(), dim=-1)
        model = torch.log_softmax(neutral.logits[rows, columns], dim=-1)
        token_kl = (reference.exp() * (reference - model)).sum(dim=-1)
        texts = token_kl.new_zeros(neutral.mask.shape[0]).index_add(0, rows, token_kl)
        return texts / neutral.mask.sum(dim=1)
