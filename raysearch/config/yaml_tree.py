"""YAML text -> plain values with distributions, and the place of every key.

YAML 1.2 by ruamel: ``1e-5`` is a number and ``no`` is a word. Nodes are read rather than objects, because a node knows
its line. An *address* names a node: keys, list indices, and ``Option`` for one option of a choice, since two options
may hold the same key.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from raysearch.config.space import Choice, join, option_index
from raysearch.config.tags import CHOICE_KEYS, EXAMPLES, RANGE_KEYS, TAGS, make_choice, make_range, shown
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion

_CORE = "tag:yaml.org,2002:"
_PLAIN = {_CORE + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")}
OVERRIDE = "--set"
"""Origin of what an override brought in."""


@dataclass(frozen=True)
class Option:
    """A step of an address: one option of a choice."""

    index: int


Address = tuple[str | int | Option, ...]


@dataclass
class Tree:
    """What was read.

    Attributes:
        value: plain values and distributions.
        places: ``file:line`` or ``--set`` of each address; of the key, where there is one.
        problems: what was wrong.
        spoiled: addresses at which something was wrong: what follows from it is no news.
    """

    value: Any = None
    places: dict[Address, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[Address] = field(default_factory=set)

    def place(self, address: Address) -> str:
        """Where an address stands, or the nearest block around it."""
        while address and address not in self.places:
            address = address[:-1]
        return self.places[address]

    def is_spoiled(self, address: Address) -> bool:
        """Whether an earlier problem explains one at this address."""
        return any(address[:length] in self.spoiled for length in range(len(address) + 1))


def path_of(address: Address) -> str:
    """The dotted path of an address. Paths of a trial's configuration do not name ``trial``."""
    path = ""
    for step in address[1:] if address[:1] == ("trial",) and len(address) > 1 else address:
        if isinstance(step, int):
            path += f"[{step}]"
        elif isinstance(step, str):
            path = join(path, step)
    return path


def address_of(tree: Any, params: dict[str, Any], location: Sequence[str | int]) -> Address:
    """The address of a place in a configuration, given the parameters that made it from the space."""
    address: list[str | int | Option] = []
    path = ""
    for step in (*location, None):
        while isinstance(tree, Choice):
            index = option_index(tree, params[path], path)
            address.append(Option(index))
            tree = tree.options[index]
        if step is not None:
            address.append(step)
            path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
            tree = _below(tree, step)
    return tuple(address)


