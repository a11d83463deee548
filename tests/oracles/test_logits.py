"""transformers' own logits are the oracle of the split into backbone and head, of answers and of likelihoods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from raysearch.config.schema import ModelConfig
from raysearch.models.answers import answer_logps, encode, score, tokenize
from raysearch.models.backbone import hidden_states, logits
from raysearch.models.features import pooled_features, text_logps, tokenize_texts
from raysearch.models.language_model import load
from raysearch.models.token_tree import count_nodes, plant
from tests.conftest import save_tiny_model

PROMPTS = ["The wealthy person in this photograph is a", "The poor people are", "The poor people are"]
ANSWERS = [" man", " grandmothers of ours", " women"]


@pytest.mark.parametrize("family", ["llama", "phi3", "gemma2", "gemma3_text"])
def test_head_of_backbone_equals_the_models_own_logits(family: str, tmp_path: Path) -> None:
    attention = "eager" if family == "gemma2" else "sdpa"
    lm = load(ModelConfig(source=str(save_tiny_model(tmp_path / family, family)), attention=attention))
    ids = torch.tensor([[5, 17, 44, 9, 120], [7, 8, 1, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    own = lm.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    assert lm.longest_shared == 256 and lm.splits
    for share in (False, True):
        tree = plant([[5, 17, 44, 9, 120], [7, 8]], lm.pad_id, "cpu", share)
        ours = tree.rows(logits(lm.model, hidden_states(lm.model, tree)))
        torch.testing.assert_close(ours[mask.bool()], own[mask.bool()], rtol=1e-5, atol=1e-5)


def test_answer_logps_equal_those_read_from_full_logits(tiny_lm) -> None:
    batch = encode(tiny_lm, PROMPTS, ANSWERS)
    ours = answer_logps(tiny_lm.model, batch)
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        prompt_ids, answer_ids = tokenize(tiny_lm, prompt, answer)
        own = torch.log_softmax(tiny_lm.model(torch.tensor([prompt_ids + answer_ids])).logits[0], dim=-1)
        for position, token in enumerate(answer_ids):
            expected = own[len(prompt_ids) - 1 + position, token]
            torch.testing.assert_close(ours[row, position], expected, rtol=1e-5, atol=1e-5)
        assert not batch.mask[row, len(answer_ids) :].any()


def test_the_tokens_of_prompt_and_answer_are_those_of_the_whole_text(tiny_lm) -> None:
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        prompt_ids, answer_ids = tokenize(tiny_lm, prompt, answer)
        assert prompt_ids + answer_ids == tiny_lm.tokenizer(prompt + answer)["input_ids"]
        assert tiny_lm.tokenizer.decode(answer_ids) == answer


def test_an_answer_without_a_token_of_its_own_is_refused(tiny_lm) -> None:
    with pytest.raises(ValueError, match="no token of its own"):
        tokenize(tiny_lm, "The poor people are", "")


def test_what_inputs_begin_with_is_forwarded_once(tiny_lm) -> None:
    prompts, answers = ["The age is", "The age is", "The age was"], [" 34", " 3", " grandmothers of ours"]
    batch = encode(tiny_lm, prompts, answers)
    inputs = [(p := tokenize(tiny_lm, *both))[0] + p[1][:-1] for both in zip(prompts, answers, strict=True)]
    assert batch.tree.nodes == count_nodes(inputs) < sum(map(len, inputs))


def test_scores_do_not_depend_on_order_or_batch_size(tiny_lm) -> None:
    total, count = score(tiny_lm, tiny_lm.model, PROMPTS, ANSWERS, rows_per_batch=1)
    reversed_total, _ = score(tiny_lm, tiny_lm.model, PROMPTS[::-1], ANSWERS[::-1], rows_per_batch=3)
    torch.testing.assert_close(total, reversed_total.flip(0), rtol=1e-5, atol=1e-5)
    assert count.tolist() == [len(tokenize(tiny_lm, p, a)[1]) for p, a in zip(PROMPTS, ANSWERS, strict=True)]


def test_likelihood_of_a_text_equals_that_of_full_logits(tiny_lm) -> None:
    texts = ["Rain fell on the hills and the river rose.", "Copper"]
    tokens = tokenize_texts(tiny_lm, texts, 64)
    total, count = text_logps(tiny_lm, tiny_lm.model, tokens)
    for row, ids in enumerate(tokens.ids):
        own = torch.log_softmax(tiny_lm.model(torch.tensor([ids])).logits[0], dim=-1)
        expected = sum(float(own[i, ids[i + 1]]) for i in range(len(ids) - 1))
        assert total[row] == pytest.approx(expected, rel=1e-5)
        assert count[row] == len(ids) - 1


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_features_equal_those_of_one_text_alone(tiny_lm, pooling) -> None:
    texts = ["The age is 34.", "The sex is female. The education level is bachelor's degree.", "The age"]
    together = pooled_features(tiny_lm, tiny_lm.model, tokenize_texts(tiny_lm, texts, 64), pooling)
    for row, text in enumerate(texts):
        ids = torch.tensor([tiny_lm.tokenizer(text)["input_ids"]])
        own = tiny_lm.model(ids, output_hidden_states=True).hidden_states[-1][0].detach().numpy()
        expected = own.mean(axis=0) if pooling == "mean" else own[-1]
        np.testing.assert_allclose(together[row], expected, rtol=1e-4, atol=1e-5)


def test_texts_cut_at_the_limit_are_counted(tiny_lm) -> None:
    tokens = tokenize_texts(tiny_lm, ["The age is 34. " * 20, "The age"], 16)
    assert tokens.truncated == 1
    assert len(tokens.ids[0]) == 16
