"""Text Template: ``The age is 34. The sex is female.``"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raysearch.registry import register
from raysearch.text.values import cell


@register("serializer", "text_template")
class TextTemplate:
    """One sentence a column, joined by spaces."""

    def serialize(self, row: Mapping[str, object], columns: Sequence[tuple[str, str]]) -> str:
        """A row as text.

        Args:
            row: cells by column name.
            columns: (name, label) of the columns to write, in order.
        """
        return " ".join(f"The {label} is {cell(row, name)}." for name, label in columns)
