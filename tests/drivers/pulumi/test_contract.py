"""The stack contract: a foreign output is read whole or refused whole, every problem with its place."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rollout_kit.drivers.pulumi.contract import given_or_refused, read_given
from rollout_kit.drivers.pulumi.needs import of_change, refuse_missing
from rollout_kit.drivers.pulumi.wanted import as_values, from_values, known
from rollout_kit.model.stack_contract import (
    CohortWanted,
    Given,
    JobWanted,
    Key,
    NodeWanted,
    Placed,
    SingletonWanted,
    Wanted,
    as_output,
)
from rollout_kit.ports.errors import Incompatible, Refused, Trouble
from rollout_kit.ports.infra import ProcessSpec, ReplaceNode, RunJob, SetScheduler
from tests.drivers.pulumi.fleet_output import NEW, OLD, ORDERS, node_urns, output

Fleet = dict[str, object]


def test_a_whole_output_is_read_and_written_back_as_it_was() -> None:
    reading = read_given(output(("api-1",), ORDERS))
    assert reading.problems == ()
    assert reading.given is not None
    assert reading.given.nodes["api-1"].membership == (node_urns("api-1")[1],)
    assert reading.given.nodes["api-1"].runs["image"] == OLD
    assert reading.given.reads == tuple(Key)
    again = read_given(json.loads(json.dumps(as_output(reading.given))))
    assert again.given == reading.given


def _node(fleet: Fleet) -> Fleet:
    return fleet["nodes"]["api-1"]  # type: ignore[index, no-any-return]


def _set(section: Fleet, key: str, value: object) -> None:
    section[key] = value


WRONG: dict[str, tuple[Callable[[Fleet], None], str]] = {
    "another version": (
        lambda f: _set(f, "contract", 2),
        'contract: this version reads 1, not "2"',
    ),
    "a key nobody knows": (
        lambda f: _set(f, "reads", ["nodes", "pods"]),
        'reads: "pods" is no key; there are nodes, scheduler, maintenance, cohorts, jobs',
    ),
    "a field nobody knows": (
        lambda f: _set(_node(f), "adress", "x"),
        "nodes/api-1/adress: no such field; there are resources, runs, membership, url, in_cluster, printed",
    ),
    "a name in the place of a URN": (
        lambda f: _set(_node(f), "resources", ["api-1"]),
        'nodes/api-1/resources: "api-1" is no URN: it would begin with urn:pulumi:',
    ),
    "a number in the place of text": (
        lambda f: _set(_node(f), "resources", [7]),
        'nodes/api-1/resources/0: text is needed, not "7"',
    ),
    "what it runs without an image": (
        lambda f: _set(_node(f), "runs", {"attached": True}),
        "nodes/api-1/runs/image: text is needed, not nothing",
    ),
    "attached as text": (
        lambda f: _set(_node(f), "runs", {"image": OLD, "attached": "yes"}),
        'nodes/api-1/runs/attached: true or false is needed, not "yes"',
    ),
    "no object": (lambda f: _set(f, "nodes", ["api-1"]), "nodes: an object is needed, not a list"),
    "a kind that nobody can look at": (
        lambda f: _set(
            _node(f),
            "in_cluster",
            {"kind": "DaemonSet", "namespace": "n", "name": "a", "container": "c"},
        ),
        'nodes/api-1/in_cluster/kind: "DaemonSet" is not known; '
        "there are StatefulSet, Deployment, Job",
    ),
    "no port": (
        lambda f: _set(
            _node(f),
            "in_cluster",
            {"kind": "StatefulSet", "namespace": "n", "name": "a", "container": "c", "port": 70000},
        ),
        "nodes/api-1/in_cluster/port: 70000 is no port",
    ),
    "a resource of two things": (
        lambda f: _set(
            f, "scheduler", {"resources": [node_urns("api-1")[0]], "runs": {"image": OLD}}
        ),
        f"scheduler: {node_urns('api-1')[0]} makes up nodes/api-1 already",
    ),
    "a cohort's key that is no path": (
        lambda f: _set(f, "cohorts", {"orders@b1": {"resources": []}}),
        "cohorts/orders@b1: a cohort's key is `namespace/queue/build`, each part percent-encoded",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_an_output_is_named_with_its_place(wrong: str) -> None:
    spoil, sentence = WRONG[wrong]
    fleet = output(("api-1",))
    spoil(fleet)
    reading = read_given(fleet)
    assert reading.given is None
    assert sentence in reading.problems


def test_everything_that_is_wrong_is_said_at_once() -> None:
    fleet = output(("api-1",))
    _set(fleet, "contract", 9)
    _set(_node(fleet), "url", 5)
    _set(_node(fleet), "membership", ["x"])
    assert len(read_given(fleet).problems) == 3


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, 'the output: the stack has no output "fleet"'),
        ("[secret]", "the output: it is secret: what names resources must be readable"),
        ([1], "the output: an object is needed, not a list"),
    ],
)
def test_an_output_that_is_none_is_refused(value: object, sentence: str) -> None:
    assert read_given(value).problems == (sentence,)
    with pytest.raises(Refused) as refused:
        given_or_refused(value, "infra/x")
    assert refused.value.trouble is Trouble.INCOMPATIBLE
    assert sentence in refused.value.message


def test_the_configuration_is_plain_json_in_an_authors_words() -> None:
    wanted = Wanted(
        nodes={"api-1": NodeWanted(image=NEW, marker="m", attached=False)},
        scheduler=SingletonWanted(image=OLD, running=False),
        cohorts={
            ORDERS.path: CohortWanted(
                namespace="orders",
                task_queue="orders-critical",
                build_id="b1",
                image="orders:1",
                replicas=0,
            )
        },
        jobs={"bootstrap": JobWanted(image=NEW, run="r1", revision="0.2.10")},
    )
    values = as_values(wanted)
    assert list(values) == ["fleet:nodes", "fleet:scheduler", "fleet:cohorts", "fleet:jobs"]
    assert values["fleet:nodes"] == {
        "api-1": {
            "image": NEW,
            "marker": "m",
            "attached": False,
            "server_id": None,
            "environment": {},
        }
    }
    assert from_values(values) == wanted
    assert from_values({key: json.dumps(value) for key, value in values.items()}) == wanted


def test_an_entry_keeps_its_authors_form_and_only_what_changes_is_written_into_it() -> None:
    fleet = output(("api-1", "api-2"))
    _node(fleet)["runs"] = {"image": OLD, "note": "of the program's own"}
    given = Given(
        contract=1, reads=(), nodes={"api-1": Placed(resources=(), runs=_node(fleet)["runs"])}
    )  # type: ignore[arg-type]
    wanted = Wanted(
        nodes={"api-1": NodeWanted(image=OLD, attached=False), "api-2": NodeWanted(image=OLD)}
    )
    recorded = {"fleet:nodes": {"api-2": {"image": OLD, "marker": None}}}
    values = as_values(wanted, known(recorded, given))
    assert values["fleet:nodes"] == {
        "api-1": {"image": OLD, "note": "of the program's own", "attached": False},
        "api-2": {"image": OLD, "marker": None},
    }


def test_a_recorded_configuration_that_we_did_not_write_is_not_written_over() -> None:
    with pytest.raises(Incompatible) as refused:
        from_values({"fleet:nodes": {"api-1": {"image": 7}}, "fleet:jobs": "hello"})
    assert 'fleet:nodes/api-1/image: text is needed, not "7"' in refused.value.message
    assert 'fleet:jobs: an object is needed, not "hello"' in refused.value.message


def test_other_keys_of_the_configuration_are_the_programs_own() -> None:
    assert from_values({"orders:replicas": "3"}) == Wanted()


def test_a_program_that_lacks_what_the_plan_needs_is_refused_with_the_list() -> None:
    fleet = output(("api-1",))
    _set(fleet, "reads", ["nodes"])
    _set(_node(fleet), "membership", [])
    given = read_given(fleet).given
    spec = ProcessSpec(image=NEW)
    asked = (
        *of_change(ReplaceNode(node="api-1", spec=spec), "api/api-1/replace"),
        *of_change(ReplaceNode(node="api-2", spec=spec), "api/api-2/replace"),
        *of_change(SetScheduler(spec=spec), "sched/start"),
        *of_change(RunJob(job="bootstrap", image=NEW), "schema/run"),
    )
    with pytest.raises(Refused) as refused:
        refuse_missing(given, asked, "infra/x")
    assert refused.value.message == (
        "infra/x does not offer what this plan needs: "
        "nodes/api-1/membership (for api/api-1/replace); "
        "nodes/api-2 (for api/api-2/replace); "
        "nodes/api-2/resources (for api/api-2/replace); "
        "nodes/api-2/membership (for api/api-2/replace); "
        "reads scheduler (for sched/start); "
        "reads jobs (for schema/run, job bootstrap)"
    )
    refuse_missing(given, asked[:3], "infra/x")  # what is there is asked for in vain by nobody


def test_a_secret_in_what_runs_is_refused_with_its_place() -> None:
    """The engine shows a mask in its place, which the next change would have written as its value."""
    fleet = output()
    runs = fleet["nodes"]["api-1"]["runs"]  # type: ignore[index]
    runs["environment"] = {"LOG_LEVEL": "info", "TOKEN": "[secret]"}
    (problem,) = read_given(fleet).problems
    assert problem.startswith("nodes/api-1/runs/environment/TOKEN: it is secret")
