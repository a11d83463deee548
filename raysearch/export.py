"""A recorded trial's model as Hugging Face files: trained again, measured again, saved with a card.

A run keeps records, not weights: of a hundred trials ninety-nine are never used. Training again on the recorded
settings gives the same model (bit for bit with the same threads and versions), and the gap is measured before anything
is saved.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from raysearch import __version__
from raysearch.config.load import dump
from raysearch.config.schema import TrialConfig
from raysearch.errors import TrialError, UserError
from raysearch.ledger.record import TrialRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.models.update import scaled, updatable
from raysearch.pipeline import unlearn
from raysearch.pipeline.intrinsic import judged_pairs, measure_intrinsic, training_pairs
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Observer, Runtime, Silent
from raysearch.pipeline.trial import seed_everything
from raysearch.replay import TOLERANCE
from raysearch.stereotypes.stereotype_set import find as find_set

Form = Literal["merged", "adapter"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        recorded: intrinsic gap in the ledger.
        again: intrinsic gap of the model that was saved.
    """

    folder: Path
    recorded: float
    again: float


def export(
    run: RunFolder, trial: int, folder: Path, form: Form = "merged", observer: Observer | None = None
) -> Exported:
    """Trains a trial's model again and writes it: safetensors, tokenizer, ``trial.yaml``, a model card.

    Args:
        run: whose ledger holds the trial.
        trial: its number.
        folder: made by this, or empty.
        form: ``merged`` weights, or the LoRA ``adapter`` alone.
        observer: sees each stage.

    Raises:
        UserError: no such trial, one that trained no model or did not finish, or a folder with something in it.
        TrialError: the model does not have the recorded gap.
    """
    record = run.ledger.get(trial)
    config = TrialConfig.model_validate(record.config)
    if config.unlearning is None:
        raise UserError(
            f"trial {trial} ({record.stage}) trained no language model: its model is '{config.model.source}' as it is. "
            "Export one of stage unlearning or combined."
        )
    if record.state != "complete":
        raise UserError(
            f"trial {trial} is {record.state} ({record.reason}). Export a complete one: `raysearch status`."
        )
    if form == "adapter" and config.unlearning.update == "full":
        raise UserError(f"trial {trial} trained the weights themselves: it has no adapter. Leave --adapter out.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already and not empty. Give a folder that is not there yet.")
    threads = record.execution.get("threads")
    if threads is not None:
        torch.set_num_threads(int(threads))
    cuda = torch.cuda.is_available() and record.execution.get("device", "cpu") != "cpu"
    runtime = Runtime(device=torch.device("cuda" if cuda else "cpu"), observer=observer or Silent())
    place = folder.resolve()  # "." has no name to put beside
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        again = _train_and_save(config, record, runtime, part, form)
        (part / "trial.yaml").write_text(dump(config), encoding="utf-8")
        (part / "README.md").write_text(card(record, config, form, run.path.name), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Exported(folder, record.metrics["intrinsic_gap"].value, again)


def _train_and_save(config: TrialConfig, record: TrialRecord, runtime: Runtime, folder: Path, form: Form) -> float:
    assert config.unlearning is not None  # checked by the caller
    factor = config.unlearning.task_vector_scale
    seed_everything(config.seed)
    lm = runtime.language_model(config.model)
    with updatable(lm, config.unlearning, config.seed) as wrapped:
        model: Any = wrapped
        runtime.observer.stage("unlearning")
        unlearn.train(lm, model, config, training_pairs(config), runtime)
        with scaled(model, factor):
            runtime.observer.stage("intrinsic")
            found = measure_intrinsic(config, Subject(lm, model, untouched=False), judged_pairs(config), runtime)
            again = found.metrics["intrinsic_gap"].value
            recorded = record.metrics["intrinsic_gap"].value
            if abs(again - recorded) > TOLERANCE:
                raise TrialError(
                    f"trial {record.trial} was recorded with an intrinsic gap of {recorded:.4f}; trained again it has "
                    f"{again:.4f}. `raysearch replay` says what is not as it was."
                )
            if config.unlearning.update == "full":
                model.get_base_model().save_pretrained(folder, safe_serialization=True)  # scaled only in this block
            elif form == "merged":
                model = model.merge_and_unload()
        if form == "adapter":
            settings = model.peft_config["default"]
            settings.base_model_name_or_path = config.model.source
            settings.lora_alpha = settings.lora_alpha * factor
        if config.unlearning.update == "lora":
            model.save_pretrained(folder, safe_serialization=True)
        lm.tokenizer.save_pretrained(folder)
    runtime.reset()  # merged weights are no longer the base's
    return float(again)


def card(record: TrialRecord, config: TrialConfig, form: Form, run: str) -> str:
    """The model card: what it is, its numbers with intervals, and what they do not say."""
    data, rows = config.data, []
    for name, value in record.metrics.items():
        rows.append(f"| `{name}` | {value.value:.4f} | {value.low:.4f} to {value.high:.4f} | {value.n} |")
    sets = ", ".join(f"`{name}`" for name in config.stereotypes.weights)
    about = "; ".join(f"{s.description} ({s.language})" for s in map(find_set, config.stereotypes.weights))
    notes = "".join(f"- {note}\n" for note in record.facts.get("table_notes", []))
    use = (
        'AutoModelForCausalLM.from_pretrained("FOLDER")'
        if form == "merged"
        else f'PeftModel.from_pretrained(base, "FOLDER"), base being {config.model.source}'
    )
    return f"""---
library_name: {"transformers" if form == "merged" else "peft"}
tags: [bias-unlearning, raysearch]
---
# {config.model.source}, trial {record.trial} of {run}

Made by raysearch {__version__} (`raysearch export`): `{config.model.source}` after unlearning on the stereotype set
{sets} (stage {record.stage}, seed {record.seed}, {form} weights). All settings are in `trial.yaml`.
Load it with `{use}`.

## Measured on the {config.evaluation.split} split

| metric | value | interval ({config.evaluation.confidence:.0%}, bootstrap over rows) | n |
| --- | --- | --- | --- |
{chr(10).join(rows)}

Intrinsic metrics are of this model on templates, words and terms that training never saw. The others are of a
downstream model ({config.downstream.kind}) on top of it, trained on {record.facts.get("train_rows", "?")} rows of
`{Path(data.table).name}` and judged on {record.facts.get("judged_rows", "?")}, groups by {data.sensitive}; that
downstream model is not in this folder.

## Limits

- One seed; the intervals say nothing about other seeds. `raysearch confirm` says what is left of a front on test rows.
- Measured were stereotypes of {about}. Other biases and languages were not, and may have grown.
- Digest of the base model's weights: `{record.facts.get("model_digest", "?")}`.
{notes}"""
