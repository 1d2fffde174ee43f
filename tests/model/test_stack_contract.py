"""What a program must offer is found out by name, all of it at once."""

from __future__ import annotations

import pytest

from rollout_kit.model.codec import from_json, to_json
from rollout_kit.model.stack_contract import (
    VERSION,
    Given,
    InCluster,
    Key,
    Need,
    NodeWanted,
    Placed,
    Wanted,
    as_output,
    missing,
    needs_of_node,
    read_wanted,
)

NODE = Placed(resources=("urn:a",), membership=("urn:m",), url="http://api-1:8080")


def test_keys_are_spelled_in_their_namespace() -> None:
    assert [key.full for key in Key] == [
        "fleet:nodes",
        "fleet:scheduler",
        "fleet:maintenance",
        "fleet:cohorts",
        "fleet:jobs",
    ]


def test_a_program_that_offers_a_node_meets_what_a_cutover_needs() -> None:
    given = Given(contract=VERSION, reads=(Key.NODES,), nodes={"api-1": NODE})
    assert missing(given, needs_of_node("api-1", "step api")) == ()


def test_everything_that_is_missing_is_named_at_once() -> None:
    given = Given(contract=VERSION, reads=(), nodes={"api-1": Placed(resources=())})
    found = [need.what for need in missing(given, needs_of_node("api-1", "step api"))]
    assert found == ["reads nodes", "nodes/api-1/resources", "nodes/api-1/membership"]


def test_without_an_output_all_is_missing_and_each_is_named_once() -> None:
    needs = (*needs_of_node("api-1", "a"), *needs_of_node("api-1", "a"))
    assert len(missing(None, needs)) == 4


def test_a_cohort_is_asked_for_by_its_whole_path() -> None:
    given = Given(contract=VERSION, reads=(Key.COHORTS,), cohorts={"ns/orders/b-1": NODE})
    there = Need(what="cohorts/ns/orders/b-1", why="drain")
    its_resources = Need(what="cohorts/ns/orders/b-1/resources", why="drain")
    other = Need(what="cohorts/ns/orders/b-2", why="drain")
    assert missing(given, (there, its_resources, other)) == (other,)


def test_a_node_is_reached_by_its_address_or_through_the_cluster() -> None:
    pod = InCluster(kind="StatefulSet", namespace="n", name="api-1", container="server", port=80)
    need = Need(what="nodes/api-1/url or in_cluster", why="target.nodes")
    for placed, met in ((NODE, True), (Placed(resources=(), in_cluster=pod), True)):
        given = Given(contract=VERSION, reads=(), nodes={"api-1": placed})
        assert (missing(given, (need,)) == ()) is met
    nowhere = Given(contract=VERSION, reads=(), nodes={"api-1": Placed(resources=())})
    assert missing(nowhere, (need,)) == (need,)


def test_a_scheduler_is_asked_for_without_a_name() -> None:
    need = Need(what="scheduler/resources", why="sched")
    with_one = Given(contract=VERSION, reads=(), scheduler=NODE)
    assert missing(with_one, (need,)) == ()
    assert missing(Given(contract=VERSION, reads=()), (need,)) == (need,)


def test_what_is_wanted_survives_the_codec() -> None:
    wanted = Wanted(nodes={"api-1": NodeWanted(image="server:2", marker="b-1", attached=False)})
    assert from_json(Wanted, to_json(wanted)) == wanted


def test_a_program_reads_what_it_is_asked_for_key_by_key() -> None:
    wanted = read_wanted(
        {
            "nodes": {"api-1": {"image": "server:2", "attached": False}},
            "scheduler": None,
            "cohorts": {
                "orders/critical/b2": {
                    "namespace": "orders",
                    "task_queue": "critical",
                    "build_id": "b2",
                    "image": "w:2",
                    "replicas": 3,
                }
            },
        }
    )
    assert wanted.nodes == {"api-1": NodeWanted(image="server:2", attached=False)}
    assert wanted.scheduler is None
    assert wanted.maintenance is None
    assert wanted.cohorts is not None
    assert wanted.cohorts["orders/critical/b2"].replicas == 3


def test_what_does_not_fit_a_key_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"fleet:nodes\.api-1\.attached.*'no'"):
        read_wanted({"nodes": {"api-1": {"image": "server:2", "attached": "no"}}})
    with pytest.raises(ValueError, match=r"fleet:jobs\.bootstrap.*run"):
        read_wanted({"jobs": {"bootstrap": {"image": "server:2"}}})


def test_a_programs_output_is_plain_and_leaves_the_engines_promises_alone() -> None:
    promise = object()
    placed = Placed(
        resources=(promise,),  # type: ignore[arg-type]
        runs={"image": "server:2"},
        in_cluster=InCluster(kind="StatefulSet", namespace="ns", name="api-1", container="server"),
    )
    output = as_output(Given(contract=VERSION, reads=(Key.NODES,), nodes={"api-1": placed}))
    assert output == {
        "contract": 1,
        "reads": ["nodes"],
        "nodes": {
            "api-1": {
                "resources": [promise],
                "runs": {"image": "server:2"},
                "membership": [],
                "url": "",
                "printed": "",
                "in_cluster": {
                    "kind": "StatefulSet",
                    "namespace": "ns",
                    "name": "api-1",
                    "container": "server",
                    "marker_variable": "",
                    "port": None,
                    "membership_label": "",
                },
            }
        },
        "scheduler": None,
        "maintenance": {},
        "cohorts": {},
        "jobs": {},
        "repeatable": [],
    }
