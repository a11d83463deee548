"""Where worker groups may run: settings that cannot serve are refused, the others reach Ray."""

from __future__ import annotations

import pytest

from raysearch.config.load import load_study
from raysearch.config.schema import WorkersConfig
from raysearch.errors import ConfigError, UserError
from raysearch.study import session
from raysearch.workers.group import scaling


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("{workers_per_group: 2, gpus_per_worker: 0.5}", "NCCL refuses to talk. Use gpus_per_worker: 1"),
        ("{gpus_per_worker: 1.5}", "1.5 is more than one GPU and not a whole number"),
        ("{accelerator_type: H100}", "H100 is a kind of GPU and gpus_per_worker is 0"),
        ("{accelerator_type: 'H100 80GB', gpus_per_worker: 1}", "accelerator_type"),
        ("{resources: {GPU: 1}}", "CPUs and GPUs are cpus_per_worker and gpus_per_worker"),
        ("{resources: {big_disk: 0}}", "resources.big_disk"),
        ("{label_selector: {zone: 1}}", "label_selector.zone"),
    ],
)
def test_what_ray_or_nccl_would_refuse_later_is_refused_at_once(setting: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_study("demo", [f"workers={setting}"])
    (problem,) = caught.value.problems
    assert words in f"{problem.path}: {problem.message}"


def test_kinds_of_nodes_and_gpus_reach_ray_train() -> None:
    plain = scaling(WorkersConfig())
    assert (plain.num_workers, plain.use_gpu, plain.resources_per_worker) == (1, False, {"CPU": 1})
    assert plain.accelerator_type is None and plain.label_selector is None
    workers = WorkersConfig(
        workers_per_group=2,
        gpus_per_worker=4,
        accelerator_type="H100",
        resources={"big_disk": 0.5},
        label_selector={"market": "!spot"},
    )
    found = scaling(workers)
    assert (found.num_workers, found.use_gpu) == (2, True)
    assert found.resources_per_worker == {"CPU": 1, "GPU": 4, "big_disk": 0.5}
    assert (found.accelerator_type, found.label_selector) == ("H100", {"market": "!spot"})


def test_groups_of_one_worker_may_share_a_gpu() -> None:
    assert scaling(WorkersConfig(groups=2, gpus_per_worker=0.5)).resources_per_worker == {"CPU": 1, "GPU": 0.5}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("workers.resources={big_disk: 1}", "workers.resources: big_disk: Ray on this machine alone"),
        ("workers.label_selector={market: spot}", "workers.label_selector: market: Ray on this machine alone"),
        ("workers.gpus_per_worker=100", "GPUs need"),
    ],
)
def test_one_machine_alone_refuses_what_only_a_cluster_has(setting: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        session.check_place(load_study("demo", [setting]), None)


def test_what_no_living_node_has_is_named() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2.0, "big_disk": 1.0}, "Labels": {"market": "spot"}},
        {"Alive": False, "Resources": {"accelerator_type:H100": 1.0}, "Labels": {}},
    ]
    here = WorkersConfig(resources={"big_disk": 1}, label_selector={"market": "!spot"})
    assert session._lacking(here, nodes) == []
    other = WorkersConfig(
        gpus_per_worker=1, accelerator_type="H100", resources={"tape": 1}, label_selector={"zone": "a"}
    )
    assert session._lacking(other, nodes) == [
        "resource 'tape'",
        "resource 'accelerator_type:H100'",
        "label 'zone'",
    ]
