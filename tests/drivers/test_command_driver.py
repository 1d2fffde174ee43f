"""The command driver over real scripts: what it asks, what it makes of answers, how each fault reads."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.command import looks, script
from rollout_kit.drivers.command.contract import change_asked, contract_text
from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work import processes
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.codec import to_json
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.schema import pending_migrations
from rollout_kit.ports.errors import Incompatible, InFlight, OutsideError, Refused, Unavailable
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    LiveProcess,
    ProcessSpec,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from rollout_kit.ports.requests import Asked
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes

SAYS_ALL = frozenset(Answers) - {Answers.ANNOUNCE}
NEW = CohortRef(namespace="default", task_queue="orders", build_id="b2")
PLAIN = CohortRef(namespace="default", task_queue="orders", build_id=None)

# Answers from files beside it: ACTION.json, or what `ACTION.sh` does. Notes each question.
ANSWERING = """#!/bin/sh
request=$(cat)
echo "$request" >> asked
[ -f "$1.sh" ] && { . "./$1.sh"; exit; }
cat "$1.json"
"""

DESCRIBED = {"contract": 1, "answers": ["spec", "membership", "connections", "processes", "jobs"]}
OBSERVED = {
    "contract": 1,
    "nodes": {
        "api-1": {
            "image": "server:1",
            "marker": "blue",
            "server_id": "api-1",
            "environment": {"TOKEN": "${env:TOKEN}"},
            "attached": True,
            "connections": 3,
            "processes": [{"pid": 77}],
        },
        "api-2": {"image": "", "attached": False, "connections": None, "processes": 0},
    },
    "scheduler": {"image": "server:1", "processes": 1},
    "maintenance": {"repair": {"image": "server:1", "version": "1.0.0", "processes": 1}},
    "cohorts": [
        {
            "namespace": "default",
            "task_queue": "orders",
            "build_id": None,
            "image": "orders:1",
            "replicas": 2,
            "autoscaled": True,
            "processes": [{"worker_id": "orders::0:ab"}, {"pid": 5}],
            "ended": {
                "count": 1,
                "exit_status": -9,
                "after_s": 1.5,
                "last_lines": "a-secret-value",
            },
        }
    ],
    "images": ["server:1", "server:2"],
}


class World:
    """A folder with the script and its answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "fleet.sh"
        self.script.write_text(ANSWERING)
        self.script.chmod(0o755)
        self.says("describe", DESCRIBED)
        self.says("observe", OBSERVED)
        self.does("apply", "echo done")

    def says(self, action: str, answer: object) -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        (self.folder / f"{action}.json").write_text(text)

    def does(self, action: str, code: str) -> None:
        (self.folder / f"{action}.sh").write_text(code + "\n")

    def asked(self, action: str) -> list[Mapping[str, Any]]:
        path = self.folder / "asked"
        lines = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return [line for line in lines if line["action"] == action]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def now() -> list[float]:
    return [100.0]


@pytest.fixture
def driver(world: World, now: list[float]) -> Iterator[CommandDriver]:
    environment = {**os.environ, "TOKEN": "a-secret-value", "PLAN_TOKEN": "another-secret"}
    made = CommandDriver(
        ["./fleet.sh"],
        world.folder,
        world.folder / "state",
        environment,
        ["PLAN_TOKEN"],
        monotonic_s=lambda: now[0],
    )
    yield made
    for work in made._work.folder.works():
        told = json.loads((work / "status.json").read_text())
        processes.send(told["pid"], told["start"], processes.SIGKILL)
        for role in work.glob("program-*.json"):
            held = json.loads(role.read_text())
            processes.send_group(held["pid"], held["start"], processes.SIGKILL)


def finish(driver: CommandDriver, key: str) -> JobState:
    eventually(lambda: driver.work(key).state not in UNDER_WAY, 20.0)
    return driver.work(key).state


def replace_node(image: str = "server:2") -> ReplaceNode:
    spec = ProcessSpec(image=image, marker="blue", environment={"TOKEN": "${env:TOKEN}"})
    return ReplaceNode(node="api-1", spec=spec)


