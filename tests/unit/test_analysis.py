"""The analysis scripts as a reader calls them: on a recorded study, and on what careless hands give them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import pandas as pd
import pytest

from raysearch.ledger.record import SCHEMA_VERSION
from raysearch.ledger.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "benchmarks" / "data" / "demo-60"
SCRIPTS = ("pareto_front", "compare_stages", "importance", "transfer", "compare_runs")
Result = tuple[int, str, str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a script in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(name: str, *arguments: object) -> Result:
        path = ROOT / "analysis" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"analysis_{name}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        capsys.readouterr()
        code = module.main()
        return (code, *capsys.readouterr())

    return run


def copy(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Path:
    """The recorded study with each record as ``change`` gives it, or without it."""
    (folder / "ledger").mkdir(parents=True)
    for name in ("study.yaml", "manifest.json"):
        (folder / name).write_text((RECORDED / name).read_text(encoding="utf-8"), encoding="utf-8")
    for path in sorted((RECORDED / "ledger").glob("*.jsonl")):
        changed = change(json.loads(path.read_text(encoding="utf-8")))
        if changed is not None:
            (folder / "ledger" / path.name).write_text(json.dumps(changed) + "\n", encoding="utf-8")
    return folder


def without(metric: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change that takes a metric out of every record."""

    def change(record: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in record["metrics"].items() if name != metric}
        bounds = {name: value for name, value in record["constraints"].items() if not name.startswith(metric)}
        return record | {"metrics": kept, "constraints": bounds}

    return change


def runs_of(name: str, run: Path) -> list[Path]:
    return [run, RECORDED] if name == "compare_runs" else [run]


