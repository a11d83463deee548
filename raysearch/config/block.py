"""What every block of a configuration is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from raysearch import registry


class Block(BaseModel):
    """Base of every block: unknown keys are errors, values are not coerced, instances are immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def known(kind: str, name: str) -> str:
    """The name, if a component of this kind has it; else pydantic says which is near."""
    if name not in registry.names(kind):
        raise ValueError(f"unknown {kind} '{name}'. {registry.suggestion(name, registry.names(kind))}")
    return name
