"""The house's own rules: pins, floors, packaging, and the one command that CI runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS: list[dict[str, Any]] = PROJECT["tool"]["importlinter"]["contracts"]
ROOMS = {
    f"raysearch.{path.stem}"
    for path in (ROOT / "raysearch").iterdir()
    if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or (path / "__init__.py").is_file())
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def contract(start: str) -> dict[str, Any]:
    (found,) = (contract for contract in CONTRACTS if contract["name"].startswith(start))
    return found


def asked() -> set[str]:
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    return {canonical(re.split(r"[\[<>=!~ ]", line)[0]) for line in wanted}


def test_every_room_stands_on_exactly_one_floor() -> None:
    floors = [room.strip() for layer in contract("floors")["layers"] for room in layer.split("|")]
    assert sorted(floors) == sorted(ROOMS)


@pytest.mark.parametrize(
    ("start", "allowed"),
    [
        ("ray only", {"raysearch.search", "raysearch.workers", "raysearch.study"}),
        ("optuna only", {"raysearch.search"}),
    ],
)
def test_no_room_is_forgotten_where_a_package_is_forbidden(start: str, allowed: set[str]) -> None:
    assert set(contract(start)["source_modules"]) == ROOMS - allowed


def test_the_check_of_the_floors_finds_an_import_that_is_forbidden(tmp_path: Path) -> None:
    """`make check` finds no broken contract; this one shows that it could."""
    for name in ("raysearch", "pyproject.toml"):
        subprocess.run(["cp", "-r", ROOT / name, tmp_path], check=True)
    front = tmp_path / "raysearch" / "pareto" / "front.py"
    front.write_text(front.read_text(encoding="utf-8") + "\nimport torch\n", encoding="utf-8")
    lint = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", lint],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"Contracts: {len(CONTRACTS) - 1} kept, 1 broken." in done.stdout


def test_everything_asked_for_is_pinned_and_the_pins_allow_what_is_asked() -> None:
    assert asked() - set(pins()) == set()
    for name in asked() & {"torch", "ray"}:
        assert metadata.version(name).partition("+")[0] == pins()[name]


def test_what_builds_the_guide_is_there_for_those_who_develop() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras["docs"]) - set(extras["dev"]) == set()


def test_ray_is_pinned_exactly_because_all_nodes_of_a_cluster_must_have_one_version() -> None:
    (ray,) = (line for line in PROJECT["project"]["dependencies"] if line.startswith("ray"))
    assert ray.endswith(f"=={pins()['ray']}")


def test_pins_have_no_local_versions_that_only_one_index_serves() -> None:
    assert [version for version in pins().values() if "+" in version] == []


def test_pinned_packages_that_need_others_pin_those_too() -> None:
    from packaging.requirements import Requirement

    known, missing = pins(), set()
    for name in known:
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # a build tool, or for another platform
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                missing |= {canonical(requirement.name)} - set(known)
    # CUDA's wheels are pinned by torch itself, and which it takes depends on the machine.
    assert {name for name in missing if not name.startswith(("nvidia-", "cuda-", "triton"))} == set()


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]


def test_make_alone_shows_help_for_every_target() -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # the tests run in make
    shown = subprocess.run(["make"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True).stdout
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {line.split()[0] for line in shown.splitlines()} == set(phony.split())


def test_hooks_before_a_commit_fetch_nothing_and_use_the_pinned_tools() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_licence_is_whole_and_shipped_with_the_notice() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license-files"] == ["LICENSE", "NOTICE"]
    assert (ROOT / "NOTICE").is_file()


def test_shipped_studies_travel_in_the_wheel() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"search_spaces": "raysearch/search_spaces"}
    assert list((ROOT / "search_spaces").glob("*.yaml"))


def test_no_file_is_long_and_there_is_no_utils() -> None:
    files = [*(ROOT / "raysearch").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]
    assert [path.name for path in files if path.stem in ("utils", "helpers", "common")] == []
    assert {path.name: n for path in files if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "design").glob("*.md")), ids=lambda path: path.stem)
def test_a_design_note_tells_the_problem_the_choice_and_what_was_rejected(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert [text.count(f"**{part}.**") for part in ("Problem", "Choice", "Rejected")] == [1, 1, 1]
