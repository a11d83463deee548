"""Reading studies: what a file means, where a problem stands, what an override does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raysearch.config import catalog
from raysearch.config.load import Study, dump, load_study, read_trial
from raysearch.config.schema import CdaDuplicate, TrialConfig
from raysearch.config.space import Choice, Float, Int, end_points, parameters
from raysearch.config.unlearning import UnlearningConfig
from raysearch.errors import ConfigError

HEAD = "name: study\ntrial:\n"


def study(trial: str = "  seed: 1\n", *settings: str, more: str = "") -> Study:
    return Study.from_text(HEAD + trial + more, "study.yaml", settings)


def problems(text: str, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Study.from_text(text, "study.yaml", settings)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", catalog.names())
def test_a_shipped_study_loads_by_name_and_every_end_of_it_is_a_configuration(name: str) -> None:
    loaded = load_study(name)
    assert loaded.config.name == name
    assert parameters(loaded.space)
    for _, _, config in end_points(loaded.space):
        TrialConfig.model_validate(config)
    assert loaded.default_trial().unlearning is not None


def test_a_search_space_of_each_table_ships() -> None:
    assert {"demo", "german_credit", "adult", "compas", "acs_employment", "lambda_ablation"} <= set(catalog.names())


def test_what_is_left_out_takes_the_defaults_of_a_trial() -> None:
    assert study().default_trial() == TrialConfig(seed=1)


def test_tags_make_distributions() -> None:
    space = study(
        "  seed: !int {low: 0, high: 8, step: 2}\n"
        "  downstream: {threshold: !float {low: 0.25, high: 0.75}}\n"
        "  text: {max_columns: !choice {options: [4, null], default: null}}\n"
        "  unlearning: {lr: !float {low: 1e-5, high: 1e-3, log: true, default: 1e-4}}\n"
    ).space
    assert space["seed"] == Int(0, 8, step=2)
    assert space["downstream"]["threshold"] == Float(0.25, 0.75)
    assert space["text"]["max_columns"] == Choice((4, None), "none")
    assert space["unlearning"]["lr"] == Float(1e-5, 1e-3, log=True, default=1e-4)


def test_words_and_numbers_are_those_of_yaml_1_2() -> None:
    loaded = study("  model: {revision: no}\n  unlearning: {lr: 1e-5, steps: 0o17}\n").default_trial()
    assert loaded.model.revision == "no"
    assert loaded.unlearning == UnlearningConfig(lr=1e-5, steps=15)


def test_a_date_is_text() -> None:
    assert study("  model: {revision: 2026-01-31}\n").default_trial().model.revision == "2026-01-31"


def test_an_aliased_block_is_read_at_both_places_and_an_override_changes_one() -> None:
    text = "  unlearning: &u {steps: 5}\nanchors: {unlearning: *u}\n"
    loaded = study(text, "unlearning.steps=7")
    assert loaded.default_trial().unlearning == UnlearningConfig(steps=7)
    assert loaded.config.anchors.unlearning == UnlearningConfig(steps=5)


def test_each_option_of_a_choice_knows_its_own_lines() -> None:
    options = (
        "  cda: !choice\n"
        "    - {mode: replace, fraction: 0.5}\n"
        "    - mode: duplicate\n"
        "      fraction: 0.5\n"
        "    - {mode: none,\n"
        "       fracton: 0.5}\n"
    )
    assert [line.split(": ", 2)[:2] for line in problems(HEAD + options)] == [
        ["study.yaml:6", "cda.fraction"],
        ["study.yaml:8", "cda.fracton"],
    ]


def test_an_end_in_a_nested_choice_is_tried_under_its_conditions() -> None:
    nested = (
        "  unlearning: !choice\n"
        "    - null\n"
        "    - lora: !choice\n"
        "        - {rank: 4}\n"
        "        - {rank: !int {low: 0, high: 8}}\n"
    )
    assert problems(HEAD + nested) == [
        "study.yaml:7: unlearning.lora.rank: end point low = 0: must be at least 1, got 0"
    ]


def test_trial_gives_the_configuration_of_parameters_and_refuses_others() -> None:
    loaded = study("  cda: !choice [{mode: none}, {mode: replace, fraction: !float {low: 0.2, high: 0.8}}]\n")
    assert loaded.trial({"cda": "none"}) == TrialConfig()
    replaced = loaded.trial({"cda": "replace", "cda.fraction": 0.4}).cda
    assert replaced.mode == "replace"
    assert replaced.fraction == 0.4
    for wrong in (
        {},
        {"cda": "replace"},
        {"cda": "none", "cda.fraction": 0.4},
        {"cda": "replace", "cda.fraction": 2.0},
    ):
        with pytest.raises(ConfigError):
            loaded.trial(wrong)


def test_an_override_replaces_a_leaf_a_block_or_a_distribution() -> None:
    text = "  cda: !choice [{mode: none}, {mode: duplicate}]\n  unlearning: {lr: !float {low: 1e-5, high: 1e-3}}\n"
    loaded = study(
        text, "unlearning.lr=1e-4", "cda={mode: duplicate}", "search.trials=5", "seed=!int {low: 1, high: 3}"
    )
    assert set(parameters(loaded.space)) == {"seed"}
    default = loaded.default_trial()
    assert default.cda == CdaDuplicate(mode="duplicate")
    assert default.unlearning == UnlearningConfig(lr=1e-4)
    assert loaded.config.search.trials == 5
    assert loaded.overrides[0] == "unlearning.lr=1e-4"


def test_of_two_overrides_of_one_key_the_last_counts() -> None:
    assert study("  {}\n", "seed=3", "seed=4").default_trial().seed == 4


@pytest.mark.parametrize("block", ["  {}\n", "  unlearning: null\n", "  unlearning:\n"])
def test_an_override_below_an_absent_block_makes_it(block: str) -> None:
    assert study(block, "unlearning.steps=5").default_trial().unlearning == UnlearningConfig(steps=5)


def test_an_override_of_one_default_loss_keeps_the_others() -> None:
    unlearning = study("  {}\n", "unlearning.losses.kl.weight=3").default_trial().unlearning
    assert unlearning is not None
    assert unlearning.losses["kl"].weight == 3
    assert set(unlearning.losses) == set(UnlearningConfig().losses)


def test_an_override_of_one_objective_keeps_the_others_in_their_order() -> None:
    objectives = study("  {}\n", "objectives.accuracy_parity=minimize").config.objectives
    assert list(objectives)[:4] == list(study().config.objectives)
    assert list(objectives)[4:] == ["accuracy_parity"]


def test_an_override_of_a_list_item_changes_that_item() -> None:
    more = "constraints: [{metric: accuracy, at_least: 0.5}, {metric: perplexity_ratio, at_most: 2}]\n"
    constraints = study("  {}\n", "constraints[1].at_most=1.1", more=more).config.constraints
    assert [c.at_most for c in constraints] == [None, 1.1]


def test_a_saved_text_with_its_overrides_loads_to_the_same_study() -> None:
    loaded = load_study("demo", ["unlearning.lr=1e-4", "search.trials=3"])
    again = Study.from_text(loaded.text, "study.yaml", loaded.overrides)
    assert again.space == loaded.space
    assert again.config == loaded.config


def test_dump_keeps_words_that_look_like_other_things() -> None:
    config = TrialConfig.model_validate({"model": {"revision": "1e-5", "source": "no"}, "unlearning": {"lr": 1e-5}})
    assert read_trial(dump(config)) == config


def test_a_dumped_trial_may_hold_no_distribution() -> None:
    with pytest.raises(ConfigError, match=r"trial\.yaml:1: seed: a distribution"):
        read_trial("seed: !int {low: 1, high: 2}\n")


def test_a_missing_file_suggests_a_shipped_study() -> None:
    with pytest.raises(ConfigError, match=r"^demoo: no such file.*Did you mean 'demo'\?$"):
        load_study("demoo")


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load_study(tmp_path)


def test_text_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("name: a\ndescription: Zürich\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: byte 0xfc is not UTF-8"):
        load_study(file)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "mark.yaml"
    file.write_text(HEAD + "  {}\n", encoding="utf-8-sig")
    assert load_study(file).config.name == "study"


def test_reading_a_study_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys\n"
        "from raysearch.config.load import load_study\n"
        "from raysearch.config.json_schema import study_schema\n"
        "load_study('demo').default_trial(); study_schema()\n"
        "print(sorted({'torch', 'ray', 'optuna', 'transformers', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
