"""Archives: fetched once, verified, whole or absent. No test here reaches a network."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from raysearch.assets import archive as archives
from raysearch.assets.archive import fetch, resolve
from raysearch.assets.cache import cache_dir
from raysearch.assets.catalog import ARCHIVES, Archive
from raysearch.errors import AssetError

HELD = {
    "pack/data/a.csv": b"x,y\n1,2\n",
    "pack/data/b.bin": bytes(range(256)) * 40,
    "pack/code.py": b"raise SystemExit",
}


class Index:
    """A package index of one wheel, that counts what is taken from it."""

    def __init__(self, folder: Path, held: dict[str, bytes]) -> None:
        self.wheel = folder / "tiny-1.0-py3-none-any.whl"
        with zipfile.ZipFile(self.wheel, "w") as opened:
            for member, content in held.items():
                opened.writestr(member, content)
        self.downloads = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.wheel.read_bytes()).hexdigest()

    def archive(self, *members: str) -> Archive:
        return Archive("tiny", "1.0", self.sha256, members, "CC0", "a test", 1)

    def __call__(self, archive: Archive, folder: Path) -> Path:
        self.downloads += 1
        copy = folder / self.wheel.name
        copy.write_bytes(self.wheel.read_bytes())
        return copy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path, HELD)


@pytest.fixture
def get(index: Index) -> Callable[..., Path]:
    catalog = {"tiny": index.archive("pack/data/a.csv", "pack/data/b.bin")}
    return lambda progress=None: fetch("tiny", progress, download=index, catalog=catalog)


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(archives, "_digested", set())


def refused(index: Index, *members: str, archive: Archive | None = None) -> str:
    catalog = {"tiny": archive or index.archive(*members)}
    with pytest.raises(AssetError) as caught:
        fetch("tiny", download=index, catalog=catalog)
    message = str(caught.value)
    assert "\n" not in message
    return message


def leftovers(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "archives").iterdir() if not p.name.endswith(".lock"))


def test_only_the_named_files_arrive_under_their_last_names(get: Callable[..., Path], cache: Path) -> None:
    folder = get()
    assert folder == cache / "archives" / "tiny"
    assert {p.name for p in folder.iterdir()} == {"a.csv", "b.bin", "manifest.json"}
    assert (folder / "b.bin").read_bytes() == HELD["pack/data/b.bin"]
    recorded = json.loads((folder / "manifest.json").read_text())["files"]["a.csv"]
    assert recorded == {"bytes": 8, "sha256": hashlib.sha256(HELD["pack/data/a.csv"]).hexdigest()}
    assert leftovers(cache) == ["tiny"]


def test_a_second_call_does_not_download(
    get: Callable[..., Path], index: Index, new_process: Callable[[], None]
) -> None:
    get()
    get()
    new_process()
    get()
    assert index.downloads == 1


def test_a_corrupt_archive_is_refused_and_leaves_nothing(index: Index, cache: Path) -> None:
    archive = index.archive("pack/data/a.csv")
    index.wheel.write_bytes(index.wheel.read_bytes() + b"!")
    message = refused(index, archive=archive)
    assert archive.sha256 in message and index.sha256 in message and "pip" in message
    assert leftovers(cache) == []


def test_a_wheel_that_is_no_zip_is_refused(index: Index, cache: Path) -> None:
    index.wheel.write_bytes(b"not a zip file")
    assert "not a readable wheel" in refused(index, "pack/data/a.csv")
    assert leftovers(cache) == []


def test_what_an_interrupted_fetch_left_is_cleared(get: Callable[..., Path], cache: Path) -> None:
    half = cache / "archives" / "tiny.part-abc" / "files"
    half.mkdir(parents=True)
    (half / "a.csv").write_bytes(b"x,")
    assert (get() / "a.csv").read_bytes() == HELD["pack/data/a.csv"]
    assert leftovers(cache) == ["tiny"]


def test_an_interrupt_while_downloading_leaves_nothing(index: Index, cache: Path) -> None:
    def interrupted(archive: Archive, folder: Path) -> Path:
        index(archive, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("tiny", download=interrupted, catalog={"tiny": index.archive("pack/data/a.csv")})
    assert leftovers(cache) == []


@pytest.mark.parametrize("damage", ["content", "size", "gone", "manifest", "not a folder"])
def test_a_damaged_cache_is_named_and_fetched_again(
    damage: str, get: Callable[..., Path], index: Index, new_process: Callable[[], None]
) -> None:
    folder = get()
    victim = folder / "b.bin"
    if damage == "content":
        victim.write_bytes(bytes(len(HELD["pack/data/b.bin"])))
    elif damage == "size":
        victim.write_bytes(b"")
    elif damage == "gone":
        victim.unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text('{"archive"')
    else:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        folder.write_text("?")
    new_process()
    said: list[str] = []
    assert (get(said.append) / "b.bin").read_bytes() == HELD["pack/data/b.bin"]
    assert index.downloads == 2
    assert "fetching again" in said[0] and ("b.bin" in said[0] or str(folder) in said[0])


def test_another_pinned_version_replaces_the_cached_one(get: Callable[..., Path], tmp_path: Path, index: Index) -> None:
    get()
    (tmp_path / "next").mkdir()
    newer = Index(tmp_path / "next", {"pack/data/a.csv": b"x,y\n3,4\n"})
    folder = fetch("tiny", download=newer, catalog={"tiny": newer.archive("pack/data/a.csv")})
    assert (folder / "a.csv").read_bytes() == b"x,y\n3,4\n"


def test_a_member_that_is_missing_is_named(index: Index) -> None:
    assert "no member 'pack/data/c.csv'" in refused(index, "pack/data/a.csv", "pack/data/c.csv")


@pytest.mark.parametrize("member", ["../evil.txt", "/evil.txt", "pack/../../evil.txt", "..\\evil.txt", "manifest.json"])
def test_a_member_outside_the_archive_is_refused(member: str, tmp_path: Path) -> None:
    index = Index(tmp_path, {member: b"evil"})
    assert "refused" in refused(index, member)
    assert not list(tmp_path.rglob("evil*"))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    index = Index(tmp_path, {"a/x.csv": b"1", "b/x.csv": b"2"})
    assert "share a file name" in refused(index, "a/x.csv", "b/x.csv")


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(index: Index, cache: Path) -> None:
    cache.write_text("a file where the folder should be")  # stops root too
    message = refused(index, "pack/data/a.csv")
    assert str(cache) in message and "RAYSEARCH_CACHE" in message
    assert index.downloads == 0


def test_a_failing_download_is_reported_as_it_is(index: Index, cache: Path) -> None:
    def offline(archive: Archive, folder: Path) -> Path:
        raise AssetError("package index: tiny==1.0: no network")

    with pytest.raises(AssetError, match="no network"):
        fetch("tiny", download=offline, catalog={"tiny": index.archive("pack/data/a.csv")})
    assert leftovers(cache) == []


FETCHER = """
import shutil, sys, time, uuid
from pathlib import Path
from raysearch.assets.archive import fetch
from raysearch.assets.catalog import Archive

