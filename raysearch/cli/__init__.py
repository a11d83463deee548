"""The command line: verbs only; each says what to call and how the answer is shown."""

from __future__ import annotations

import sys

from raysearch.cli import bias_verb, reading_verbs, search_verbs, watching_verbs, workshop_verbs
from raysearch.cli.app import app

__all__ = ["app", "bias_verb", "main", "reading_verbs", "search_verbs", "watching_verbs", "workshop_verbs"]


def main() -> None:
    """Entry point of the command `raysearch`. `-v` may stand anywhere."""
    words = sys.argv[1:]
    loud = [word for word in words if word in ("-v", "--verbose")][:1]
    app(args=loud + [word for word in words if word not in ("-v", "--verbose")])