def test_one_observation_answers_every_reading_of_a_look(
    driver: CommandDriver, world: World, now: list[float]
) -> None:
    assert driver.answers() == SAYS_ALL
    assert driver.node_spec("api-1") == ProcessSpec(
        image="server:1", marker="blue", server_id="api-1", environment={"TOKEN": "${env:TOKEN}"}
    )
    assert driver.node_spec("api-2") == ProcessSpec(image="")
    assert (driver.attached("api-1"), driver.attached("api-2")) == (True, False)
    assert (driver.connections("api-1"), driver.connections("api-2")) == (3, None)
    assert driver.node_processes("api-1") == (LiveProcess(pid=77),)
    assert driver.node_processes("api-2") == ()
    assert driver.scheduler_spec() == ProcessSpec(image="server:1")
    assert driver.scheduler_processes() == (LiveProcess(pid=0),)
    assert driver.maintenance_specs() == {"repair": ProcessSpec(image="server:1", version="1.0.0")}
    assert len(driver.maintenance_processes("repair")) == 1
    assert driver.cohort_specs() == {
        PLAIN: CohortSpec(image="orders:1", replicas=2, autoscaled=True)
    }
    assert driver.cohort_processes(PLAIN) == (
        LiveProcess(pid=0, worker_id="orders::0:ab"),
        LiveProcess(pid=5),
    )
    assert driver.cohort_processes(NEW) == ()
    assert driver.ended("node/api-1") is None
    assert driver.ended(f"cohort/{PLAIN.path}") == ProgramEnd(
        count=1, exit_status=-9, after_s=1.5, last_lines="${env:TOKEN}"
    )
    assert (driver.knows_image("server:2"), driver.knows_image("server:3")) == (True, False)
    assert (len(world.asked("describe")), len(world.asked("observe"))) == (1, 1)
    now[0] += 1.1
    driver.node_spec("api-1")
    assert (len(world.asked("describe")), len(world.asked("observe"))) == (1, 2)


