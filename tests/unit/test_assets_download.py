"""pip as the downloader: what it says when it fails reaches the user in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysearch.assets.archive import fetch
from raysearch.assets.catalog import ARCHIVES, Archive
from raysearch.assets.download import _last_words, pip_download
from raysearch.errors import AssetError


def test_pips_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip then knows no index, as without a network
    archive = Archive("raysearch-no-such-package", "1.0", "0" * 64, ("a",), "CC0", "a test", 1)
    with pytest.raises(AssetError) as caught:
        pip_download(archive, tmp_path)
    message = str(caught.value)
    assert "raysearch-no-such-package==1.0" in message and "No matching distribution found" in message
    assert "\n" not in message and "RAYSEARCH_CACHE" in message


def test_a_missing_interpreter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(AssetError, match=r"cannot start .*python -m pip"):
        pip_download(ARCHIVES["compas"], tmp_path)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("WARNING: slow\nERROR: Could not find it\nERROR: No match", "Could not find it No match."),
        ("/usr/bin/python: No module named pip\n", "/usr/bin/python: No module named pip."),
        ("", "it said nothing."),
    ],
)
def test_last_words(output: str, words: str) -> None:
    assert _last_words(output) == words


@pytest.mark.network
def test_a_real_archive_comes_and_is_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYSEARCH_CACHE", str(tmp_path))
    folder = fetch("wikipedia-summaries")
    assert (folder / "summaries_en-us.json").stat().st_size == 6_541_774
