"""What a simulated search needs to know of a problem: outcomes and costs at any fidelity, nothing about how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from raysearch.search.price import Price


@dataclass(frozen=True)
class Outcome:
    """What a trial would show at some fidelity.

    Attributes:
        values: the objective vector in the problem's order and sign; None for a trial that fails there.
        constraints: name -> violation, feasible <= 0.
        early: violations that are known before the costly part is paid for.
    """

    values: tuple[float, ...] | None
    constraints: dict[str, float] = field(default_factory=dict)
    early: dict[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """All constraints hold."""
        return self.values is not None and all(violation <= 0 for violation in self.constraints.values())

    @property
    def gated(self) -> bool:
        """A constraint that is known early is broken."""
        return any(violation > 0 for violation in self.early.values())


class Problem(Protocol):
    """A search problem.

    Attributes:
        space: a tree of constants and distributions.
        objectives: name -> direction.
        corner: reference point in the objectives' own signs.
        full: full fidelity.
    """

    @property
    def space(self) -> Any: ...

    @property
    def objectives(self) -> Mapping[str, str]: ...

    @property
    def corner(self) -> Sequence[float]: ...

    @property
    def full(self) -> int: ...

    def outcome(self, params: Mapping[str, Any], fidelity: int, seed: int) -> Outcome:
        """What a trial with these parameters and this seed shows at a fidelity; the same whenever it is asked."""

    def price(self, params: Mapping[str, Any], start: int, end: int, gated: bool) -> Price:
        """Seconds from one fidelity to the next, evaluation included; less where the costly part is not paid for."""
