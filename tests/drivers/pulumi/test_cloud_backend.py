"""A stack whose state is with a service, as Pulumi Cloud is one: changes, a crash, who holds it, tokens.

With the real CLI against a stand-in of the service's wire (`cloud`), which is not the service itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi import api, doctor, held_locks, update
from rollout_kit.drivers.pulumi.api import Kind, Outcome
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.drivers.pulumi.locks import Standing
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.recovery import Found
from rollout_kit.ports.checkup import Health
from rollout_kit.ports.errors import OutsideError, Refused, Unavailable
from tests.drivers.pulumi.cloud import TOKEN, Cloud, cloud
from tests.drivers.pulumi.lab import PROGRAM, Lab, until
from tests.drivers.pulumi.lab_child import World
from tests.drivers.pulumi.test_driver import landed
from tests.drivers.pulumi.test_unlock import GONE, Site
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.timeout(600),
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]

A1 = {"a": {"value": 1}, "b": {"value": 1}}
A2 = {"a": {"value": 2}, "b": {"value": 1}}
SLOW = {**A1, "slow": {"value": 1, "createSleep": 4}}
AGENTS = (
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE",
    "CURSOR_AGENT",
    "CODEX_CI",
    "GEMINI_CLI",
    "OPENCODE",
)
"""Whoever works with one of these set is signed up by the CLI where no token is."""


class Hosted(Lab):
    """The same stack; its state is with a service."""

    def __init__(self, cli: Cli, service: Cloud) -> None:
        super().__init__(cli)
        self.service = service

    @property
    def stack(self) -> api.Stack:
        return api.Stack(
            program=api.Program(path=str(PROGRAM), function="main"),
            name="acme/proj/dev",
            project="proj",
            folder=str(self.cli.folder / "ours"),
        )

    def checkpoint(self) -> Any:
        return self.service.stack().deployment["deployment"]


@pytest.fixture
def service(
    real_or_standin: Cli,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    with cloud() as found:
        monkeypatch.setenv("PULUMI_BACKEND_URL", found.url)
        monkeypatch.setenv("PULUMI_ACCESS_TOKEN", TOKEN)
        monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")  # the service keeps the key
        yield found


@pytest.fixture
def lab(real_or_standin: Cli, service: Cloud) -> Iterator[Hosted]:  # noqa: F811
    lab = Hosted(real_or_standin, service)
    lab.up(A1, token="a canary in clear")
    yield lab
    for child in lab.begun:
        child.kill()
        child.wait()


def standings(lab: Lab) -> list[Standing]:
    held = held_locks.found(lab.stack)
    assert held is not None
    return [item.standing for item in held]


def killed_in_mid_update(lab: Lab) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    assert standings(lab) == [Standing.OURS_AND_ALIVE]
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    until(lambda: standings(lab) == [Standing.OURS_AND_DEAD])


def test_a_change_takes_as_many_calls_as_with_a_folder_and_keeps_the_services_secrets(
    lab: Hosted,
) -> None:
    before = api.recorded(lab.stack)
    assert lab.change("op-1", A2, a="update").outcome is Outcome.DONE
    result = lab.change("op-2", A1, a="update")
    assert result.outcome is Outcome.DONE, result
    assert [call.command for call in result.calls] == [
        "stack export",
        "preview --refresh",
        "stack export",
        "up",
        "stack export",
    ]
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert standings(lab) == []
    assert api.recorded(lab.stack).text == before.text
    assert "a canary in clear" not in str(lab.checkpoint())
    kinds = [item.kind for item in lab.service.stack().updates]
    assert kinds == ["update", "update", "update"]


def test_what_reaches_further_is_refused_and_no_update_is_begun(lab: Hosted) -> None:
    refused = lab.change("op-1", {"a": {"value": 2}, "b": {"value": 2}}, a="update")
    assert refused.outcome is Outcome.REFUSED
    assert "update Thing b" in refused.sentence
    assert len(lab.service.stack().updates) == 1


def test_a_saved_preview_is_bound_to_the_state_at_the_service(lab: Hosted, tmp_path: Path) -> None:
    def bound() -> dict[str, str]:
        driver = PulumiDriver(lab.stack, dict(os.environ), plan_folder=tmp_path)
        return dict(landed(driver.binding))

    before = bound()
    assert bound() == before
    lab.up({**A2, "foreign": {"value": 1}})
    after = bound()
    moved = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert moved == {"stack state", "stack configuration fleet:nodes"}


def test_killed_in_mid_update_what_the_service_still_holds_is_cancelled_and_nothing_made_twice(
    lab: Hosted,
) -> None:
    killed_in_mid_update(lab)
    result = lab.change("op-1", SLOW, slow="create")
    assert result.outcome is Outcome.DONE, result
    assert any("removed the lock of our own update that is gone" in it for it in result.recovered)
    assert "Thing slow exists unrecorded, as slow-1" in result.recovered
    assert lab.values() == {"a-1": 1, "b-1": 1, "slow-1": 1}
    assert standings(lab) == []
    assert api.look(lab.stack).clean
    cancelled = [line for line in lab.service.stacks.asked if line.endswith("/cancel")]
    assert len(cancelled) == 1


def test_what_is_held_for_us_is_opened_by_hand_and_what_is_held_for_others_is_not(
    lab: Hosted,
) -> None:
    killed_in_mid_update(lab)
    held = held_locks.found(lab.stack)
    assert held is not None
    assert held_locks.remove_dead(lab.stack, held) == held
    assert standings(lab) == []
    lab.service.stack().foreign()
    assert standings(lab) == [Standing.FOREIGN]
    assert held_locks.remove_dead(lab.stack, held) == ()
    assert standings(lab) == [Standing.FOREIGN]


def test_an_update_that_another_machine_sent_for_us_is_waited_for_and_never_cancelled(
    lab: Hosted,
) -> None:
    killed_in_mid_update(lab)
    for file in Path(lab.stack.folder).glob("open.jsonl"):
        file.unlink()  # as on a machine that has never seen it
    assert standings(lab) == [Standing.FOREIGN]
    refused = lab.change("op-1", SLOW, slow="create")
    assert refused.trouble is not None
    assert (refused.trouble.kind, refused.trouble.name) == (Kind.CONFLICT, "locked")
    assert 'an update "op-1" (since ' in refused.trouble.message
    assert refused.trouble.message.endswith("it is ours, on another machine")
    assert "silent for five minutes" in refused.trouble.hint
    assert not any(line.endswith("/cancel") for line in lab.service.stacks.asked)
    lab.service.stack().lease_s = 0.0  # it has been silent for long enough
    until(lambda: standings(lab) == [])


def test_what_began_while_ours_was_looked_for_is_not_cancelled_in_its_place(lab: Hosted) -> None:
    """The service had ended ours by then; a cancel is for whatever is under way."""
    killed_in_mid_update(lab)
    stack = lab.service.stack()
    meanwhile: list[str] = []

    class Slow(World):
        def find(self, item: Object) -> Found:
            if not meanwhile and stack.active is not None:
                meanwhile.append(stack.active.id)
                stack.complete(stack.active.id, "failed")
                stack.foreign()
            return super().find(item)

    folder = lab.folder("op-2")
    refused = update.run(lab.request("op-2", SLOW, slow="create"), folder, Slow())
    assert refused.trouble is not None
    assert (refused.trouble.kind, refused.trouble.name) == (Kind.CONFLICT, "locked")
    assert 'an update "by hand"' in refused.trouble.message
    assert meanwhile
    assert stack.active is not None
    assert not any(line.endswith("/cancel") for line in lab.service.stacks.asked)


def test_somebody_elses_update_is_named_by_the_doctor_and_by_the_change_that_meets_it(
    lab: Hosted,
) -> None:
    def line() -> Any:
        return {found.what: found for found in doctor.findings(lab.stack, ())}["stack lock"]

    assert (line().health, line().sentence) == (Health.OK, "free")
    lab.service.stack().foreign()
    held = line()
    assert held.health is Health.PROBLEM
    assert 'held by an update "by hand" (since ' in held.sentence
    assert held.sentence.endswith("Z), foreign")
    refused = lab.change("op-1", A2, a="update")
    assert refused.trouble is not None
    assert (refused.trouble.kind, refused.trouble.name) == (Kind.CONFLICT, "locked")
    assert lab.values() == {"a-1": 1, "b-1": 1}
    first, theirs, *ours = lab.service.stack().updates
    assert (first.result, theirs.result) == ("succeeded", "in-progress")
    assert [update.result for update in ours] == ["not-started"] * 3  # who only looks is waited for


def test_a_token_that_is_missing_or_wrong_and_a_service_that_is_away_are_told_apart(
    lab: Hosted, service: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> OutsideError:
        with pytest.raises(OutsideError) as found:
            api.look(lab.stack)
        return found.value

    monkeypatch.setenv("PULUMI_HOME", str(lab.cli.folder / "another-home"))
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-of-somebody-else")
    wrong = said()
    assert isinstance(wrong, Refused)
    assert wrong.message == "the backend does not accept the access token"
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN")
    for name in AGENTS:
        monkeypatch.delenv(name, raising=False)
    missing = said()
    assert isinstance(missing, Refused)
    assert missing.message == "the Pulumi CLI is not logged in to a backend"
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "http://127.0.0.1:9")
    away = said()
    assert isinstance(away, Unavailable)
    assert away.message.startswith("the backend does not answer: dial tcp 127.0.0.1:9")


def test_unlock_opens_by_force_what_is_ours_and_dead_alone(
    real_or_standin: Cli,  # noqa: F811
    service: Cloud,
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    site.journal(backend=service.url)
    stack = service.made("acme/fleet/prod")
    site.began()
    assert site.unlock().code == 0
    stack.begin("orders-1/api/1", site.marks.sending())
    site.marks.started(*GONE)
    seen = site.unlock()
    assert seen.code == 15, seen
    held = 'stack acme/fleet/prod is held by an update "orders-1/api/1" (since '
    assert held in seen.out
    assert "Z): ours and dead\nnext: `resume` removes it, or this command with --force" in seen.out
    forced = site.unlock("--force")
    assert forced.code == 0, forced
    assert '✓ removed the lock of an update "orders-1/api/1"' in forced.out
    assert stack.active is None
    stack.foreign()
    kept = site.unlock("--force")
    assert kept.code == 15, kept
    assert "Z): foreign\n" in kept.out
    assert stack.active is not None
