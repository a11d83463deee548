"""What every downstream model promises; a new file in ``pipeline/downstream`` is tested here without another line.

The rows are made-up persons whose text says the label: whoever is female has it. A model that learns gets them right,
so a decision that does not move when it must not is no decision of a model that says the same of everybody.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing

from raysearch import registry
from raysearch.config.schema import TrialConfig
from raysearch.errors import TrialError
from raysearch.models.update import updatable
from raysearch.pipeline.communicator import ProcessGroup
from raysearch.pipeline.data import Data, Rows, prepare
from raysearch.pipeline.decisions import Judgement
from raysearch.pipeline.leg import WHOLE
from raysearch.pipeline.outputs import Subject
from raysearch.pipeline.runtime import Runtime
from raysearch.replay import at_stage
from tests.studies import small_study

NAMES = registry.names("downstream")
EAGER = (
    "text.max_columns=2",
    "data.train_rows=80",
    "downstream.inverse_regularization=1.0",
    "downstream.classifier.epochs=6",
    "downstream.classifier.lr=1e-2",
)
"""Settings with which each model learns a plain rule from few rows."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> TrialConfig:
    study = small_study(tmp_path_factory.mktemp("downstream"), tiny_model, *EAGER)
    return at_stage(study.default_trial(), "baseline")


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture(scope="module")
def data(config: TrialConfig, runtime: Runtime) -> Data:
    return with_rule(prepare(config, runtime))


def with_rule(data: Data) -> Data:
    """The label is what the text says of the sex."""
    return dataclasses.replace(data, train=labelled(data.train), judged=labelled(data.judged))


def labelled(rows: Rows) -> Rows:
    return dataclasses.replace(rows, target=(rows.groups == "female").astype(np.int64))


def judge(name: str, config: TrialConfig, data: Data, runtime: Runtime, subject: Subject | None = None) -> Judgement:
    chosen = config.model_copy(update={"downstream": config.downstream.model_copy(update={"kind": name})})
    lm = runtime.language_model(config.model)
    subject = subject or Subject(lm, lm.model, untouched=True)
    return registry.get("downstream", name)().judge(chosen, data, subject, runtime, WHOLE)


@pytest.fixture(scope="module")
def usual(config: TrialConfig, data: Data, runtime: Runtime) -> Callable[[str], Judgement]:
    """What a model decides where nothing is changed, computed once."""
    return cache(lambda name: judge(name, config, data, runtime))


def taken(rows: Rows, places: Any) -> Rows:
    """Rows in another order, or some of them."""
    chosen = np.asarray(places)
    fields = {f.name: getattr(rows, f.name) for f in dataclasses.fields(rows)}
    frame, texts = fields.pop("frame"), fields.pop("texts")
    some = {name: values[chosen] for name, values in fields.items()}
    return Rows(texts=tuple(texts[i] for i in chosen), frame=frame.iloc[chosen], **some)


def right(judgement: Judgement, data: Data) -> float:
    return float(np.mean(judgement.decided == data.judged.target))


