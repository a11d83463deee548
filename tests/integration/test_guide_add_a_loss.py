"""The guide's page on adding a loss, followed word by word in a copy of the project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guide_examples import ROOT, commands, examples

PAGE = "guide/add-a-loss.md"
NAME = "squared_gap"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the page's file at the page's place, and the page's study."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("raysearch", "tests", "search_spaces", "pyproject.toml"):
        subprocess.run(["cp", "-r", ROOT / name, folder], check=True)
    (code,) = (example.text for example in examples("python") if example.page == PAGE)
    (study,) = (example.text for example in examples("yaml") if example.page == PAGE)
    (place,) = re.findall(r"Write `(\S+)`:", (ROOT / "docs" / PAGE).read_text(encoding="utf-8"))
    (folder / place).write_text(code, encoding="utf-8")
    (folder / "with_squared_gap.yaml").write_text(study, encoding="utf-8")
    return folder


def follow(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"PYTHONPATH": str(copy)}
    return subprocess.run([sys.executable, *words], cwd=copy, env=given, capture_output=True, text=True, check=False)


def test_the_tests_that_are_there_already_hold_the_new_term_to_its_contract(copy: Path) -> None:
    (command,) = (c for c in commands() if c.example.page == PAGE and c.words[0] == "python")
    done = follow(copy, *command.words[1:])
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 8


def test_the_study_is_valid_with_the_file_and_names_the_new_parameter(copy: Path) -> None:
    (command,) = (c for c in commands() if c.example.page == PAGE and c.words[:2] == ("raysearch", "validate"))
    done = follow(copy, "-m", "raysearch.cli", *command.words[1:])
    assert done.returncode == 0, done.stderr
    assert f"unlearning.losses.{NAME}.weight" in done.stdout


def test_an_option_that_the_term_refuses_is_said_before_anything_starts(copy: Path) -> None:
    setting = f"unlearning.losses.{NAME}.options.margin=-1"
    done = follow(copy, "-m", "raysearch.cli", "validate", "with_squared_gap.yaml", "--set", setting)
    assert done.returncode == 2 and "margin must be 0 or above; got -1" in done.stderr


def test_without_the_file_the_name_is_not_known(copy: Path, tmp_path: Path) -> None:
    given = os.environ | {"PYTHONPATH": str(ROOT)}
    study = str(copy / "with_squared_gap.yaml")
    words = [sys.executable, "-m", "raysearch.cli", "validate", study]
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and NAME in done.stderr
