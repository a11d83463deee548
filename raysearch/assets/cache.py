"""Where fetched files are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The folder of everything fetched: ``RAYSEARCH_CACHE``, else the user's cache folder. It may not exist yet."""
    chosen = os.environ.get("RAYSEARCH_CACHE", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("raysearch", appauthor=False))
