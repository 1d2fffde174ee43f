"""`infra/small-cluster` by the real SDK, an engine and a real control plane: one update a change.

The engine is the stand-in, and the real one with its Kubernetes provider wherever both are on PATH.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi import automation as auto

from tests.infra.in_a_cluster import in_front, label_nodes, pods, until
from tests.infra.rendering import loaded
from tests.infra.test_small_cluster import FULL, PROGRAM
from tests.standin.fixtures import Cli
from tests.toolchain.cluster import Cluster

pytestmark = pytest.mark.cluster

API_1 = "rollout-kit.dev/node=api-1"
API_2 = "rollout-kit.dev/node=api-2"


class Stack:
    """One stack of the program in a namespace of the test cluster."""

    def __init__(self, cli: Cli, cluster: Cluster, space: str, program: Any) -> None:
        options = auto.LocalWorkspaceOptions(
            work_dir=str(cli.work), env_vars={"KUBECONFIG": str(cluster.kubeconfig)}
        )
        self._stack = auto.create_or_select_stack("dev", PROGRAM, program=program, opts=options)
        self._config = copy.deepcopy(FULL) | {f"{PROGRAM}:namespace": space}
        self._config["fleet:nodes"].pop("api-3")
        self._configure()

    def change(self, key: str, **entries: Any) -> None:
        """Sets entries of one key: `nodes`, with `api-1=...`."""
        for name, entry in entries.items():
            self._config[f"fleet:{key}"][name.replace("_", "-")].update(entry)
        self._configure()

    def configured(self, key: str) -> Any:
        """The whole value of one key."""
        return copy.deepcopy(self._config[f"fleet:{key}"])

    def up(self) -> dict[str, str]:
        """What was done, by `Kind name`."""
        return self._done(lambda seen: self._stack.up(on_event=seen, refresh=True))

    def preview(self) -> dict[str, str]:
        """What would be done, looking at the world first."""
        return self._done(lambda seen: self._stack.preview(on_event=seen, refresh=True))

    def output(self) -> Any:
        return self._stack.outputs()["fleet"].value

    def _configure(self) -> None:
        values = {
            name: auto.ConfigValue(value if isinstance(value, str) else json.dumps(value))
            for name, value in self._config.items()
        }
        self._stack.set_all_config(values)

    def _done(self, act: Any) -> dict[str, str]:
        done: dict[str, str] = {}

        def seen(event: Any) -> None:
            if event.resource_pre_event is None:
                return
            step = event.resource_pre_event.metadata
            op = getattr(step.op, "value", step.op)
            if op in ("create", "update", "delete", "replace"):
                kind = step.urn.split("::")[2].rpartition(":")[2]
                done[f"{kind} {step.urn.rpartition('::')[2]}"] = op

        act(seen)
        return done


@pytest.fixture
def stack(
    real_or_standin: Cli,
    cluster: Cluster,
    space: str,
) -> Iterator[Stack]:
    if real_or_standin.real and shutil.which("pulumi-resource-kubernetes") is None:
        pytest.skip("no pulumi-resource-kubernetes on PATH")
    label_nodes(cluster)
    with loaded(PROGRAM) as module:
        yield Stack(real_or_standin, cluster, space, module.fleet)


def _uid(cluster: Cluster, space: str, selector: str) -> str:
    (pod,) = pods(cluster, space, selector)
    return str(pod["metadata"]["uid"])


def test_each_change_is_one_small_update_and_a_look_at_the_world_finds_nothing_else(
    stack: Stack, cluster: Cluster, space: str
) -> None:
    stack.up()
    until(lambda: in_front(cluster, space, "api") == {"api-1-0", "api-2-0"})
    assert moved(stack.preview()) == {}
    first, other = _uid(cluster, space, API_1), _uid(cluster, space, API_2)

    stack.change("nodes", api_1={"attached": False})
    assert moved(stack.preview()) == {
        "StatefulSet api-1": "update",
        "PodPatch api-1-rotation": "update",
    }
    stack.up()
    until(lambda: in_front(cluster, space, "api") == {"api-2-0"})
    assert _uid(cluster, space, API_1) == first
    assert moved(stack.preview()) == {}

    stack.change("nodes", api_1={"image": "server:2", "marker": "m2"})
    assert moved(stack.preview()) == {"StatefulSet api-1": "replace"}
    stack.up()
    assert _uid(cluster, space, API_1) != first
    assert _uid(cluster, space, API_2) == other
    assert in_front(cluster, space, "api") == {"api-2-0"}
    until(lambda: in_front(cluster, space, "api-1") == {"api-1-0"})
    assert moved(stack.preview()) == {}  # the new pod reads as patched

    second = _uid(cluster, space, API_1)
    stack.change("nodes", api_1={"attached": True})
    stack.up()
    until(lambda: in_front(cluster, space, "api") == {"api-1-0", "api-2-0"})
    assert _uid(cluster, space, API_1) == second

    cluster.call("DELETE", f"/api/v1/namespaces/{space}/pods/api-1-0")
    until(
        lambda: (
            len(found := pods(cluster, space, API_1)) == 1 and found[0]["metadata"]["uid"] != second
        )
    )
    until(lambda: in_front(cluster, space, "api") == {"api-1-0", "api-2-0"})
    assert moved(stack.preview()) == {}  # and so does one that an eviction brought
    assert stack.output()["nodes"]["api-1"]["runs"]["marker"] == "m2"


def test_a_job_that_fails_fails_its_update_and_the_next_run_takes_its_place(
    stack: Stack, cluster: Cluster, space: str
) -> None:
    stack.up()
    stack.change("jobs", bootstrap={"image": "server:fails", "run": "orders-2"})
    with pytest.raises(auto.CommandError, match="bootstrap-orders-2"):
        stack.up()
    stack.change("jobs", bootstrap={"image": "server:2", "run": "orders-3"})
    stack.up()
    jobs = cluster.call("GET", f"/apis/batch/v1/namespaces/{space}/jobs")["items"]
    assert [item["metadata"]["name"] for item in jobs] == ["bootstrap-orders-3"]
    assert jobs[0]["status"]["succeeded"] == 1


def test_a_stopped_scheduler_has_no_pod_and_comes_back_as_it_was(
    stack: Stack, cluster: Cluster, space: str
) -> None:
    selector = "rollout-kit.dev/singleton=scheduler"
    stack.up()
    until(lambda: len(pods(cluster, space, selector)) == 1)
    stack._config["fleet:scheduler"]["running"] = False
    stack._configure()
    assert moved(stack.up()) == {"Deployment scheduler": "update"}
    until(lambda: not pods(cluster, space, selector))
    stack._config["fleet:scheduler"]["running"] = True
    stack._configure()
    stack.up()
    until(lambda: len(pods(cluster, space, selector)) == 1)


def moved(done: dict[str, str]) -> dict[str, str]:
    return {name: op for name, op in done.items() if not name.startswith("Stack ")}
