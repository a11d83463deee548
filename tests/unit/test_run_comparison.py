"""Two runs side by side, where the answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raysearch.errors import UserError
from raysearch.report.run_comparison import compare_runs
from tests.unit.test_analysis import RECORDED, copy


def change_study(run: Path, old: str, new: str) -> Path:
    text = (run / "study.yaml").read_text(encoding="utf-8")
    assert old in text
    (run / "study.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return run


def few(record: dict[str, Any]) -> dict[str, Any] | None:
    return record if record["trial"] < 12 else None


def test_a_run_against_itself_is_level_in_everything(tmp_path: Path) -> None:
    same = copy(tmp_path / "same", few)
    found = compare_runs(same, same)
    one, other = found.sides
    assert (found.larger, one.joint, other.joint) == (0.5, 0.5, 0.5)
    assert (one.epsilon, one.igd_plus) == (0.0, 0.0)
    assert one.hypervolume == other.hypervolume and one.best == other.best
    assert found.notes == ()


def test_a_run_that_is_better_throughout_wins_in_everything(tmp_path: Path) -> None:
    def better(record: dict[str, Any]) -> dict[str, Any] | None:
        """The gap a tenth lower in every pair, everything else as it was."""
        if few(record) is None:
            return None
        gaps = [gap * 0.9 for gap in record["evidence"]["pair_gaps"]]
        gap = {name: v * 0.9 for name, v in record["metrics"]["intrinsic_gap"].items() if name != "n"}
        metrics = record["metrics"] | {"intrinsic_gap": gap | {"n": record["metrics"]["intrinsic_gap"]["n"]}}
        return record | {"metrics": metrics, "evidence": record["evidence"] | {"pair_gaps": gaps}}

    found = compare_runs(copy(tmp_path / "one", better), copy(tmp_path / "other", few))
    one, other = found.sides
    nothing = 1 - one.allowed.any(axis=1).mean()  # draws in which no configuration holds the constraints: level
    assert found.larger == pytest.approx(1 - nothing / 2) and 0 < nothing < 0.2
    assert (one.joint, other.joint) == (1.0, 0.0)
    assert one.epsilon == pytest.approx(0.0) and one.igd_plus == 0.0
    assert 0 < other.epsilon < 0.1 and other.igd_plus > 0
    assert one.hypervolume[0] > other.hypervolume[0]
    best, worse = one.best["intrinsic_gap"], other.best["intrinsic_gap"]
    assert best is not None and worse is not None
    assert best.value == pytest.approx(0.9 * worse.value) and best.low < best.value < best.high


def test_other_objectives_are_refused_with_both_named(tmp_path: Path) -> None:
    turned = change_study(copy(tmp_path / "other", few), "  accuracy: maximize\n", "")
    with pytest.raises(UserError, match=r"different objectives.*accuracy \(maximize\).*other"):
        compare_runs(RECORDED, turned)


def test_of_different_reference_points_the_worse_is_taken_in_each_objective(tmp_path: Path) -> None:
    ours, theirs = (copy(tmp_path / name, few) for name in ("ours", "theirs"))
    for run, point in ((ours, "{accuracy: 0.5, intrinsic_gap: 0.9}"), (theirs, "{accuracy: 0.6, intrinsic_gap: 1.0}")):
        change_study(run, "\nworkers:", f"\nreference_point: {point}\nworkers:")
    found = compare_runs(ours, theirs)
    assert found.reference["accuracy"] == 0.5 and found.reference["intrinsic_gap"] == 1.0
    assert any("different reference points" in note for note in found.notes)


def test_what_makes_runs_hard_to_compare_is_said(tmp_path: Path) -> None:
    def elsewhere(record: dict[str, Any]) -> dict[str, Any] | None:
        if few(record) is None:
            return None
        config = record["config"] | {"data": record["config"]["data"] | {"table": "adult"}}
        evidence = record["evidence"] | {"rows": "others"}
        definitions = {name: f"{version}-new" for name, version in record["definitions"].items()}
        return record | {"config": config, "evidence": evidence, "definitions": definitions}

    notes = " ".join(compare_runs(copy(tmp_path / "one", few), copy(tmp_path / "other", elsewhere)).notes)
    assert "data.table differs: acs_employment_atlanta against adult." in notes
    assert "judged on different rows" in notes and "different stereotype pairs" not in notes
    assert "Definitions have changed between the runs: " in notes
