"""From pydantic's errors to one plain sentence each, with the key that it is about."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from raysearch.config.tags import shown
from raysearch.registry import suggestion

Location = tuple[str | int, ...]
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "dict_type": "a block of keys and values",
    "model_type": "a block of keys and values",
    "model_attributes_type": "a block of keys and values",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


@dataclass(frozen=True)
class Finding:
    """One thing wrong: which key of the given data, and a sentence of rule, what came and remedy."""

    location: Location
    message: str


def explain(model: type[BaseModel], data: Any, error: ValidationError) -> list[Finding]:
    """All that pydantic found, without its noise.

    Steps of a location that stand for a member of a union are dropped, a value that fits no member is one finding, and
    a missing key that was only misspelt is not reported again.
    """
    grouped: dict[Location, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        grouped.setdefault(_location(item, data), []).append(item)
    found = [Finding(at, _sentence(model, data, at, items)) for at, items in grouped.items()]
    meant = {
        (*finding.location[:-1], match[1])
        for finding in found
        if finding.message.startswith("unknown key") and (match := re.search(r"Did you mean '(.+)'\?", finding.message))
    }
    missing = {at for at, items in grouped.items() if items[0]["type"] == "missing"}
    return [finding for finding in found if finding.location not in missing & meant]


def _location(error: ErrorDetails, data: Any) -> Location:
    """Follows the data: what is not in it is pydantic's name for a member of a union, or a key that is missing."""
    location: list[str | int] = []
    for position, step in enumerate(error["loc"]):
        in_block = isinstance(data, dict) and step in data
        in_list = isinstance(data, list | tuple) and isinstance(step, int) and step < len(data)
        if in_block or in_list:
            data = data[step]
            location.append(step)
        elif error["type"] == "missing" and position == len(error["loc"]) - 1:
            location.append(step)
    if error["type"].startswith("union_tag"):
        location.append(str(error["ctx"]["discriminator"]).strip("'"))
    return tuple(location)


def _sentence(model: type[BaseModel], data: Any, at: Location, errors: Sequence[ErrorDetails]) -> str:
    error = errors[0]
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    wanted = list(dict.fromkeys(_TYPES[item["type"]] for item in errors if item["type"] in _TYPES))
    if wanted:
        return f"must be {' or '.join(wanted)}, got {shown(value)}{_remedy(kind, value, model, at)}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"must be {word} {context[bound]:g}, got {value:g}"
    rules: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: _unknown_key(model, data, at),
        "missing": lambda: f"this key is missing{_hint(field_at(model, at))}",
        "literal_error": lambda: _unknown_value(value, context["expected"]),
        "union_tag_invalid": lambda: _unknown_value(value.get(at[-1]), context["expected_tags"]),
        "union_tag_not_found": lambda: f"this key is missing; it says which kind of block this is: {_tags(model, at)}",
        "too_short": lambda: f"needs at least {context['min_length']} entry, got none",
        "string_pattern_mismatch": lambda: f"'{value}' does not fit{_hint(field_at(model, at))}",
        "value_error": lambda: str(context["error"]),
    }
    return rules[kind]() if kind in rules else f"{error['msg']}, got {shown(value)}"


def _remedy(kind: str, value: Any, model: type[BaseModel], at: Location) -> str:
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"[-+.\deE]+", value.strip()):
        return "; write it without quotes"
    if kind == "bool_type" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return f"; write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    if kind == "model_attributes_type" and isinstance(value, str) and value in _tags(model, (*at, "mode")).split(", "):
        return f"; write {{mode: {value}}}"
    return ""


def _hint(field: FieldInfo | None) -> str:
    return f": {field.description}" if field is not None and field.description else ""


def _unknown_value(value: Any, expected: str) -> str:
    return f"unknown value {shown(value).removeprefix('the text ')}. {suggestion(str(value), _quoted(expected))}"


def _quoted(words: str) -> list[str]:
    return re.findall(r"'([^']*)'", words)


def _unknown_key(model: type[BaseModel], data: Any, at: Location) -> str:
    for step in at[:-1]:
        data = data[step]
    possible = blocks_at(model, at[:-1])
    active = [block for block in possible if _mode(block) is None or _mode(block) == data.get("mode")] or possible
    others = [_mode(block) for block in possible if block not in active and at[-1] in block.model_fields]
    if others:
        return f"only mode '{others[0]}' has this key, here mode is '{data['mode']}'. Leave it out, or change the mode."
    return f"unknown key. {suggestion(str(at[-1]), {name for block in active for name in block.model_fields})}"


def _mode(block: type[BaseModel]) -> str | None:
    """The tag of a member of a union that is told apart by ``mode``."""
    field = block.model_fields.get("mode")
    return str(get_args(field.annotation)[0]) if field is not None and get_origin(field.annotation) is Literal else None


def _tags(model: type[BaseModel], at: Location) -> str:
    return ", ".join(str(mode) for block in blocks_at(model, at[:-1]) if (mode := _mode(block)) is not None)


def blocks_at(model: type[BaseModel], at: Location) -> list[type[BaseModel]]:
    """The blocks that may stand at a location of a configuration; none where only other values may."""
    return [member for member in _annotations_at(model, at) if _is_block(member)]


def field_at(model: type[BaseModel], at: Location) -> FieldInfo | None:
    """The field at a location, if a block declares it."""
    if not at or not isinstance(at[-1], str):
        return None
    return next((b.model_fields[at[-1]] for b in blocks_at(model, at[:-1]) if at[-1] in b.model_fields), None)


def _annotations_at(model: type[BaseModel], at: Location) -> list[Any]:
    found: list[Any] = [model]
    for step in at:
        below: list[Any] = []
        for member in found:
            if _is_block(member):
                field = member.model_fields.get(str(step))
                below += _members(field.annotation) if field is not None else []
            elif get_origin(member) is dict:
                below += _members(get_args(member)[1])
            elif get_origin(member) in (tuple, list):
                below += _members(get_args(member)[0])
        found = below
    return found


def _is_block(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)


def _members(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]
