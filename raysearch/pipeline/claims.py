"""Who makes a result: of several processes that want the same one at once, one makes it and the others wait for it.

A claim is a small file beside the result to come. It is advice, no lock: results are written whole and are the same
whoever makes them, so where a claim is overlooked or taken for dead a result is made twice, and nothing else happens.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BEAT_S = 5.0
"""A holder touches its claim this often."""
_SILENT_S = 60.0
"""A claim that was not touched for so long is a dead process's. Shared storage may show a touch late."""


class Claims:
    """One process's view of the claims in a folder."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, float]] = {}

    @contextmanager
    def hold(self, path: Path) -> Iterator[bool]:
        """Whether the claim is this process's, for the length of the block; False: another process is at work on it."""
        if not self._taken(path):
            yield False
            return
        end = threading.Event()
        try:
            with contextlib.suppress(RuntimeError):  # no more threads: others will take the claim for dead, no more
                threading.Thread(target=_beat, args=(path, end), name="raysearch-claim", daemon=True).start()
            yield True
        finally:
            end.set()
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _taken(self, path: Path) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # nobody can claim anything here, so there is nobody to wait for
            return True
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(f"{os.getpid()} {platform.node()}\n")
        except FileExistsError:
            if not self._is_dead(path):
                return False
            try:
                path.unlink(missing_ok=True)
            except OSError:  # nobody will ever free it
                return True
            return False  # whoever asks again may find it free
        except OSError:
            return True
        self._seen.pop(path, None)
        return True

    def _is_dead(self, path: Path) -> bool:
        try:
            touched = path.stat().st_mtime_ns
            process, _, host = path.read_text(encoding="utf-8").partition(" ")
        except (OSError, ValueError):
            return False
        if host.strip() == platform.node() and process.isdecimal() and not _runs(int(process)):
            return True
        before = self._seen.get(path)
        if before is None or before[0] != touched:  # by this machine's clock: those of two machines may differ
            self._seen[path] = (touched, time.monotonic())
            return False
        return time.monotonic() - before[1] > _SILENT_S


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's, or no process at all
        return True
    return True


def _beat(path: Path, end: threading.Event) -> None:
    while not end.wait(_BEAT_S):
        with contextlib.suppress(OSError):  # it may be gone already
            os.utime(path)
