"""List Template: ``- age: 34``, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raysearch.registry import register
from raysearch.text.values import cell


@register("serializer", "list_template")
class ListTemplate:
    """One line a column, without a newline at the end."""

    def serialize(self, row: Mapping[str, object], columns: Sequence[tuple[str, str]]) -> str:
        """A row as text.

        Args:
            row: cells by column name.
            columns: (name, label) of the columns to write, in order.
        """
        return "\n".join(f"- {label}: {cell(row, name)}" for name, label in columns)
