"""Groups go where their settings say, on a cluster of several nodes that all run on this machine."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from raysearch.config.schema import TrialConfig, WorkersConfig
from raysearch.pipeline.attempt import Attempt
from raysearch.pipeline.leg import Leg
from raysearch.pipeline.runtime import Runtime
from raysearch.workers.dispatcher import Work
from raysearch.workers.pool import WorkerPool

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, str]]:
    """Ids of three nodes: a plain one with the driver, one with a resource of its own, one with a label."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    try:
        disk = cluster.add_node(num_cpus=4, resources={"big_disk": 1})
        spot = cluster.add_node(num_cpus=4, labels={"market": "spot"})
        ray.init(address=cluster.address, namespace="placement", log_to_driver=False)
        yield {"head": ray.get_runtime_context().get_node_id(), "disk": disk.node_id, "spot": spot.node_id}
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_group_lands_on_the_node_with_its_resource_or_label(nodes: dict[str, str], tmp_path: Path) -> None:
    def where(config: TrialConfig, runtime: Runtime, leg: Leg) -> Attempt:
        return Attempt(None, execution={"node": ray.get_runtime_context().get_node_id(), "process": os.getpid()})

    settings = {
        "disk": WorkersConfig(resources={"big_disk": 0.5}),
        "spot": WorkersConfig(label_selector={"market": "spot"}),
    }
    pools = {name: WorkerPool(workers, tmp_path / name, where) for name, workers in settings.items()}
    try:
        for pool in pools.values():
            pool.start()
        for name, pool in pools.items():
            result = pool.run(Work(0, {}))
            assert result is not None and result.attempt is not None
            assert pickle.loads(result.attempt).execution["node"] == nodes[name] != nodes["head"]
    finally:
        for pool in pools.values():
            pool.stop()
