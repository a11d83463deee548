"""What can be known to be wrong before anything starts: assets, tables, splits, loss options, shares of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from raysearch import registry
from raysearch.config.load import Study
from raysearch.config.schema import CdaNone, DataConfig, ModelConfig, TrialConfig
from raysearch.config.space import end_points
from raysearch.datasets.find import find
from raysearch.datasets.splits import split_rows
from raysearch.datasets.table import parts_of
from raysearch.errors import ConfigError, Problem
from raysearch.losses.composite import check_options
from raysearch.models.sources import download, resolve
from raysearch.pipeline.data import load_table
from raysearch.text.corpus import general_texts


@dataclass(frozen=True)
class Anchor:
    """A reference point of every front.

    Attributes:
        stage: baseline, cda or unlearning.
        config: its configuration: the study's, at its defaults, with only that mitigation on.
    """

    stage: str
    config: TrialConfig


def anchors(study: Study) -> list[Anchor]:
    """Baseline, CDA alone and unlearning alone, at the settings that the study gives for them."""
    default = study.default_trial()
    given = study.config.anchors
    off = default.model_copy(update={"cda": CdaNone(), "unlearning": None})
    found = [Anchor("baseline", off)]
    if given.cda.mode != "none" and default.text.include_sensitive:
        found.append(Anchor("cda", off.model_copy(update={"cda": given.cda})))
    found.append(Anchor("unlearning", off.model_copy(update={"unlearning": given.unlearning})))
    return found


def check(study: Study, chosen: list[Anchor], say: Callable[[str], None]) -> None:
    """Fetches what the study needs and tries every table that a trial may use.

    Raises:
        ConfigError: loss options or batch sizes that no trial could run with.
        AssetError: a model or table that cannot be had.
        DataError: a table that cannot serve.
    """
    configs = check_settings(study, chosen)
    models: set[ModelConfig] = {config.model for config in configs}
    for model in sorted(models, key=str):
        say(f"model {model.source}")
        if resolve(model, say).digest.startswith("hub:"):
            download(model)
    tables: set[DataConfig] = {config.data for config in configs}
    for data in sorted(tables, key=str):
        say(f"table {data.path or data.table}")
        _, table = load_table(data)
        split_rows(table, data)
    for source in sorted({config.evaluation.perplexity_source for config in configs}):
        say(f"text {source}")
        general_texts(source)


def check_settings(study: Study, chosen: list[Anchor]) -> list[TrialConfig]:
    """Tries what needs the code of losses and workers; fetches nothing.

    Returns:
        The anchors' configurations and those of every end point.

    Raises:
        ConfigError: loss options, attributes or batch sizes that no trial could run with.
    """
    configs = [anchor.config for anchor in chosen]
    configs += [TrialConfig.model_validate(config) for _, _, config in end_points(study.space)]
    tables = {table: find(table).sensitive for table in {config.data.table for config in configs}}
    problems = {str(problem): problem for config in configs for problem in _problems(config, study, tables)}
    if problems:
        raise ConfigError(list(problems.values()))
    return configs


def _problems(config: TrialConfig, study: Study, tables: Mapping[str, Mapping[str, tuple[str, ...]]]) -> list[Problem]:
    found = []
    known = tables[config.data.table]
    for path, attribute in [("sensitive", config.data.sensitive), *(("also_by", more) for more in config.data.also_by)]:
        for part in parts_of(attribute):
            if part not in known:
                rule = f"table '{config.data.table}' has no sensitive attribute '{part}'."
                found.append(Problem(str(study.path), f"data.{path}", f"{rule} {registry.suggestion(part, known)}"))
    if config.unlearning is None:
        return found
    for name, term in config.unlearning.losses.items():
        try:
            check_options(name, term.options)
        except ValueError as error:
            found.append(Problem(str(study.path), f"unlearning.losses.{name}.options", str(error)))
    size = study.config.workers.workers_per_group * config.unlearning.micro_batches
    for key, count in (
        ("pairs_per_step", config.unlearning.pairs_per_step),
        ("neutral.texts_per_step", config.unlearning.neutral.texts_per_step),
    ):
        if count < size:
            rule = f"each of {size} parts (workers of a group x micro-batches) needs at least one; got {count}"
            remedy = "Raise it, or lower workers.workers_per_group or unlearning.micro_batches."
            found.append(Problem(str(study.path), f"unlearning.{key}", f"{rule}. {remedy}"))
    return found