def _below(tree: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return tree[step] if isinstance(tree, list) else None
    return tree.get(step) if isinstance(tree, dict) else None


def to_yaml(plain: dict[str, Any]) -> str:
    """Plain values as YAML, a key a line, keys in their own order."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(plain, stream)
    return stream.getvalue()


def compose(text: str, origin: str, numbered: bool = True) -> Node | None:
    """The nodes of a YAML text; None where there is nothing but comments.

    Args:
        text: YAML.
        origin: the file, or ``--set``.
        numbered: whether a problem's place names the line.

    Raises:
        ConfigError: not YAML.
    """
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
        return node
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        rule = ": ".join(part for part in (error.context, error.problem) if part)
    except YAMLError as error:  # a character that YAML forbids
        position = getattr(error, "position", 0)
        line, rule = (
            text.count("\n", 0, position) + 1,
            f"the character {text[position : position + 1]!r} cannot stand here",
        )
    except RecursionError:
        line, rule = 1, "blocks are nested too deeply"
    raise ConfigError([Problem(f"{origin}:{line}" if numbered else origin, "", f"not valid YAML: {rule}")])


class Reader:
    """Reads nodes into a ``Tree``.

    Args:
        file: as the user gave it.
        overridden: ids of nodes that an override brought in.
    """

    def __init__(self, file: str, overridden: frozenset[int] = frozenset()) -> None:
        self.tree = Tree(places={(): f"{file}:1"})
        self._file = file
        self._overridden = overridden
        self._from_override = 0
        self._open: list[Node] = []
        self._constructor: Any = YAML(typ="safe", pure=True).constructor

    def read(self, node: Node | None, address: Address = ()) -> Any:
        """The value of a node."""
        if node is None:
            return None
        if any(node is above for above in self._open):
            return self._problem(address, node, "an alias stands inside the block that it names; write the block out")
        self._open.append(node)
        self._from_override += id(node) in self._overridden
        try:
            self.tree.places.setdefault(address, self._place(node))
            return self._value(node, address)
        finally:
            self._from_override -= id(node) in self._overridden
            self._open.pop()

    def _place(self, node: Node) -> str:
        inherited = self._from_override or id(node) in self._overridden
        return OVERRIDE if inherited else f"{self._file}:{node.start_mark.line + 1}"

    def _problem(self, address: Address, node: Node, message: str) -> None:
        self.tree.problems.append(Problem(self._place(node), path_of(address), message))
        self.tree.spoiled.add(address)

    def _value(self, node: Node, address: Address) -> Any:
        tag = str(node.tag or "")
        if tag in TAGS:
            if address[:1] != ("trial",):
                rule = "a distribution can stand only under `trial:`; give one value"
                return self._problem(address, node, rule)
            if len(address) == 1:
                return self._problem(address, node, f"{tag} can stand only at a key below `trial:`")
            return self._choice(node, address) if tag == "!choice" else self._range(node, address, tag)
        if tag not in _PLAIN:
            tag = tag.replace(_CORE, "!!")
            return self._problem(address, node, f"unknown tag '{tag}'. {suggestion(tag, TAGS)}")
        if isinstance(node, MappingNode):
            return self._mapping(node, address)
        if isinstance(node, SequenceNode):
            return [self.read(child, (*address, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, address)

    def _scalar(self, node: Node, address: Address) -> Any:
        if str(node.tag).endswith(":timestamp"):  # not of YAML 1.2's core: a date is text
            return str(node.value)
        try:
            return self._constructor.construct_object(node, deep=True)
        except (YAMLError, ValueError):
            kind = str(node.tag).removeprefix(_CORE)
            return self._problem(address, node, f"'{node.value}' does not read as !!{kind}")

    def _mapping(self, node: MappingNode, address: Address, known: Sequence[str] | None = None) -> dict[str, Any]:
        """``known``: the keys that a tag takes; others are problems of the tag's address."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(
                    address,
                    key_node,
                    f"a key must be a word, got {'a list' if key_node.id == 'sequence' else 'a block'}",
                )
                continue
            key = str(key_node.value)
            below = (*address, key)
            placed = value_node if id(value_node) in self._overridden else key_node
            if key in found:
                self._problem(
                    below, placed, f"this key stands here twice, first at {self.tree.places[below]}; drop one"
                )
            elif key == "<<" and str(key_node.tag) == f"{_CORE}merge":
                self._problem(
                    below, placed, "merge keys are not of YAML 1.2; write the keys out, or alias the whole block"
                )
            elif known is not None and key not in known:
                self._problem(address, placed, f"{node.tag}: unknown key '{key}'. {suggestion(key, known)}")
            else:
                self.tree.places[below] = self._place(placed)
                found[key] = self.read(value_node, below)
        return found

    def _range(self, node: Node, address: Address, tag: str) -> Any:
        if not isinstance(node, MappingNode):
            return self._problem(address, node, f"{tag} needs its ends: {EXAMPLES[tag]}")
        before = len(self.tree.problems)
        entries = self._mapping(node, address, RANGE_KEYS)
        if len(self.tree.problems) > before:
            self.tree.spoiled.add(address)
            return None
        made, broken = make_range(tag, entries)
        for rule in broken:
            self._problem(address, node, rule)
        return made

    def _choice(self, node: Node, address: Address) -> Any:
        default: tuple[Any] | None = None
        options: Node | None = node
        if isinstance(node, MappingNode):
            entries = {str(key.value): value for key, value in node.value}
            for key_node, _ in node.value:
                if str(key_node.value) not in CHOICE_KEYS:
                    rule = f"!choice: unknown key '{key_node.value}'. {suggestion(str(key_node.value), CHOICE_KEYS)}"
                    self._problem(address, key_node, rule)
            options = entries.get("options")
            if "default" in entries:
                default = (self.read(entries["default"], (*address, "default")),)
        if not isinstance(options, SequenceNode) or str(options.tag) not in (*_PLAIN, "!choice"):
            rule = f"!choice needs a list of options, got {shown(None if options is None else options.value)}"
            return self._problem(
                address, node, f"{rule}: {EXAMPLES['!choice']} or !choice {{options: [a, b], default: a}}"
            )
        before = len(self.tree.spoiled)
        values = [self.read(child, (*address, Option(index))) for index, child in enumerate(options.value)]
        if len(self.tree.spoiled) > before and any(
            self.tree.is_spoiled((*address, Option(i))) for i in range(len(values))
        ):
            self.tree.spoiled.add(address)
            return None
        made, broken = make_choice(values, default)
        for rule in broken:
            self._problem(address, node, rule)
        return made
