"""Sequences as a tree: every token of every sequence is there once, and sees what it would see alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from raysearch.models.token_tree import NODES_PER_PACK, chunks, count_nodes, plant

ROWS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=12)


@given(ROWS, st.booleans())
def test_rows_come_back_and_see_themselves_alone(rows: list[list[int]], share: bool) -> None:
    tree = plant(rows, 9, "cpu", share)
    ids = tree.rows(tree.input_ids.unsqueeze(-1)).squeeze(-1)
    depth = tree.position_ids.flatten()
    for index, row in enumerate(rows):
        nodes = tree.node[index, : len(row)]
        assert ids[index, : len(row)].tolist() == row
        assert tree.mask[index].sum() == len(row)
        assert depth[nodes].tolist() == list(range(len(row)))
        if tree.visible is not None:
            pack, size = int(nodes[0]) // tree.input_ids.shape[1], tree.input_ids.shape[1]
            seen = tree.visible[pack, nodes[-1] % size].nonzero().flatten() + pack * size
            assert sorted(seen.tolist()) == sorted(nodes.tolist())
    if share and count_nodes(rows) <= NODES_PER_PACK:
        assert tree.nodes == count_nodes(rows) == len({tuple(row[: i + 1]) for row in rows for i in range(len(row))})


@given(ROWS, st.booleans())
def test_chunks_hold_every_row_once(rows: list[list[int]], share: bool) -> None:
    assert sorted(index for chunk in chunks(rows, share) for index in chunk) == list(range(len(rows)))


def test_a_full_pack_is_closed_and_a_long_row_has_room() -> None:
    rows = [[number, *range(100)] for number in range(5)] + [[7] * (NODES_PER_PACK + 20)]
    tree = plant(rows, 0, "cpu")
    assert tree.input_ids.shape[0] == 4  # the long row sets the size: two of 101 a pack, and itself
    assert tree.tokens == sum(map(len, rows))
    assert torch.equal(tree.mask.sum(dim=1), torch.tensor([101] * 5 + [NODES_PER_PACK + 20]))


def test_the_digest_is_of_what_is_forwarded() -> None:
    one = plant([[1, 2, 3], [1, 2, 4]], 0, "cpu")
    assert one.digest == plant([[1, 2, 3], [1, 2, 4]], 0, "cpu").digest
    others = [plant([[1, 2, 3], [1, 2, 4]], 0, "cpu", share=False), plant([[1, 2, 3, 4]], 0, "cpu")]
    assert len({one.digest, *(other.digest for other in others)}) == 3
