"""The model families of the method's source, tiny random weights of the real architectures: whole pipeline, export."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as multiprocessing

from raysearch.config.metric_names import METRICS
from raysearch.config.schema import TrialConfig
from raysearch.pipeline.communicator import ProcessGroup
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.pipeline.trial import run_trial
from raysearch.replay import at_stage
from tests.conftest import save_tiny_model
from tests.studies import small_study

FAMILIES = {"llama": "sdpa", "phi3": "sdpa", "gemma2": "eager", "gemma3_text": "sdpa"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("families")
    return {family: save_tiny_model(place / family, family) for family in FAMILIES}


def of_family(folders: dict[str, Path], family: str, tmp_path: Path, **unlearning: Any) -> TrialConfig:
    attention = f"trial.model.attention={FAMILIES[family]}"
    config = at_stage(small_study(tmp_path, folders[family], attention).default_trial(), "combined")
    assert config.unlearning is not None
    return config.model_copy(update={"unlearning": config.unlearning.model_copy(update=unlearning)})


def with_classifier(config: TrialConfig) -> TrialConfig:
    classifier = config.downstream.classifier.model_copy(update={"epochs": 1})
    downstream = config.downstream.model_copy(update={"kind": "lora_classifier", "classifier": classifier})
    return config.model_copy(update={"downstream": downstream})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_passes_the_whole_pipeline(folders: dict[str, Path], family: str, tmp_path: Path) -> None:
    runtime = Runtime()
    config = of_family(folders, family, tmp_path)
    before = run_trial(at_stage(config, "baseline"), runtime)
    for chosen in (config, with_classifier(config), of_family(folders, family, tmp_path, update="full", lr=1e-4)):
        outcome = run_trial(chosen, runtime)
        assert tuple(outcome.metrics) == METRICS
        assert outcome.curves[0]["kl"] == 0.0 < outcome.curves[-1]["kl"]
        assert outcome.metrics["intrinsic_gap"] != before.metrics["intrinsic_gap"]
    assert run_trial(at_stage(config, "baseline"), runtime).metrics == before.metrics


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_frozen_weights_may_be_of_half_precision(folders: dict[str, Path], dtype: str, tmp_path: Path) -> None:
    config = of_family(folders, "llama", tmp_path)
    half = config.model_copy(update={"model": config.model.model_copy(update={"dtype": dtype})})
    runtime = Runtime()
    outcome = run_trial(half, runtime)
    assert tuple(outcome.metrics) == METRICS and len(outcome.curves) == 4
    assert next(runtime.language_model(half.model).model.parameters()).dtype == getattr(torch, dtype)


def _in_a_group(rank: int, size: int, port: int, text: str, out: str, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    config = TrialConfig.model_validate_json(text, strict=False)
    runtime = Runtime(communicator=ProcessGroup(torch.device("cpu")))
    run_trial(config, runtime, Leg(until=2, folder=folder))  # state is saved, and loaded again
    outcome = run_trial(config, runtime, Leg(folder=folder))
    lm = runtime.language_model(config.model)
    spread = sum(type(parameter).__name__ == "DTensor" for parameter in lm.model.parameters())
    values = {name: measured.value for name, measured in outcome.metrics.items()}
    torch.save({"values": values, "curves": outcome.curves, "spread": spread}, f"{out}.{rank}")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("update", ["lora", "full"])
def test_two_workers_that_share_the_weights_give_the_result_of_one(
    folders: dict[str, Path], update: str, tmp_path: Path
) -> None:
    """FSDP2 over gloo: blocks spread, state saved and loaded between two legs, both downstream steps and gradients."""
    config = of_family(folders, "llama", tmp_path, update=update, lr=1e-3, micro_batches=2)
    config = with_classifier(config)
    alone = run_trial(config, Runtime())
    spread = config.model_copy(update={"model": config.model.model_copy(update={"sharding": "fsdp2"})})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = str(tmp_path / "rank")
    arguments = (2, port, spread.model_dump_json(), out, str(tmp_path / "state"))
    multiprocessing.spawn(_in_a_group, args=arguments, nprocs=2)
    shared = [torch.load(f"{out}.{rank}") for rank in range(2)]
    assert shared[0] == shared[1] and shared[0]["spread"] > 10
    for ours, theirs in zip(alone.curves, shared[0]["curves"], strict=True):
        assert theirs == pytest.approx(ours, rel=2e-3, abs=1e-6)
    assert shared[0]["values"] == pytest.approx({n: m.value for n, m in alone.metrics.items()}, rel=2e-3, abs=1e-4)