def test_no_scheduler_and_no_list_of_images(driver: CommandDriver, world: World) -> None:
    listless = {name: told for name, told in OBSERVED.items() if name != "images"}
    world.says("observe", {**listless, "scheduler": None})
    assert driver.scheduler_spec() is None
    assert driver.scheduler_processes() == ()
    assert driver.knows_image("whatever")


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (
            SetAttached(node="a", attached=False),
            {"kind": "set_attached", "node": "a", "attached": False},
        ),
        (SetScheduler(spec=None), {"kind": "set_scheduler", "spec": None}),
        (
            SetMaintenance(name="repair", spec=ProcessSpec(image="i", version="2")),
            {
                "kind": "set_maintenance",
                "name": "repair",
                "spec": {
                    "image": "i",
                    "marker": None,
                    "server_id": None,
                    "environment": {},
                    "version": "2",
                },
            },
        ),
        (
            SetCohort(cohort=PLAIN, spec=CohortSpec(image="i", replicas=3)),
            {
                "kind": "set_cohort",
                "namespace": "default",
                "task_queue": "orders",
                "build_id": None,
                "image": "i",
                "replicas": 3,
                "environment": {},
                "autoscaled": False,
            },
        ),
        (
            RunJob(job="bootstrap", image="i", revision="r"),
            {"kind": "run_job", "job": "bootstrap", "image": "i", "revision": "r"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_change_reaches_the_script_as_the_contract_says(
    driver: CommandDriver, world: World, change: InfraChange, asked: Mapping[str, object]
) -> None:
    driver.begin("r/op/1", change)
    assert finish(driver, "r/op/1") is JobState.SUCCEEDED
    (told,) = world.asked("apply")
    assert told == {"contract": 1, "action": "apply", "key": "r/op/1", "change": asked}


def test_what_is_asked_and_answered_keeps_to_the_published_schema() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(contract_text())
    Draft202012Validator.check_schema(schema)
    changes: list[InfraChange] = [
        replace_node(),
        SetAttached(node="a", attached=True),
        SetScheduler(spec=None),
        SetScheduler(spec=ProcessSpec(image="i")),
        SetMaintenance(name="m", spec=ProcessSpec(image="i")),
        SetCohort(cohort=NEW, spec=CohortSpec(image="i", replicas=0)),
        RunJob(job="bootstrap", image="i"),
    ]
    for change in changes:
        request = {"contract": 1, "action": "apply", "key": "k", "change": change_asked(change)}
        Draft202012Validator(schema).validate(request)
    for action, answer in (("describe", DESCRIBED), ("observe", OBSERVED)):
        Draft202012Validator({**schema["$defs"][action], "$defs": schema["$defs"]}).validate(answer)


def test_a_change_says_how_far_it_is_and_what_it_did_and_keeps_its_output_apart(
    driver: CommandDriver, world: World
) -> None:
    world.does(
        "apply",
        """echo '{"sentence": "waiting for another-secret"}'; echo table
        while [ ! -f go ]; do sleep 0.01; done
        echo '{"sentence": "api-1 runs server:2"}'""",
    )
    driver.begin("r/op/1", replace_node())
    assert (
        eventually(lambda: driver.work("r/op/1").progress, 10.0) == "waiting for ${env:PLAN_TOKEN}"
    )
    (world.folder / "go").touch()
    assert finish(driver, "r/op/1") is JobState.SUCCEEDED
    status = driver.work("r/op/1")
    assert (status.progress, status.detail, status.output) == ("", "api-1 runs server:2", "table\n")


def test_a_change_that_fails_says_what_it_said_last_masked(
    driver: CommandDriver, world: World
) -> None:
    world.does("apply", 'echo "cannot reach $TOKEN" >&2; exit 4')
    driver.begin("r/op/1", replace_node())
    assert finish(driver, "r/op/1") is JobState.FAILED
    status = driver.work("r/op/1")
    assert (status.exit_status, status.detail) == (4, "cannot reach ${env:TOKEN}")
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert [path for path in files if b"a-secret-value" in path.read_bytes()] == [
        path for path in files if path.name == "observe.json"
    ]


def test_what_was_observed_before_a_change_began_or_ended_is_asked_again(
    driver: CommandDriver, world: World
) -> None:
    assert driver.node_spec("api-1").image == "server:1"
    changed = json.loads(json.dumps(OBSERVED).replace('"server:1"', '"server:2"'))
    world.says("after", changed)
    world.does("apply", "while [ ! -f go ]; do sleep 0.01; done; cp after.json observe.json")
    driver.begin("r/op/1", replace_node())
    assert driver.node_spec("api-1").image == "server:1"
    (world.folder / "go").touch()
    assert finish(driver, "r/op/1") is JobState.SUCCEEDED
    assert driver.node_spec("api-1").image == "server:2"


def test_a_job_runs_once_and_a_change_as_often_as_it_is_begun(
    driver: CommandDriver, world: World
) -> None:
    for _ in range(2):
        driver.begin("orders/1", RunJob(job="bootstrap", image="server:2", revision="1"))
        assert finish(driver, "orders/1") is JobState.SUCCEEDED
        driver.begin("r/op/1", replace_node())
        assert finish(driver, "r/op/1") is JobState.SUCCEEDED
    assert [told["key"] for told in world.asked("apply")] == ["orders/1", "r/op/1", "r/op/1"]


def test_a_command_of_the_plan_is_none_of_the_scripts_business(
    driver: CommandDriver, world: World
) -> None:
    driver.begin(
        "r/run/1", RunCommand(argv=("sh", "-c", "echo $TOKEN $GIVEN"), environment={"GIVEN": "g"})
    )
    assert finish(driver, "r/run/1") is JobState.SUCCEEDED
    assert world.asked("apply") == []
    assert driver.work("r/run/1").output.endswith("g\n")


def test_stop_ends_the_script_with_what_it_waits_for_and_then_asks_it_to_clear_up(
    driver: CommandDriver, world: World
) -> None:
    world.says("describe", {**DESCRIBED, "actions": ["stop"]})
    world.does("apply", "sh -c 'echo up; exec sleep 600'")
    world.does("stop", "true")
    driver.begin("r/op/1", replace_node())
    assert eventually(lambda: driver.work("r/op/1").output == "up\n", 10.0)
    driver.stop("r/op/1")
    assert driver.work("r/op/1").state is JobState.FAILED
    assert world.asked("stop") == [{"contract": 1, "action": "stop", "key": "r/op/1"}]
    driver.stop("never begun")
    assert len(world.asked("stop")) == 1


def test_a_killed_script_is_a_failure_and_a_killed_supervisor_a_loss_that_the_same_key_heals(
    driver: CommandDriver, world: World
) -> None:
    world.does("apply", "echo $$ > pid; echo up; while [ ! -f go ]; do sleep 0.01; done")
    driver.begin("r/op/1", replace_node())
    assert eventually(lambda: driver.work("r/op/1").output == "up\n", 10.0)
    os.kill(int((world.folder / "pid").read_text()), signal.SIGKILL)
    assert finish(driver, "r/op/1") is JobState.FAILED
    assert driver.work("r/op/1").exit_status == -9
    driver.begin("r/op/1", replace_node())
    assert eventually(lambda: driver.work("r/op/1").output == "up\n", 10.0)
    status = json.loads((driver._work.folder.work("r/op/1") / "status.json").read_text())
    os.kill(status["pid"], signal.SIGKILL)
    assert finish(driver, "r/op/1") is JobState.LOST
    (world.folder / "go").touch()
    driver.begin("r/op/1", replace_node())
    assert finish(driver, "r/op/1") is JobState.SUCCEEDED
    assert len(world.asked("apply")) == 3


def test_what_the_script_does_not_offer_is_refused_as_only_a_persons_to_know(
    driver: CommandDriver, world: World
) -> None:
    world.says("describe", {"contract": 1, "answers": ["spec"]})
    assert driver.answers() == {Answers.SPEC, Answers.JOBS}
    assert driver.node_spec("api-1").image == "server:1"
    asked: list[Any] = [
        lambda: driver.attached("api-1"),
        lambda: driver.connections("api-1"),
        lambda: driver.node_processes("api-1"),
        lambda: driver.begin("k", SetAttached(node="api-1", attached=False)),
        lambda: driver.begin("k", RunJob(job="bootstrap", image="i")),
    ]
    for ask in asked:
        with pytest.raises(Refused, match="the driver does not answer"):
            ask()
    assert driver.work("k").state is JobState.UNKNOWN


def test_a_job_that_the_script_does_not_run_is_asked_of_a_person_and_ends_by_their_word(
    driver: CommandDriver, world: World
) -> None:
    world.says("describe", {"contract": 1, "answers": ["spec"]})
    job = RunJob(job="bootstrap", image="server:2", revision="2.0")
    request = driver.request(job)
    assert request is not None
    assert request.word
    assert request.sentence == (
        "run bootstrap once, with server:2, and await its end: not known to be done -> "
        "it ended with exit status 0 (revision 2.0)"
    )
    assert driver.request(replace_node()) is None
    driver.tell(None, (Asked(key="k", change=to_json(job)),))
    driver.begin("k", job)
    assert driver.work("k").state is JobState.ASKED
    assert driver.work("k").detail == f"a person has to {request.sentence}"
    driver.tell(None, (Asked(key="k", change=to_json(job), said=True),))
    assert driver.work("k").state is JobState.SUCCEEDED
    ledger = RunJob(job="migrate-status", image="server:2", revision="2.0")
    driver.tell(None, (Asked(key="l", change=to_json(ledger), said=True),))
    assert pending_migrations(driver.work("l").output) == ()
    assert world.asked("apply") == []


def test_a_script_that_runs_jobs_asks_nobody(driver: CommandDriver) -> None:
    assert driver.request(RunJob(job="bootstrap", image="server:2")) is None


def test_the_scripts_own_preview_is_what_is_announced(driver: CommandDriver, world: World) -> None:
    world.says("describe", {**DESCRIBED, "actions": ["preview"]})
    entry = {
        "operation": "api/a",
        "resources": ["unit/api-1"],
        "kinds": ["unit"],
        "changed": ["image"],
    }
    world.says("preview", {"contract": 1, "changes": [{**entry, "beyond": ["reloads the proxy"]}]})
    changes = (("api/a", replace_node()), ("run/x", RunCommand(argv=("make", "x"))))
    assert driver.answers() == frozenset(Answers)
    assert driver.announce(changes) == (
        Announcement(
            operation="api/a",
            resources=("unit/api-1",),
            kinds=("unit",),
            changed=("image",),
            beyond=("reloads the proxy",),
        ),
        Announcement(
            operation="run/x", resources=("command/make",), kinds=("job",), changed=("run",)
        ),
    )
    (told,) = world.asked("preview")
    assert told["changes"] == [{"operation": "api/a", "change": change_asked(replace_node())}]
    world.says("describe", {"contract": 1, "answers": ["spec"], "actions": ["preview"]})
    driver._described.forget()
    (run,) = driver.announce((("schema/run", RunJob(job="bootstrap", image="i", revision="2")),))
    assert (run.operation, run.resources, run.kinds) == ("schema/run", ("revision 2",), ("asked",))
    world.says("preview", {"contract": 1, "changes": [{**entry, "operation": "api/b"}]})
    driver._previews._newest.clear()
    with pytest.raises(Incompatible, match="api/b where api/a was asked"):
        driver.announce(changes)


def test_without_a_preview_nothing_is_announced(driver: CommandDriver) -> None:
    assert Answers.ANNOUNCE not in driver.answers()
    assert driver.announce((("b", replace_node()),)) == ()


def test_while_describe_is_under_way_it_may_answer_everything(
    driver: CommandDriver, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 0.05)
    world.does("describe", "while [ ! -f go ]; do sleep 0.01; done; cat describe.json")
    assert driver.answers() == frozenset(Answers), "so that whoever wants to announce waits for it"
    (world.folder / "go").touch()
    assert eventually(lambda: driver.answers() == SAYS_ALL, 10.0)


def fault_of(driver: CommandDriver) -> OutsideError:
    with pytest.raises(OutsideError) as raised:
        driver.node_spec("api-1")
    return raised.value


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        ("", Incompatible, "`./fleet.sh observe` printed nothing"),
        (
            "node api-1 is up",
            Incompatible,
            "`./fleet.sh observe` printed what is no JSON: node api-1 is up",
        ),
        (
            {"contract": 2},
            Incompatible,
            "`./fleet.sh observe` speaks contract 2, this rollout-kit speaks 1",
        ),
        (
            {"contract": 1, "nodes": {"api-1": {"image": 7}}},
            Incompatible,
            "`./fleet.sh observe` does not answer as the contract says: "
            "nodes/api-1/image: 7 is not of type 'string'",
        ),
        (
            {"contract": 1, "nodes": {"api-1": {"imgae": "x"}}},
            Incompatible,
            "`./fleet.sh observe` does not answer as the contract says: "
            "nodes/api-1: Additional properties are not allowed ('imgae' was unexpected)",
        ),
        (
            {"contract": 1, "nodes": {"api-1": {}}},
            Incompatible,
            "`./fleet.sh observe` says nothing about node/api-1/image",
        ),
        (
            {"contract": 1, "nodes": {"api-7": {"image": "i"}}},
            Refused,
            '`./fleet.sh observe` does not know the node "api-1"',
        ),
        (
            [1],
            Incompatible,
            "`./fleet.sh observe` does not answer as the contract says: the answer: [1]",
        ),
    ],
)
def test_a_wrong_answer_has_a_sentence_of_its_own(
    driver: CommandDriver, world: World, answer: object, kind: type[OutsideError], sentence: str
) -> None:
    world.says("observe", answer)
    fault = fault_of(driver)
    assert type(fault) is kind
    assert fault.message.startswith(sentence)
    assert fault.hint


