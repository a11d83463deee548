"""A recorded trial's model as files: plain transformers gives the recorded gap."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from raysearch.cli import app
from raysearch.config.schema import TrialConfig
from raysearch.errors import UserError
from raysearch.export import export
from raysearch.ledger.record import ProposalRecord
from raysearch.ledger.run_folder import RunFolder
from raysearch.models.answers import tokenize
from raysearch.models.language_model import load
from raysearch.pipeline.attempt import attempt
from raysearch.pipeline.intrinsic import judged_pairs
from raysearch.pipeline.runtime import Runtime
from raysearch.replay import at_stage
from raysearch.search.recorder import Ending, Recorder
from tests.studies import small_study


def recorded(tmp_path: Path, model: Path, *overrides: str) -> RunFolder:
    """A run with a baseline and one trial that unlearned for long enough to show, recorded without Ray."""
    study = small_study(tmp_path, model, *overrides)
    folder = RunFolder.create(tmp_path / "run", study.text, {"study": "small", "overrides": list(study.overrides)})
    recorder = Recorder(study, folder)
    for number, stage in enumerate(("baseline", "unlearning")):
        config = at_stage(study.default_trial(), stage)
        proposal = ProposalRecord(
            trial=number,
            kind="anchor" if stage == "baseline" else "search",
            config=config.model_dump(mode="json"),
            anchor="baseline" if stage == "baseline" else None,
        )
        folder.ledger.propose(proposal)
        recorder.finish(proposal, Ending(attempt(config, Runtime())))
    return folder


@pytest.fixture(params=[1.0, 0.5])
def run(request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path) -> RunFolder:
    scale = f"unlearning.task_vector_scale={request.param}"
    return recorded(tmp_path, tiny_model, "unlearning.steps=12", "unlearning.lr=0.02", scale)


def plain_gap(model: torch.nn.Module, tokenizer, config: TrialConfig) -> float:
    """|p_s - p_a| by its definition, a whole forward pass an answer, nothing of the pipeline's arithmetic."""
    lm = load(config.model)
    gaps = []
    for pair in judged_pairs(config):
        means = []
        for answer in (pair.stereotype, pair.anti_stereotype):
            prompt_ids, answer_ids = tokenize(lm, pair.prompt, answer)
            assert tokenizer(pair.prompt + answer)["input_ids"][: len(prompt_ids)] == prompt_ids
            ids = torch.tensor([prompt_ids + answer_ids])
            with torch.no_grad():
                logps = model(input_ids=ids).logits[0].log_softmax(-1)
            places = range(len(prompt_ids) - 1, ids.shape[1] - 1)
            means.append(sum(float(logps[at, ids[0, at + 1]]) for at in places) / len(answer_ids))
        gaps.append(abs(math.tanh((means[0] - means[1]) / 2)))
    return sum(gaps) / len(gaps)


def test_plain_transformers_gives_the_recorded_gap(run: RunFolder, tmp_path: Path) -> None:
    config = TrialConfig.model_validate(run.ledger.get(1).config)
    recorded = run.ledger.get(1).metrics["intrinsic_gap"].value
    assert recorded != pytest.approx(run.ledger.get(0).metrics["intrinsic_gap"].value, abs=1e-3)
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    result = CliRunner().invoke(app, ["export", str(run.path), "1", str(merged)])
    assert result.exit_code == 0, result.output
    assert {"README.md", "trial.yaml", "config.json", "tokenizer_config.json"} <= {p.name for p in merged.iterdir()}
    assert list(merged.glob("*.safetensors")) and not list(merged.glob("*.bin"))
    model = AutoModelForCausalLM.from_pretrained(merged)
    assert plain_gap(model, AutoTokenizer.from_pretrained(merged), config) == pytest.approx(recorded, abs=2e-4)
    export(run, 1, adapter, "adapter")
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(config.model.source)
    wrapped = PeftModel.from_pretrained(base, adapter)
    assert plain_gap(wrapped, AutoTokenizer.from_pretrained(adapter), config) == pytest.approx(recorded, abs=2e-4)


def test_the_card_has_the_numbers_and_their_limits(run: RunFolder, tmp_path: Path) -> None:
    export(run, 1, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    for name, value in run.ledger.get(1).metrics.items():
        assert f"| `{name}` | {value.value:.4f} | {value.low:.4f} to {value.high:.4f} |" in card
    assert "## Limits" in card and "None" not in card and "?" not in card.replace("?`", "")


def test_what_cannot_be_exported_is_said_in_a_line(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trial 0 \(baseline\) trained no language model"):
        export(run, 0, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("")
    with pytest.raises(UserError, match="is there already and not empty"):
        export(run, 1, tmp_path / "full")
    result = CliRunner().invoke(app, ["export", str(run.path), "9", str(tmp_path / "out")])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_weights_trained_in_full_are_exported_scaled_and_without_an_adapter(tmp_path: Path, tiny_model: Path) -> None:
    changes = ("update=full", "lr=1e-3", "steps=12", "task_vector_scale=0.5")
    run = recorded(tmp_path, tiny_model, *(f"unlearning.{change}" for change in changes))
    with pytest.raises(UserError, match="it has no adapter"):
        export(run, 1, tmp_path / "adapter", "adapter")
    export(run, 1, tmp_path / "merged")
    config = TrialConfig.model_validate(run.ledger.get(1).config)
    expected = run.ledger.get(1).metrics["intrinsic_gap"].value
    assert expected != pytest.approx(run.ledger.get(0).metrics["intrinsic_gap"].value, abs=1e-3)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    gap = plain_gap(model, AutoTokenizer.from_pretrained(tmp_path / "merged"), config)
    assert gap == pytest.approx(expected, abs=2e-4)
