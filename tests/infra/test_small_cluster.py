"""`infra/small-cluster`: what each key of the stack contract changes, and that it changes no more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from rollout_kit.drivers.pulumi.contract import read_given, things
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.stack_contract import Key
from tests.infra.comparing import changed, changed_paths, pod_templates
from tests.infra.rendering import Registered, Rendered, render

PROGRAM = "small-cluster"
ATTACHED = "rollout-kit.dev/attached"
B1 = CohortRef(namespace="orders", task_queue="critical", build_id="2026-04-21").path
B2 = CohortRef(namespace="orders", task_queue="critical", build_id="2026-04-28").path
ODD = CohortRef(namespace="Orders/EU", task_queue="über kritisch: $(HOME)", build_id=None).path


def _cohort(path: str, image: str, replicas: int, **more: object) -> dict[str, object]:
    ref = CohortRef.from_path(path)
    parts = {"namespace": ref.namespace, "task_queue": ref.task_queue, "build_id": ref.build_id}
    return {**parts, "image": image, "replicas": replicas, **more}


FULL: dict[str, Any] = {
    "small-cluster:image": "durableworkflow/server:2.3.14",
    "small-cluster:namespace": "orders",
    "small-cluster:server_secrets": ["durable-workflow-app-secrets"],
    "small-cluster:server_config_maps": ["durable-workflow-config"],
    "fleet:nodes": {
        "api-1": {"image": "server:1", "marker": "m1"},
        "api-2": {"image": "server:1", "marker": "m1", "environment": {"LOG_LEVEL": "info"}},
        "api-3": {"image": "server:1", "attached": False, "server_id": "third"},
    },
    "fleet:scheduler": {"image": "server:1", "marker": "m1"},
    "fleet:maintenance": {"queue": {"image": "server:1"}},
    "fleet:cohorts": {
        B1: _cohort(B1, "orders:1", 3),
        ODD: _cohort(ODD, "orders:0", 2, at_least=2, at_most=6),
    },
    "fleet:jobs": {"bootstrap": {"image": "server:1", "run": "orders-1", "revision": "1"}},
}


@cache
def full() -> Rendered:
    return render(PROGRAM, FULL)


def with_change(change: Callable[[dict[str, Any]], object]) -> Rendered:
    config = copy.deepcopy(FULL)
    change(config)
    return render(PROGRAM, config)


def resources(rendered: Rendered, *place: str) -> set[str]:
    found: Any = rendered.output
    for part in place:
        found = found[part]
    return set(found["resources"])


# ── the contract ─────────────────────────────────────────────────────────────────────────────────


def test_the_output_is_what_the_driver_reads() -> None:
    reading = read_given(full().output)
    assert reading.problems == ()
    assert reading.given is not None
    assert reading.given.reads == tuple(Key)
    assert set(things(reading.given)) == {
        "nodes/api-1",
        "nodes/api-2",
        "nodes/api-3",
        "scheduler",
        "maintenance/queue",
        f"cohorts/{B1}",
        f"cohorts/{ODD}",
        "jobs/bootstrap",
    }


def test_every_resource_but_the_front_belongs_to_exactly_one_thing() -> None:
    reading = read_given(full().output)
    assert reading.given is not None
    owned = [urn for placed in things(reading.given).values() for urn in placed.resources]
    assert len(owned) == len(set(owned))
    rest = set(full().resources) - set(owned)
    assert {full().resources[urn].name for urn in rest} == {"api"}


def test_a_rollout_that_writes_back_what_runs_changes_nothing() -> None:
    output = full().output

    def echo(config: dict[str, Any]) -> None:
        for key in ("nodes", "maintenance", "cohorts", "jobs"):
            config[f"fleet:{key}"] = {name: item["runs"] for name, item in output[key].items()}
        config["fleet:scheduler"] = output["scheduler"]["runs"]

    assert changed(full(), with_change(echo)) == set()


def test_a_stack_that_no_rollout_has_touched_has_the_programs_own_fleet() -> None:
    own = render(PROGRAM, {"small-cluster:image": "server:9", "small-cluster:nodes": ["a", "b"]})
    assert {name: node["runs"]["image"] for name, node in own.output["nodes"].items()} == {
        "a": "server:9",
        "b": "server:9",
    }
    assert own.output["scheduler"]["runs"]["running"] is True
    assert list(own.output["maintenance"]) == ["queue"]
    assert own.output["cohorts"] == {}
    assert own.output["jobs"] == {}


def test_without_any_image_the_program_says_which_setting_is_missing() -> None:
    with pytest.raises(ValueError, match="set `image`"):
        render(PROGRAM, {})


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("small-cluster:port", '"http"', "port: a whole number is needed, not 'http'"),
        ("small-cluster:nodes", {"a": 1}, "nodes: a list of texts is needed"),
        ("fleet:nodes", {"API_1": {"image": "i"}}, "node 'API_1'"),
        ("fleet:nodes", {"api-1": {}}, r"fleet:nodes\.api-1.*image"),
        (
            "fleet:maintenance",
            {"nobody": {"image": "i"}},
            "'nobody' is not in maintenance_arguments",
        ),
        ("fleet:jobs", {"nobody": {"image": "i", "run": "r"}}, "'nobody' is not in job_arguments"),
    ],
)
def test_what_cannot_be_is_refused_by_name(key: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        render(PROGRAM, {**FULL, key: value})


# ── what one change moves ────────────────────────────────────────────────────────────────────────

CHANGES: Mapping[str, tuple[Callable[[dict[str, Any]], object], tuple[str, ...]]] = {
    "a node's image": (
        lambda c: c["fleet:nodes"]["api-1"].update(image="server:2"),
        ("nodes", "api-1"),
    ),
    "a node's marker": (
        lambda c: c["fleet:nodes"]["api-2"].update(marker="m2"),
        ("nodes", "api-2"),
    ),
    "a node's environment": (
        lambda c: c["fleet:nodes"]["api-2"]["environment"].update(LOG_LEVEL="debug"),
        ("nodes", "api-2"),
    ),
    "a node's server id": (
        lambda c: c["fleet:nodes"]["api-3"].update(server_id="3"),
        ("nodes", "api-3"),
    ),
    "the scheduler's image": (
        lambda c: c["fleet:scheduler"].update(image="server:2"),
        ("scheduler",),
    ),
    "the scheduler's marker": (lambda c: c["fleet:scheduler"].update(marker="m2"), ("scheduler",)),
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
    "a cohort's replicas": (lambda c: c["fleet:cohorts"][B1].update(replicas=0), ("cohorts", B1)),
    "a cohort's bounds": (lambda c: c["fleet:cohorts"][ODD].update(at_most=9), ("cohorts", ODD)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_key_reaches_only_what_the_output_says(name: str) -> None:
    change, place = CHANGES[name]
    after = with_change(change)
    moved = changed(full(), after)
    assert moved
    assert moved <= resources(full(), *place)
    assert resources(after, *place) == resources(full(), *place)


def test_a_new_cohort_creates_its_own_objects_and_moves_nothing() -> None:
    after = with_change(lambda c: c["fleet:cohorts"].update({B2: _cohort(B2, "orders:2", 1)}))
    moved = changed(full(), after)
    assert moved == resources(after, "cohorts", B2)
    assert moved.isdisjoint(full().resources)


def test_a_cohort_that_is_no_longer_wanted_goes_alone() -> None:
    after = with_change(lambda c: c["fleet:cohorts"].pop(ODD))
    assert changed(full(), after) == resources(full(), "cohorts", ODD)


def test_a_job_asked_for_again_is_a_new_object_beside_which_the_old_one_goes() -> None:
    def again(config: dict[str, Any]) -> None:
        config["fleet:jobs"]["bootstrap"].update(run="orders-2", image="server:2")

    after = with_change(again)
    old, new = resources(full(), "jobs", "bootstrap"), resources(after, "jobs", "bootstrap")
    assert old.isdisjoint(new)
    assert changed(full(), after) == old | new


# ── nodes ────────────────────────────────────────────────────────────────────────────────────────


def stateful_set(rendered: Rendered, name: str) -> Registered:
    return rendered.one("apps/v1:StatefulSet", name)


def test_detaching_a_node_relabels_its_pod_and_every_pod_to_come_and_restarts_nothing() -> None:
    after = with_change(lambda c: c["fleet:nodes"]["api-1"].update(attached=False))
    node = after.output["nodes"]["api-1"]
    moved = changed(full(), after)
    assert moved == set(node["membership"])
    template = stateful_set(after, "api-1")
    assert changed_paths(full(), after, template.urn) == [
        f"spec.template.metadata.labels.{ATTACHED}"
    ]
    patch = after.one("core/v1:PodPatch", "api-1-rotation")
    assert changed_paths(full(), after, patch.urn) == [f"metadata.labels.{ATTACHED}"]
    assert patch.inputs["metadata"]["name"] == "api-1-0"
    assert patch.inputs["metadata"]["labels"] == {ATTACHED: "false"}
    assert template.inputs["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert patch.depends_on == (template.urn,)


def test_whatever_a_node_is_changes_by_replacement_the_old_pod_gone_first() -> None:
    after = with_change(lambda c: c["fleet:nodes"]["api-1"].update(image="server:2", marker=None))
    node = stateful_set(after, "api-1")
    assert node.replace_on_changes == ("spec.template.spec",)
    assert node.delete_before_replace
    assert changed(full(), after) == {node.urn}
    moved = changed_paths(full(), after, node.urn)
    assert moved
    assert all(path.startswith("spec.template.spec") for path in moved)


def test_a_new_pod_carries_all_that_its_patch_would_give_it() -> None:
    for name in ("api-1", "api-3"):
        template = stateful_set(full(), name).inputs["spec"]["template"]["metadata"]
        patch = full().one("core/v1:PodPatch", f"{name}-rotation").inputs["metadata"]
        assert patch["labels"].items() <= template["labels"].items()
        assert patch["annotations"].items() <= template["annotations"].items()


def test_the_front_selects_attached_nodes_and_no_worker() -> None:
    selector = full().one("core/v1:Service", "api").inputs["spec"]["selector"]
    selected = {
        owner
        for owner, template in pod_templates(full()).items()
        if selector.items() <= template["metadata"]["labels"].items()
    }
    assert selected == {"StatefulSet/api-1", "StatefulSet/api-2"}


def test_each_node_has_an_address_of_its_own_ready_or_not() -> None:
    for name in ("api-1", "api-3"):
        spec = full().one("core/v1:Service", name).inputs["spec"]
        labels = stateful_set(full(), name).inputs["spec"]["template"]["metadata"]["labels"]
        assert spec["selector"].items() <= labels.items()
        assert spec["publishNotReadyAddresses"] is True
        others = stateful_set(full(), "api-2").inputs["spec"]["template"]["metadata"]["labels"]
        assert not spec["selector"].items() <= others.items()


def test_a_node_is_told_who_it_is() -> None:
    environment = _variables(stateful_set(full(), "api-3").inputs)
    assert environment["DW_SERVER_ID"] == "third"
    assert "DW_V2_CURRENT_COMPATIBILITY" not in environment
    assert _variables(stateful_set(full(), "api-1").inputs) == {
        "DW_SERVER_ID": "api-1",
        "DW_V2_CURRENT_COMPATIBILITY": "m1",
        "DW_V2_MULTI_NODE": "true",
    }


def test_a_node_is_probed_where_the_server_answers_and_with_more_patience_than_a_poll() -> None:
    api = stateful_set(full(), "api-1").inputs["spec"]["template"]["spec"]["containers"][0]
    assert api["livenessProbe"]["httpGet"]["path"] == "/api/health"
    assert api["readinessProbe"]["httpGet"]["path"] == "/api/ready"
    assert api["readinessProbe"]["timeoutSeconds"] > 30
    assert api["livenessProbe"]["periodSeconds"] * api["livenessProbe"]["failureThreshold"] >= 300
    pause = api["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = stateful_set(full(), "api-1").inputs["spec"]["template"]["spec"]
    assert 30 < pause < grace["terminationGracePeriodSeconds"]


def test_the_version_a_node_shows_can_be_its_images_tag() -> None:
    shown = with_change(
        lambda c: c.update(
            {
                "small-cluster:version_variable": "APP_VERSION",
                "fleet:nodes": {
                    "a": {"image": "registry:5000/server:2.4.0@sha256:0123", "environment": {}},
                    "b": {"image": "registry:5000/server", "environment": {"APP_VERSION": "lie"}},
                },
            }
        )
    )
    assert _variables(stateful_set(shown, "a").inputs)["APP_VERSION"] == "2.4.0"
    assert "APP_VERSION" not in _variables(stateful_set(shown, "b").inputs)


# ── scheduler and jobs ───────────────────────────────────────────────────────────────────────────


def test_a_stopped_scheduler_keeps_what_it_ran() -> None:
    after = with_change(lambda c: c["fleet:scheduler"].update(running=False))
    scheduler = after.one("apps/v1:Deployment", "scheduler")
    assert changed_paths(full(), after, scheduler.urn) == ["spec.replicas"]
    assert scheduler.inputs["spec"]["replicas"] == 0
    assert after.output["scheduler"]["runs"]["running"] is False
    assert after.output["scheduler"]["runs"]["image"] == "server:1"


def test_a_null_scheduler_is_none_at_all() -> None:
    after = with_change(lambda c: c.update({"fleet:scheduler": "null"}))
    assert after.output["scheduler"] is None
    assert changed(full(), after) == resources(full(), "scheduler")


@pytest.mark.parametrize(
    ("owner", "label"),
    [
        ("Deployment/scheduler", {"rollout-kit.dev/singleton": "scheduler"}),
        ("Job/bootstrap-orders-1", {"rollout-kit.dev/job": "bootstrap"}),
    ],
)
def test_what_must_be_alone_refuses_a_pod_of_its_kind_anywhere(
    owner: str, label: dict[str, str]
) -> None:
    template = pod_templates(full())[owner]
    (term,) = template["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term == {
        "topologyKey": "kubernetes.io/os",
        "labelSelector": {"matchLabels": label},
    }
    assert label.items() <= template["metadata"]["labels"].items()


def test_the_scheduler_is_recreated_never_rolled() -> None:
    scheduler = full().one("apps/v1:Deployment", "scheduler").inputs["spec"]
    assert scheduler["strategy"] == {"type": "Recreate"}
    assert scheduler["replicas"] == 1


def test_a_job_is_tried_once_stays_to_be_looked_at_and_is_not_run_again_by_another_change() -> None:
    job = full().one("batch/v1:Job", "bootstrap-orders-1")
    assert job.inputs["spec"]["backoffLimit"] == 0
    assert job.inputs["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert "ttlSecondsAfterFinished" not in job.inputs["spec"]
    assert job.ignore_changes == ("spec", "metadata")
    assert job.inputs["metadata"]["annotations"]["pulumi.com/timeoutSeconds"] == "600"
    assert "pulumi.com/skipAwait" not in job.inputs["metadata"]["annotations"]


def test_runs_with_odd_names_are_different_objects() -> None:
    def named(run: str) -> str:
        job = {"migrate-status": {"image": "i", "run": run}}
        after = with_change(lambda c: c.update({"fleet:jobs": job}))
        return str(after.output["jobs"]["migrate-status"]["in_cluster"]["name"])

    names = [named(run) for run in ("prod/2.4", "prod-2.4", "Prod/2.4", "a" * 80, "a" * 81)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 45 for name in names)


# ── workers ──────────────────────────────────────────────────────────────────────────────────────


def worker(rendered: Rendered, path: str) -> Registered:
    name = rendered.output["cohorts"][path]["in_cluster"]["name"]
    return rendered.one("apps/v1:Deployment", name)


def test_a_worker_knows_its_cohort_and_names_itself_by_its_pod() -> None:
    assert _variables(worker(full(), B1).inputs) == {
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "DURABLE_WORKFLOW_SERVER_URL": "http://api.orders.svc:8080",
        "DURABLE_WORKFLOW_NAMESPACE": "orders",
        "DW_TASK_QUEUE": "critical",
        "DW_WORKER_BUILD_ID": "2026-04-21",
        "ROLLOUT_KIT_WORKER_ID": "critical:2026-04-21:$(POD_NAME)",
    }
    container = worker(full(), B1).inputs["spec"]["template"]["spec"]["containers"][0]
    assert container["env"][0]["name"] == "POD_NAME"  # what is quoted stands before


def test_a_cohort_that_is_given_what_was_read_of_another_is_still_itself() -> None:
    read = {name: str(value) for name, value in _variables(worker(full(), B1).inputs).items()}
    other = _cohort(ODD, "orders:2", 1, environment={**read, "LOG_LEVEL": "info"})
    after = with_change(lambda c: c["fleet:cohorts"].update({ODD: other}))
    variables = _variables(worker(after, ODD).inputs)
    assert "DW_WORKER_BUILD_ID" not in variables
    assert variables["DURABLE_WORKFLOW_NAMESPACE"] == "Orders/EU"
    assert variables["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert variables["LOG_LEVEL"] == "info"
    assert after.output["cohorts"][ODD]["runs"]["environment"] == {"LOG_LEVEL": "info"}


def test_a_node_that_is_given_what_was_read_of_another_is_still_itself() -> None:
    read = _variables(stateful_set(full(), "api-1").inputs)
    after = with_change(lambda c: c["fleet:nodes"]["api-3"].update(environment=read))
    assert _variables(stateful_set(after, "api-3").inputs)["DW_SERVER_ID"] == "third"
    assert changed(full(), after) == set()


def test_names_that_kubernetes_would_not_take_are_encoded_and_kept() -> None:
    odd = worker(full(), ODD).inputs
    metadata = odd["spec"]["template"]["metadata"]
    assert metadata["annotations"] == {
        "rollout-kit.dev/namespace": "Orders/EU",
        "rollout-kit.dev/task-queue": "über kritisch: $(HOME)",
    }
    assert metadata["labels"]["rollout-kit.dev/build-id"] == ""
    assert metadata["labels"]["rollout-kit.dev/namespace"].startswith("Orders-EU-")
    variables = _variables(odd)
    assert variables["ROLLOUT_KIT_WORKER_ID"] == "über kritisch: $$(HOME)::$(POD_NAME)"
    assert "DW_WORKER_BUILD_ID" not in variables


def test_cohorts_that_look_alike_are_told_apart() -> None:
    refs = [
        CohortRef(namespace="orders", task_queue="q", build_id=None),
        CohortRef(namespace="orders", task_queue="q", build_id="unversioned"),
        CohortRef(namespace="orders", task_queue="q", build_id=""),
        CohortRef(namespace="orders", task_queue="Q", build_id=None),
        CohortRef(namespace="other", task_queue="q", build_id=None),
        CohortRef(namespace="orders", task_queue="q" * 90, build_id=None),
    ]
    cohorts = {ref.path: _cohort(ref.path, "i", 1) for ref in refs}
    after = with_change(lambda c: c.update({"fleet:cohorts": cohorts}))
    deployments = [worker(after, ref.path).inputs for ref in refs]
    assert len({item["metadata"]["name"] for item in deployments}) == len(refs)
    selectors = [tuple(item["spec"]["selector"]["matchLabels"].items()) for item in deployments]
    assert len(set(selectors)) == len(refs)


def test_an_autoscaler_owns_the_count_within_its_bounds_until_the_cohort_is_stopped() -> None:
    name = full().output["cohorts"][ODD]["in_cluster"]["name"]
    scaler = full().one("autoscaling/v2:HorizontalPodAutoscaler", name).inputs["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["scaleTargetRef"]["name"] == name
    assert "replicas" not in worker(full(), ODD).inputs["spec"]
    stopped = with_change(lambda c: c["fleet:cohorts"][ODD].update(replicas=0))
    assert worker(stopped, ODD).inputs["spec"]["replicas"] == 0
    assert worker(full(), B1).inputs["spec"]["replicas"] == 3


def test_a_worker_has_time_to_end_what_it_leased() -> None:
    spec = worker(full(), B1).inputs["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > 300  # the longest lease
    assert "preStop" in spec["containers"][0]["lifecycle"]
    own = with_change(lambda c: c.update({"small-cluster:worker_pre_stop": ["/bin/drain"]}))
    hook = worker(own, B1).inputs["spec"]["template"]["spec"]["containers"][0]["lifecycle"]
    assert hook == {"preStop": {"exec": {"command": ["/bin/drain"]}}}


# ── everything ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("owner", sorted(pod_templates(full())))
def test_every_pod_is_hardened_and_asks_for_what_it_needs(owner: str) -> None:
    spec = pod_templates(full())[owner]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"memory"}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_evictions_are_bounded_for_nodes_and_for_each_cohort() -> None:
    budgets = full().of_type("PodDisruptionBudget")
    assert {item.inputs["spec"]["maxUnavailable"] for item in budgets} == {1}
    for owner, template in pod_templates(full()).items():
        covering = [
            item.name
            for item in budgets
            if item.inputs["spec"]["selector"]["matchLabels"].items()
            <= template["metadata"]["labels"].items()
        ]
        alone = owner.startswith(("Job/", "Deployment/scheduler", "Deployment/maintenance"))
        assert len(covering) == (0 if alone else 1), owner


def test_secrets_are_named_or_kept_in_a_secret_and_never_stand_in_a_pod() -> None:
    canary = "not-to-be-seen"
    config = {**FULL, "small-cluster:server_secret_environment": {"DW_ADMIN_TOKEN": canary}}
    kept = render(PROGRAM, config, secret=("small-cluster:server_secret_environment",))
    showing = [item.name for item in kept.resources.values() if canary in str(item.inputs)]
    assert showing == ["server-secret-environment"]
    assert kept.one("core/v1:Secret", *showing).encrypted == ("stringData",)
    assert canary not in str(kept.output)
    for owner, template in pod_templates(kept).items():
        sources = template["spec"]["containers"][0].get("envFrom", [])
        named = [item["secretRef"]["name"] for item in sources if "secretRef" in item]
        ours = ["durable-workflow-app-secrets", "server-secret-environment"]
        assert named == ([] if "worker" in owner else ours)


def test_updates_wait_for_readiness_only_where_asked() -> None:
    patient = with_change(lambda c: c.update({"small-cluster:await_s": 120}))
    for item in (*patient.of_type("StatefulSet"), *patient.of_type("Deployment")):
        annotations = item.inputs["metadata"]["annotations"]
        assert annotations["pulumi.com/timeoutSeconds"] == "120"
        assert "pulumi.com/skipAwait" not in annotations
    node = stateful_set(full(), "api-1").inputs["metadata"]["annotations"]
    assert node == {"pulumi.com/waitFor": "jsonpath={.status.replicas}=1"}


def _variables(owner: Mapping[str, Any]) -> dict[str, Any]:
    container = owner["spec"]["template"]["spec"]["containers"][0]
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}
