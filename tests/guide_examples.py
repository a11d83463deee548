"""The fenced examples of the guide, cut out of its pages."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in [*DOCS.glob("*.md"), *(DOCS / "guide").glob("*.md")]
    if path.name not in ("commands.md", "log.md", "results.md")
)
"""Pages that a reader follows: the one of commands is generated, the two others are figures."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block.

    Attributes:
        page: path below ``docs``.
        line: where its text begins.
        language: what stands after the fence.
        text: without the page's indentation.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples(*languages: str) -> list[Example]:
    """All blocks of these languages; of none given, all there are."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            example = Example(
                page.relative_to(DOCS).as_posix(),
                text.count("\n", 0, match.start("text")) + 1,
                match["language"],
                textwrap.dedent(match["text"]),
            )
            found += [example] if not languages or example.language in languages else []
    return found


@dataclass(frozen=True)
class Command:
    """One command of a shell block, in words; comments, settings of variables and redirections are taken off."""

    example: Example
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.example}: {shlex.join(self.words)}"


def commands() -> list[Command]:
    """Every command of every shell block, and those that a command takes as its argument."""
    found = []
    for example in examples("sh"):
        for line in example.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if ">" in words:
                words = words[: words.index(">")]
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words:
                found.append(Command(example, (Path(words[0]).name, *words[1:])))
                found += [Command(example, tuple(shlex.split(word))) for word in words if word.startswith("raysearch ")]
    return found
