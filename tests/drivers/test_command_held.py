"""What a script announced it is held to, and what only a person can see is asked before anything is sent."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from rollout_kit.drivers.command import looks
from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.command.held import Held
from rollout_kit.model.codec import to_json
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.errors import Incompatible, NotYet
from rollout_kit.ports.infra import (
    Announces,
    InfraChange,
    JobState,
    ProcessSpec,
    Programmed,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetScheduler,
)
from rollout_kit.ports.requests import Asked
from tests.drivers.conftest import eventually
from tests.drivers.test_command_driver import DESCRIBED, World, finish

pytestmark = pytest.mark.processes

OPERATION = "api/api-1/replace"
KEY = f"r-1/{OPERATION}/1"
CHANGE = ReplaceNode(node="api-1", spec=ProcessSpec(image="server:2"))
STOP = SetScheduler(spec=None)


def told(
    *resources: tuple[str, str],
    operation: str = OPERATION,
    creates: tuple[str, ...] = (),
    beyond: tuple[str, ...] = (),
) -> Announcement:
    return Announcement(
        operation=operation,
        resources=tuple(name for name, _ in resources),
        kinds=tuple(kind for _, kind in resources),
        changed=("image",),
        creates=creates,
        beyond=beyond,
    )


@pytest.mark.parametrize(
    ("key", "now", "beyond"),
    [
        (KEY, told(("unit/a", "restart")), ()),
        (KEY, told(), ()),
        (KEY, told(("unit/a", "restart"), ("proxy", "reload")), ("reload proxy",)),
        (KEY, told(("unit/a", "delete")), ("delete unit/a",)),
        (KEY, told(("unit/b", "restart")), ("restart unit/b",)),
        (KEY, told(("unit/a", "restart"), creates=("unit/c",)), ("create unit/c",)),
        (KEY, told(beyond=("drops the cache",)), ("drops the cache",)),
        (f"r-1/undo/{OPERATION}/0/1", told(("unit/a", "delete")), ()),
        (f"r-1/undo/{OPERATION}/0/1", told(("unit/b", "restart")), ("restart unit/b",)),
        ("target/2.1.0", told(("unit/b", "restart")), ()),
        ("target/2.1.0", told(("database", "drop")), ("drop database",)),
    ],
)
def test_what_nobody_announced_is_named(
    key: str, now: Announcement, beyond: tuple[str, ...]
) -> None:
    held = Held(
        (told(("unit/a", "restart")), told(("unit/b", "restart"), operation="scheduler/stop"))
    )
    assert held.beyond(key, now) == beyond


def test_where_nothing_was_announced_nothing_is_held() -> None:
    assert not Held()


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.says("describe", {**DESCRIBED, "actions": ["preview"]})
    return world


@pytest.fixture
def driver(world: World) -> CommandDriver:
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    driver.hold_to((told(("unit/api-1", "restart")),), None)
    return driver


def previews(world: World, *resources: str, operation: str = OPERATION) -> None:
    kinds = ["restart" for _ in resources]
    entry = {"operation": operation, "resources": resources, "kinds": kinds, "changed": ["image"]}
    world.says("preview", {"contract": 1, "changes": [entry]})


def begun(driver: CommandDriver, key: str = KEY, change: InfraChange = CHANGE) -> JobState:
    driver.begin(key, change)
    state = driver.work(key).state
    return state if state is JobState.REFUSED else finish(driver, key)


def test_the_driver_announces_and_has_no_program(driver: CommandDriver) -> None:
    assert isinstance(driver, Announces)
    assert not isinstance(driver, Programmed)


def test_a_change_as_announced_is_carried_out_and_a_wider_one_never_sent(
    driver: CommandDriver, world: World
) -> None:
    previews(world, "unit/api-1", "proxy/shared")
    assert begun(driver) is JobState.REFUSED
    assert driver.work(KEY).detail == (
        "`./fleet.sh apply` would do what the rollout did not announce: restart proxy/shared"
    )
    assert world.asked("apply") == []
    previews(world, "unit/api-1")
    driver._previews._newest.clear()
    assert begun(driver) is JobState.SUCCEEDED, "mended, the next attempt goes on"
    (sent,) = world.asked("apply")
    assert sent["key"] == KEY
    assert world.asked("preview")[-1]["changes"] == [
        {
            "operation": OPERATION,
            "change": {
                "kind": "replace_node",
                "node": "api-1",
                "spec": {
                    "image": "server:2",
                    "marker": None,
                    "server_id": None,
                    "environment": {},
                    "version": None,
                },
            },
        }
    ]


def test_a_script_that_no_longer_previews_is_held_too(driver: CommandDriver, world: World) -> None:
    world.says("describe", DESCRIBED)
    assert begun(driver) is JobState.REFUSED
    assert driver.work(KEY).detail.endswith("`./fleet.sh describe` offers no `preview`")
    assert world.asked("apply") == []


def test_without_an_answer_nothing_is_sent_and_it_is_asked_again(
    driver: CommandDriver, world: World
) -> None:
    world.does("preview", "echo offline >&2; exit 3")
    with pytest.raises(
        NotYet, match=r"not sent yet: `\./fleet\.sh preview` ended with exit status 3"
    ):
        driver.begin(KEY, CHANGE)
    assert driver.work(KEY).state is JobState.UNKNOWN
    (world.folder / "preview.sh").unlink()
    previews(world, "unit/api-1")
    driver._previews._newest.clear()
    assert begun(driver) is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "change",
    [
        CHANGE,
        SetAttached(node="api-1", attached=False),
        RunJob(job="bootstrap", image="i", revision="2"),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_script_that_is_slow_to_say_what_it_offers_was_sent_nothing(
    driver: CommandDriver, world: World, change: InfraChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout counts what it sends once more, and gives up after five times."""
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 0.05)
    previews(world, "unit/api-1")
    world.does("describe", "while [ ! -f go ]; do sleep 0.01; done; cat describe.json")
    with pytest.raises(NotYet, match=r"not sent yet: "):
        driver.begin(KEY, change)
    (world.folder / "go").touch()

    def goes_on() -> bool:
        with suppress(NotYet):
            driver.begin(KEY, change)
            return True
        return False

    assert eventually(goes_on, 60.0)
    assert finish(driver, KEY) is JobState.SUCCEEDED
    assert len(world.asked("apply")) == 1


