"""What a user reads when a study is wrong, byte for byte.

RAYSEARCH_GOLDEN=1 writes the files anew; look at the difference before it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysearch.config.load import Study
from raysearch.errors import ConfigError

FOLDER = Path(__file__).parent / "config_errors"
STUDY = """name: overrides
trial:
  cda: !choice [{mode: none}, {mode: replace, fraction: 0.5}]
  unlearning: {lr: !float {low: 1e-5, high: 1e-3}, steps: 20}
constraints: [{metric: accuracy, at_least: 0.5}]
"""
TEXTS = {
    "empty": "",
    "only_a_comment": "# name: demo\n",
    "a_list": "- name: demo\n",
    "a_word": "demo\n",
    "no_trial": "name: demo\n",
    "trial_is_null": "name: demo\ntrial:\n",
    "trial_is_a_choice": "name: demo\ntrial: !choice [{seed: 1}, {seed: 2}]\n",
    "open_bracket": "name: demo\ntrial: {seed: [1\n",
    "tab": "name: demo\ntrial:\n\tseed: 1\n",
    "two_colons": "name: demo\ntrial: seed: 1\n",
    "two_documents": "name: demo\ntrial: {}\n---\nname: other\n",
    "control_character": "name: demo\ntrial: {seed: \x01}\n",
    "unknown_alias": "name: demo\ntrial: *other\n",
    "alias_of_itself": "name: demo\ntrial: &t {model: *t}\n",
    "merge_key": "name: demo\ntrial: {<<: {seed: 1}}\n",
    "key_is_a_list": "name: demo\ntrial: {}\n? [a, b]\n: 1\n",
    "python_object": "name: demo\ntrial: {seed: !!python/name:os.system x}\n",
    "not_an_integer": "name: demo\ntrial: {seed: !!int five}\n",
}
SETTINGS = (
    "unlearning.lr",
    "=3",
    "unlearning..lr=3",
    "unlerning.lr=3",
    "unlearning.lrr=3",
    "unlearning.lr.low=1e-4",
    "cda.fraction=0.3",
    "seed=",
    "seed=[1",
    "unlearning.steps.x=3",
    "unlearning.warmup_fraction=!float {low: 0, high: 2}",
    "unlearning.losses.klx.weight=1",
    "constraints[1].at_least=1",
    "constraints.at_least=1",
    "search.trails=3",
    "search.trials=!int {low: 1, high: 2}",
    "workers.groups='2'",
)


def _message(text: str, name: str, settings: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        Study.from_text(text, name, settings)
    return f"{caught.value}\n"


def _compare(name: str, came: str) -> None:
    golden = FOLDER / name
    if os.environ.get("RAYSEARCH_GOLDEN") == "1":
        golden.write_bytes(came.encode())
    assert golden.is_file(), f"{name} is missing; run with RAYSEARCH_GOLDEN=1 to write it"
    assert golden.read_bytes() == came.encode()


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_a_wrong_study_says_all_that_is_wrong_with_it(name: str) -> None:
    _compare(f"{name}.txt", _message((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"))


def test_a_text_that_is_no_study_says_why() -> None:
    _compare("texts.txt", "".join(_message(text, f"{name}.yaml") for name, text in TEXTS.items()))


def test_a_wrong_override_says_why() -> None:
    _compare("overrides.txt", _message(STUDY, "overrides.yaml", SETTINGS))
