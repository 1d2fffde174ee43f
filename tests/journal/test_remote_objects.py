"""What only some stores do: writes that are turned away, tokens that are not given."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from rollout_kit.journal.lock import acquire
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import Unanswered
from rollout_kit.journal.remote_objects import APART_S, RemoteObjects
from rollout_kit.ports.journal import JournalLost

from .cases import VirtualClock, owner
from .gcs import gcs_server
from .s3_server import BUCKET

URL = f"gs://{BUCKET}/x"


@pytest.fixture
def one_write_a_second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket of GCS at its limit."""
    with gcs_server(apart_s=1.0) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Azure with somebody who gives no token, and says so with 401."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = {
        "ACCOUNT_NAME": "acme",
        "TENANT_ID": "t",
        "CLIENT_ID": "c",
        "CLIENT_SECRET": "wrong",
        "AUTHORITY_HOST": f"http://127.0.0.1:{server.server_port}",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("one_write_a_second")
def test_a_bucket_that_takes_one_write_of_a_name_a_second_is_proved() -> None:
    store = ObjectStore(RemoteObjects(URL, os.environ), VirtualClock())

    store.prove()
    store.prove()


@pytest.mark.usefixtures("one_write_a_second")
def test_a_lock_that_was_just_taken_and_named_is_free_once_it_is_given_back() -> None:
    clock = VirtualClock()
    lock = ObjectStore(RemoteObjects(URL, os.environ), clock).lock("orders")

    held = acquire(lock, owner=owner(), rollout="one", clock=clock)
    held.name("two")
    held.release()

    there = lock.read()
    assert there is not None
    assert (there.released, there.rollout) == (True, "two")


@pytest.mark.usefixtures("one_write_a_second")
def test_who_is_turned_away_twice_hears_why() -> None:
    waits: list[float] = []
    objects = RemoteObjects(URL, os.environ, sleep=waits.append)
    version = objects.create("a", b"1")
    assert version is not None

    with pytest.raises(Unanswered, match=f"{URL}/a is asked for too often: 429 SlowDown"):
        objects.replace("a", b"2", version)
    assert waits == [APART_S]
    found = objects.read("a")
    assert found is not None
    assert (found.data, found.version) == (b"1", version)


@pytest.mark.usefixtures("no_tokens")
def test_a_token_that_is_not_given_is_a_matter_of_credentials() -> None:
    objects = RemoteObjects("az://state/x", os.environ)

    with pytest.raises(JournalLost) as caught:
        objects.create("a", b"1")
    assert (
        caught.value.message == "az://state/x/a is refused to these credentials (401 Unauthorized)"
    )
    assert "set other ones" in caught.value.hint
