"""Relative paths in a study become absolute as it is read, and nothing else in its text changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysearch.config.load import Study, load_study
from raysearch.config.paths import absolute, absolute_setting
from raysearch.errors import ConfigError
from raysearch.ledger.run_folder import RunFolder

BASE = Path("/base/studies")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("trial: {data: {path: here}}", 'trial: {data: {path: "/base/studies/here"}}'),
        ("trial: {data: {path: ../here/}}", 'trial: {data: {path: "/base/here"}}'),
        ("trial: {data: {path: './a b'}} # why", 'trial: {data: {path: "/base/studies/a b"}} # why'),
        ("trial:\n  data:\n    table: own.yaml\n", 'trial:\n  data:\n    table: "/base/studies/own.yaml"\n'),
        (
            "trial: {data: {table: !choice [a.yaml, adult, /b.yml]}}",
            'trial: {data: {table: !choice ["/base/studies/a.yaml", adult, /b.yml]}}',
        ),
        (
            "trial: {data: !choice {options: [{path: a}, {table: b.yml}], default: option_1}}",
            'trial: {data: !choice {options: [{path: "/base/studies/a"}, {table: "/base/studies/b.yml"}], '
            "default: option_1}}",
        ),
        (
            "trial: {data: {table: !choice {options: [a.yaml, b.yaml], default: b.yaml}}}",
            'trial: {data: {table: !choice {options: ["/base/studies/a.yaml", "/base/studies/b.yaml"], '
            'default: "/base/studies/b.yaml"}}}',
        ),
        (
            "search: {points: [{data.table: a.yaml, unlearning.lr: 1}, {data.path: b}]}",
            'search: {points: [{data.table: "/base/studies/a.yaml", unlearning.lr: 1}, '
            '{data.path: "/base/studies/b"}]}',
        ),
        ("trial: {model: {source: ./mine}}", 'trial: {model: {source: "/base/studies/mine"}}'),
        ("trial: {data: {path: &p a}, x: *p}", 'trial: {data: {path: &p "/base/studies/a"}, x: *p}'),
        ("trial: {data: {path: grüße/\U0001f600}}", 'trial: {data: {path: "/base/studies/grüße/\U0001f600"}}'),
    ],
)
def test_a_relative_path_becomes_absolute(before: str, after: str) -> None:
    assert absolute(before, BASE) == after
    assert absolute(after, Path("/other")) == after


@pytest.mark.parametrize(
    "text",
    [
        "trial: {data: {path: /there, table: adult}}",
        "trial: {data: {path: ~/there}}",
        "trial: {data: {path: null}}",
        "trial: {data: {path: }}",
        "trial: {data: {path: 3}}",
        "trial: {data: {path: !int {low: 1, high: 2}}}",
        "trial: {model: {source: org/name}, text: {path: here}}",
        "trial: {model: {source: smollm2-135m}}",
        "data: {path: here}",
        "trial: [unclosed",
        "trial: &t {data: *t}",
        "",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert absolute(text, BASE) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("data.path=here", 'data.path="/base/studies/here"'),
        ("trial.data.path=here", 'trial.data.path="/base/studies/here"'),
        ("data={table: a.yaml, sensitive: sex}", 'data={table: "/base/studies/a.yaml", sensitive: sex}'),
        ("data.table=!choice [adult, a.yaml]", 'data.table=!choice [adult, "/base/studies/a.yaml"]'),
        ("data.table=adult", "data.table=adult"),
        ("name=here", "name=here"),
        ("nothing", "nothing"),
    ],
)
def test_so_does_that_of_a_setting(before: str, after: str) -> None:
    assert absolute_setting(before, BASE) == after


def test_a_file_is_read_from_where_it_lies_and_a_setting_from_where_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "own.yaml"
    file.write_text("# mine\nname: own\ntrial:\n  data: {table: own_table.yaml}   # beside it\n")
    monkeypatch.chdir(tmp_path / "work")
    study = load_study("../studies/own.yaml")
    assert study.default_trial().data.table == str(tmp_path / "studies" / "own_table.yaml")
    assert study.text.startswith("# mine\n") and study.text.endswith("   # beside it\n")
    changed = load_study(Path("../studies/own.yaml"), ["data.table=german_credit", "data.path=files"])
    assert changed.default_trial().data.path == str(tmp_path / "work" / "files")
    run = RunFolder.create(tmp_path / "run", changed.text, {"overrides": list(changed.overrides)})
    os.chdir(tmp_path)
    assert run.study().default_trial() == changed.default_trial()


def test_lines_of_a_mistake_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\ntrial:\n  data:\n    path: a\n    tabel: b\n")
    with pytest.raises(ConfigError, match=r"own\.yaml:5: data\.tabel"):
        load_study(file)


def test_text_that_is_not_of_a_file_is_taken_as_it_is() -> None:
    study = Study.from_text("name: own\ntrial: {data: {path: a}}\n", "own.yaml")
    assert study.default_trial().data.path == "a"
