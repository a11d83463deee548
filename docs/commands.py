#!/usr/bin/env python3
"""Writes the guide's page of commands from the commands themselves: ``python docs/commands.py docs/guide/commands.md``.

What typer writes, but for the list at its head: there typer ends each line after a few words.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import typer.main
from typer.cli import get_docs_for_click

from raysearch.cli import app


def page() -> str:
    """The page as Markdown."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="raysearch")
    text = get_docs_for_click(obj=group, ctx=context, name="raysearch", title="Commands")
    for command in app.registered_commands:
        assert command.callback is not None
        name, doc = command.name or command.callback.__name__, inspect.getdoc(command.callback) or ""
        first = re.split(r"(?<=\.)\s", doc, maxsplit=1)[0].replace("\n", " ")
        text = re.sub(rf"^\* `{name}`: .*$", lambda _, line=f"* `{name}`: {first}": line, text, count=1, flags=re.M)
    return text.rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
