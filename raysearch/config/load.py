"""YAML -> a study, strictly: every problem at once, each with file and line, before anything starts. Imports no torch.

    study = load_study("demo", ["unlearning.lr=1e-4"])
    study.default_trial()
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from raysearch.config import catalog
from raysearch.config.problems import Places, explain
from raysearch.config.schema import StudyConfig, TrialConfig
from raysearch.config.space import Choice, Float, Int, assemble, defaults, end_points, ends, join, parameters
from raysearch.config.yaml_tree import parse
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion


@dataclass(frozen=True, eq=False)
class Study:
    """A validated study.

    Attributes:
        config: all but the space; ``config.trial`` is the space as read.
        space: a trial's configuration with distributions at some leaves.
        path: the file.
        text: its text as given.
        overrides: ``PATH=VALUE`` settings applied to it.
    """

    config: StudyConfig
    space: Any
    path: Path
    text: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, text: str, path: Path, overrides: Sequence[str] = ()) -> Study:
        """Reads a study from YAML text.

        Raises:
            ConfigError: all problems that there are.
        """
        places = Places(str(path))
        tree = parse(text, str(path))
        places.add(tree.lines)
        problems = [Problem(f"{path}:{line}", _shown(at), rule) for at, line, rule in tree.problems]
        if not isinstance(tree.value, dict):
            what = "is empty" if tree.value is None else f"holds {type(tree.value).__name__}, not keys and values"
            raise ConfigError([Problem(f"{path}:1", "", f"{what}; a study needs at least `name:` and `trial:`")])
        data: dict[str, Any] = tree.value
        for setting in overrides:
            problems += _override(data, setting, places)
        space = data.get("trial")
        outside = {key: value for key, value in data.items() if key != "trial"}
        problems += _outside(data, places)
        config, found = _validated(StudyConfig, {**outside, "trial": space}, places, "")
        problems += found
        if isinstance(space, dict):
            problems += _check_space(space, places)
        elif space is not None:
            problems.append(Problem(places.of("trial"), "trial", "needs keys and values, a trial's configuration"))
        problems = _first_causes(problems)
        if problems or config is None:
            raise ConfigError(problems)
        return cls(config, space, path, text, tuple(overrides))

    def trial(self, params: Mapping[str, Any]) -> TrialConfig:
        """The configuration of given parameter values.

        Raises:
            ConfigError: a parameter missing, unknown, or out of the schema's bounds.
        """
        return TrialConfig.model_validate(assemble(self.space, params))

    def default_trial(self) -> TrialConfig:
        """The configuration with every distribution at its default."""
        return self.trial(defaults(self.space))


def load_study(source: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Loads a study's file, or a shipped one by name.

    Args:
        source: a path, or a name that ``catalog.names`` knows.
        overrides: ``PATH=VALUE``; VALUE is YAML, tags included. A path that begins with a key of the study
            (``search.trials``) changes the study, any other the trial's configuration.

    Raises:
        ConfigError: all problems at once.
    """
    path = Path(source).expanduser()
    if not path.exists() and str(source) in catalog.names():
        path = catalog.find(str(source))
    if not path.is_file():
        what = "is a folder; give a YAML file" if path.is_dir() else "no such file"
        remedy = "" if path.is_dir() else f", and no shipped study. {suggestion(str(source), catalog.names())}"
        raise ConfigError([Problem(str(source), "", what + remedy)])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]) from None
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    return Study.from_text(text, path, overrides)


