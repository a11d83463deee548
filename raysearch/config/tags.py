"""The tags that make distributions, ``!float``, ``!int`` and ``!choice``, and the rules that they must keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.config.space import Choice, Distribution, Float, Int, labels, same
from raysearch.registry import suggestion

TAGS = ("!float", "!int", "!choice")
RANGE_KEYS = ("low", "high", "log", "step", "default")
CHOICE_KEYS = ("options", "default")
EXAMPLES = {
    "!float": "!float {low: 1e-5, high: 1e-3, log: true}",
    "!int": "!int {low: 10, high: 60, step: 10}",
    "!choice": "!choice [a, b]",
}


def shown(value: Any) -> str:
    """A value as the user would know it from the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, Mapping):
        return "a block"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Float | Int | Choice):
        return "a distribution"
    return "null" if value is None else f"{value}"


def make_range(tag: str, entries: Mapping[str, Any]) -> tuple[Distribution | None, list[str]]:
    """A ``Float`` or ``Int`` of a tag's entries.

    Returns:
        (distribution, or None; the rules that the entries break).
    """
    whole = tag == "!int"
    broken = [rule for key, value in entries.items() if (rule := _wrong_type(key, value, whole))]
    broken += [f"'{key}' is missing: {EXAMPLES[tag]}" for key in ("low", "high") if key not in entries]
    if not broken:
        numbers = {key: value for key, value in entries.items() if key != "log" and value is not None}
        broken = _broken_rules(**numbers, log=entries.get("log", False))
        if not broken and whole:
            return Int(**numbers, log=entries.get("log", False)), []
        if not broken:
            return Float(**{key: float(value) for key, value in numbers.items()}, log=entries.get("log", False)), []
    return None, [f"{tag}: {rule}" for rule in broken]


def _wrong_type(key: str, value: Any, whole: bool) -> str | None:
    if key == "log":
        return None if isinstance(value, bool) else f"'log' must be true or false, got {shown(value)}"
    if value is None and key in ("step", "default"):
        return None
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        return f"'{key}' must be a {'whole' if whole else 'finite'} number, got {shown(value)}"
    return None


def _broken_rules(
    low: float, high: float, log: bool, step: float | None = None, default: float | None = None
) -> list[str]:
    broken = []
    if low > high:
        return [f"low {low} is above high {high}; exchange them"]
    if log and low <= 0:
        broken.append(f"a log scale needs low above 0, got {low}; raise low or leave out 'log'")
    if log and step is not None:
        broken.append("'log' and 'step' exclude each other; leave one out")
    elif step is not None and step <= 0:
        broken.append(f"step must be above 0, got {step}")
    elif step is not None and not _on_grid(high, low, step):
        last = low + math.floor((high - low) / step) * step
        broken.append(f"step {step} does not divide high - low = {high - low:g}; the last value would be {last:g}")
    if default is not None and not low <= default <= high:
        broken.append(f"default {default} is outside [{low}, {high}]")
    elif default is not None and step is not None and step > 0 and not _on_grid(default, low, step):
        broken.append(f"default {default} is not low + a multiple of step {step}")
    return broken


def _on_grid(value: float, low: float, step: float) -> bool:
    count = (value - low) / step
    return abs(count - round(count)) <= 1e-9 * max(1.0, abs(count))


def make_choice(options: Sequence[Any], given_default: tuple[Any] | None) -> tuple[Choice | None, list[str]]:
    """A ``Choice``.

    Args:
        options: plain values and blocks.
        given_default: the default in a tuple, if there is one: null is a value.

    Returns:
        (distribution, or None; the rules that the options break).
    """
    if not options:
        return None, [f"!choice needs at least one option: {EXAMPLES['!choice']}"]
    if any(isinstance(option, Float | Int | Choice) for option in options):
        remedy = "Put it into a block, or list its values"
        return None, [f"!choice: an option cannot be a distribution itself, both would have one name. {remedy}"]
    choice = Choice(tuple(options))
    names = labels(choice)
    twice = [name for index, name in enumerate(names) if name in names[:index]]  # 1 and true are one to Optuna
    if twice:
        return None, [f"!choice: the option '{name}' stands there twice; drop one" for name in dict.fromkeys(twice)]
    equal = [
        index for index, option in enumerate(options) if option in options[:index] and isinstance(option, dict | list)
    ]
    if equal:
        return None, [
            f"!choice: options {options.index(options[index])} and {index} are equal; drop one" for index in equal
        ]
    if given_default is None:
        return choice, []
    label = "none" if given_default[0] is None else given_default[0]
    if not any(same(label, name) for name in names):
        return None, [f"!choice: default {shown(label)} is not an option. {suggestion(str(label), map(str, names))}"]
    return Choice(choice.options, label), []