def is_one_line_error(result: Result) -> bool:
    code, _, error = result
    return code == 2 and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_help_with_an_example(name: str, call: Callable[..., Result], capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        call(name, "--help")
    assert ended.value.code == 0
    assert f"Example:\n    python analysis/{name}.py" in capsys.readouterr().out


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_empty_run_gives_one_line_or_an_empty_table(name: str, call: Callable[..., Result], tmp_path: Path) -> None:
    empty = copy(tmp_path / "run", lambda _: None)
    result = call(name, *runs_of(name, empty))
    if name == "pareto_front":
        assert result[0] == 0 and "0 of 0 complete trials are on the front" in result[1]
    else:
        assert is_one_line_error(result), result
        assert "complete" in result[2]


@pytest.mark.parametrize("name", SCRIPTS)
def test_one_trial_gives_one_line_or_a_table(name: str, call: Callable[..., Result], tmp_path: Path) -> None:
    alone = copy(tmp_path / "run", lambda record: record if record["trial"] == 7 else None)
    result = call(name, *runs_of(name, alone))
    if name == "importance":
        assert is_one_line_error(result) and "1 complete sampled configurations" in result[2]
    else:
        assert result[0] == 0, result


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_run_in_which_all_is_infeasible_still_gives_what_can_be_said(
    name: str, call: Callable[..., Result], tmp_path: Path
) -> None:
    broken = copy(tmp_path / "run", lambda r: r | {"feasible": False, "constraints": {"accuracy >= 0.99": 0.3}})
    png = [] if name == "compare_stages" else ["--png", tmp_path / "picture.png"]
    code, out, error = call(name, *runs_of(name, broken), *png)
    assert (code, error) == (0, "")
    if name == "compare_runs":
        assert "none feasible" in out and "no front" in out and "Constraints differ: " in out
    if name == "pareto_front":
        assert "0 of 54 complete trials" in " ".join(out.split())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_metric_that_no_record_has_is_left_out_or_named(
    name: str, call: Callable[..., Result], tmp_path: Path
) -> None:
    lacking = copy(tmp_path / "run", without("intrinsic_gap"))
    code, out, error = result = call(name, *runs_of(name, lacking))
    if name == "compare_stages":
        assert code == 0 and "Table 2" in out and "EqOdds" in out
    elif name == "pareto_front":
        assert code == 0 and "0 of 54 complete trials" in " ".join(out.split())
        result = call(name, lacking, "--png", tmp_path / "front.png")
        assert is_one_line_error(result) and "no trial has the metric 'intrinsic_gap'" in result[2]
    else:
        words = {
            "transfer": "no trial has the metric 'intrinsic_gap'; recorded are: accuracy",
            "importance": "0 complete sampled configurations with all objectives",
            "compare_runs": "no complete trial with all objectives (intrinsic_gap",
        }
        assert is_one_line_error(result) and words[name] in error


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_ledger_of_a_newer_version_and_no_run_at_all_are_one_line(
    name: str, call: Callable[..., Result], tmp_path: Path
) -> None:
    newer = copy(tmp_path / "run", lambda record: record | {"schema_version": SCHEMA_VERSION + 1})
    result = call(name, *runs_of(name, newer))
    assert is_one_line_error(result) and "newer raysearch" in result[2]
    result = call(name, *runs_of(name, tmp_path / "nowhere"))
    assert is_one_line_error(result) and "no such folder" in result[2]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_run_that_is_still_going_says_so(name: str, call: Callable[..., Result], tmp_path: Path) -> None:
    some = copy(tmp_path / "run", lambda record: record if record["trial"] < 20 else None)
    _, out, _ = call(name, *runs_of(name, some))
    assert "still going" not in out
    with RunFolder.open(some).driving():
        code, out, _ = call(name, *runs_of(name, some))
    assert code == 0 and "still going" in out


@pytest.mark.parametrize("name", ["importance", "transfer", "compare_runs"])
def test_tables_fit_80_columns_and_files_are_written(name: str, call: Callable[..., Result], tmp_path: Path) -> None:
    csv, png = tmp_path / "rows.csv", tmp_path / "picture.png"
    half = copy(tmp_path / "half", lambda record: record if record["trial"] < 30 else None)
    code, out, error = call(name, *runs_of(name, half), "--csv", csv, "--png", png)
    assert (code, error) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert len(pd.read_csv(csv)) >= 10
    assert matplotlib.image.imread(png).shape[1] >= 900


def test_the_front_comes_with_what_rules_take_from_it_and_weights_move_that(call: Callable[..., Result]) -> None:
    code, out, _ = call("pareto_front", RECORDED)
    plain = [line for line in out.splitlines() if line.startswith("Recommended by")]
    assert code == 0 and 1 <= len(plain) <= 3 and "of the draws, P 0." in plain[0]
    _, weighed, _ = call("pareto_front", RECORDED, "--weight", "demographic_parity_difference=9")
    assert [line for line in weighed.splitlines() if line.startswith("Recommended by")] != plain
    for wrong in ("accuracy", "accuracy=much", "acuracy=2", "accuracy=-1"):
        assert is_one_line_error(call("pareto_front", RECORDED, "--weight", wrong))


def test_stages_in_latex_have_intervals_and_changes_in_per_cent(call: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "stages.tex"
    code, out, _ = call("compare_stages", RECORDED, "--latex", path)
    text = path.read_text(encoding="utf-8")
    assert code == 0 and "Student's t" in out
    baseline, alone = (
        next(line for line in text.splitlines() if f"& {stage} &" in line) for stage in ("baseline", "cda")
    )
    assert "0.428 [0.375, 0.481] & +0.0\\% &" in baseline
    assert "0.428 [0.375, 0.481]" in alone
    assert "0.007 [0.002, 0.133] & -93.4\\% [-98\\%, +754\\%] &" in text


def test_the_scripts_import_neither_torch_nor_ray() -> None:
    code = (
        "import sys, runpy;"
        "[runpy.run_path(f'analysis/{name}.py', run_name='not_main') for name in sys.argv[1:]];"
        "print([m for m in ('torch', 'ray', 'transformers') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, *SCRIPTS]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
