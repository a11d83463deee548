"""Random inputs of loss terms, in float64, with padding."""

from __future__ import annotations

import torch

from raysearch.losses.inputs import Answers, LossInputs, Neutral


def answers(seed: int, pairs: int = 4, tokens: int = 3) -> Answers:
    """Log-probabilities with rows of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    logps = -torch.rand(pairs, tokens, generator=generator, dtype=torch.float64) * 4 - 0.1
    lengths = torch.arange(pairs) % tokens + 1
    return Answers(logps, torch.arange(tokens)[None] < lengths[:, None])


def neutral(seed: int, texts: int = 3, tokens: int = 4, vocabulary: int = 5) -> Neutral:
    """Logits of a model and of its reference, with rows of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    shape = (texts, tokens, vocabulary)
    lengths = torch.arange(texts) % tokens + 2
    return Neutral(
        torch.randn(shape, generator=generator, dtype=torch.float64),
        torch.randn(shape, generator=generator, dtype=torch.float64),
        torch.arange(tokens)[None] < lengths[:, None],
    )


def inputs_for(needs: frozenset[str], seed: int = 0) -> LossInputs:
    """Exactly the inputs that a term declares."""
    given = {}
    if "answers" in needs:
        given |= {"stereotype": answers(seed), "anti_stereotype": answers(seed + 1)}
    if "reference_answers" in needs:
        given |= {"reference_stereotype": answers(seed + 2), "reference_anti_stereotype": answers(seed + 3)}
    if "refusal" in needs:
        given |= {"refusal": answers(seed + 5)}
    if "neutral" in needs:
        given |= {"neutral": neutral(seed + 4)}
    return LossInputs(**given)