@pytest.mark.parametrize("name", NAMES)
class TestEveryDownstreamModel:
    def test_it_says_what_it_is(self, name: str) -> None:
        component = registry.get("downstream", name)
        assert component.__doc__ and component.__doc__.strip().endswith(".")
        assert (inspect.getdoc(inspect.getmodule(component)) or "").startswith("Downstream model")

    def test_it_learns_what_the_rows_say_and_decides_on_each_once(
        self, name: str, data: Data, usual: Callable[[str], Judgement]
    ) -> None:
        found = usual(name)
        assert list(range(len(data.judged.texts)))[found.rows] == list(range(len(data.judged.texts)))
        assert found.decided.shape == (len(data.judged.texts),) and set(found.decided.tolist()) == {0, 1}
        assert right(found, data) > 0.85

    def test_its_facts_can_be_recorded(self, name: str, usual: Callable[[str], Judgement]) -> None:
        facts = usual(name).facts
        assert facts and json.loads(json.dumps(facts)) == facts

    def test_the_same_again_is_the_same(
        self, name: str, config: TrialConfig, data: Data, usual: Callable[[str], Judgement]
    ) -> None:
        used, fresh = usual(name), judge(name, config, data, Runtime())
        assert used.decided.tolist() == fresh.decided.tolist()
        assert used.facts == fresh.facts

    def test_labels_and_weights_of_judged_rows_decide_nothing(
        self, name: str, config: TrialConfig, data: Data, runtime: Runtime, usual: Callable[[str], Judgement]
    ) -> None:
        judged = dataclasses.replace(data.judged, target=1 - data.judged.target, weight=7 * data.judged.weight)
        turned = judge(name, config, dataclasses.replace(data, judged=judged), runtime)
        assert turned.decided.tolist() == usual(name).decided.tolist()

    def test_labels_of_training_rows_do(self, name: str, config: TrialConfig, data: Data, runtime: Runtime) -> None:
        train = dataclasses.replace(data.train, target=1 - data.train.target)
        assert right(judge(name, config, dataclasses.replace(data, train=train), runtime), data) < 0.15

    @pytest.mark.parametrize("change", ["their order", "one sex alone", "other rows in place of half of them"])
    def test_a_row_is_judged_without_regard_to_the_others(
        self,
        name: str,
        change: str,
        config: TrialConfig,
        data: Data,
        runtime: Runtime,
        usual: Callable[[str], Judgement],
    ) -> None:
        """A mean, a scale or a vocabulary of the judged rows would be another one here."""
        count = len(data.judged.texts)
        places: dict[str, Callable[[], Any]] = {
            "their order": lambda: np.random.default_rng(0).permutation(count),
            "one sex alone": lambda: np.flatnonzero(data.judged.groups == "female"),
            "other rows in place of half of them": lambda: np.arange(count) // 2,
        }
        chosen = places[change]()
        changed = dataclasses.replace(data, judged=taken(data.judged, chosen))
        expected = usual(name).decided[chosen]
        assert judge(name, config, changed, runtime).decided.tolist() == expected.tolist()

    def test_weights_of_training_rows_decide_which_of_two_rules_is_learned(
        self, name: str, config: TrialConfig, data: Data, runtime: Runtime
    ) -> None:
        """Every person stands twice in the training rows, with either label."""
        count = len(data.train.texts)
        twice = taken(data.train, np.tile(np.arange(count), 2))
        contrary = np.arange(2 * count) >= count
        twice = dataclasses.replace(
            twice,
            target=np.where(contrary, 1 - twice.target, twice.target),
            counterfactual=contrary,
        )

        def learned(weight_of_contrary: float) -> float:
            weight = np.where(contrary, weight_of_contrary, 1.0 - weight_of_contrary)
            train = dataclasses.replace(twice, weight=weight)
            return right(judge(name, config, dataclasses.replace(data, train=train), runtime), data)

        assert learned(0.0) > 0.85
        assert learned(1.0) < 0.7

    def test_one_label_alone_is_a_failure_with_its_reason(
        self, name: str, config: TrialConfig, data: Data, runtime: Runtime
    ) -> None:
        for label in (0, 1):
            train = dataclasses.replace(data.train, target=np.full_like(data.train.target, label))
            with pytest.raises(TrialError, match="all training rows have the same label: nothing can be learned"):
                judge(name, config, dataclasses.replace(data, train=train), runtime)

    def test_the_language_model_is_the_same_afterwards(
        self, name: str, config: TrialConfig, data: Data, runtime: Runtime
    ) -> None:
        """The untouched one, and one that unlearning has put an adapter on; also where the model fails."""
        lm = runtime.language_model(config.model)
        unlearning = at_stage(config, "unlearning").unlearning
        assert unlearning is not None
        before = state(lm.model)
        judge(name, config, data, runtime)
        assert_same(state(lm.model), before)
        with updatable(lm, unlearning, 0) as adapted:
            with torch.no_grad():
                for parameter in adapted.parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.01)
            inside = state(adapted)
            judge(name, config, data, runtime, Subject(lm, adapted, untouched=False))
            assert_same(state(adapted), inside)
            wrong = dataclasses.replace(data, train=dataclasses.replace(data.train, target=0 * data.train.target))
            with pytest.raises(TrialError):
                judge(name, config, wrong, runtime, Subject(lm, adapted, untouched=False))
            assert_same(state(adapted), inside)
        assert_same(state(lm.model), before)

    def test_two_processes_share_the_rows_and_decide_as_one_does(
        self, name: str, usual: Callable[[str], Judgement], shares: list[dict[str, Any]]
    ) -> None:
        whole = usual(name)
        rows = list(range(len(whole.decided)))
        assert [rows[slice(*share[name]["rows"])] for share in shares] == [rows[:20], rows[20:]]
        assert [d for share in shares for d in share[name]["decided"]] == whole.decided.tolist()


def state(model: torch.nn.Module) -> dict[str, tuple[torch.Tensor, bool]]:
    return {name: (p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()}


def assert_same(one: dict[str, tuple[torch.Tensor, bool]], other: dict[str, tuple[torch.Tensor, bool]]) -> None:
    assert list(one) == list(other)
    for name, (weights, trained) in one.items():
        assert torch.equal(weights, other[name][0]) and trained == other[name][1], name


@pytest.fixture(scope="module")
def shares(config: TrialConfig, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes of a group decides, for every model."""
    out = tmp_path_factory.mktemp("shares")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(_share, args=(2, port, config.model_dump_json(), str(out)), nprocs=2)
    return [json.loads((out / str(rank)).read_text()) for rank in range(2)]


def _share(rank: int, size: int, port: int, text: str, out: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
    config = TrialConfig.model_validate_json(text, strict=False)
    runtime = Runtime(communicator=ProcessGroup(torch.device("cpu")))
    data = with_rule(prepare(config, runtime))
    found = {}
    for name in NAMES:
        judgement = judge(name, config, data, runtime)
        rows = (judgement.rows.start, judgement.rows.stop)
        found[name] = {"rows": rows, "decided": judgement.decided.tolist()}
    (Path(out) / str(rank)).write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