def test_kinds_that_do_not_belong_to_the_resources_are_outside_of_the_contract(
    driver: CommandDriver, world: World
) -> None:
    entry = {"operation": OPERATION, "resources": ["a", "b"], "kinds": ["unit"], "changed": []}
    world.says("preview", {"contract": 1, "changes": [entry]})
    with pytest.raises(Incompatible, match="names 2 resources of api/api-1/replace and 1 kinds"):
        driver.announce(((OPERATION, CHANGE),))


def test_the_end_of_a_scheduler_that_nothing_counts_is_a_persons_word_and_the_stop_the_scripts(
    world: World,
) -> None:
    answers = [name for name in DESCRIBED["answers"] if name != "processes"]
    world.says("describe", {**DESCRIBED, "answers": answers})
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    request = driver.request(STOP)
    assert request is not None
    assert request.word
    assert request.sentence == (
        "see that the scheduler is stopped and that none of it is left"
        " (`describe` of the script does not list `processes`)"
    )
    assert driver.request(SetScheduler(spec=ProcessSpec(image="server:2"))) is None

    key = "r-1/scheduler/stop/1"
    change = to_json(STOP)
    driver.tell(None, (Asked(key=key, change=change),))
    assert driver.work(key).state is JobState.ASKED
    assert driver.work(key).detail == f"a person has to {request.sentence}"
    world.does("apply", "while [ ! -f go ]; do sleep 0.01; done")
    driver.begin(key, STOP)
    assert driver.work(key).state in {JobState.QUEUED, JobState.RUNNING}
    (world.folder / "go").touch()
    assert finish(driver, key) is JobState.ASKED, "the script has done its share"
    assert [told["change"] for told in world.asked("apply")] == [
        {"kind": "set_scheduler", "spec": None}
    ]
    driver.tell(None, (Asked(key=key, change=change, said=True),))
    assert driver.work(key).state is JobState.SUCCEEDED


def test_a_script_that_fails_to_stop_the_scheduler_has_failed_whatever_was_said(
    world: World,
) -> None:
    world.says("describe", {"contract": 1, "answers": ["spec"]})
    world.does("apply", "echo no such unit >&2; exit 5")
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    key = "r-1/scheduler/stop/1"
    driver.tell(None, (Asked(key=key, change=to_json(STOP), said=True),))
    driver.begin(key, STOP)
    assert finish(driver, key) is JobState.FAILED
    assert driver.work(key).detail == "no such unit"


def test_who_counts_processes_asks_nobody(world: World) -> None:
    driver = CommandDriver(["./fleet.sh"], world.folder, world.folder / "state", dict(os.environ))
    assert driver.request(STOP) is None
    assert json.loads((world.folder / "describe.json").read_text())["actions"] == ["preview"]
