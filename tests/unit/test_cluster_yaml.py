"""The cluster files by Ray's own checks, offline. Ray does not look inside ``node_config``, so what matters there is
checked here."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FILES = ["cluster.yaml", "docs/cluster-on-premises.yaml"]
COMMANDS = ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))  # as `ray up` does
    return found


def check(config: dict[str, Any]) -> dict[str, Any]:
    prepared: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


@pytest.mark.parametrize("name", FILES)
def test_ray_takes_the_file(name: str) -> None:
    check(load(name))


@pytest.mark.parametrize("name", FILES)
def test_ray_refuses_the_file_with_a_typo_at_the_top(name: str) -> None:
    config = load(name)
    config["idle_timout_minutes"] = config.pop("idle_timeout_minutes")
    with pytest.raises(jsonschema.ValidationError, match="idle_timout_minutes"):
        check(config)


def test_ray_refuses_a_fraction_of_a_gpu_and_more_least_workers_than_workers() -> None:
    fraction, crowd = load("cluster.yaml"), load("cluster.yaml")
    fraction["available_node_types"]["gpu_worker"]["resources"]["GPU"] = 0.5
    with pytest.raises(jsonschema.ValidationError, match="is not of type 'integer'"):
        check(fraction)
    crowd["available_node_types"]["gpu_worker"]["min_workers"] = crowd["max_workers"] + 1
    with pytest.raises(ValueError, match="max_workers"):
        check(crowd)


def test_the_aws_head_has_no_gpu_and_the_workers_have_one_and_come_only_when_needed() -> None:
    types = check(load("cluster.yaml"))["available_node_types"]
    assert types["head"]["resources"].get("GPU", 0) == 0
    assert types["gpu_worker"]["resources"]["GPU"] == 1
    assert types["gpu_worker"]["min_workers"] == 0
    assert types["gpu_worker"]["node_config"]["InstanceType"] != types["head"]["node_config"]["InstanceType"]
    assert types["gpu_worker"]["node_config"]["ImageId"] == types["head"]["node_config"]["ImageId"]


def test_the_machines_on_premises_become_head_and_workers_of_one_type() -> None:
    config = load("docs/cluster-on-premises.yaml")
    (only,) = check(config)["available_node_types"].values()
    assert only["min_workers"] == only["max_workers"] == len(config["provider"]["worker_ips"])


@pytest.mark.parametrize("name", FILES)
def test_no_node_starts_ray_without_a_token_and_every_node_gets_the_token(name: str) -> None:
    config = load(name)
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [command for command in config[key] if "ray start" in command]
        assert len(starts) == 1
        assert "RAY_AUTH_MODE=token" in starts[0].partition("ray start")[0]
    assert any(target.endswith("/.ray/auth_token") for target in config["file_mounts"])


@pytest.mark.parametrize("name", FILES)
def test_the_commands_are_shell_and_install_the_mounted_source_with_its_pins(name: str) -> None:
    config = load(name)
    for command in (command for key in COMMANDS for command in config[key]):
        subprocess.run(["bash", "-n"], input=command, text=True, check=True)
    (source,) = (target for target, local in config["file_mounts"].items() if local == ".")
    short = source.replace("/home/ubuntu", "~")
    assert (
        sum(f"pip install --quiet -c {short}/constraints.txt" in command for command in config["setup_commands"]) == 2
    )
    assert any(command.endswith(f" {short}") for command in config["setup_commands"])
