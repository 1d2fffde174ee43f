"""The addresses of the test cluster's pods: a range for each run, and none that stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain.cluster import NoAddressesError, pod_addresses

pytestmark = pytest.mark.cluster

BLOCK = "198.19"
RUN = """
import sys, time
from tests.toolchain.cluster import pod_addresses
with pod_addresses(sys.argv[1]) as addresses:
    print(addresses, flush=True)
    time.sleep(60)
"""


def routed() -> list[str]:
    table = ["ip", "route", "show", "table", "local", "type", "local"]
    said = subprocess.run(table, check=True, capture_output=True, text=True).stdout
    return [line.split()[1] for line in said.splitlines() if line.startswith(f"local {BLOCK}.")]


def test_what_a_killed_run_has_left_goes_with_the_next_one() -> None:
    argv = [sys.executable, "-c", RUN, BLOCK]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        left = run.stdout.readline().strip()
        run.kill()
    assert left in routed()

    with pod_addresses(BLOCK) as addresses:
        assert addresses == left
        with pod_addresses(BLOCK) as beside:
            assert {left, beside} <= set(routed())
            assert beside != left
    assert not {left, beside} & set(routed())


def test_a_machine_that_gives_none_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ip = tmp_path / "ip"
    ip.write_text("#!/bin/sh\necho Operation not permitted >&2; exit 2\n")
    ip.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoAddressesError, match=r"need addresses.*Operation not permitted"):
        pod_addresses().__enter__()
