"""How many floating-point operations a step of unlearning needs, counted and not measured.

A product of [n, k] and [k, m] is 2 n k m operations, and only such products count. What the method needs is less than
what a library does by itself: two sequences that begin alike have the same hidden states there, so a prefix is computed
once; the vocabulary head is applied where a token is predicted; nothing flows back below the first trained block; and
a frozen weight needs the gradient of its input alone, so of a linear layer the backward pass costs what the forward
pass does, and the small factors of its adapter twice what they do.

    PREFIX TREE of "the man is", "the man was", "the woman is": 6 tokens instead of 9
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama-like model.

    Attributes:
        width: of the hidden states.
        inner: of the gated feed-forward part.
        blocks: how many.
        queries: attention heads times their size.
        keys: key and value heads times their size.
        vocabulary: rows of the head.
    """

    width: int
    inner: int
    blocks: int
    queries: int
    keys: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> Shape:
        """From transformers' configuration of a model."""
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            config.hidden_size,
            config.intermediate_size,
            config.num_hidden_layers,
            config.num_attention_heads * size,
            config.num_key_value_heads * size,
            config.vocab_size,
        )

    @property
    def inputs(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of the linear layers that read a block's input: query, key, value."""
        return ((self.width, self.queries), (self.width, self.keys), (self.width, self.keys))

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of all linear layers of a block."""
        feed_forward = ((self.width, self.inner), (self.width, self.inner), (self.inner, self.width))
        return (*self.inputs, (self.queries, self.width), *feed_forward)


@dataclass(frozen=True)
class Work:
    """What is forwarded.

    Attributes:
        tokens: positions that go through the blocks.
        attended: over those positions, how many each attends to, added up.
        places: positions where the head is applied.
    """

    tokens: int
    attended: int
    places: int

    def __add__(self, other: Work) -> Work:
        return Work(self.tokens + other.tokens, self.attended + other.attended, self.places + other.places)


def needed(sequences: Iterable[tuple[Sequence[int], int]]) -> Work:
    """The least work for the log-probabilities of some sequences' ends: every distinct prefix once.

    Args:
        sequences: (token ids, position of the first token whose log-probability is asked for).
    """
    prefixes: set[tuple[int, ...]] = set()
    places: set[tuple[int, ...]] = set()
    for ids, first in sequences:
        read = [tuple(ids[:length]) for length in range(1, len(ids))]  # the last token is never an input
        prefixes.update(read)
        places.update(read[first - 1 :])
    return Work(len(prefixes), sum(len(prefix) for prefix in prefixes), len(places))


def whole(lengths: Iterable[int], head: bool = True) -> Work:
    """The work for whole texts that have nothing in common, with the head at every token or nowhere."""
    counted = list(lengths)
    tokens = sum(counted)
    return Work(tokens, sum(n * (n + 1) // 2 for n in counted), tokens if head else 0)


def forward(shape: Shape, work: Work, blocks: int, rank: int = 0) -> int:
    """Operations of the forward pass through so many blocks, without the head; with adapters where there is a rank."""
    linear = 2 * work.tokens * sum(i * o for i, o in shape.linears)
    return blocks * (linear + _adapters(shape.linears, work.tokens, rank) + 4 * work.attended * shape.queries)


def backward(shape: Shape, work: Work, blocks: int, rank: int) -> int:
    """Operations of the backward pass through so many trained blocks, without the head.

    Each linear layer's input gets its gradient, but that of the lowest block, which nobody needs; each adapter's two
    factors get theirs, and pass one on.
    """
    linear = 2 * work.tokens * sum(i * o for i, o in shape.linears)
    attention = 8 * work.attended * shape.queries
    whole_blocks = blocks * (linear + 2 * _adapters(shape.linears, work.tokens, rank) + attention)
    saved = 2 * work.tokens * sum(i * o + i * rank for i, o in shape.inputs)
    return whole_blocks - saved


def head(shape: Shape, work: Work) -> int:
    """Operations of one pass through the vocabulary head."""
    return 2 * work.places * shape.width * shape.vocabulary


def step(shape: Shape, work: Work, trained: int, rank: int) -> int:
    """Operations of a training step above the lowest trained block: forward, backward, and the head both ways.

    The blocks below are frozen, so their output is the same at every step (``forward`` counts it, once a text).
    """
    through = forward(shape, work, trained, rank) + backward(shape, work, trained, rank)
    return through + 2 * head(shape, work)


def _adapters(linears: Iterable[tuple[int, int]], tokens: int, rank: int) -> int:
    return 2 * tokens * rank * sum(i + o for i, o in linears)