def test_a_missing_count_is_an_error_and_never_zero(driver: CommandDriver, world: World) -> None:
    world.says("observe", {"contract": 1, "nodes": {"api-1": {"image": "i"}}})
    with pytest.raises(Incompatible, match="says nothing about node/api-1/processes"):
        driver.node_processes("api-1")
    with pytest.raises(Incompatible, match="says nothing about node/api-1/connections"):
        driver.connections("api-1")
    with pytest.raises(Incompatible, match="says nothing about scheduler"):
        driver.scheduler_processes()


def test_a_script_that_fails_says_with_which_status_and_its_last_words_masked(
    driver: CommandDriver, world: World
) -> None:
    world.does("observe", 'echo "no route with $PLAN_TOKEN" >&2; exit 3')
    fault = fault_of(driver)
    assert type(fault) is Unavailable
    assert fault.message == "`./fleet.sh observe` ended with exit status 3"
    assert fault.why == "It said: no route with ${env:PLAN_TOKEN}"
    request = '{"contract": 1, "action": "observe"}'
    assert fault.hint == f"By hand: cd {world.folder} && echo '{request}' | ./fleet.sh observe"
    world.does("observe", "kill -15 $$")
    driver._observed.forget()
    assert fault_of(driver).message == "`./fleet.sh observe` was ended by signal 15"


