"""Leaves <-> parameters. A space is a trial's configuration in which any leaf may be a distribution.

A parameter's name is the dotted path of its leaf, ``unlearning.losses.kl.weight``. An option of a choice may be a block
with distributions of its own: those are parameters only while that option is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
    """One of some options: scalars, null, or blocks that may hold distributions themselves."""

    options: tuple[Any, ...]
    default: Any = None

    def __str__(self) -> str:
        return "one of " + ", ".join(str(name) for name in labels(self))


Distribution = Float | Int | Choice
Chooser = Callable[[str, Distribution], Any]


@dataclass(frozen=True)
class Parameter:
    """A leaf that is sampled.

    Attributes:
        name: dotted path.
        distribution: what it is sampled from.
        conditions: (name of a choice, label) pairs that must hold for it to exist.
    """

    name: str
    distribution: Distribution
    conditions: tuple[tuple[str, Any], ...] = ()


def _suffix(log: bool, step: float | None) -> str:
    return (", log scale" if log else "") + (f", step {step:g}" if step else "")


def labels(choice: Choice) -> tuple[Any, ...]:
    """What stands for each option among the parameters: a scalar itself, a block's kind, mode or name, or a number.

    A block's entry counts only when it is constant and tells all options apart; null is ``none``.
    """
    for key in ("kind", "mode", "name"):
        named = [_scalar_label(option) if not isinstance(option, dict) else option.get(key) for option in choice.options]
        if all(isinstance(n, bool | int | float | str) for n in named) and len(set(named)) == len(named):
            return tuple(named)
    blocks = [isinstance(option, dict | list) for option in choice.options]
    return tuple(
        f"option_{index}" if block else _scalar_label(option)
        for index, (option, block) in enumerate(zip(choice.options, blocks, strict=True))
    )


def label(choice: Choice, index: int) -> Any:
    """The label of one option."""
    return labels(choice)[index]


def _scalar_label(option: Any) -> Any:
    return "none" if option is None else option


def walk(tree: Any, choose: Chooser) -> tuple[dict[str, Any], Any]:
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
            return visit(_option(node, value, path), path)
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


def join(path: str, key: object) -> str:
    """The dotted path of a key below a path."""
    return f"{path}.{key}" if path else str(key)


def _option(choice: Choice, value: Any, path: str) -> Any:
    for name, option in zip(labels(choice), choice.options, strict=True):
        if name == value and type(name) is type(value):
            return option
    rule = f"no option '{value}'. {suggestion(str(value), map(str, labels(choice)))}"
    raise ConfigError([Problem("", path, rule)])


def assemble(tree: Any, params: Mapping[str, Any]) -> Any:
    """The configuration of given parameter values.

    Raises:
        ConfigError: a parameter that is missing, or that does not exist under the others' values.
    """
    missing: list[Problem] = []

    def choose(name: str, leaf: Distribution) -> Any:
        if name in params:
            return params[name]
        missing.append(Problem("", name, "this parameter has no value"))
        return default(leaf)

    used, config = walk(tree, choose)
    extra = [
        Problem("", name, f"no such parameter here. {suggestion(name, used)}") for name in params if name not in used
    ]
    if missing or extra:
        raise ConfigError([*missing, *extra])
    return config


def default(leaf: Distribution) -> Any:
    """A distribution's ``default``, else its first option, its middle, or on a log scale its geometric middle."""
    if isinstance(leaf, Choice):
        if leaf.default is not None:
            return leaf.default
        return label(leaf, 0)
    if leaf.default is not None:
        return leaf.default
    middle = math.sqrt(leaf.low * leaf.high) if leaf.log else (leaf.low + leaf.high) / 2
    if leaf.step:
        middle = leaf.low + round((middle - leaf.low) / leaf.step) * leaf.step
    return round(middle) if isinstance(leaf, Int) else middle


def defaults(tree: Any) -> dict[str, Any]:
    """Every active parameter at its default."""
    return walk(tree, lambda _, leaf: default(leaf))[0]


def parameters(tree: Any) -> dict[str, Parameter]:
    """All parameters that may exist, with the choices under which they do."""
    found: dict[str, Parameter] = {}

    def visit(node: Any, path: str, conditions: tuple[tuple[str, Any], ...]) -> None:
        if isinstance(node, Choice):
            found[path] = Parameter(path, node, conditions)
            for name, option in zip(labels(node), node.options, strict=True):
                visit(option, path, (*conditions, (path, name)))
        elif isinstance(node, Float | Int):
            found[path] = Parameter(path, node, conditions)
        elif isinstance(node, dict):
            for key, child in node.items():
                visit(child, join(path, key), conditions)
        elif isinstance(node, list | tuple):
            for index, child in enumerate(node):
                visit(child, f"{path}[{index}]", conditions)

    visit(tree, "", ())
    return found


def ends(leaf: Distribution) -> tuple[Any, ...]:
    """The extreme values of a distribution: both ends, or every option's label."""
    return labels(leaf) if isinstance(leaf, Choice) else (leaf.low, leaf.high)


def end_points(tree: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each parameter at each of its ends, all others at their defaults: (name, value, configuration).

    A parameter under a choice is tried with that choice. A space without parameters gives its one configuration.
    """
    everything = parameters(tree)
    if not everything:
        yield "", None, walk(tree, lambda _, leaf: default(leaf))[1]
    for name, parameter in everything.items():
        for value in ends(parameter.distribution):
            fixed = {**dict(parameter.conditions), name: value}
            _, config = walk(tree, lambda path, leaf, fixed=fixed: fixed.get(path, default(leaf)))  # type: ignore[misc]
            yield name, value, config
