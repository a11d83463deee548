"""The JSON Schema of a study's file, for editors that complete and check YAML.

It is pydantic's schema of ``StudyConfig``, with the names of components as enumerations. Under ``trial`` every value
may also be a distribution: in JSON's words ``!float {...}`` and ``!int {...}`` are mappings with ``low`` and ``high``,
and ``!choice`` is a list of options or a mapping with ``options``.
"""

from __future__ import annotations

from typing import Any

from raysearch import registry
from raysearch.config.metric_names import BY_ATTRIBUTE, BY_SET, METRICS
from raysearch.config.schema import StudyConfig, TrialConfig

Schema = dict[str, Any]
_COMPONENTS = {
    ("DataConfig", "table"): "dataset",
    ("TextConfig", "serializer"): "serializer",
    ("DownstreamConfig", "kind"): "downstream",
    ("StereotypeConfig", "set"): "stereotype_set",
}
_SPACE = "Space."
"""Prefix of definitions in which distributions may stand; the anchors use the same blocks without."""


def study_schema() -> Schema:
    """The schema, draft 2020-12."""
    study = StudyConfig.model_json_schema()
    trial = TrialConfig.model_json_schema(ref_template=f"#/$defs/{_SPACE}{{model}}")
    blocks = trial.pop("$defs")
    blocks["TrialConfig"] = trial
    _name_components({**blocks, "StudyConfig": study})
    _name_components(study["$defs"])
    description = study["properties"]["trial"]["description"]
    study["properties"]["trial"] = {"$ref": f"#/$defs/{_SPACE}TrialConfig", "description": description}
    study["$defs"] |= {_SPACE + name: _open_block(block) for name, block in blocks.items()}
    study["$defs"] |= {"Float": _range("number"), "Int": _range("integer")}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **study, "title": "A raysearch study"}


def _name_components(blocks: dict[str, Schema]) -> None:
    for (block, key), kind in _COMPONENTS.items():
        if block in blocks:
            _name_component(blocks[block]["properties"][key], kind)
    if "UnlearningConfig" in blocks:
        blocks["UnlearningConfig"]["properties"]["losses"]["propertyNames"] = {"enum": list(registry.names("loss"))}
    if "StereotypeConfig" in blocks:
        sets = list(registry.names("stereotype_set"))
        blocks["StereotypeConfig"]["properties"]["also"]["propertyNames"] = {"enum": sets}
    if "ConstraintConfig" in blocks:
        blocks["ConstraintConfig"]["properties"]["metric"] |= _metric_names()
    if "StudyConfig" in blocks:
        for key in ("objectives", "reference_point"):
            blocks["StudyConfig"]["properties"][key]["propertyNames"] = _metric_names()


def _metric_names() -> Schema:
    sets = "|".join(registry.names("stereotype_set"))
    of_a_set = {"pattern": rf"^({'|'.join(BY_SET)})\.({sets})$"}
    return {"anyOf": [{"enum": list(METRICS)}, of_a_set, {"pattern": rf"^({'|'.join(BY_ATTRIBUTE)})\..+$"}]}


def _name_component(value: Schema, kind: str) -> None:
    if kind == "dataset":  # or a file that describes a table of the user's own
        value["anyOf"] = [{"enum": list(registry.names(kind))}, {"pattern": r"\.ya?ml$"}]
    else:
        value["enum"] = list(registry.names(kind))


def _range(kind: str) -> Schema:
    number = {"type": kind}
    return {
        "type": "object",
        "description": f"A {'real' if kind == 'number' else 'whole'} number in [low, high].",
        "properties": {"low": number, "high": number, "log": {"type": "boolean"}, "step": number, "default": number},
        "required": ["low", "high"],
        "additionalProperties": False,
    }


def _open_block(block: Schema) -> Schema:
    """A block in which every property may be a distribution."""
    return {**block, "properties": {name: _open(value) for name, value in block.get("properties", {}).items()}}


def _open(value: Schema) -> Schema:
    """A value, or a distribution of such values. A union told apart by ``mode`` may also leave the mode to a choice."""
    value = dict(value)
    about: Schema = {key: value.pop(key) for key in ("description", "default", "title") if key in value}
    if isinstance(value.get("additionalProperties"), dict):
        value["additionalProperties"] = _open(value["additionalProperties"])
    if "discriminator" in value:
        tags = list(value["discriminator"]["mapping"])
        mode = _choice({"enum": tags})
        value = {"anyOf": [*value["oneOf"], {"type": "object", "properties": {"mode": mode}, "required": ["mode"]}]}
    ranges = [{"$ref": f"#/$defs/{name}"} for name in ("Float", "Int") if _is_number(value, name)]
    return {**about, "anyOf": [value, *ranges, _choice(value)]}


def _is_number(value: Schema, name: str) -> bool:
    kinds = {part.get("type") for part in (value, *value.get("anyOf", ()))}
    return "number" in kinds or (name == "Int" and "integer" in kinds)


def _choice(value: Schema) -> Schema:
    options = {"type": "array", "items": value, "minItems": 1}
    long_form = {
        "type": "object",
        "properties": {"options": options, "default": {}},
        "required": ["options"],
        "additionalProperties": False,
    }
    return {"anyOf": [options, long_form], "description": "One of some options."}
