"""The server of the tests that answers as Google Cloud Storage does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.journal.s3 import bucket_server


@contextmanager
def gcs_server(*, apart_s: float = 0.0) -> Iterator[Mapping[str, str]]:
    """The environment in which `gs://state/…` is a bucket of a server that is gone at the end.

    `apart_s`: a name that was written less than so many seconds ago is refused with 429.
    """
    with bucket_server("tests.journal.gcs_server", str(apart_s)) as endpoint:
        names = ("client_email", "private_key", "private_key_id")
        account = {"gcs_base_url": endpoint, "disable_oauth": True} | dict.fromkeys(names, "")
        yield {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account), "GOOGLE_ALLOW_HTTP": "true"}
