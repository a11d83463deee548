"""The debugging run's screen: each stage's inputs and outputs, as they come, in plain lines."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.console import Console
from rich.text import Text


class DebugScreen:
    """An observer of ``pipeline.trial.run_trial`` that prints everything.

    Args:
        console: where to write.
        every: print each so manyth step of the unlearning.
    """

    def __init__(self, console: Console, every: int = 1) -> None:
        self._console = console
        self._every = every
        self._stage = ""

    def stage(self, name: str) -> None:
        """A heading a stage."""
        self._stage = name
        self._console.rule(f"[bold]{name}", align="left")

    def progress(self, done: int, total: int, values: dict[str, float]) -> None:
        """Loss terms as they go."""
        if values and (done % self._every == 0 or done in (1, total)):
            terms = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name != "step")
            self._console.print(f"step {done}/{total}  {terms}", highlight=False)

    def show(self, title: str, value: Any) -> None:
        """An input or output of the stage."""
        self._console.print(Text.assemble((f"{title}: ", "bold"), _text(value)))

    def leaving(self) -> bool:
        """Nobody stops it but Ctrl-C."""
        return False


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and all(hasattr(item, "low") for item in value.values()):
        return "".join(
            f"\n  {name:<32} {item.value:>8.4f}  [{item.low:.4f}, {item.high:.4f}]  n={item.n}"
            for name, item in value.items()
        )
    if isinstance(value, dict):
        return "".join(f"\n  {name}: {item}" for name, item in value.items())
    if hasattr(value, "groups") and hasattr(value, "counts"):
        return "".join(
            f"\n  {group}: true negatives {tn}, false positives {fp}, false negatives {fn}, true positives {tp}"
            for group, ((tn, fp), (fn, tp)) in zip(value.groups, value.counts.tolist(), strict=True)
        )
    if hasattr(value, "decided"):
        facts = {"judged rows": len(value.decided), "positive decisions": int(value.decided.sum()), **value.facts}
        return "".join(f"\n  {name}: {item}" for name, item in facts.items())
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: getattr(value, name) for name in asdict(value)}
        return "".join(f"\n  {name}: {item!r}" for name, item in fields.items())
    return json.dumps(value, default=str)
