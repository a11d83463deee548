"""Whether lower intrinsic bias goes with lower extrinsic bias, on trials made so that the answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from raysearch.errors import UserError
from raysearch.ledger.record import Estimate, TrialRecord
from raysearch.report.transfer import ALL, FEW, spearman, transfer_table
from raysearch.report.transfer_figure import draw_transfer

DP, EO = "demographic_parity_difference", "equalized_odds_difference"


def record(trial: int, gap: float, dp: float, stage: str = "combined", table: str = "adult", **changes) -> TrialRecord:
    values = {"intrinsic_gap": gap, DP: dp, "accuracy": 0.7}
    fields = dict(
        study="s",
        trial=trial,
        kind="search",
        stage=stage,
        state="complete",
        config={"model": {"source": "m"}, "data": {"table": table}},
        seed=0,
        metrics={name: Estimate(value=v, low=v, high=v, n=9) for name, v in values.items()},
    )
    return TrialRecord.model_validate(fields | changes)


def records(pairs: Sequence[tuple[float, float]], first: int = 0, **changes) -> list[TrialRecord]:
    return [record(first + i, gap, dp, **changes) for i, (gap, dp) in enumerate(pairs)]


def test_the_correlation_is_scipys_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 8, 40).astype(float)  # with ties
    other = one + rng.normal(0, 3, 40)
    found = spearman(one, other)
    assert found.rho == pytest.approx(stats.spearmanr(one, other).statistic)
    assert -1 <= found.low < found.rho < found.high <= 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = [
        (lambda c: c.low <= 0 <= c.high)(spearman(*rng.normal(size=(2, 40)), rounds=300, seed=i)) for i in range(200)
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_perfect_order_a_constant_and_too_few_points() -> None:
    line = np.arange(20.0)
    assert spearman(line, -(line**3)).rho == pytest.approx(-1)
    assert spearman(line, line).low == pytest.approx(1)
    assert "never changes" in spearman(line, np.ones(20)).note and np.isnan(spearman(line, np.ones(20)).rho)
    assert "fewer than 5" in spearman(line[:4], line[:4]).note
    assert spearman(line, line).note == "few points" and FEW > 20


def test_stages_may_say_the_opposite_of_all_together() -> None:
    """Two clouds that each fall, one above and to the right of the other: pooled, they rise."""
    low = records([(0.1 + i / 100, 0.2 - i / 100) for i in range(8)], stage="combined")
    high = records([(0.6 + i / 100, 0.7 - i / 100) for i in range(8)], first=20, stage="unlearning")
    table = transfer_table([*low, *high]).set_index("stage")
    assert table["rho"]["combined"] == table["rho"]["unlearning"] == pytest.approx(-1)
    assert table["rho"][ALL] > 0.4
    assert table["n"].to_dict() == {"unlearning": 8, "combined": 8, ALL: 16}


def test_tables_are_kept_apart_and_seeds_of_a_configuration_are_one_point(tmp_path: Path) -> None:
    rising = records([(i / 10, i / 10) for i in range(6)], table="adult")
    falling = records([(i / 10, 1 - i / 10) for i in range(6)], first=10, table="compas")
    again = record(30, 0.9, 0.0, kind="replicate", replicate_of=0, seed=1)
    table = transfer_table([*rising, *falling, again])
    pooled = table[table["stage"] == ALL].set_index("table")
    assert pooled["n"].tolist() == [6, 6]
    assert pooled["rho"]["compas"] == pytest.approx(-1) and 0 < pooled["rho"]["adult"] < 1
    drawn = draw_transfer([*rising, *falling, again], table, "intrinsic_gap", tmp_path / "t.png", "two")
    assert drawn.stat().st_size > 10_000


def test_other_metrics_may_be_asked_for_and_what_is_not_there_is_named() -> None:
    found = records([(i / 10, i / 10) for i in range(6)])
    assert set(transfer_table(found)["metric"]) == {DP}
    constant = transfer_table(found, ["accuracy"])
    assert set(constant["metric"]) == {"accuracy"} and constant["rho"].isna().all()
    with pytest.raises(UserError, match=f"no trial has the metric '{EO}'"):
        transfer_table(found, [EO])
    with pytest.raises(UserError, match="no complete trial"):
        transfer_table([found[0].model_copy(update={"state": "failed"})])
