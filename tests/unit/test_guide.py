"""The guide: every command and every example in it is checked, and it is built without a warning."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer.main
from ruamel.yaml import YAML
from typer.testing import CliRunner

from raysearch.cli import app
from raysearch.config.load import load_study
from raysearch.datasets.find import find
from raysearch.datasets.splits import split_rows
from tests.guide_examples import DOCS, PAGES, ROOT, Command, Example, commands, examples

YAMLS = [example for example in examples("yaml") if example.page != "guide/add-a-loss.md"]
"""The page on losses has a study with a loss that is not there yet: ``test_guide_add_a_loss.py``."""
COMMANDS = list({command.words: command for command in commands()}.values())
SHELL = {"source", "export", "cd"}
SPACE = "trial: {unlearning: {lr: !float {low: 1.0e-3, high: 1.0e-2, log: true}}}\n"
"""For a fragment that has no space of its own."""


def keys(example: Example) -> set[str]:
    return set(re.findall(r"^(\w+):", example.text, flags=re.MULTILINE))


def whole(example: Example) -> str:
    """The example as a study: what a fragment leaves out is added."""
    given = keys(example)
    head = "" if "name" in given else "name: example\n"
    return head + ("" if "trial" in given else SPACE) + example.text


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the guide's commands find what they name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    subprocess.run(["cp", "-r", f"{ROOT}/benchmarks/data/demo-60/.", tmp_path / "RUN"], check=True)
    (tmp_path / "search_spaces").symlink_to(ROOT / "search_spaces")
    for example in YAMLS:
        if named := re.match(r"name: (\w+)", example.text):
            (tmp_path / f"{named[1]}.yaml").write_text(example.text)
    return tmp_path


def test_every_block_is_of_a_language_that_is_tested() -> None:
    wrong = [
        str(example) for example in examples() if example.language not in ("sh", "yaml", "python", "pycon", "text")
    ]
    assert wrong == []
    assert [example for example in examples("python") if example.page != "guide/add-a-loss.md"] == []


def test_no_block_escapes_by_its_indentation() -> None:
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES)
    assert fences == 2 * len(examples())


@pytest.mark.parametrize("example", [e for e in YAMLS if "file" not in keys(e)], ids=str)
def test_a_study_or_a_part_of_one_is_valid(example: Example, tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text(whole(example))
    load_study(tmp_path / "example.yaml")


def test_a_part_of_a_study_with_a_wrong_key_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text(whole(Example("page.md", 1, "yaml", "search: {trails: 3}\n")))
    with pytest.raises(Exception, match="trails"):
        load_study(tmp_path / "example.yaml")


def test_the_table_of_ones_own_is_read_and_split_as_its_page_says(tmp_path: Path) -> None:
    table, study = (example for example in YAMLS if example.page == "own-table.md")
    (tmp_path / "loans.yaml").write_text(table.text)
    (tmp_path / "study.yaml").write_text(whole(study))
    rng = np.random.default_rng(0)
    gender = rng.choice(["m", "f"], 2000)
    rows: dict[str, Any] = {
        "customer_id": np.arange(2000),
        "age": rng.integers(18, 80, 2000),
        "gender": gender,
        "title": np.where(gender == "m", "Mr", "Ms"),
        "purpose": rng.choice(["A40", "A41", ""], 2000),
        "repaid": rng.integers(0, 2, 2000),
    }
    pd.DataFrame(rows).to_csv(tmp_path / "loans.csv", index=False)
    data = load_study(tmp_path / "study.yaml").default_trial().data
    splits = split_rows(find(data.table).load(None), data)
    assert len(splits.train) == 800


@pytest.mark.parametrize("page", sorted({example.page for example in examples("pycon")}))
def test_sessions_give_what_the_page_says(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = "\n".join(example.text for example in examples("pycon") if example.page == page)
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.attempted > 0 and result.failed == 0, "".join(said)


def parse(group: Any, words: tuple[str, ...]) -> None:
    """Has click read a command with its arguments, and does not run it."""
    context = group.context_class(group, info_name=group.name)
    command = group.get_command(context, words[0])
    assert command is not None, f"no command '{words[0]}'"
    command.make_context(words[0], list(words[1:]), parent=context)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_one_that_there_is_with_options_that_there_are(command: Command) -> None:
    program, *words = command.words
    if program == "raysearch":
        parse(typer.main.get_command(app), tuple(words))
    elif program == "ray":
        from ray.scripts.scripts import cli

        parse(cli, tuple(words))
    elif program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    elif program == "python":
        paths = [word for word in words if "/" in word]
        assert paths and all((ROOT / path).exists() for path in paths)
    else:
        assert program in SHELL or (Path(sys.executable).parent / program).is_file()


def test_a_command_with_an_option_that_there_is_not_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(typer.main.get_command(app), ("run", "demo", "--trails", "3"))


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.callback.__name__)
def test_the_examples_in_the_help_of_a_command_are_commands(command: Any) -> None:
    for example in re.findall(r"`raysearch ([^`|>]*)", command.epilog or ""):
        parse(typer.main.get_command(app), tuple(shlex.split(example)))


def test_the_commands_of_the_readme_are_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    found = [
        line.partition(" .venv/bin/raysearch ")[2] for line in lines if line.startswith("    .venv/bin/raysearch ")
    ]
    assert len(found) > 10
    for line in found:
        parse(typer.main.get_command(app), tuple(shlex.split(line.partition(" > ")[0], comments=True)))


CHEAP = {"front", "status", "schema", "validate"}
"""Verbs that need no model and take a moment, and can so be run."""


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.words[:1] == ("raysearch",) and c.words[1] in CHEAP and "loss" not in str(c)],
    ids=str,
)
def test_a_command_that_needs_no_model_does_what_it_says(command: Command, workplace: Path) -> None:
    done = CliRunner().invoke(app, list(command.words[1:]))
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.words[1:2] and c.words[1].startswith("analysis/")], ids=str
)
def test_a_script_has_the_options_that_the_guide_gives_it(command: Command) -> None:
    """That the scripts do what they say is tested with each of them."""
    script, *words = command.words[1:]
    shown = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [word for word in words if word.startswith("-") and word not in shown.stdout] == []


FROM_HERE = os.environ | {"PYTHONPATH": str(ROOT)}
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "raysearch").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py") and path.parts[len(ROOT.parts) + 1] != "cli"
]


def page_of(module: str) -> str:
    return f"reference/{module.split('.')[1]}.html"


class TestTheSite:
    @pytest.fixture(scope="class")
    def nav(self) -> list[str]:
        def pages(node: Any) -> list[str]:
            if isinstance(node, str):
                return [node]
            return [page for part in (node.values() if isinstance(node, dict) else node) for page in pages(part)]

        return pages(YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])

    def test_every_page_is_in_the_navigation_once_and_is_there(self, nav: list[str]) -> None:
        assert sorted(nav) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

    def test_every_room_has_a_page_of_reference(self) -> None:
        rooms = {path.stem for path in (ROOT / "raysearch").iterdir() if path.suffix == ".py" or path.is_dir()}
        pages = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md")}
        assert set(pages) == {room for room in rooms if not room.startswith("_")} - {"cli"}
        assert [room for room, text in pages.items() if not text.endswith(f"\n\n::: raysearch.{room}\n")] == []

    def test_the_page_of_commands_is_that_of_this_version(self, tmp_path: Path) -> None:
        """Where this fails, `make docs` writes it anew."""
        assert "\t$(BIN)/python docs/commands.py docs/guide/commands.md\n" in (ROOT / "Makefile").read_text()
        made = tmp_path / "commands.md"
        subprocess.run([sys.executable, "docs/commands.py", made], cwd=ROOT, env=FROM_HERE, check=True)
        text = made.read_text(encoding="utf-8")
        assert (DOCS / "guide" / "commands.md").read_text(encoding="utf-8") == text
        assert "..." not in text.replace("[ARGS]...", "") and "`front`: Show the Pareto front of a run: the fe" in text

    @pytest.fixture(scope="class")
    def source(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("guide")
        subprocess.run(["cp", "-r", ROOT / "docs", ROOT / "mkdocs.yml", ROOT / "raysearch", folder], check=True)
        return folder

    def build(self, source: Path) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from zensical.main import cli; cli()", "build", "--strict"]
        given = os.environ | {"PYTHONPATH": str(source)}
        return subprocess.run(program, cwd=source, env=given, capture_output=True, text=True, check=False)

    def test_it_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(
        self, source: Path, nav: list[str]
    ) -> None:
        done = self.build(source)
        assert done.returncode == 0, done.stdout + done.stderr
        made = {path.relative_to(source / "site").as_posix(): path for path in (source / "site").rglob("*.html")}
        assert {page.replace(".md", ".html") for page in nav} <= set(made)
        assert {name: found for name, path in made.items() if (found := LOADED.findall(path.read_text()))} == {}
        assert {name for name in MODULES if f'id="{name}' not in made[page_of(name)].read_text()} == set()

    def test_a_page_that_loads_a_script_or_a_font_from_elsewhere_would_be_found(self) -> None:
        assert LOADED.findall('<script src="https://cdn.example/x.js"></script><link rel=x href=//fonts.example/y>')
        assert not LOADED.findall('<a href="https://arxiv.org">x</a><script src="assets/x.js"></script>')

    def test_a_link_to_a_page_that_is_not_there_stops_the_build(self, source: Path) -> None:
        with (source / "docs" / "index.md").open("a") as page:
            page.write("\n[nowhere](nowhere.md)\n")
        done = self.build(source)
        assert done.returncode != 0 and "nowhere.md" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
