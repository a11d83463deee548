"""Leaves <-> parameters. A space is a trial's configuration in which any leaf may be a distribution.

A parameter's name is the dotted path of its leaf, ``unlearning.losses.kl.weight``. An option of a choice may be a block
with distributions of its own: those are parameters only while that option is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; on a log scale, or on the grid low, low + step, ..."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None

    def __str__(self) -> str:
        return f"real in [{self.low:g}, {self.high:g}]" + _suffix(self.log, self.step)


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high]; on a log scale, or on the grid low, low + step, ..."""

    low: int
    high: int
    log: bool = False
    step: int | None = None
    default: int | None = None

    def __str__(self) -> str:
        return f"whole in [{self.low}, {self.high}]" + _suffix(self.log, self.step)


@dataclass(frozen=True)
class Choice:
    """One of some options: scalars, null, or blocks that may hold distributions themselves. ``default`` is a label."""

    options: tuple[Any, ...]
    default: Any = None

    def __str__(self) -> str:
        return "one of " + ", ".join(str(name) for name in labels(self))


Distribution = Float | Int | Choice
Chooser = Callable[[str, Distribution], Any]
Conditions = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Parameter:
    """A leaf that is sampled.

    Attributes:
        name: dotted path.
        distribution: what it is sampled from.
        conditions: (name of a choice, label) pairs that must hold for it to exist.
        alternatives: more such conditions, where several options of a choice hold the same parameter.
    """

    name: str
    distribution: Distribution
    conditions: Conditions = ()
    alternatives: tuple[Conditions, ...] = ()


@dataclass(frozen=True)
class Probe:
    """A configuration worth trying before a study starts: parameter ``name`` at its end ``value``, others at defaults.

    ``name`` is empty for the one configuration of a space without parameters.
    """

    name: str
    value: Any
    params: dict[str, Any]
    config: dict[str, Any]


def _suffix(log: bool, step: float | None) -> str:
    return (", log scale" if log else "") + (f", step {step:g}" if step else "")


def labels(choice: Choice) -> tuple[Any, ...]:
    """What stands for each option among the parameters.

    A scalar stands for itself and null is ``none``. Blocks go by their ``mode``, ``kind`` or ``name``, if that entry is
    constant and tells all options apart, else by their number: ``option_1``.
    """
    for key in ("mode", "kind", "name"):
        named = [option.get(key) if isinstance(option, dict) else _scalar_label(option) for option in choice.options]
        blocks = [name for name, option in zip(named, choice.options, strict=True) if isinstance(option, dict | list)]
        if blocks and all(isinstance(name, str) for name in blocks) and len(set(map(str, named))) == len(named):
            return tuple(named)
    return tuple(
        f"option_{index}" if isinstance(option, dict | list) else _scalar_label(option)
        for index, option in enumerate(choice.options)
    )


def label(choice: Choice, index: int) -> Any:
    """The label of one option."""
    return labels(choice)[index]


def _scalar_label(option: Any) -> Any:
    return "none" if option is None else option


def same(one: Any, other: Any) -> bool:
    """Whether two labels are the same: 1 and 1.0 are, 1 and true are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def walk(tree: Any, choose: Chooser) -> tuple[dict[str, Any], dict[str, Any]]:
    """Goes through a space and asks for a value at each leaf that exists under the answers so far.

    Args:
        tree: the space.
        choose: (name, distribution) -> value, for a choice the label of an option.

    Returns:
        (values asked for, by name; the configuration).

    Raises:
        ConfigError: ``choose`` gives a label that the choice does not have.
    """
    params: dict[str, Any] = {}

    def visit(node: Any, path: str) -> Any:
        if isinstance(node, Choice):
            value = choose(path, node)
            params[path] = value
            return visit(node.options[option_index(node, value, path)], path)
        if isinstance(node, Float | Int):
            params[path] = choose(path, node)
            return params[path]
        if isinstance(node, dict):
            return {key: visit(child, join(path, key)) for key, child in node.items()}
        if isinstance(node, list | tuple):
            return [visit(child, f"{path}[{index}]") for index, child in enumerate(node)]
        return node

    config = visit(tree, "")
    return params, config


def combinations(tree: Any) -> Iterator[dict[str, Any]]:
    """Every combination of options that a space's choices can take, each once; ranges are left out.

    A choice that exists only under another's option takes part only there. The last choice changes fastest.
    """
    wheels: tuple[int, ...] = ()
    while True:
        chosen, sizes = _at(tree, wheels)
        yield chosen
        positions = [*wheels, *([0] * len(sizes))][: len(sizes)]
        while positions and positions[-1] + 1 == sizes[len(positions) - 1]:
            positions.pop()
        if not positions:
            return
        wheels = (*positions[:-1], positions[-1] + 1)


def _at(tree: Any, wheels: tuple[int, ...]) -> tuple[dict[str, Any], list[int]]:
    """(labels, number of options) of the choices met, the first ones at given options, the others at their first."""
    sizes: list[int] = []
    chosen: dict[str, Any] = {}

    def choose(name: str, leaf: Distribution) -> Any:
        if not isinstance(leaf, Choice):
            return default(leaf)
        index = wheels[len(sizes)] if len(sizes) < len(wheels) else 0
        sizes.append(len(leaf.options))
        chosen[name] = label(leaf, index)
        return chosen[name]

    walk(tree, choose)
    return chosen, sizes


def join(path: str, key: object) -> str:
    """The dotted path of a key below a path."""
    return f"{path}.{key}" if path else str(key)


def option_index(choice: Choice, value: Any, path: str) -> int:
    """Which option a label stands for.

    Raises:
        ConfigError: none.
    """
    names = labels(choice)
    for index, name in enumerate(names):
        if same(name, value):
            return index
    raise ConfigError([Problem("", path, f"no option '{value}'. {suggestion(str(value), map(str, names))}")])


def assemble(tree: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of given parameter values.

    Raises:
        ConfigError: a parameter that is missing, that does not exist under the others' values, or whose value is not
            one that its distribution can give.
    """
    problems: list[Problem] = []

    def choose(name: str, leaf: Distribution) -> Any:
        if name not in params:
            problems.append(Problem("", name, f"this parameter has no value; it is {leaf}"))
            return default(leaf)
        value = params[name]
        if isinstance(leaf, Int) and isinstance(value, float) and value.is_integer():
            value = int(value)  # a table with gaps holds whole numbers as floats
        if not possible(leaf, value):
            problems.append(Problem("", name, f"{value!r} is not {leaf}"))
            return default(leaf)
        return value

    used, config = walk(tree, choose)
    problems += [
        Problem("", name, f"no such parameter here. {suggestion(name, used)}") for name in params if name not in used
    ]
    if problems:
        raise ConfigError(problems)
    return config


