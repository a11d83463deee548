"""Token sequences as a tree: what several of them begin with is forwarded once, and there is no padding between them.

Prompts of one template, answers to one prompt and rows of one table begin alike. In a causal model a token's hidden
state depends on the tokens before it alone, so sequences that share a beginning share its states. A *node* is a token
with all that comes before it; nodes lie one after another in *packs*, and an attention mask lets each node see itself
and its ancestors, nothing else. The result is that of the sequences one by one, up to rounding (tested for every
family). `benchmarks/tokens.py` counts what it saves.

Source: tree attention, as in Miao et al., 2024, SpecInfer, arXiv:2305.09781, there for decoding.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NODES_PER_PACK = 256
"""Every node is compared with every other of its pack: at this size that is a tenth of a small model's arithmetic."""
_NODES_PER_PASS = 1024
"""Of one forward pass: on 2 cores larger batches gain nothing and cost memory."""


@dataclass(frozen=True, eq=False)
class TokenTree:
    """Sequences, ready for one forward pass.

    Attributes:
        input_ids: [packs, nodes] token of each node; what fills up a pack is seen by nobody.
        position_ids: [packs, nodes] a node's place in its sequences.
        visible: [packs, nodes, nodes] whether the first node sees the second; None where packs are plain sequences.
        attention_mask: [packs, nodes] 1 for real tokens, of plain sequences.
        node: [rows, tokens] index of each sequence's nodes among the packs' nodes laid end to end.
        mask: [rows, tokens] 1 for real tokens of the sequences, 0 for padding.
        digest: of what is forwarded.
    """

    input_ids: Tensor
    position_ids: Tensor
    visible: Tensor | None
    attention_mask: Tensor
    node: Tensor
    mask: Tensor
    digest: str

    @property
    def nodes(self) -> int:
        """Nodes that stand for tokens."""
        return int(self.attention_mask.sum())

    @property
    def tokens(self) -> int:
        """Real tokens of all sequences."""
        return int(self.mask.sum())

    def rows(self, hidden: Tensor) -> Tensor:
        """[packs, nodes, width] -> [rows, tokens, width]; in padding stands what is at the first node."""
        return hidden.flatten(0, 1)[self.node]


def plant(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str, share: bool = True) -> TokenTree:
    """Puts sequences into packs.

    Args:
        rows: token ids; at least one in each.
        pad_id: fills up packs.
        device: where the tensors go.
        share: False makes every sequence a pack of its own, padded on the right.
    """
    packs = _shared(rows) if share else [_plain(index, row) for index, row in enumerate(rows)]
    longest = max(len(pack.ids) for pack in packs)
    padded = [longest - len(pack.ids) for pack in packs]
    node: list[list[int]] = [[] for _ in rows]
    for place, pack in enumerate(packs):
        for row, nodes in pack.of_row.items():
            node[row] = [place * longest + index for index in nodes]
    index, mask = pad(node, 0)
    ids = torch.tensor([pack.ids + [pad_id] * more for pack, more in zip(packs, padded, strict=True)])
    depths = torch.tensor([pack.depths + [0] * more for pack, more in zip(packs, padded, strict=True)])
    real = torch.tensor([[1] * len(pack.ids) + [0] * more for pack, more in zip(packs, padded, strict=True)])
    visible = torch.stack([_visible(pack, longest) for pack in packs]) if share else None
    parents = repr([pack.parents for pack in packs] if share else None)
    digest = hashlib.sha256(
        ids.numpy().tobytes() + real.numpy().tobytes() + f"{ids.shape} {parents}".encode()
    ).hexdigest()
    return TokenTree(
        input_ids=ids.to(device),
        position_ids=depths.to(device),
        visible=None if visible is None else visible.to(device),
        attention_mask=real.to(device),
        node=index.to(device),
        mask=mask.to(device),
        digest=digest,
    )


@dataclass(frozen=True)
class _Pack:
    """Nodes in an order in which parents come first."""

    ids: list[int]
    parents: list[int]
    depths: list[int]
    of_row: dict[int, list[int]]


def _plain(index: int, row: Sequence[int]) -> _Pack:
    places = list(range(len(row)))
    return _Pack(list(row), [place - 1 for place in places], places, {index: places})


def _shared(rows: Sequence[Sequence[int]]) -> list[_Pack]:
    """Sorted sequences share with their neighbours what any two of them share; a pack is closed when it is full."""
    limit = max(NODES_PER_PACK, *(len(row) for row in rows))
    packs: list[_Pack] = []
    last: Sequence[int] = ()
    path: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: tuple(rows[i])):
        row = rows[index]
        common = _common(last, row)
        if not packs or len(packs[-1].ids) + len(row) - common > limit:
            packs.append(_Pack([], [], [], {}))
            common = 0
        pack, path = packs[-1], path[:common]
        for depth in range(common, len(row)):
            pack.parents.append(path[-1] if path else -1)
            path.append(len(pack.ids))
            pack.ids.append(row[depth])
            pack.depths.append(depth)
        pack.of_row[index] = list(path)
        last = row
    return packs


def _visible(pack: _Pack, size: int) -> Tensor:
    """[size, size] each node sees itself and what its parent sees; filling sees itself: a softmax needs something."""
    visible = torch.eye(size, dtype=torch.bool)
    for node, parent in enumerate(pack.parents):
        if parent >= 0:
            visible[node] |= visible[parent]
    return visible


def pad(rows: Sequence[Sequence[int]], value: int) -> tuple[Tensor, Tensor]:
    """Pads integer rows on the right. Returns ([rows, longest], mask of the same shape, 1 for real entries)."""
    longest = max(len(row) for row in rows)
    padded = torch.tensor([[*row, *([value] * (longest - len(row)))] for row in rows], dtype=torch.long)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=torch.long)
    return padded, mask


def chunks(rows: Sequence[Sequence[int]], share: bool = True) -> list[list[int]]:
    """Which rows to forward together: neighbours in the tree, or rows of like length where nothing is shared."""
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i]) if share else (len(rows[i]), *rows[i]))
    found: list[list[int]] = []
    size, last = 0, ()  # type: tuple[int, Sequence[int]]
    for index in order:
        row = rows[index]
        new = len(row) - (_common(last, row) if share else 0)
        full = size + new if share else (len(found[-1]) + 1 if found else 1) * len(row)
        if not found or full > _NODES_PER_PASS:
            found.append([])
            size, new = 0, len(row)
        found[-1].append(index)
        size, last = size + new, row
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with."""
    shortest = min(len(one), len(other))
    return next((i for i in range(shortest) if one[i] != other[i]), shortest)


def count_nodes(rows: Sequence[Sequence[int]]) -> int:
    """Nodes of the tree of all sequences: the fewest tokens that a causal model must be given for them."""
    ordered = sorted({tuple(row) for row in rows})
    return sum(map(len, ordered)) - sum(_common(last, row) for last, row in itertools.pairwise(ordered))
