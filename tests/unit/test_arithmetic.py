"""The benchmarks' count of operations, against torch's own counter of what it runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.arithmetic import Shape, Work, backward, forward, head, needed, step, whole

RANK, LENGTH = 4, 7
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.fixture
def model() -> Any:
    config = LlamaConfig(**SIZES, num_hidden_layers=3, vocab_size=50, attn_implementation="eager")
    return LlamaForCausalLM(config).requires_grad_(False).eval()


def adapted(model: Any, blocks: list[int]) -> Any:
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = LoraConfig(r=RANK, target_modules=names, layers_to_transform=blocks, lora_dropout=0.0)
    return get_peft_model(model, lora)


def counted(run: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


EVERYWHERE = Work(tokens=2 * LENGTH, attended=2 * LENGTH * LENGTH, places=2 * LENGTH)
"""Two rows with eager attention, which multiplies the masked half too."""


@pytest.mark.parametrize("trained", [1, 3])
def test_forward_and_backward_are_what_torch_counts(model: Any, trained: int) -> None:
    shape, ids = Shape.of(model.config), torch.arange(2 * LENGTH).reshape(2, LENGTH)
    wrapped, outputs = adapted(model, list(range(3 - trained, 3))), []
    of_forward = counted(lambda: outputs.append(wrapped(input_ids=ids).logits))
    of_backward = counted(lambda: outputs[0].sum().backward())
    below = forward(shape, EVERYWHERE, 3 - trained)
    assert of_forward == below + forward(shape, EVERYWHERE, trained, RANK) + head(shape, EVERYWHERE)
    assert of_backward == backward(shape, EVERYWHERE, trained, RANK) + head(shape, EVERYWHERE)
    assert of_forward + of_backward == below + step(shape, EVERYWHERE, trained, RANK)


def test_a_prefix_counts_once_and_the_head_where_a_token_is_predicted() -> None:
    sequences = [([1, 2, 3], 2), ([1, 2, 4], 2), ([1, 5, 6, 7], 2)]
    assert needed(sequences) == Work(tokens=4, attended=1 + 2 + 2 + 3, places=3)


def test_whole_texts_attend_to_what_came_before() -> None:
    assert whole([3, 2]) == Work(tokens=5, attended=6 + 3, places=5)
    assert whole([3], head=False).places == 0
