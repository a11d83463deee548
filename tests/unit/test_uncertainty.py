"""Bootstrap over seeds and rows: what it must give where the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raysearch.ledger.record import Estimate, Evidence, TrialRecord
from raysearch.metrics.groups import CountCube, measure
from raysearch.pareto.uncertainty import most_uncertain, probability_non_dominated
from raysearch.uncertainty.bootstrap import draws, front_members, next_replicate, objective_draws, sureness
from raysearch.uncertainty.configurations import configurations
from raysearch.uncertainty.table import configuration_frame

OBJECTIVES = {"intrinsic_gap": "minimize", "accuracy": "maximize"}
CORNER = (1.0, 0.0)
ROWS = 200
RNG = np.random.default_rng(0)
TARGET = tuple(RNG.integers(0, 2, ROWS).tolist())
GROUP = tuple((np.arange(ROWS) % 2).tolist())


def record(
    trial: int,
    gap: float,
    right: float,
    seed: int = 0,
    of: int | None = None,
    kind: str = "search",
    first: int = 0,
    **changes,
) -> TrialRecord:
    """A trial whose gap is about ``gap`` and that decides a share ``right`` of the rows rightly, from row ``first``."""
    decided = tuple(t if (i - first) % ROWS < right * ROWS else 1 - t for i, t in enumerate(TARGET))
    gaps = tuple((gap + 0.1 * np.sin(np.arange(64))).round(6).tolist())
    accuracy = float(np.mean(np.asarray(decided) == np.asarray(TARGET)))
    values = {"intrinsic_gap": float(np.abs(gaps).mean()), "accuracy": accuracy}
    fields = dict(
        study="s",
        trial=trial,
        kind="replicate" if of is not None else kind,
        replicate_of=of,
        stage="combined",
        state="complete",
        config={"seed": seed, "evaluation": {"split": "validation"}},
        seed=seed,
        objectives=values,
        constraints={"c": -1.0},
        feasible=True,
        metrics={name: Estimate(value=v, low=v - 0.05, high=v + 0.05, n=ROWS) for name, v in values.items()},
        evidence=Evidence(rows="r", target=TARGET, group=GROUP, decided=decided, pairs="p", pair_gaps=gaps),
    )
    return TrialRecord.model_validate(fields | changes)


def test_draws_have_the_mean_and_the_spread_of_the_metrics_own_intervals() -> None:
    one = record(0, 0.4, 0.7)
    drawn = draws(configurations([one]), ["accuracy", "intrinsic_gap"], 2000, 0)[:, 0]
    cube = CountCube.from_predictions(
        np.asarray(GROUP), np.asarray(TARGET), np.asarray(one.evidence.decided), ["0", "1"]
    )
    known = measure(cube, 1, 2000, 0.95, 0)["accuracy"]
    assert drawn[:, 0].mean() == pytest.approx(known.value, abs=0.005)
    assert np.quantile(drawn[:, 0], [0.025, 0.975]) == pytest.approx([known.low, known.high], abs=0.02)
    assert drawn[:, 1].mean() == pytest.approx(one.metrics["intrinsic_gap"].value, abs=0.005)


def test_configurations_on_the_same_rows_are_compared_on_the_same_draws() -> None:
    """Two configurations that decide alike differ in no draw, however wide the interval of each."""
    found = configurations([record(0, 0.4, 0.7), record(1, 0.4, 0.7)])
    drawn = draws(found, ["accuracy", "intrinsic_gap"], 200, 0)
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert drawn[:, 0, 0].std() > 0.01
    better = draws(configurations([record(0, 0.4, 0.7), record(1, 0.4, 0.71)]), ["accuracy"], 500, 0)[..., 0]
    assert (better[:, 1] >= better[:, 0]).all()


def test_a_sets_gap_is_drawn_from_its_own_pairs_and_moves_with_the_gap_of_all() -> None:
    one = record(0, 0.4, 0.7)
    gaps = (*[0.1] * 32, *np.linspace(-1.0, 1.0, 32).tolist())
    evidence = one.evidence.model_copy(update={"pair_gaps": gaps, "pair_sets": (("flat", 32), ("steep", 32))})
    names = ["intrinsic_gap", "intrinsic_gap.flat", "intrinsic_gap.steep", "intrinsic_signed_gap.steep"]
    metrics = {name: Estimate(value=0.5, low=0.4, high=0.6, n=32) for name in names}
    known = one.model_copy(update={"evidence": evidence, "metrics": metrics})
    whole, flat, steep, signed = draws(configurations([known]), names, 2000, 0)[:, 0].T
    assert flat == pytest.approx(0.1) and whole == pytest.approx((flat + steep) / 2)
    assert steep.mean() == pytest.approx(np.abs(gaps[32:]).mean(), abs=0.01)
    assert steep.std() == pytest.approx(np.abs(gaps[32:]).std() / np.sqrt(32), rel=0.1)
    assert abs(signed.mean()) < 0.02 < 0.09 < signed.std()
    older = one.model_copy(update={"metrics": metrics})  # written before sets were told apart
    assert draws(configurations([older]), names[2:3], 2000, 0).std() == pytest.approx(0.1 / 1.96, rel=0.1)


def test_a_further_attributes_metric_is_drawn_from_the_same_rows() -> None:
    one = record(0, 0.4, 0.7)
    name = "accuracy.origin"
    metrics = one.metrics | {name: one.metrics["accuracy"]}
    everybody = {"origin": tuple(i % 3 for i in range(ROWS))}
    kept = slice(115, 165)  # half of them decided rightly
    some = {"origin": tuple(i % 2 if kept.start <= i < kept.stop else -1 for i in range(ROWS))}
    for also_by, same in ((everybody, True), (some, False)):
        evidence = one.evidence.model_copy(update={"also_by": also_by})
        known = one.model_copy(update={"evidence": evidence, "metrics": metrics})
        all_rows, measured = draws(configurations([known]), ["accuracy", name], 500, 0)[:, 0].T
        assert np.array_equal(all_rows, measured) == same
        if not same:
            right = np.asarray(one.evidence.decided) == np.asarray(TARGET)
            assert measured.mean() == pytest.approx(right[kept].mean(), abs=0.02)
            assert measured.std() > 1.5 * all_rows.std()


def test_a_bound_on_a_crossed_attribute_moves_with_its_metric() -> None:
    bounded = "accuracy.sex x race >= 0.7"
    one = record(0, 0.4, 0.7)
    held = {**one.metrics, "accuracy.sex x race": one.metrics["accuracy"]}
    evidence = one.evidence.model_copy(update={"also_by": {"sex x race": one.evidence.group}})
    known = one.model_copy(update={"metrics": held, "evidence": evidence, "constraints": {bounded: -0.001}})
    probability = sureness(configurations([known]), OBJECTIVES, CORNER).probability[0]
    assert 0.3 < probability < 0.7, "the bound lies in the middle of what the metric might as well have been"


def test_replicates_are_one_configuration_with_mean_standard_error_and_count() -> None:
    found = configurations([record(3, 0.4, 0.7), record(9, 0.4, 0.8, 1, of=3), record(4, 0.2, 0.6)])
    assert [c.trial for c in found] == [3, 4]
    spread = found[0].spread("accuracy")
    assert (spread.mean, spread.count) == (pytest.approx(0.75), 2)
    assert spread.standard_error == pytest.approx(np.std([0.7, 0.8], ddof=1) / np.sqrt(2))
    assert np.isnan(found[1].spread("accuracy").standard_error)


def test_the_chance_of_seeds_widens_the_draws_of_all_configurations_and_more_seeds_narrow_them() -> None:
    single = record(0, 0.4, 0.7)
    twice = [record(1, 0.3, 0.6), record(2, 0.3, 0.9, 1, of=1)]
    alone = draws(configurations([single]), ["accuracy"], 2000, 0)[:, 0, 0].std()
    with_noise = draws(configurations([single, *twice]), ["accuracy"], 2000, 0)[..., 0].std(axis=0)
    assert with_noise[0] > 2 * alone, "what two seeds show of one configuration holds for the other, too"
    assert with_noise[1] < with_noise[0]


def test_probability_of_a_dominated_an_infeasible_and_a_lone_best() -> None:
    records = [record(0, 0.2, 0.9), record(1, 0.6, 0.5), record(2, 0.01, 0.99, constraints={"c": 0.1}, feasible=False)]
    found = configurations(records)
    sure = sureness(found, OBJECTIVES, CORNER)
    assert sure.probability == {0: 1.0, 1: 0.0, 2: 0.0}
    value, low, high = sure.hypervolume
    assert low < value < high
    assert value == pytest.approx((1 - records[0].metrics["intrinsic_gap"].value) * 0.9)
    assert not sure.seed_noise_known
    assert front_members(found, OBJECTIVES) == {0}


def test_more_seeds_go_where_it_is_least_certain() -> None:
    records = [record(0, 0.2, 0.75), record(1, 0.201, 0.745, first=100), record(2, 0.9, 0.3), record(3, 0.25, 0.6)]
    chosen = next_replicate(configurations(records), OBJECTIVES, {}, 5)
    assert chosen is not None and chosen.trial == 1
    again = next_replicate(configurations(records), OBJECTIVES, {1: 4}, 5)
    assert again is None or again.trial != 1
    assert next_replicate([], OBJECTIVES, {}, 5) is None
    anchors = [record(0, 0.2, 0.75, kind="anchor"), record(1, 0.201, 0.745, kind="anchor")]
    assert next_replicate(configurations(anchors), OBJECTIVES, {}, 5) is None


def test_most_uncertain_is_the_largest_variance_a_seed() -> None:
    assert most_uncertain(np.array([0.9, 0.5, 0.4]), np.array([1.0, 1.0, 1.0]), 5) == 1
    assert most_uncertain(np.array([0.9, 0.5, 0.4]), np.array([1.0, 3.0, 1.0]), 5) == 2
    assert most_uncertain(np.array([1.0, 0.0]), np.array([1.0, 1.0]), 5) is None
    assert most_uncertain(np.array([0.5]), np.array([5.0]), 5) is None


def test_probabilities_are_shares_of_draws() -> None:
    drawn = np.array([[[0.0], [1.0]], [[1.0], [0.0]], [[0.0], [2.0]], [[0.0], [2.0]]])
    assert probability_non_dominated(drawn, np.array([True, True])).tolist() == [0.75, 0.25]


def test_the_table_has_one_row_a_configuration() -> None:
    table = configuration_frame(
        [record(0, 0.2, 0.7), record(1, 0.2, 0.9, 1, of=0), record(2, 0.5, 0.3)], OBJECTIVES, CORNER
    )
    assert table["trial"].tolist() == [0, 2]
    assert table["seeds"].tolist() == [2, 1]
    assert table.loc[0, "metric.accuracy"] == pytest.approx(0.8)
    assert table.loc[0, "low.accuracy"] <= 0.8 <= table.loc[0, "high.accuracy"]
    assert table["p_front"].tolist() == [1.0, 0.0]
    assert len(configuration_frame([], OBJECTIVES, CORNER)) == 0
    assert "change_low.accuracy" not in table, "no baseline to compare with"


def test_a_trial_of_one_seed_looks_no_surer_than_one_of_two_once_the_chance_of_seeds_is_known() -> None:
    one, twice = record(0, 0.3, 0.7), [record(1, 0.2, 0.7), record(2, 0.4, 0.8, 1, of=1)]
    widths = []
    for records in ([one], [one, *twice]):
        table = configuration_frame(records, OBJECTIVES, CORNER).set_index("trial")
        widths.append(table["high.intrinsic_gap"] - table["low.intrinsic_gap"])
    assert widths[0][0] == pytest.approx(0.1), "its own interval, of pairs alone"
    assert widths[1][0] > widths[1][1] > 0.1


def test_a_configuration_of_several_seeds_has_means_of_everything_and_intervals_that_hold_them() -> None:
    def with_ratio(trial: int, ratio: float, violation: float, **fields: Any) -> TrialRecord:
        plain = record(trial, 0.3, 0.7, **fields)
        metrics = plain.metrics | {"perplexity_ratio": Estimate(value=ratio, low=ratio - 0.01, high=ratio + 0.01, n=9)}
        return plain.model_copy(update={"metrics": metrics, "constraints": {"c": violation}})

    table = configuration_frame([with_ratio(0, 1.0, 0.01), with_ratio(1, 1.2, -0.03, seed=1, of=0)], OBJECTIVES, CORNER)
    row = table.iloc[0]
    assert row["metric.perplexity_ratio"] == pytest.approx(1.1)
    assert row["low.perplexity_ratio"] < 1.1 < row["high.perplexity_ratio"]
    assert (row["constraint.c"], row["feasible"]) == (pytest.approx(-0.01), True)


def test_bounds_on_the_baseline_and_on_the_majority_move_with_the_draw() -> None:
    relative = {"accuracy >= baseline - 0.05": -0.05, "accuracy >= majority_rate + 0": 0.0}
    base = record(0, 0.5, 0.7, kind="anchor", stage="baseline")
    share = max(np.mean(TARGET), 1 - np.mean(TARGET))
    level = base.metrics["accuracy"].value
    relative["accuracy >= majority_rate + 0"] = share - level
    other = record(1, 0.4, 0.7)
    found = configurations([r.model_copy(update={"constraints": relative}) for r in (base, other)])
    allowed = objective_draws(found, OBJECTIVES, 400, 0)[1]
    assert (allowed[:, 0] == allowed[:, 1]).all(), "the same decisions"
    only = configurations(
        [r.model_copy(update={"constraints": {"accuracy >= baseline - 0.05": -0.05}}) for r in (base,)]
    )
    assert objective_draws(only, OBJECTIVES, 400, 0)[1].all(), "it is never below itself"
    # As many above and below where both accuracy and the majority rate are those of the drawn rows.
    weights = np.random.default_rng(0).multinomial(ROWS, np.full(ROWS, 1 / ROWS), size=400) / ROWS
    right = weights @ (np.asarray(base.evidence.decided) == np.asarray(TARGET))
    ones = weights @ np.asarray(TARGET)
    assert allowed[:, 0].mean() == pytest.approx(np.mean(right >= np.maximum(ones, 1 - ones)), abs=0.05)


def test_metrics_without_evidence_are_drawn_apart_and_at_the_level_of_their_own_interval() -> None:
    ratio = {name: Estimate(value=1.0, low=0.9, high=1.1, n=9) for name in ("perplexity_ratio", "answer_mass_ratio")}
    plain = record(0, 0.3, 0.7)
    wide = plain.model_copy(update={"metrics": plain.metrics | ratio})
    narrow = wide.model_copy(update={"config": {"evaluation": {"confidence": 0.8}}})
    at_95, at_80 = (draws(configurations([r]), list(ratio), 4000, 0)[:, 0] for r in (wide, narrow))
    assert abs(np.corrcoef(at_95.T)[0, 1]) < 0.05
    assert at_95.std(axis=0) == pytest.approx([0.051, 0.051], rel=0.05)
    assert at_80.std(axis=0) == pytest.approx([0.078, 0.078], rel=0.05)


def test_what_trains_no_model_has_no_chance_of_seeds_in_its_intrinsic_metrics() -> None:
    base = record(0, 0.5, 0.7, kind="anchor", stage="baseline")
    cda = record(1, 0.5, 0.7, kind="anchor", stage="cda")
    twice = [record(2, 0.2, 0.7), record(3, 0.4, 0.8, 1, of=2)]
    drawn = draws(configurations([base, cda, *twice]), ["intrinsic_gap", "accuracy"], 500, 0)
    assert (drawn[:, 0, 0] == drawn[:, 1, 0]).all(), "the same model on the same pairs"
    assert (drawn[:, 0, 1] != drawn[:, 1, 1]).any(), "their classifiers are trained"
    assert np.std(drawn[:, 2, 0]) > 5 * np.std(drawn[:, 0, 0])


def test_a_change_against_the_baseline_is_paired() -> None:
    base = record(0, 0.5, 0.70, kind="anchor", stage="baseline")
    level = record(1, 0.5, 0.70)
    table = configuration_frame([base, level, record(2, 0.3, 0.76)], OBJECTIVES, CORNER).set_index("trial")
    for row in (0, 1):  # the same decisions: in every draw the same value, wide as its own interval is
        assert table.loc[row, ["change_low.accuracy", "change_high.accuracy"]].tolist() == [0.0, 0.0]
    low, high = table.loc[2, ["change_low.accuracy", "change_high.accuracy"]]
    changed = np.asarray(record(2, 0.3, 0.76).evidence.decided) != np.asarray(base.evidence.decided)
    half = 1.96 * np.sqrt(changed.mean() * (1 - changed.mean()) / ROWS)  # a share of rows that one has right alone
    moved = table.loc[2, "metric.accuracy"] - table.loc[0, "metric.accuracy"]
    assert (low, high) == pytest.approx((moved - half, moved + half), abs=0.015)
    assert high - low < table.loc[2, "high.accuracy"] - table.loc[2, "low.accuracy"]
    assert table.loc[2, "change_high.intrinsic_gap"] < 0
