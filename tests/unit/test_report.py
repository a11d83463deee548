"""The front as table and picture, from ledger tables made by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from raysearch.ledger.record import Estimate, Evidence, TrialRecord
from raysearch.report import front_figure
from raysearch.report.front_figure import draw_front
from raysearch.report.front_table import front_table, on_front, pareto_front, short, short_parameters
from raysearch.report.stages import stage_table
from tests.front_tables import OBJECTIVES, failed, row, study, table
from tests.unit.test_ledger import record


def printed(frame: pd.DataFrame, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(front_table(frame, OBJECTIVES))
    return capture.get()


def test_only_feasible_complete_undominated_trials_are_on_the_front_and_an_anchor_may_be_among_them() -> None:
    assert pareto_front(study(), OBJECTIVES)["trial"].tolist() == [7, 6, 0]


def test_a_failed_or_infeasible_trial_does_not_push_others_off_the_front() -> None:
    unbeatable = (0.0, 0.0, 0.0, 1.0)
    frame = table(
        [row(0, (0.4, 0.2, 0.2, 0.8)), row(1, unbeatable, feasible=False), row(2, unbeatable, state="failed")]
    )
    assert on_front(frame, OBJECTIVES).tolist() == [True, False, False]


def test_a_direction_turned_round_turns_the_front_round() -> None:
    frame = table([row(0, (0.1, 0.0, 0.0, 0.9)), row(1, (0.3, 0.0, 0.0, 0.9))])
    assert pareto_front(frame, OBJECTIVES)["trial"].tolist() == [0]
    assert pareto_front(frame, OBJECTIVES | {"intrinsic_gap": "maximize"})["trial"].tolist() == [1]


def test_the_table_fits_80_columns_with_every_number_whole() -> None:
    text = printed(study())
    assert max(map(len, text.splitlines())) <= 80
    for number in ("0.200", "[0.15, 0.30]", "0.240", "[0.19, 0.34]", "0.750", "[0.70, 0.85]"):
        assert number in text


def test_anchors_are_marked_and_those_off_the_front_stand_below_it_with_the_reason() -> None:
    text = printed(study(), width=120)
    order = ["baseline anchor", "cda anchor, dominated", "unlearning anchor, infeasible"]
    assert [text.index(name) for name in order] == sorted(text.index(name) for name in order)


def test_the_table_counts_what_it_leaves_out() -> None:
    text = " ".join(printed(study()).split())
    assert "3 of 7 complete trials are on the front; 2 infeasible and 1 failed trials are not in it." in text
    assert "Judged on the validation split." in text


def test_a_trial_that_repeats_another_seed_and_all_counts_once_in_a_table_of_stages() -> None:
    cell, again = record(3, seed=0), record(0, seed=0, kind="anchor")
    other = record(4, seed=1, metrics={"accuracy": Estimate(value=0.5, low=0.4, high=0.6, n=100)})
    alone = stage_table([again, cell], ["accuracy"]).iloc[0]
    assert (alone["configurations"], alone["trials"]) == (1, 1)
    assert (alone["low.accuracy"], alone["high.accuracy"]) == (0.6, 0.8), "the trial's own interval, not one of width 0"
    both = stage_table([again, cell, other], ["accuracy"]).iloc[0]
    assert (both["configurations"], both["trials"], both["accuracy"]) == (1, 2, pytest.approx(0.6))


def test_a_change_between_stages_is_paired_and_a_mean_keeps_the_chance_of_shared_rows() -> None:
    def judged(trial: int, stage: str, right: float, rows: str = "r") -> TrialRecord:
        target = [i % 2 for i in range(100)]
        decided = [t if i < 100 * right else 1 - t for i, t in enumerate(target)]
        evidence = Evidence(rows=rows, target=target, group=[i // 2 % 2 for i in range(100)], decided=decided)
        metrics = {"accuracy": Estimate(value=right, low=right - 0.08, high=right + 0.08, n=100)}
        return record(trial, stage=stage, seed=trial, metrics=metrics, evidence=evidence)

    base, same, worse = judged(0, "baseline", 0.8), judged(1, "cda", 0.8), judged(2, "unlearning", 0.5)
    table = stage_table([base, same, worse], ["accuracy"]).set_index("stage")
    assert table.loc["cda", ["change.accuracy", "change_low.accuracy", "change_high.accuracy"]].tolist() == [0, 0, 0]
    low, high = table.loc["unlearning", ["change_low.accuracy", "change_high.accuracy"]]
    assert low < 0.5 / 0.8 - 1 < high < 0
    alike = [judged(3 + seed, "combined", 0.8) for seed in range(4)]  # no spread over trials, and the same rows
    shared = stage_table([base, *alike], ["accuracy"]).set_index("stage").loc["combined"]
    assert shared["high.accuracy"] - shared["low.accuracy"] == pytest.approx(4 * 0.04, abs=0.03)
    apart = stage_table([judged(3 + s, "combined", 0.8, f"r{s}") for s in range(4)], ["accuracy"]).iloc[0]
    assert apart["high.accuracy"] - apart["low.accuracy"] == pytest.approx(2 * 0.04, abs=0.03)


def test_a_metric_of_one_set_or_attribute_says_which() -> None:
    assert short("intrinsic_gap.race") == "intrinsic gap (race)"
    assert short("demographic_parity_difference.sex x race") == "DP (sex x race)"


def test_parameters_of_the_front_are_shown_under_short_names_that_stay_apart() -> None:
    text = printed(study())
    assert "7  cda replace  fraction 0.5  lr 0.00123  kl.weight 0.4  learn.weight 0.02" in text
    assert short_parameters(["param.a.b", "param.c.a.b"]) == {"param.a.b": "a.b", "param.c.a.b": "c.a.b"}


def test_a_parameter_that_was_not_sampled_in_a_trial_is_not_shown_for_it() -> None:
    frame = table(
        [
            row(0, (0.1, 0.2, 0.2, 0.8), **{"param.cda": "none", "param.cda.fraction": np.nan}),
            row(1, (0.2, 0.1, 0.2, 0.8), **{"param.cda": "replace", "param.cda.fraction": 0.5}),
        ]
    )
    lines = [line.strip() for line in printed(frame).splitlines()]
    assert "0  cda none" in lines
    assert "1  cda replace  fraction 0.5" in lines


@pytest.mark.parametrize("rows", [[], [failed(0)], [row(0, (0.1, 0.1, 0.1, 0.9), feasible=False)]])
def test_a_run_without_a_front_still_gives_a_table_that_says_so(rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows, columns=list(failed(0)) if not rows or len(rows[0]) < 10 else None)
    assert pareto_front(frame, OBJECTIVES).empty
    assert "0 of " in printed(frame)


def test_square_brackets_in_a_value_are_shown_and_not_taken_for_markup() -> None:
    assert "source [bold]x" in printed(table([row(0, (0.1, 0.1, 0.1, 0.9), **{"param.model.source": "[bold]x"})]))


@pytest.mark.parametrize("objectives", [OBJECTIVES, {"accuracy": "maximize"}])
def test_the_picture_is_large_enough_and_has_all_colours_of_its_kinds(
    tmp_path: Path, objectives: dict[str, str]
) -> None:
    path = draw_front(study(), objectives, tmp_path / "front.png", "demo")
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)
    assert pixels.shape[1] >= 900
    for colour in (front_figure.BLUE, front_figure.GREY, front_figure.ORANGE):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        found = (np.abs(pixels - wanted).max(axis=-1) <= 1).sum()
        assert (found > 20) == (colour != front_figure.BLUE or len(objectives) > 1)


def test_drawing_leaves_the_users_matplotlib_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_front(study(), OBJECTIVES, tmp_path / "front.png", "demo")
    assert dict(matplotlib.rcParams) == before


def test_no_number_in_the_picture_covers_a_point_or_another_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = []
    number = front_figure._number

    def watched(axis: object, *rest: object) -> None:
        number(axis, *rest)  # type: ignore[arg-type]
        panels.append(axis)

    monkeypatch.setattr(front_figure, "_number", watched)
    rng = np.random.default_rng(0)
    crowd = table(
        [row(i, (x, 0.1 - x / 10, 0.1, 0.7 + rng.normal(0, 0.02))) for i, x in enumerate(rng.uniform(0, 0.3, 40))]
    )
    draw_front(crowd, OBJECTIVES, tmp_path / "front.png", "demo")
    assert len(panels) == 3
    for axis in panels:
        boxes = [text.get_window_extent() for text in axis.texts]
        assert 3 < len(boxes) < 40
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_script_and_the_reports_import_neither_torch_nor_ray() -> None:
    code = (
        "import sys, runpy; runpy.run_path('analysis/pareto_front.py', run_name='not_main');"
        "import raysearch.report.live, raysearch.report.status;"
        "print([m for m in ('torch', 'ray', 'optuna', 'transformers') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
