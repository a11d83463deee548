"""YAML -> a study, strictly: every problem at once, each with file and line, before anything starts. Imports no torch.

study = load_study("demo", ["unlearning.lr=1e-4"])
study.default_trial()
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml.nodes import MappingNode

from raysearch.config import catalog
from raysearch.config.metric_names import BY_SET, split
from raysearch.config.overrides import apply
from raysearch.config.paths import absolute, absolute_setting
from raysearch.config.problems import Finding, Location, explain
from raysearch.config.schema import SearchConfig, StudyConfig, TrialConfig
from raysearch.config.space import (
    Choice,
    Distribution,
    Probe,
    assemble,
    combinations,
    defaults,
    parameters,
    possible,
    probes,
)
from raysearch.config.tags import shown
from raysearch.config.yaml_tree import OVERRIDE, Address, Option, Reader, Tree, address_of, compose, path_of, to_yaml
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Study:
    """A validated study.

    Attributes:
        config: all of it; ``config.trial`` is the space.
        space: a trial's configuration with distributions at some leaves.
        path: the file.
        text: its text as given, paths made absolute where it was loaded from a file.
        overrides: ``PATH=VALUE`` settings applied to it.
    """

    config: StudyConfig
    space: Any
    path: Path
    text: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, text: str, path: Path | str, overrides: Sequence[str] = ()) -> Study:
        """Reads a study from YAML text; ``path`` is where problems are said to be.

        Raises:
            ConfigError: all problems that there are.
        """
        root = compose(text, str(path))
        if not isinstance(root, MappingNode):
            what = "is empty" if root is None else "holds no keys and values"
            raise ConfigError([Problem(f"{path}:1", "", f"{what}; a study needs at least `name:` and `trial:`")])
        changed, kept, problems = apply(root, overrides)
        reader = Reader(str(path), changed)
        data = reader.read(root)
        del kept
        tree = reader.tree
        problems += tree.problems
        config, found = _check_study(data, tree)
        problems += found
        if problems or config is None:
            raise ConfigError(_in_order(problems))
        return cls(config, data["trial"], Path(path), text, tuple(overrides))

    @property
    def points(self) -> list[dict[str, Any]]:
        """Parameter values to try first: those given, then, with ``search.grid``, every combination of choices."""
        given = [dict(point) for point in self.config.search.points]
        return given + (list(combinations(self.space)) if self.config.search.grid else [])

    def trial(self, params: Mapping[str, Any]) -> TrialConfig:
        """The configuration of given parameter values.

        Raises:
            ConfigError: a parameter missing, unknown, or not one that its distribution gives.
        """
        config = assemble(self.space, params)
        try:
            return TrialConfig.model_validate(config)
        except ValidationError as error:
            found = explain(TrialConfig, config, error)
            raise ConfigError([Problem(str(self.path), path_of(f.location), f.message) for f in found]) from None

    def default_trial(self) -> TrialConfig:
        """The configuration with every distribution at its default."""
        return self.trial(defaults(self.space))


def load_study(source: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Loads a study's file, or a shipped one by name.

    Args:
        source: a path, or a name that ``catalog.names`` knows.
        overrides: ``PATH=VALUE``; VALUE is YAML, tags included. A path that begins with a key of the study
            (``search.trials``) changes the study, any other the trial's configuration.

    Paths come out absolute: those of the file are relative to it, those of overrides to the working folder.

    Raises:
        ConfigError: all problems at once.
    """
    path = Path(source).expanduser()
    if not path.is_file() and str(source) in catalog.names():
        path = _short(catalog.find(str(source)))
    text = absolute(_text(path, str(source)), path.absolute().parent)
    return Study.from_text(text, path, [absolute_setting(setting, Path.cwd()) for setting in overrides])


def _text(path: Path, source: str) -> str:
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        rule = f"no such file, and no shipped study has this name. {suggestion(source, catalog.names())}"
        raise ConfigError([Problem(source, "", rule)]) from None
    except IsADirectoryError:
        raise ConfigError([Problem(source, "", "is a folder; give a YAML file in it")]) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        rule = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigError([Problem(f"{source}:{line}", "", rule)]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            [Problem(source, "", f"cannot be read: {reason}; give a YAML file that you may read")]
        ) from None


