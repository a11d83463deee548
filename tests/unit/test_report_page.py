"""The report of careless, hostile and half-done runs; what it says of chance and of what was not tested."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from raysearch.cli import app
from raysearch.config.schema import ConstraintConfig, TrialConfig
from raysearch.ledger.record import Estimate, TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.report.page.build import gather, render, with_code, write_report
from raysearch.report.page.gaps import gaps
from raysearch.report.page.progress import costs, endings, progress
from raysearch.report.page.summary import bound, lines
from raysearch.report.page.trials import CURVE_POINTS, as_script, columns, plain, rounded
from raysearch.report.recommend import Recommendation
from tests import front_tables
from tests.many_trials import gathered as many
from tests.unit.test_ledger import record

ROOT = Path(__file__).parents[2]
OBJECTIVES = {"intrinsic_gap": "minimize", "accuracy": "maximize"}
STUDY = (
    "name: small\ntrial: {seed: !int {low: 0, high: 9}}\nobjectives: {intrinsic_gap: minimize, accuracy: maximize}\n"
)


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.02, high=value + 0.02, n=50)


def trial(number: int, gap: float = 0.3, accuracy: float = 0.7, **changes: Any) -> TrialRecord:
    values = {"intrinsic_gap": gap, "accuracy": accuracy}
    given = {
        "objectives": values,
        "metrics": {name: estimate(value) for name, value in values.items()},
        "finished_at": f"2026-01-01T00:00:{number:02d}+00:00",
    }
    return record(number, **(given | changes))


def run_of(tmp_path: Path, *records: TrialRecord) -> RunFolder:
    run = RunFolder.create(tmp_path / "run", STUDY, {"overrides": [], "command": "raysearch run small"})
    for one in records:
        run.ledger.append(one)
    return run


def page_of(run: RunFolder) -> str:
    return render(gather(run.path), [], "left out of this test", [])


def data_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def failed(number: int, **changes: Any) -> TrialRecord:
    nothing: dict[str, Any] = {"objectives": {}, "metrics": {}, "constraints": {}, "groups": {}, "feasible": None}
    return trial(number, **(nothing | {"state": "failed", "reason": "the machine ran out of memory"} | changes))


def broken(number: int) -> TrialRecord:
    return trial(number, feasible=False, constraints={"accuracy >= 0.8": 0.1})


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], ["no trial has ended", "There is no front yet"]),
        (
            [failed(0)],
            ["no complete trial holds all constraints", "the machine ran out of memory", "nothing was measured"],
        ),
        ([trial(0)], ["Trial 0", "importance needs 10"]),
        ([broken(0), broken(1)], ["no complete trial holds all constraints"]),
        (
            [trial(0, metrics={"accuracy": estimate(0.7)}), trial(1)],
            ["Metrics that are missing", "intrinsic gap (1 of 2)"],
        ),
        ([trial(0, metrics={"accuracy": estimate(0.7)})], ["needs 10"]),
    ],
    ids=["no trial", "all failed", "one trial", "all infeasible", "a metric missing in one", "an objective in none"],
)
def test_a_careless_run_gives_a_sensible_page(tmp_path: Path, records: list[TrialRecord], words: list[str]) -> None:
    page, *figures = write_report(run_of(tmp_path, *records).path)
    text = page.read_text(encoding="utf-8")
    assert [word for word in words if word not in text] == []
    assert data_of(text)["trial"] == [one.trial for one in records]
    assert all(path.stat().st_size > 1000 for path in figures)
    assert {path.suffix for path in figures} <= {".png", ".pdf"}


def test_a_run_that_is_still_going_says_so(tmp_path: Path) -> None:
    run = run_of(tmp_path, trial(0))
    with run.driving():
        assert "still going" in page_of(run)
    page = page_of(run)
    assert "still going" not in page and "not finished" in page


def test_a_ledger_of_a_newer_version_and_what_is_no_run_are_one_line(tmp_path: Path) -> None:
    run = run_of(tmp_path, trial(0))
    newer = trial(1).model_dump(mode="json") | {"schema_version": 99}
    (run.path / "ledger" / "000001.jsonl").write_text(json.dumps(newer))
    for folder, words in ((run.path, "newer raysearch"), (tmp_path / "nothing", "no such folder")):
        result = CliRunner().invoke(app, ["report", str(folder)])
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ") and words in result.stderr and result.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    run = run_of(tmp_path, trial(0))
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["report", str(run.path), "--out", str(tmp_path / "file")])
    assert result.exit_code == 2 and "--out" in result.stderr


def test_the_script_writes_the_same_page_without_torch_and_ray(tmp_path: Path) -> None:
    run = run_of(tmp_path, trial(0), trial(1, 0.2, 0.6))
    script = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: print(end.code, [m for m in ('torch', 'ray', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            str(ROOT / "analysis" / "report.py"),
            str(run.path),
            "--out",
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "0 []"
    pages = [(tmp_path / "out" / "report.html").read_text(encoding="utf-8"), page_of(run)]
    assert data_of(pages[0]) == data_of(pages[1])


def test_what_a_record_says_can_neither_end_the_script_nor_become_markup(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    page = page_of(run_of(tmp_path, failed(0, reason=hostile, detail=hostile), trial(1)))
    assert hostile not in page and "<img" not in page
    assert page.count("</script>") == 2
    assert data_of(page)["reason"][0] == f"{hostile}: {hostile}"
    assert str(with_code("a `<b>` c")) == "a <code>&lt;b&gt;</code> c"


def test_the_page_asks_for_nothing_outside_itself() -> None:
    for path in (ROOT / "raysearch" / "report" / "page").rglob("*"):
        if path.suffix in (".j2", ".css", ".js"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert re.findall(r"https?://|\burl\(|@import|fetch\(|src=", text) == [], path.name


def test_every_number_of_a_trial_reaches_the_page(tmp_path: Path) -> None:
    config = TrialConfig().model_dump(mode="json")
    other = config | {"seed": 5, "text": config["text"] | {"max_columns": 3}}
    run = run_of(tmp_path, trial(0, config=config), trial(1, config=config), trial(2, 0.123456, config=other))
    data = data_of(page_of(run))
    assert data["metrics"]["intrinsic_gap"] == {
        "short": "intrinsic gap",
        "value": [0.3, 0.3, 0.1235],
        "low": [0.28, 0.28, 0.1035],
        "high": [0.32, 0.32, 0.1435],
        "n": 50,
    }
    assert data["groups"][2] == {"female": [10, 2, 3, 9]}
    assert data["own"] == [{}, {}, {"seed": 5, "text.max_columns": 3}]
    assert data["shared"]["text.serializer"] == config["text"]["serializer"]
    assert data["curves"]["2"] == {"step": [1, 2], "loss": [0.5, 0.25]}
    assert data["front"] == [False, False, True] and data["state"] == ["complete"] * 3


def test_long_curves_are_thinned_to_their_ends_and_the_front_has_room_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = [{"step": float(step), "loss": 1.0 / (1 + step)} for step in range(1000)]
    found = [trial(0, 0.3, curves=curve), trial(1, 0.1, curves=curve)]
    data = data_of(page_of(run_of(tmp_path, *found)))
    assert len(data["curves"]["0"]["step"]) == CURVE_POINTS
    assert [data["curves"]["0"]["step"][at] for at in (0, -1)] == [0, 999]
    monkeypatch.setattr("raysearch.report.page.trials.CURVE_BUDGET", 700)
    gathered = gather(tmp_path / "run")
    some = columns(gathered.table, {one.trial: one for one in found}, OBJECTIVES, {})
    assert list(some["curves"]) == ["1"] and some["curves_left_out"] == 1


def test_numbers_for_a_script_are_short_and_finite() -> None:
    assert [rounded(value) for value in (0.123456, 2.0, float("nan"), float("inf"), None, "a")] == [
        0.1235,
        2,
        None,
        None,
        None,
        "a",
    ]
    assert json.loads(as_script({"a": "<&>\u2028"})) == {"a": "<&>\u2028"}


def test_hypervolume_over_time_counts_feasible_complete_trials_in_the_order_of_their_ends() -> None:
    records = [
        trial(0, 0.5, 0.5, finished_at="3", costs_s={"total": 3600.0}),
        trial(1, 0.9, 0.9, finished_at="1", costs_s={"total": 3600.0}),
        trial(2, 0.0, 1.0, finished_at="2", feasible=False, costs_s={"total": 7200.0}),
    ]
    found = progress(records, OBJECTIVES, (1.0, 0.0))
    assert found.trials == [1, 2, 0]
    assert found.hours == [1.0, 3.0, 4.0]
    np.testing.assert_allclose(found.volume, [0.09, 0.09, 0.09 + 0.4 * 0.5])


def test_costs_add_up_to_the_total() -> None:
    found = costs([trial(0, costs_s={"unlearning": 1800.0, "data": 0.0, "total": 3600.0})])
    assert found == [("unlearning", 0.5), ("other", 0.5)]


def test_ends_are_counted_by_reason() -> None:
    found = endings([failed(0, detail="of\n60 GiB"), failed(1), trial(2, state="stopped", reason="halving"), trial(3)])
    assert [(one.reason, one.trials, one.example) for one in found] == [
        ("the machine ran out of memory", [0, 1], "of 60 GiB"),
        ("halving", [2], ""),
    ]


def test_a_difference_whose_interval_holds_0_is_unsure() -> None:
    ends = {
        "change_low.intrinsic_gap": -0.3,
        "change_high.intrinsic_gap": -0.1,
        "change_low.demographic_parity_difference": -0.2,
        "change_high.demographic_parity_difference": 0.05,
        "change_low.accuracy": -0.15,  # and no upper end: not known
    }
    table = front_tables.study().assign(p_front=0.5, seeds=1, **ends)
    (card,), front, anchors = lines(table, front_tables.OBJECTIVES, [Recommendation(7, ("knee",), 0.4, 0.5)], "a run")
    looks = {cell.name: (cell.change, cell.look) for cell in card.line.cells}
    assert looks["intrinsic_gap"] == ("▲ better -0.200", "good")
    assert looks["demographic_parity_difference"] == ("△ -0.100, not sure", "unsure")
    assert looks["accuracy"][1] == "unsure"
    assert card.line.command == "raysearch export 'a run' 7 trial-7"
    assert [line.trial for line in front] == [7, 6, 0] and [line.trial for line in anchors] == [1, 2]
    assert [line.place for line in anchors] == ["dominated", "infeasible"]
    assert front[2].command == ""  # the baseline has no model of its own


def test_a_run_that_needed_fewer_seeds_than_were_allowed_is_finished(tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(ROOT / "benchmarks" / "data" / "demo-60", tmp_path / "run")))

    def without(trials: range) -> str:
        for trial in trials:
            (run.path / "ledger" / f"{trial:06d}.jsonl").unlink()
            (run.path / "ledger" / "proposed" / f"{trial:06d}.jsonl").unlink(missing_ok=True)
        return render(gather(run.path), [], "left out", [])

    replicates = [record.trial for record in run.ledger if record.kind == "replicate"]
    assert "This run is not finished" not in without(range(replicates[-4], replicates[-1] + 1))
    assert "This run is not finished" in without(range(40, replicates[-4]))


def test_whole_numbers_stay_whole_beside_empty_cells() -> None:
    assert plain([11521.0, 12345.6, float("nan"), None, 0.123456]) == [11521, 12350, None, None, 0.1235]


def test_a_long_front_is_cut_to_its_most_likely_part_and_the_recommended(tmp_path: Path) -> None:
    run = many(tmp_path / "run", 400)
    chosen = run.table[run.table["p_front"] == run.table["p_front"][run.table["p_front"] > 0].min()]["trial"].iloc[0]
    _, front, _ = lines(run.table, run.objectives, [Recommendation(int(chosen), ("knee",), 0.1, 0.1)], "RUN")
    sampled = [line.trial for line in front]
    assert len(sampled) in (30, 31)


def test_bounds_are_said_in_words() -> None:
    given = [
        {"metric": "accuracy", "at_least": -0.05, "relative_to": "baseline"},
        {"metric": "accuracy", "at_least": 0.0, "relative_to": "majority_rate"},
        {"metric": "perplexity_ratio", "at_most": 1.05},
    ]
    assert [bound(ConstraintConfig.model_validate(one)) for one in given] == [
        "accuracy at least the baseline minus 0.05",
        "accuracy at least the majority rate",
        "perplexity ratio at most 1.05",
    ]


def test_what_was_not_tested_follows_from_what_was(tmp_path: Path) -> None:
    config = TrialConfig().model_dump(mode="json")
    spanish = config | {"stereotypes": config["stereotypes"] | {"set": "poor_or_rich_es"}}
    other = config | {"data": config["data"] | {"split_seed": 1, "also_by": ["race"]}}

    def found(*records: TrialRecord, confirmed: bool = False) -> dict[str, str]:
        run = gather(run_of(tmp_path / str(len(list(tmp_path.iterdir()))), *records).path)
        front = run.table["trial"] >= 0
        return {gap.what: gap.text for gap in gaps(run.table, run.records, front, confirmed)}

    one = found(trial(0, config=config))
    assert "12 negatives, 12 positives" in one["Groups large enough"]
    assert {"The test split", "Other seeds", "Other splits", "Other models", "Other wordings"} <= set(one)
    assert one["Other languages"] == "The model was asked in English only."
    both = found(trial(0, config=spanish), trial(1, config=other), confirmed=True)
    assert {"The test split", "Other splits", "Other stereotypes"} & set(both) == set()
    assert "English and Spanish" in both["Other languages"] and "race, sex" in both["Other attributes"]
    enough = {"female": [[30, 30], [30, 30]]}
    assert "Groups large enough" not in found(trial(0, groups=enough))
    left = found(trial(0, facts={"left_out_groups": {"other": 3}, "truncated_texts": 4}))
    assert "other (3 rows)" in left["Groups left out"] and "up to 4" in left["Whole texts"]
    seeds = [trial(0), trial(1, kind="replicate", replicate_of=0, seed=1)]
    assert "Other seeds" not in found(*seeds)


def test_the_example_in_the_documentation_is_of_the_recorded_run_and_small() -> None:
    page = ROOT / "docs" / "examples" / "demo-60.html"
    assert page.stat().st_size < 1_000_000
    data = data_of(page.read_text(encoding="utf-8"))
    recorded = sorted(path.stem for path in (ROOT / "benchmarks" / "data" / "demo-60" / "ledger").glob("[0-9]*.jsonl"))
    assert {f"{number:06d}" for number in data["trial"]} <= set(recorded) and len(data["trial"]) == 54


def test_a_report_is_replaced_by_the_next(tmp_path: Path) -> None:
    run = run_of(tmp_path, trial(0))
    page, *_ = write_report(run.path)
    run.ledger.append(trial(1))
    assert write_report(run.path)[0] == page
    assert data_of(page.read_text(encoding="utf-8"))["trial"] == [0, 1]