def test_a_script_that_never_answers_is_pending_then_killed_with_what_it_started(
    driver: CommandDriver, world: World, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(looks, "JOINED_WAIT_S", 0.05)
    driver.answers()
    world.does("observe", "sleep 600 & echo $! > slow; wait")
    assert eventually(lambda: isinstance(fault_of(driver), InFlight))
    assert eventually((world.folder / "slow").exists)
    now[0] += 7
    assert fault_of(driver).message == "`./fleet.sh observe` has been at it for 7 s"
    assert len(world.asked("observe")) == 1
    os.killpg(os.getpgid(int((world.folder / "slow").read_text())), signal.SIGKILL)


def test_a_reading_that_takes_too_long_is_given_up(world: World) -> None:
    world.does("observe", "sleep 600 & echo $! > slow; wait")
    asking = script.Script(["./fleet.sh"], world.folder, dict(os.environ), str)
    with pytest.raises(Unavailable, match=r"gave no answer within 0\.5 s"):
        asking.ask("observe", "{}", 0.5)
    slow = world.folder / "slow"
    if slow.exists():
        assert eventually(lambda: processes.started(int(slow.read_text())) is None)


def test_a_script_that_cannot_be_started_says_why(
    driver: CommandDriver, world: World, now: list[float]
) -> None:
    def fault(text: str | None, mode: int = 0o755) -> str:
        now[0] += 2
        if text is not None:
            world.script.write_text(text)
            world.script.chmod(mode)
        found = fault_of(driver)
        assert type(found) is Refused
        assert found.hint
        return found.message

    assert fault("#!/nowhere/sh\n") == (
        "what the first line of ./fleet.sh names to run it is not there"
    )
    assert fault("\x00\x01\x02") == "./fleet.sh is no program that the system can start"
    assert fault(ANSWERING, 0o644) == "./fleet.sh may not be executed"
    assert driver.answers() == SAYS_ALL, "each reading then says why it cannot"
    world.script.unlink()
    assert fault(None) == "there is no program ./fleet.sh"
    world.script.write_text(ANSWERING)
    world.script.chmod(0o755)
    now[0] += 2
    assert driver.node_spec("api-1").image == "server:1", "and is asked again when it is mended"


def test_a_program_from_the_path_with_arguments(world: World) -> None:
    asking = CommandDriver(
        [sys.executable, "-c", "import sys; print(open(sys.argv[1] + '.json').read())"],
        world.folder,
        world.folder / "state",
        dict(os.environ),
    )
    assert asking.node_spec("api-1").image == "server:1"
