"""`infra/single-host`: what each key of the stack contract changes, and that it changes no more."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi.announced import Announced
from rollout_kit.drivers.pulumi.changing import run_name
from rollout_kit.drivers.pulumi.contract import read_given, things
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.model.stack_contract import Key
from rollout_kit.ports.infra import RunJob
from tests.infra.comparing import changed, changed_paths
from tests.infra.rendering import Rendered, render

PROGRAM = "single-host"
B1 = CohortRef(namespace="orders", task_queue="critical", build_id="b1").path
B2 = CohortRef(namespace="orders", task_queue="critical", build_id="b2").path
ODD = CohortRef(namespace="Orders/EU", task_queue='über "kritisch" 100%', build_id=None).path


def _cohort(path: str, image: str, replicas: int) -> dict[str, object]:
    ref = CohortRef.from_path(path)
    parts = {"namespace": ref.namespace, "task_queue": ref.task_queue, "build_id": ref.build_id}
    return {**parts, "image": image, "replicas": replicas}


FULL: dict[str, Any] = {
    "single-host:server_environment_files": ["/etc/durable-workflow/server.env"],
    "fleet:nodes": {
        "api-1": {"image": "server:1", "marker": "m1"},
        "api-2": {"image": "server:1", "attached": False, "environment": {"LOG_LEVEL": "info"}},
    },
    "fleet:scheduler": {"image": "server:1", "marker": "m1"},
    "fleet:maintenance": {"queue": {"image": "server:1"}},
    "fleet:cohorts": {B1: _cohort(B1, "orders:1", 2), ODD: _cohort(ODD, "orders:0", 1)},
    "fleet:jobs": {"bootstrap": {"image": "server:1", "run": "r1", "revision": "1"}},
}


@cache
def full() -> Rendered:
    return render(PROGRAM, FULL)


def with_change(change: Callable[[dict[str, Any]], object]) -> Rendered:
    config = copy.deepcopy(FULL)
    change(config)
    return render(PROGRAM, config)


def units(rendered: Rendered, name: str) -> Mapping[str, str]:
    found: Mapping[str, str] = rendered.one("dynamic:Resource", name).inputs["units"]
    return found


def resources(rendered: Rendered, *place: str) -> set[str]:
    found: Any = rendered.output
    for part in place:
        found = found[part]
    return set(found["resources"])


def test_the_output_is_what_the_driver_reads() -> None:
    reading = read_given(full().output)
    assert reading.problems == ()
    assert reading.given is not None
    assert reading.given.reads == tuple(Key)
    owned = [urn for placed in things(reading.given).values() for urn in placed.resources]
    assert sorted(owned) == sorted(full().resources)
    assert {name: node.url for name, node in reading.given.nodes.items()} == {
        "api-1": "http://127.0.0.1:8081",
        "api-2": "http://127.0.0.1:8082",
    }


def test_a_rollout_that_writes_back_what_runs_changes_nothing() -> None:
    output = full().output

    def echo(config: dict[str, Any]) -> None:
        for key in ("nodes", "maintenance", "cohorts", "jobs"):
            config[f"fleet:{key}"] = {name: item["runs"] for name, item in output[key].items()}
        config["fleet:scheduler"] = output["scheduler"]["runs"]

    assert changed(full(), with_change(echo)) == set()


CHANGES: Mapping[str, tuple[Callable[[dict[str, Any]], object], tuple[str, ...]]] = {
    "a node's image": (
        lambda c: c["fleet:nodes"]["api-1"].update(image="server:2"),
        ("nodes", "api-1"),
    ),
    "a node's marker": (
        lambda c: c["fleet:nodes"]["api-1"].update(marker=None),
        ("nodes", "api-1"),
    ),
    "the scheduler stopped": (
        lambda c: c["fleet:scheduler"].update(running=False),
        ("scheduler",),
    ),
    "a maintenance process": (
        lambda c: c["fleet:maintenance"]["queue"].update(image="server:2"),
        ("maintenance", "queue"),
    ),
    "a cohort's image": (
        lambda c: c["fleet:cohorts"][B1].update(image="orders:1b"),
        ("cohorts", B1),
    ),
    "a cohort stopped": (lambda c: c["fleet:cohorts"][B1].update(replicas=0), ("cohorts", B1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_key_reaches_only_what_the_output_says(name: str) -> None:
    change, place = CHANGES[name]
    after = with_change(change)
    moved = changed(full(), after)
    assert moved
    assert moved <= resources(full(), *place)
    assert resources(after, *place) == resources(full(), *place)


def test_a_new_cohort_brings_its_own_units_and_moves_nothing() -> None:
    after = with_change(lambda c: c["fleet:cohorts"].update({B2: _cohort(B2, "orders:2", 1)}))
    assert changed(full(), after) == resources(after, "cohorts", B2)


def test_a_run_has_no_resource_but_those_that_were_announced_under_another_runs_name() -> None:
    def of(key: str) -> set[str]:
        job = {"image": "server:2", "run": run_name(key), "revision": "2"}
        return resources(
            with_change(lambda c: c["fleet:jobs"].update(bootstrap=job)), "jobs", "bootstrap"
        )

    announced = Announcement(
        operation="schema/run", resources=(*of("schema/run"),), kinds=(), changed=()
    )
    said = Announced((announced,)).of("prod/2", RunJob(job="bootstrap", image="server:2"))
    assert said.here is not None
    assert of("prod/2") == set(said.here.resources)


def test_detaching_a_node_changes_its_line_in_the_front_and_no_process() -> None:
    after = with_change(lambda c: c["fleet:nodes"]["api-1"].update(attached=False))
    (line,) = after.output["nodes"]["api-1"]["membership"]
    assert changed(full(), after) == {line}
    assert changed_paths(full(), after, line) == ["text"]
    assert full().resources[line].inputs["text"] == "server 127.0.0.1:8081;\n"
    assert after.resources[line].inputs["text"] == "server 127.0.0.1:8081 down;\n"
    assert after.resources[line].inputs["path"] == "/etc/nginx/durable-workflow.d/api-1.conf"


def test_a_node_is_a_hardened_container_told_who_it_is() -> None:
    text = units(full(), "api-1")["api-1"]
    (command,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    for word in (
        '"--publish=127.0.0.1:8081:8080"',
        '"--read-only"',
        '"--cap-drop=all"',
        '"--env=DW_SERVER_ID"',
        '"--env-file=/etc/durable-workflow/server.env"',
    ):
        assert word in command
    assert command.endswith('"server:1"')
    assert 'Environment="DW_SERVER_ID=api-1"' in text
    assert 'Environment="DW_V2_CURRENT_COMPATIBILITY=m1"' in text
    assert "DW_V2_CURRENT_COMPATIBILITY" not in units(full(), "api-2")["api-2"]


def test_a_unit_says_its_words_as_they_are() -> None:
    (text,) = units(
        full(), full().output["cohorts"][ODD]["resources"][0].rpartition("::")[2]
    ).values()
    assert 'Environment="DW_TASK_QUEUE=über \\"kritisch\\" 100%%"' in text


def test_each_worker_is_a_unit_with_an_id_of_its_own() -> None:
    name = full().output["cohorts"][B1]["resources"][0].rpartition("::")[2]
    texts = units(full(), name)
    assert sorted(texts) == [f"{name}-1", f"{name}-2"]
    for unit, text in texts.items():
        assert f'"ROLLOUT_KIT_WORKER_ID=critical:b1:host-{unit}"' in text
        assert "TimeoutStopSec=330" in text


def test_a_stopped_scheduler_has_no_unit_and_is_remembered() -> None:
    after = with_change(lambda c: c["fleet:scheduler"].update(running=False))
    assert units(after, "scheduler") == {}
    assert after.output["scheduler"]["runs"] == {
        "image": "server:1",
        "marker": "m1",
        "running": False,
        "environment": {"DW_V2_MULTI_NODE": "true"},
    }


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("fleet:nodes", {"api-9": {"image": "i"}}, "'api-9' has no port in `nodes`"),
        ("fleet:maintenance", {"x": {"image": "i"}}, "'x' is not in maintenance_arguments"),
        ("fleet:jobs", {"x": {"image": "i", "run": "r"}}, "'x' is not in job_arguments"),
        ("single-host:manager", "runit", "there are systemd and supervisor"),
        ("single-host:nodes", {"api-1": "8081"}, "nodes.api-1: a whole number is needed"),
        ("single-host:manager", "supervisor", "supervisor reads no environment files"),
    ],
)
def test_what_cannot_be_is_refused_by_name(key: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        render(PROGRAM, {**FULL, key: value})


@pytest.mark.skipif(
    not shutil.which("systemd-analyze") and not os.environ.get("CI"),  # there it is to be
    reason="there is no systemd-analyze here",
)
def test_systemd_itself_finds_nothing_wrong_with_any_unit(tmp_path: Path) -> None:
    """It is asked about the text alone; what is to run is not on every machine."""
    true = shutil.which("true")
    config = copy.deepcopy(FULL)
    config["fleet:nodes"]["api-1"]["environment"] = {"ODD": 'a "b" $C %d \\ é\nnext'}
    for role in ("node", "process", "worker"):
        command = [true, "%i $HOME \"x\" 'y'", "{environment}", "{image}"]
        config[f"single-host:{role}_command"] = command
    rendered = render(PROGRAM, config)
    texts = [one.inputs.get("units") or {} for one in rendered.resources.values()]
    paths = [tmp_path / f"{unit}.service" for each in texts for unit in each]
    for path in paths:
        path.write_text(next(each[path.stem] for each in texts if path.stem in each))

    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, paths)]
    said = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert len(paths) == 7
    assert (said.returncode, said.stderr) == (0, "")
    broken = tmp_path / "broken.service"
    broken.write_text(paths[0].read_text().replace("Type=exec", "Typ=exec"))
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(broken)]
    assert "Typ" in subprocess.run(argv, check=False, capture_output=True, text=True).stderr