wheel, log, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def download(archive, folder):
    (log / uuid.uuid4().hex).touch()
    time.sleep(0.5)  # long enough that the other process arrives meanwhile
    return Path(shutil.copy(wheel, folder))

archive = Archive("tiny", "1.0", sha256, ("pack/data/a.csv",), "", "", 1)
print(fetch("tiny", download=download, catalog={"tiny": archive}))
"""


def test_processes_that_fetch_the_same_archive_download_it_once(index: Index, tmp_path: Path, cache: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    command = [sys.executable, "-c", FETCHER, str(index.wheel), str(log), index.sha256]
    fetchers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [f.communicate(timeout=60)[0].strip() for f in fetchers] == [str(cache / "archives" / "tiny")] * 3
    assert len(list(log.iterdir())) == 1
    assert leftovers(cache) == ["tiny"]


def test_an_unknown_archive_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(AssetError, match="Did you mean 'acs-pums-atlanta'"):
        fetch("acs-pums-atlant")


def test_an_explicit_path_is_used_as_it_is(tmp_path: Path) -> None:
    assert resolve("acs-pums-atlanta", str(tmp_path)) == tmp_path
    with pytest.raises(AssetError, match=r"nowhere: no such file or folder.*'acs-pums-atlanta'"):
        resolve("acs-pums-atlanta", tmp_path / "nowhere")


def test_the_cache_is_the_users_unless_chosen(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_dir() == cache
    monkeypatch.delenv("RAYSEARCH_CACHE")
    assert cache_dir().name == "raysearch" and cache_dir().is_absolute()


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_pin_is_complete(name: str) -> None:
    archive = ARCHIVES[name]
    assert len(archive.sha256) == 64 and set(archive.sha256) <= set("0123456789abcdef")
    assert archive.members and len(set(archive.files)) == len(archive.members)
    of_a_part = ARCHIVES[name.rpartition("-part")[0]] if "-part" in name else archive  # the first carries the terms
    assert any(file.startswith("LICENSE") or "TERMS" in file for file in of_a_part.files)
    assert archive.licence and archive.description and archive.version