def _short(path: Path) -> Path:
    """Relative to the working folder where that is above it: a shipped study's full path would fill the screen."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else Path(relative)


def read_trial(text: str, origin: str = "trial.yaml") -> TrialConfig:
    """A trial's configuration from YAML text without distributions: what ``dump`` writes.

    Raises:
        ConfigError: all problems at once.
    """
    return read_block(TrialConfig, text, origin)


def read_block(model: type[B], text: str, origin: str) -> B:
    """A block from YAML text without distributions.

    Raises:
        ConfigError: all problems at once.
    """
    reader = Reader(origin)
    data = reader.read(compose(text, origin))
    config: B | None
    config, found = _validate(model, {} if data is None else data)
    problems = [_problem(reader.tree, finding, finding.location) for finding in found]
    if reader.tree.problems or config is None:
        raise ConfigError(_in_order([*reader.tree.problems, *filter(None, problems)]))
    return config


def dump(config: BaseModel) -> str:
    """A configuration as YAML text that loads again to the same configuration."""
    return to_yaml(config.model_dump(mode="json"))


def _validate(model: type[Any], data: Any) -> tuple[Any, list[Finding]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, explain(model, data, error)


def _problem(tree: Tree, finding: Finding, address: Address, before: str = "", after: str = "") -> Problem | None:
    """A finding with its place; None where an earlier problem at that place explains it."""
    if tree.is_spoiled(address):
        return None
    return Problem(tree.place(address), path_of(address), f"{before}{finding.message}{after}")


def _check_study(data: dict[str, Any], tree: Tree) -> tuple[StudyConfig | None, list[Problem]]:
    config, findings = _validate(StudyConfig, data)
    problems = [_problem(tree, finding, finding.location) for finding in findings]
    space = data.get("trial")
    if isinstance(space, dict):
        problems += _check_space(space, tree)
        if config is not None and not any(problems):
            problems += _check_points(space, config.search.points, tree)
            problems += _check_grid(space, config.search, tree)
            problems += _check_metrics(space, config, tree)
    elif "trial" in data:
        rule = f"must be a block, a trial's configuration, got {shown(space)}"
        problems.append(_problem(tree, Finding(("trial",), rule), ("trial",)))
    return config, [problem for problem in problems if problem is not None]


def _check_space(space: dict[str, Any], tree: Tree) -> list[Problem]:
    """Tries the defaults, then every parameter at each of its ends."""
    try:
        everything = parameters(space)
    except ConfigError as error:
        return [
            Problem(tree.place(("trial", *_steps(problem.path))), problem.path, problem.message)
            for problem in error.problems
        ]
    start = defaults(space)
    tried = [Probe("", None, start, assemble(space, start)), *probes(space)]
    problems: list[Problem] = []
    known: set[tuple[Address, str]] = set()
    deferred: list[tuple[Finding, Address]] = []
    for probe in tried:
        for finding in _validate(TrialConfig, probe.config)[1]:
            address = ("trial", *address_of(space, probe.params, finding.location))
            path = path_of(address)
            if (address, finding.message) in known:
                continue
            if path in everything and path != probe.name:  # its own ends are yet to come, or were tried
                deferred.append((finding, address))
                continue
            known.add((address, finding.message))
            before = _end(everything[path].distribution, probe.value) if path == probe.name and path else ""
            inside = any(isinstance(step, Option) for step in address) or not probe.name
            after = "" if before or inside else f" (where {probe.name} = {probe.value})"
            problems += filter(None, [_problem(tree, finding, address, before, after)])
    reported = {problem.path for problem in problems}
    late = {path_of(at): _problem(tree, finding, at) for finding, at in deferred if path_of(at) not in reported}
    return [*problems, *(problem for problem in late.values() if problem is not None)]


def _check_points(space: dict[str, Any], points: Sequence[Mapping[str, Any]], tree: Tree) -> list[Problem]:
    """Points to try first may leave parameters out; what they give must be possible."""
    known = parameters(space)
    problems = []
    for index, point in enumerate(points):
        for name, value in point.items():
            place = tree.place(("search", "points", index))
            if name not in known:
                rule = f"no such parameter. {suggestion(name, known)}"
                problems.append(Problem(place, f"search.points[{index}]", f"{name}: {rule}"))
            elif not possible(known[name].distribution, value):
                rule = f"{name}: {value!r} is not {known[name].distribution}"
                problems.append(Problem(place, f"search.points[{index}]", rule))
    return problems


def _check_grid(space: dict[str, Any], search: SearchConfig, tree: Tree) -> list[Problem]:
    """The trials must be enough for a grid."""
    if not search.grid:
        return []
    needed = len(search.points) + sum(1 for _ in combinations(space))
    explored = search.trials - round(search.replicates.share * search.trials)
    if explored >= needed:
        return []
    rule = f"{explored} trials explore (replicates apart), but points and grid are {needed}. Raise search.trials."
    return [Problem(tree.place(("search", "trials")), "search.trials", rule)]


def _check_metrics(space: dict[str, Any], config: StudyConfig, tree: Tree) -> list[Problem]:
    """The set or attribute of a metric's name must be measured by every trial of the space."""
    named: list[tuple[Address, str]] = [(("objectives", name), name) for name in config.objectives]
    named += [(("constraints", i, "metric"), bound.metric) for i, bound in enumerate(config.constraints)]
    if not any(split(name)[1] for _, name in named):
        return []
    start = defaults(space)
    tried = [Probe("", None, start, assemble(space, start)), *probes(space)]
    found: dict[Address, Problem] = {}
    for probe in tried:
        measured = TrialConfig.model_validate(probe.config).measured
        where = f" (where {probe.name} = {probe.value})" if probe.name else ""
        for address, name in named:
            if name not in measured and address not in found:
                rule = _not_measured(name, measured) + where
                found[address] = Problem(tree.place(address), path_of(address), rule)
    return list(found.values())


def _not_measured(name: str, measured: Sequence[str]) -> str:
    metric, part = split(name)
    known = [other for other in measured if other.startswith(f"{metric}.")]
    rule = f"this study's trials do not measure '{name}'. "
    if known:
        return rule + suggestion(name, known)
    if metric in BY_SET:
        return rule + f"They have one stereotype set, whose value is '{metric}': add '{part}' to stereotypes.also."
    return rule + f"Add '{part}' to data.also_by; by data.sensitive it is '{metric}'."


def _steps(path: str) -> Location:
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path))


def _end(leaf: Distribution, value: Any) -> str:
    if isinstance(leaf, Choice):
        return f"option {value}: "
    return f"end point {'low' if value == leaf.low else 'high'} = {value:g}: "


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """By line, overrides last; each once."""

    def key(problem: Problem) -> tuple[bool, int]:
        line = re.search(r":(\d+)$", problem.place)
        return problem.place == OVERRIDE, int(line[1]) if line else 0

    return sorted(dict.fromkeys(problems), key=key)
