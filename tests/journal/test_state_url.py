"""What `--state` and a plan's `state:` may say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import Unanswered
from rollout_kit.journal.state_url import BadState, below, open_state
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.journal import JournalLost

from .cases import VirtualClock

HERE = Path("/srv")


def opened(state: str) -> RolloutStore:
    return open_state(state, HERE, {"AWS_ALLOW_HTTP": "true"}, VirtualClock())


@pytest.mark.parametrize(
    ("state", "folder"),
    [
        (".rollout-kit", "/srv/.rollout-kit"),
        ("/mnt/state", "/mnt/state"),
        ("file:///mnt/state", "/mnt/state"),
        ("file://localhost/mnt/a%20b", "/mnt/a b"),
        ("s3:bucket", "/srv/s3:bucket"),
    ],
)
def test_a_folder_is_a_path_or_a_file_url(state: str, folder: str) -> None:
    store = opened(state)

    assert isinstance(store, FolderStore)
    assert str(store.state) == folder


@pytest.mark.parametrize("state", ["s3://bucket", "s3://bucket/teams/orders/", "gs://bucket/x"])
def test_a_bucket_is_an_object_store(state: str) -> None:
    store = opened(state)

    assert isinstance(store, ObjectStore)
    assert store.place == state.rstrip("/")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("ftp://host/x", '"ftp://host/x" is no place for state that is known here'),
        ("s3://", '"s3://" names no bucket or container'),
        ("file://host/x", '"file://host/x" names no folder of this machine'),
        ("az://container/x", "az://container/x cannot be used: .*Account must be specified"),
    ],
)
def test_what_is_no_place_is_refused_with_a_sentence(
    state: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadState, match=message):
        opened(state)


def test_a_plans_folder_is_beside_the_plan_and_its_url_anywhere() -> None:
    assert below(Path("/plans"), "state") == "/plans/state"
    assert below(Path("/plans"), "/mnt/state") == "/mnt/state"
    assert below(Path("/plans"), "s3://bucket/x") == "s3://bucket/x"


def test_without_the_extra_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)

    with pytest.raises(BadState, match="needs the package obstore") as caught:
        opened("s3://bucket")
    assert caught.value.hint == 'pip install "rollout-kit[remote]"'


def test_who_uses_a_folder_does_not_pay_for_the_extra() -> None:
    program = (
        "import sys; from rollout_kit.cli.commands import status, apply; "
        "print([name for name in ('obstore', 'tenacity') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert "obstore" not in ran.stdout


def test_a_bucket_that_is_not_there_is_a_sentence(s3_url: str) -> None:
    store = opened("s3://no-such-bucket/x")

    with pytest.raises(JournalLost, match=r"x/\.rollout-kit-probe is refused: 404 NoSuchBucket"):
        store.prove()
    with pytest.raises(JournalLost, match=r"s3://no-such-bucket/x is refused: 404 NoSuchBucket"):
        store.rollouts()


def test_a_server_that_is_not_there_gives_no_answer(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = opened(s3_url)

    with pytest.raises(Unanswered, match="gives no answer: HTTP error: error sending request"):
        store.prove()


def test_a_plain_endpoint_that_is_not_allowed_says_how_to_allow_it(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    store = open_state(s3_url, HERE, {}, VirtualClock())

    with pytest.raises(JournalLost) as caught:
        store.rollouts()
    assert "AWS_ALLOW_HTTP=true" in caught.value.hint
