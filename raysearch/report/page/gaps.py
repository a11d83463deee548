"""What a run did not test, said plainly: a reader who must decide has to know what the numbers are silent about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from raysearch.errors import RaysearchError
from raysearch.ledger.record import TrialRecord
from raysearch.report.front_table import short
from raysearch.report.page.trials import flat
from raysearch.stereotypes.stereotype_set import find

FEW = 30
"""Fewer positives or negatives than so many leave a rate an interval of some 0.3 width: too wide to compare groups."""
LANGUAGES = {"en": "English", "es": "Spanish"}


@dataclass(frozen=True)
class Gap:
    """One thing that was not tested.

    Attributes:
        what: in a few words.
        text: what it means for whoever decides.
    """

    what: str
    text: str


def gaps(table: pd.DataFrame, records: Sequence[TrialRecord], front: pd.Series[bool], confirmed: bool) -> list[Gap]:
    """What the run leaves open, the most serious first.

    Args:
        table: one row a configuration.
        records: of the run.
        front: which rows are on the front.
        confirmed: the front was scored on test.
    """
    complete = [record for record in records if record.state == "complete"]
    if not complete:
        return [Gap("Everything", "No trial is complete, so nothing was measured to the end.")]
    found = [
        *_split(confirmed),
        *_seeds(table, front),
        *_groups(complete),
        *_alone(complete),
        *_language(complete),
        *_attributes(complete),
        *_absent(records, complete),
        *_texts(complete),
        *_controls(complete),
    ]
    return [
        *found,
        Gap("Bias of other kinds", "A small gap on one set of stereotypes shows no absence of bias elsewhere."),
        Gap(
            "Use in the field", "People were scored from a table; nobody acted on a decision, and no feedback was seen."
        ),
    ]


def values_of(records: Sequence[TrialRecord], path: str) -> list[str]:
    """The different values that configurations have at a dotted path, sorted; without those that have none."""
    found = {str(flat(record.config).get(path)) for record in records}
    return sorted(found - {"None"})


def _split(confirmed: bool) -> list[Gap]:
    if confirmed:
        return []
    text = "The front was chosen and judged on the same rows, so it looks better than it is. "
    return [Gap("The test split", text + "`raysearch confirm RUN` scores the front on rows that no trial saw, once.")]


def _seeds(table: pd.DataFrame, front: pd.Series[bool]) -> list[Gap]:
    seeds = table["seeds"][front & (table["kind"] != "anchor")]
    single = int((seeds == 1).sum())
    if not single:
        return []
    text = f"{single} of {len(seeds)} sampled configurations on the front were trained once. "
    if (table["seeds"] > 1).any():
        text += "What another seed changes is taken from the configurations that have several."
    else:
        text += "What another seed would change is unknown, and is in no interval of this report."
    return [Gap("Other seeds", text)]


def _groups(records: Sequence[TrialRecord]) -> list[Gap]:
    sizes: dict[str, tuple[int, int]] = {}
    left_out: dict[str, int] = {}
    for record in records:
        for name, ((tn, fp), (fn, tp)) in record.groups.items():
            least = (tn + fp, fn + tp)
            sizes[name] = min(sizes.get(name, least), least, key=min)
        left_out |= record.facts.get("left_out_groups", {})
    few = [f"{name} ({no} negatives, {yes} positives)" for name, (no, yes) in sizes.items() if min(no, yes) < FEW]
    found = []
    if left_out:
        text = ", ".join(f"{name} ({count} rows)" for name, count in left_out.items())
        found.append(Gap("Groups left out", f"Too small to be measured, and in no number here: {text}."))
    if few:
        text = f"Rates rest on fewer than {FEW} people of one label: {', '.join(few)}. One person moves them visibly."
        found.append(Gap("Groups large enough", text))
    return found


def _alone(records: Sequence[TrialRecord]) -> list[Gap]:
    asked = (
        ("data.table", "Other datasets", "All trials used the table {}. Whether the result carries over is not known."),
        ("model.source", "Other models", "All trials used {}."),
        ("data.split_seed", "Other splits", "All trials were judged on one draw of rows (split seed {})."),
        ("text.serializer", "Other ways to write a row", "Rows were always written by {}."),
        ("downstream.kind", "Other downstream models", "Decisions were always taken by {}."),
        ("stereotypes.set", "Other stereotypes", "Beliefs were measured on the set {}."),
    )
    found = []
    for path, what, text in asked:
        values = values_of(records, path)
        if path == "stereotypes.set":
            values = sorted({*values, *_also(records)})
        if len(values) == 1:
            found.append(Gap(what, text.format(values[0])))
    return found


def _also(records: Sequence[TrialRecord]) -> set[str]:
    return {name for record in records for name in (record.config.get("stereotypes", {}).get("also") or {})}


def _language(records: Sequence[TrialRecord]) -> list[Gap]:
    codes = {code for name in {*values_of(records, "stereotypes.set"), *_also(records)} if (code := _code(name))}
    if not codes:
        return []
    spoken = " and ".join(LANGUAGES.get(code, code) for code in sorted(codes))
    return [Gap("Other languages", f"The model was asked in {spoken} only.")]


def _code(name: str) -> str:
    try:
        return find(name).language
    except RaysearchError:  # a set that this version does not know: its language neither
        return ""


def _attributes(records: Sequence[TrialRecord]) -> list[Gap]:
    by = set(values_of(records, "data.sensitive"))
    for record in records:
        by |= set(record.config.get("data", {}).get("also_by") or ())
    if not by:
        return []
    return [
        Gap("Other attributes", f"Groups were told apart by {', '.join(sorted(by))} alone, as the table records it.")
    ]


def _absent(records: Sequence[TrialRecord], complete: Sequence[TrialRecord]) -> list[Gap]:
    names = dict.fromkeys(name for record in records for name in record.metrics)
    missing = {name: sum(name not in record.metrics for record in complete) for name in names}
    some = [f"{short(name)} ({count} of {len(complete)})" for name, count in missing.items() if count]
    return [Gap("Metrics that are missing", f"Complete trials without them: {', '.join(some)}.")] if some else []


def _texts(records: Sequence[TrialRecord]) -> list[Gap]:
    cut = [_whole(record.facts, "truncated_texts") for record in records]
    if not any(cut):
        return []
    return [
        Gap("Whole texts", f"{sum(c > 0 for c in cut)} trials cut texts to fit the model; up to {max(cut)} a trial.")
    ]


def _whole(facts: Mapping[str, Any], name: str) -> int:
    return int(facts.get(name) or 0)


def _controls(records: Sequence[TrialRecord]) -> list[Gap]:
    if any(record.config.get("evaluation", {}).get("controls") for record in records):
        return []
    text = "The gap was not measured on paraphrases or with the answers in either order (`evaluation.controls`)."
    return [Gap("Other wordings", text)]
