"""The S3-compatible server of the tests, and stores in it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.journal.s3_server import BUCKET

ROOT = Path(__file__).parents[2]


@contextmanager
def s3_server(
    started: list[subprocess.Popen[str]] | None = None,
) -> Iterator[Mapping[str, str]]:
    """The environment in which `s3://state/…` is a bucket of a server that is gone at the end.

    `started` gets the process, for who wants to stop it in between.
    """
    with bucket_server("tests.journal.s3_server", started=started) as endpoint:
        yield {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def bucket_server(
    module: str, *arguments: str, started: list[subprocess.Popen[str]] | None = None
) -> Iterator[str]:
    """Its endpoint, with the bucket in it. It serves for as long as its standard input stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if started is not None:
        started.append(process)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()
        yield endpoint
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
