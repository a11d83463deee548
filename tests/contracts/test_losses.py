"""What every registered loss term promises; a new file in ``losses/terms`` is tested here without another line."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from raysearch import registry
from raysearch.config.unlearning import LossTermConfig
from raysearch.losses.composite import CompositeLoss, check_options
from raysearch.losses.inputs import Answers, LossInputs, Neutral
from raysearch.losses.term import NEEDS
from tests.loss_inputs import inputs_for

NAMES = registry.names("loss")
LEAVES = {Answers: ("token_logps",), Neutral: ("logits", "reference_logits")}


def term(name: str):
    return registry.get("loss", name)()


def parts(inputs: LossInputs) -> dict[str, Answers | Neutral]:
    found = {field.name: getattr(inputs, field.name) for field in dataclasses.fields(inputs)}
    return {name: part for name, part in found.items() if part is not None}


def changed(inputs: LossInputs, change) -> LossInputs:
    return dataclasses.replace(inputs, **{name: change(part) for name, part in parts(inputs).items()})


def rows(inputs: LossInputs, keep) -> LossInputs:
    return changed(inputs, lambda part: type(part)(*(getattr(part, f.name)[keep] for f in dataclasses.fields(part))))


def with_garbage(inputs: LossInputs) -> LossInputs:
    """The same inputs with two more padded positions, and nonsense in all padding."""

    def pad(part):
        mask = torch.nn.functional.pad(part.mask, (0, 2))
        given = {"mask": mask}
        for leaf in LEAVES[type(part)]:
            value = getattr(part, leaf)
            fill = torch.full((value.shape[0], value.shape[1] + 2, *value.shape[2:]), 1e6, dtype=value.dtype)
            fill[:, : value.shape[1]] = value
            given[leaf] = torch.where(
                mask.reshape(*mask.shape, *[1] * (value.dim() - 2)), fill, torch.full_like(fill, 1e6)
            )
        return type(part)(**given)

    return changed(inputs, pad)


@pytest.mark.parametrize("name", NAMES)
class TestEveryTerm:
    def test_says_formula_range_and_source(self, name: str) -> None:
        doc = registry.get("loss", name).__doc__
        assert all(word in doc for word in ("Formula:", "Unit:", "Range:", "Source:"))

    def test_declares_what_it_needs_and_needs_no_more(self, name: str) -> None:
        needs = term(name).needs
        assert needs
        assert needs <= NEEDS
        for missing in needs:
            with pytest.raises(ValueError, match="must declare"):
                term(name).per_example(inputs_for(needs - {missing}))

    def test_gives_one_finite_value_an_example(self, name: str) -> None:
        inputs = inputs_for(term(name).needs)
        values = term(name).per_example(inputs)
        assert values.shape == (next(iter(parts(inputs).values())).mask.shape[0],)
        assert torch.isfinite(values).all()

    def test_does_not_see_padding(self, name: str) -> None:
        inputs = inputs_for(term(name).needs)
        torch.testing.assert_close(term(name).per_example(with_garbage(inputs)), term(name).per_example(inputs))

    def test_does_not_see_the_rest_of_the_batch(self, name: str) -> None:
        inputs = inputs_for(term(name).needs)
        whole = term(name).per_example(inputs)
        for row in range(len(whole)):
            alone = term(name).per_example(rows(inputs, slice(row, row + 1)))
            torch.testing.assert_close(alone, whole[row : row + 1])

    def test_shares_of_a_batch_add_up_to_it(self, name: str) -> None:
        loss = CompositeLoss({name: LossTermConfig(weight=0.7)})
        inputs = inputs_for(term(name).needs)
        total, _ = loss(inputs)
        count = len(term(name).per_example(inputs))
        shares = [loss(rows(inputs, keep), count, count)[0] for keep in (slice(0, 1), slice(1, None))]
        torch.testing.assert_close(sum(shares), total)

    def test_unknown_options_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} has no option 'no_such'"):
            check_options(name, {"no_such": 1})


def test_terms_of_weight_zero_are_neither_computed_nor_needed() -> None:
    loss = CompositeLoss({"kl": LossTermConfig(weight=0.0), "learn": LossTermConfig(weight=1.0)})
    assert loss.needs == {"answers"}
    _, values = loss(inputs_for(frozenset({"answers"})))
    assert set(values) == {"learn"}


def test_a_loss_without_terms_is_refused() -> None:
    with pytest.raises(ValueError, match="every loss term has weight 0"):
        CompositeLoss({"kl": LossTermConfig(weight=0.0)})(LossInputs())


def test_the_composite_is_the_weighted_sum_of_the_paper() -> None:
    weights = {"gradient_ascent": 0.3, "learn": 0.5, "probability_gap": 2.0, "kl": 1.5}
    inputs = inputs_for(frozenset({"answers", "neutral"}))
    total, _ = CompositeLoss({name: LossTermConfig(weight=w) for name, w in weights.items()})(inputs)
    ce_s, ce_a = -inputs.stereotype.mean, -inputs.anti_stereotype.mean
    p = torch.softmax(torch.stack([-ce_s, -ce_a]), dim=0)
    n = inputs.neutral
    kl = torch.stack(
        [
            torch.nn.functional.kl_div(
                n.logits[t, n.mask[t]].log_softmax(-1),
                n.reference_logits[t, n.mask[t]].log_softmax(-1),
                reduction="batchmean",
                log_target=True,
            )
            for t in range(3)
        ]
    )
    expected = -0.3 * ce_s.mean() + 0.5 * ce_a.mean() + 2.0 * (p[0] - p[1]).abs().mean() + 1.5 * kl.mean()
    torch.testing.assert_close(total, expected)


class TestKnownDefects:
    """Mistakes found in public code for this method; each would make one of these fail."""

    def test_kl_of_a_model_with_itself_is_exactly_zero_so_it_is_no_cross_entropy(self) -> None:
        inputs = inputs_for(frozenset({"neutral"}))
        same = dataclasses.replace(inputs.neutral, reference_logits=inputs.neutral.logits.clone())
        assert torch.equal(term("kl").per_example(LossInputs(neutral=same)), torch.zeros(3, dtype=torch.float64))

    def test_kl_is_that_of_the_reference_to_the_model_not_the_other_way_round(self) -> None:
        logits = torch.log(torch.tensor([[[0.5, 0.5]]], dtype=torch.float64))
        reference = torch.log(torch.tensor([[[0.9, 0.1]]], dtype=torch.float64))
        value = term("kl").per_example(LossInputs(neutral=Neutral(logits, reference, torch.tensor([[True]]))))
        expected = 0.9 * torch.log(torch.tensor(0.9 / 0.5)) + 0.1 * torch.log(torch.tensor(0.1 / 0.5))
        assert float(value) == pytest.approx(float(expected))

    def test_answers_are_normalised_by_length_not_summed(self) -> None:
        short = Answers(torch.tensor([[-1.0, 0.0]]), torch.tensor([[True, False]]))
        long = Answers(torch.tensor([[-1.0, -1.0]]), torch.tensor([[True, True]]))
        assert float(term("probability_gap").per_example(LossInputs(short, long))) == 0.0

    def test_the_mean_is_over_pairs_not_over_tokens(self) -> None:
        uneven = Answers(torch.tensor([[-1.0, 0.0], [-3.0, -3.0]]), torch.tensor([[True, False], [True, True]]))
        total, _ = CompositeLoss({"learn": LossTermConfig(weight=1.0)})(LossInputs(uneven, uneven))
        assert float(total) == 2.0

    def test_the_sigmoid_of_npo_is_a_pair_not_of_the_batch(self) -> None:
        ones = torch.ones(2, 1, dtype=torch.bool)
        model = Answers(torch.tensor([[-1.0], [-9.0]], dtype=torch.float64), ones)
        reference = Answers(torch.tensor([[-5.0], [-5.0]], dtype=torch.float64), ones)
        inputs = LossInputs(model, model, None, reference, reference)
        values = term("npo").per_example(inputs)
        by_hand = [20 * math.log(1 + math.exp(0.1 * ratio)) for ratio in (4.0, -4.0)]
        assert values.tolist() == pytest.approx(by_hand)
        assert float(values.mean()) != pytest.approx(20 * math.log(2))  # the sigmoid of the mean

    def test_sim_npo_is_normalised_by_length(self) -> None:
        short = Answers(torch.tensor([[-2.0, 0.0]]), torch.tensor([[True, False]]))
        long = Answers(torch.tensor([[-2.0, -2.0]]), torch.tensor([[True, True]]))
        one, two = (term("sim_npo").per_example(LossInputs(a, a)) for a in (short, long))
        assert float(one) == float(two) == pytest.approx(2 / 2.5 * math.log(1 + math.exp(-5.0)))

    def test_the_gap_pairs_answers_row_by_row(self) -> None:
        stereotype = Answers(torch.tensor([[-1.0], [-5.0]]), torch.ones(2, 1, dtype=torch.bool))
        anti = Answers(torch.tensor([[-5.0], [-1.0]]), torch.ones(2, 1, dtype=torch.bool))
        assert (term("probability_gap").per_example(LossInputs(stereotype, anti)) > 0.9).all()