def possible(leaf: Distribution, value: Any) -> bool:
    """Whether a distribution can give a value."""
    if isinstance(leaf, Choice):
        return any(same(name, value) for name in labels(leaf))
    kind = int if isinstance(leaf, Int) else (int, float)
    return isinstance(value, kind) and not isinstance(value, bool) and leaf.low <= value <= leaf.high


def default(leaf: Distribution) -> Any:
    """A distribution's ``default``, else its first option, its middle, or on a log scale its geometric middle."""
    if leaf.default is not None:
        return leaf.default
    if isinstance(leaf, Choice):
        return label(leaf, 0)
    low, high = leaf.low, leaf.high
    middle = math.sqrt(low) * math.sqrt(high) if leaf.log else low / 2 + high / 2
    if leaf.step:
        middle = low + round((middle - low) / leaf.step) * leaf.step
    if isinstance(leaf, Int):
        middle = round(middle)
    return min(max(middle, low), high)


def defaults(tree: Any) -> dict[str, Any]:
    """Every active parameter at its default."""
    return walk(tree, lambda _, leaf: default(leaf))[0]


def parameters(tree: Any) -> dict[str, Parameter]:
    """All parameters that may exist, with the choices under which they do.

    Raises:
        ConfigError: one name with two different distributions, in two options of a choice.
    """
    found: dict[str, Parameter] = {}
    problems: list[Problem] = []
    for name, leaf, conditions in leaves(tree):
        known = found.get(name)
        if known is None:
            found[name] = Parameter(name, leaf, conditions)
        elif known.distribution == leaf:
            found[name] = replace(known, alternatives=(*known.alternatives, conditions))
        else:
            rule = f"one parameter, two distributions: {known.distribution}; {leaf}. Give it the same in every option."
            problems.append(Problem("", name, rule))
    if problems:
        raise ConfigError(problems)
    return found


def leaves(tree: Any) -> Iterator[tuple[str, Distribution, Conditions]]:
    """Every distribution of a space with its name and the choices that it is under, in the order of the file."""

    def visit(node: Any, path: str, conditions: Conditions) -> Iterator[tuple[str, Distribution, Conditions]]:
        if isinstance(node, Float | Int | Choice):
            yield path, node, conditions
        if isinstance(node, Choice):
            for name, option in zip(labels(node), node.options, strict=True):
                yield from visit(option, path, (*conditions, (path, name)))
        elif isinstance(node, dict):
            for key, child in node.items():
                yield from visit(child, join(path, key), conditions)
        elif isinstance(node, list | tuple):
            for index, child in enumerate(node):
                yield from visit(child, f"{path}[{index}]", conditions)

    return visit(tree, "", ())


def ends(leaf: Distribution) -> tuple[Any, ...]:
    """The extreme values of a distribution: both ends, or every option's label."""
    return labels(leaf) if isinstance(leaf, Choice) else (leaf.low, leaf.high)


def probes(tree: Any) -> Iterator[Probe]:
    """Each parameter at each of its ends, the others at their defaults; one under a choice, with that choice."""
    everything = parameters(tree)
    if not everything:
        yield Probe("", None, *walk(tree, lambda _, leaf: default(leaf)))
    for name, parameter in everything.items():
        for conditions in (parameter.conditions, *parameter.alternatives):
            for value in ends(parameter.distribution):
                yield Probe(name, value, *_defaults_but(tree, {**dict(conditions), name: value}))


def _defaults_but(tree: Any, fixed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return walk(tree, lambda path, leaf: fixed.get(path, default(leaf)))


def end_points(tree: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """``probes`` as (name, value, configuration)."""
    for probe in probes(tree):
        yield probe.name, probe.value, probe.config
