"""CrowS-Pairs: of two sentences that differ in the group named, which does a model find likelier?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from raysearch.bias_sets.bias_set import BiasSet, Bootstrap, Item, Measured, Passage, Ratings, Rows, measured, preferred
from raysearch.bias_sets.reading import one_of, read_table, text_at
from raysearch.registry import register

FILE = "crows_pairs_anonymized.csv"
IDEAL = {"share": 50.0, "|share - 50|": 0.0}


@register("bias_set", "crows_pairs")
class CrowsPairs(BiasSet):
    """Pairs of sentences, one more stereotypical (``sent_more``) than the other, by type of bias.

    Formula: share = pairs whose more stereotypical sentence is rated higher / pairs; ``|share - 50|`` is its distance
    from ideal. Unit: percent, [0, 100] and [0, 50]; ideal 50 and 0. Pairs rated alike count one half.

    Source: Nangia et al., 2020, arXiv:2010.00133, for masked models. There a sentence is rated by the sum, over the
    words that both sentences share, of log P(word | all other words), so that how frequent the differing words are
    does not count. A causal model has no such probability: here a sentence is rated by its whole log-likelihood, the
    sum over all tokens of log P(token | tokens before it), the differing words among them. Figures are comparable
    between causal models under this definition, and not with those of masked models.
    """

    name: ClassVar[str] = "crows_pairs"
    description: ClassVar[str] = "CrowS-Pairs: the more stereotypical of two sentences, by type of bias"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    source: ClassVar[str] = "Nangia, Vania, Bhalerao and Bowman, 2020, arXiv:2010.00133; github.com/nyu-mll/crows-pairs"
    archive: ClassVar[str] = "crows-pairs"
    categories: ClassVar[tuple[str, ...]] = (
        "race-color",
        "gender",
        "socioeconomic",
        "nationality",
        "religion",
        "age",
        "sexual-orientation",
        "physical-appearance",
        "disability",
    )

    def read(self, folder: Path, categories: Sequence[str] | None = None) -> tuple[Item, ...]:
        """Reads ``crows_pairs_anonymized.csv``. Arguments and errors as in ``BiasSet``."""
        wanted = self.known(categories)
        rows = read_table(folder / FILE, ("sent_more", "sent_less", "bias_type"))
        items = [
            Item(
                category=one_of(row, "bias_type", self.categories, place),
                choices=tuple(Passage("", text_at(row, key, place)) for key in ("sent_more", "sent_less")),
                right=(0, 1),
                biased=0,
            )
            for place, row in rows
        ]
        return tuple(item for item in items if item.category in wanted)

    def measure(self, items: Sequence[Item], ratings: Ratings, bootstrap: Bootstrap) -> list[Measured]:
        """The share and its distance from 50."""
        prefers = preferred(*ratings.total.T)

        def statistic(rows: Rows) -> Mapping[str, float]:
            share = 100.0 * float(prefers[rows].mean())
            return {"share": share, "|share - 50|": abs(share - 50.0)}

        return [(name, value, IDEAL[name]) for name, value in measured(statistic, len(items), bootstrap).items()]
