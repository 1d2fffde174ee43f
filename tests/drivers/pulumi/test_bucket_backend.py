"""A stack whose state is in a bucket: changes, a crash, locks, and what a saved preview is held to.

With the real CLI alone: the stand-in keeps its state in folders.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi import api, doctor, held_locks
from rollout_kit.drivers.pulumi.api import Kind, Outcome
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.drivers.pulumi.locks import Standing
from rollout_kit.ports.checkup import Health
from tests.drivers.pulumi.lab import PROGRAM, Lab, until
from tests.drivers.pulumi.test_driver import landed
from tests.journal.s3 import s3_server
from tests.journal.s3_server import BUCKET
from tests.standin.fixtures import Cli, real_or_standin  # noqa: F401

pytestmark = [
    pytest.mark.crash,
    pytest.mark.processes,
    pytest.mark.parametrize(
        "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
    ),
]

A1 = {"a": {"value": 1}, "b": {"value": 1}}
A2 = {"a": {"value": 2}, "b": {"value": 1}}
SLOW = {**A1, "slow": {"value": 1, "createSleep": 4}}


class Bucket:
    """The bucket beside the CLI."""

    def __init__(self, endpoint: str) -> None:
        self.url = f"s3://{BUCKET}?endpoint={endpoint}&s3ForcePathStyle=true&region=us-east-1"
        self._endpoint = endpoint

    def key_service(self) -> str:
        """A key there, as `--secrets-provider` takes it."""
        import boto3

        kms = boto3.client("kms", endpoint_url=self._endpoint)
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        return f"awskms://{key}?region=us-east-1&endpoint={self._endpoint}"

    def put_lock(self, host: str) -> None:
        said = {"pid": 17, "username": "ann", "hostname": host, "timestamp": "2026-11-22T01:00:00Z"}
        key = ".pulumi/locks/organization/proj/dev/theirs.json"
        request = urllib.request.Request(
            f"{self._endpoint}/{BUCKET}/{key}",
            data=json.dumps(said).encode(),
            method="PUT",
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


@pytest.fixture
def bucket(real_or_standin: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:  # noqa: F811
    with s3_server() as environment:
        found = Bucket(environment["AWS_ENDPOINT_URL"])
        for name, value in {**environment, "PULUMI_BACKEND_URL": found.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield found


@pytest.fixture
def lab(real_or_standin: Cli, bucket: Bucket) -> Iterator[Lab]:  # noqa: F811
    lab = Lab(real_or_standin)
    lab.up(A1)
    yield lab
    for child in lab.begun:
        child.kill()
        child.wait()


def standings(lab: Lab) -> list[Standing]:
    held = held_locks.found(lab.stack)
    assert held is not None
    return [item.standing for item in held]


def test_a_change_takes_as_many_calls_as_with_a_folder_and_leaves_the_stack_open(lab: Lab) -> None:
    assert lab.change("op-1", A2, a="update").outcome is Outcome.DONE
    result = lab.change("op-2", A1, a="update")
    assert result.outcome is Outcome.DONE
    assert [call.command for call in result.calls] == [
        "stack export",
        "preview --refresh",
        "stack export",
        "up",
        "stack export",
    ]
    assert lab.values() == {"a-1": 1, "b-1": 1}
    assert standings(lab) == []


def test_killed_in_mid_update_its_lock_is_known_to_be_dead_and_nothing_is_made_twice(
    lab: Lab,
) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    assert standings(lab) == [Standing.OURS_AND_ALIVE]
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    until(lambda: standings(lab) == [Standing.OURS_AND_DEAD])

    result = lab.change("op-1", SLOW, slow="create")

    assert result.outcome is Outcome.DONE, result
    assert any("removed the lock of our own update that is gone" in it for it in result.recovered)
    assert "Thing slow exists unrecorded, as slow-1" in result.recovered
    assert lab.values() == {"a-1": 1, "b-1": 1, "slow-1": 1}
    assert standings(lab) == []
    assert api.look(lab.stack).clean


def test_what_unlock_removes_is_ours_and_dead_and_nothing_where_another_lock_is_beside(
    lab: Lab, bucket: Bucket
) -> None:
    child = lab.begin("op-1", SLOW, slow="create")
    until(lambda: "slow-1" in lab.values())
    cli = lab.cli_pid()
    os.kill(child.pid, signal.SIGKILL)
    os.kill(cli, signal.SIGKILL)
    child.wait()
    until(lambda: standings(lab) == [Standing.OURS_AND_DEAD])
    bucket.put_lock("elsewhere")
    held = held_locks.found(lab.stack)
    assert held is not None
    assert sorted(item.standing for item in held) == [Standing.FOREIGN, Standing.OURS_AND_DEAD]
    assert held_locks.remove_dead(lab.stack, held) == ()

    refused = lab.change("op-1", SLOW, slow="create")
    assert refused.trouble is not None
    assert (refused.trouble.kind, refused.trouble.name) == (Kind.CONFLICT, "locked")
    assert len(standings(lab)) == 2


def test_a_foreign_lock_is_named_by_the_doctor_and_by_the_change_that_meets_it(
    lab: Lab, bucket: Bucket
) -> None:
    def line() -> Any:
        return {found.what: found for found in doctor.findings(lab.stack, ())}["stack lock"]

    assert (line().health, line().sentence) == (Health.OK, "free")
    bucket.put_lock("elsewhere")
    held = line()
    assert held.health is Health.PROBLEM
    assert (
        "held by ann@elsewhere (process 17, since 2026-11-22 01:00:00Z), foreign" in held.sentence
    )
    assert "`pulumi cancel`" in held.hint
    refused = lab.change("op-1", A2, a="update")
    assert refused.trouble is not None
    assert (refused.trouble.kind, refused.trouble.name) == (Kind.CONFLICT, "locked")
    assert "ann@elsewhere" in refused.trouble.message
    assert lab.values() == {"a-1": 1, "b-1": 1}


def test_a_saved_preview_is_bound_to_the_state_in_the_bucket(lab: Lab, tmp_path: Path) -> None:
    def bound() -> dict[str, str]:
        driver = PulumiDriver(lab.stack, dict(os.environ), plan_folder=tmp_path)
        return dict(landed(driver.binding))

    assert lab.stack.program.path == str(PROGRAM)
    before = bound()
    assert bound() == before
    lab.up({**A2, "foreign": {"value": 1}})
    after = bound()
    moved = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert moved == {"stack state", "stack configuration fleet:nodes"}


def test_secrets_that_a_key_service_keeps_stay_with_it(
    real_or_standin: Cli,  # noqa: F811
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No passphrase is set: a setting that got lost on the way would show at once."""
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    lab, provider = Lab(real_or_standin), bucket.key_service()
    lab.up(A1, token="a canary in clear", secrets_provider=provider)
    before = api.recorded(lab.stack)
    assert f"secretsprovider: {provider}" in before.text
    assert "encryptedkey: " in before.text
    assert lab.change("op-1", A2, a="update").outcome is Outcome.DONE
    assert lab.change("op-2", A1, a="update").outcome is Outcome.DONE
    after = api.recorded(lab.stack)
    assert after.text == before.text
    kept = [path.read_text() for path in lab.cli.folder.rglob("*.json*") if path.is_file()]
    assert not any("a canary in clear" in text for text in kept)
    assert lab.values() == {"a-1": 1, "b-1": 1}


def test_a_bucket_that_is_not_there_is_said_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = os.environ["PULUMI_BACKEND_URL"].replace(f"s3://{BUCKET}", "s3://nobody")
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    result = lab.change("op-1", A2, a="update")
    assert result.trouble is not None
    assert result.trouble.message == "the bucket for the state is not there"