def dump(config: BaseModel) -> str:
    """A configuration as YAML text that loads again to the same configuration."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(config.model_dump(mode="json"), stream)
    return stream.getvalue()


def _first_causes(problems: Sequence[Problem]) -> list[Problem]:
    """Drops repetitions, and what follows at a path from an earlier problem at the same path."""
    kept: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        kept.setdefault((problem.path, "" if problem.path else problem.message), problem)
    return list(kept.values())


def _shown(path: str) -> str:
    return path.removeprefix("trial.")


def _validated(
    kind: type[BaseModel], data: Any, places: Places, prefix: str, option: int = 0
) -> tuple[Any, list[Problem]]:
    try:
        return kind.model_validate(data), []
    except ValidationError as error:
        return None, [
            Problem(places.of(join(prefix, path) if prefix else path, option), path, rule)
            for path, rule in (explain(kind, data, item) for item in error.errors())
        ]


def _outside(data: dict[str, Any], places: Places) -> list[Problem]:
    """Distributions are for trials: elsewhere there is nothing that could sample them."""
    found = []

    def visit(node: Any, path: str) -> None:
        if isinstance(node, Float | Int | Choice):
            found.append(Problem(places.of(path), path, "a distribution can stand only under `trial:`; give one value"))
        elif isinstance(node, dict):
            for key, child in node.items():
                visit(child, join(path, key))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                visit(child, f"{path}[{index}]")

    for key, value in data.items():
        if key != "trial":
            visit(value, key)
    return found


def _check_space(space: dict[str, Any], places: Places) -> list[Problem]:
    """Tries the defaults, then every parameter at each of its ends."""
    everything = parameters(space)
    start = assemble(space, defaults(space))
    _, problems = _validated(TrialConfig, start, places, "trial")
    known = {(problem.path, problem.message) for problem in problems}
    for name, value, config in end_points(space):
        option = ends(everything[name].distribution).index(value) if name else 0
        _, found = _validated(TrialConfig, config, places, "trial", option)
        for problem in found:
            if (problem.path, problem.message) not in known:
                known.add((problem.path, problem.message))
                where = problem.message if problem.path == name else f"{problem.message} (tried {name} = {value})"
                problems.append(Problem(problem.place, problem.path, where))
    return problems


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def _override(data: dict[str, Any], setting: str, places: Places) -> list[Problem]:
    """Applies one ``PATH=VALUE`` in place."""
    origin = f"--set {setting}"
    path, equals, text = setting.partition("=")
    path = path.strip()
    steps: list[Any] = [int(m[2]) if m[2] else m[1] for m in _STEP.finditer(path)]
    if not equals or not steps:
        return [Problem(origin, "", "needs the form PATH=VALUE, such as unlearning.lr=1e-4")]
    if steps[0] not in StudyConfig.model_fields:
        if steps[0] not in TrialConfig.model_fields:
            every = [*TrialConfig.model_fields, *StudyConfig.model_fields]
            return [Problem(origin, path, f"unknown key '{steps[0]}'. {suggestion(str(steps[0]), every)}")]
        steps = ["trial", *steps]
        path = f"trial.{path}"
    tree = parse(text, origin)
    problems = [Problem(origin, path, rule) for _, _, rule in tree.problems]
    node: Any = data
    for step, following in zip(steps, steps[1:], strict=False):
        child = node.get(step) if isinstance(node, dict) else node[step] if _inside(node, step) else None
        if isinstance(child, Float | Int | Choice):
            rule = f"'{step}' is a distribution in the file; set it whole: {step}={{...}}, or change the file"
            return [*problems, Problem(origin, _shown(path), rule)]
        if child is None and isinstance(node, dict):
            child = node[step] = {}
        if not isinstance(child, dict | list) or (isinstance(following, int) and not _inside(child, following)):
            return [*problems, Problem(origin, _shown(path), f"'{step}' holds one value; there is nothing below it")]
        node = child
    if isinstance(node, dict) or _inside(node, steps[-1]):
        node[steps[-1]] = tree.value
        places.override(path, origin)
    else:
        problems.append(Problem(origin, _shown(path), f"there is no item {steps[-1]}"))
    return problems


def _inside(node: Any, step: Any) -> bool:
    return isinstance(node, list) and isinstance(step, int) and step < len(node)

