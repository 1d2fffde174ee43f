"""Who runs a rollout: enough to name them to a person, and to tell that they are gone."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CI_RUN_URL = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One process on one machine. Empty strings are what this system does not tell."""

    actor: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: str = ""  # the process's start, in the kernel's ticks: tells a reused pid
    ci_url: str = ""

    @property
    def label(self) -> str:
        """As messages name them: actor, process, machine and, in CI, the run."""
        run = f", {self.ci_url}" if self.ci_url else ""
        return f"{self.actor} (process {self.pid} on {self.host}{run})"


def this_process(environment: Mapping[str, str]) -> Owner:
    """Describe the running process."""
    pid = os.getpid()
    return Owner(
        actor=actor(environment),
        host=socket.gethostname(),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        pid_namespace=_link("/proc/self/ns/pid"),
        pid=pid,
        started=_process(pid)[1],
        ci_url=ci_url(environment),
    )


def actor(environment: Mapping[str, str]) -> str:
    """Whom records name: who triggered the CI job, else the user of this machine."""
    for name in ("ROLLOUT_KIT_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if environment.get(name):
            return environment[name]
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return f"uid-{os.getuid()}@{socket.gethostname()}"


def ci_url(environment: Mapping[str, str]) -> str:
    """Where the CI run that started this process can be seen; empty outside CI."""
    if environment.get("GITHUB_RUN_ID"):
        server = environment.get("GITHUB_SERVER_URL", "")
        repository = environment.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{environment['GITHUB_RUN_ID']}"
    return next((environment[name] for name in CI_RUN_URL if environment.get(name)), "")


def is_gone(owner: Owner, here: Owner) -> bool:
    """Whether the owner is certainly dead: a process of this very machine that no longer runs.

    Anything that cannot be told (another host, boot or pid namespace) is not gone.
    """
    machine = (owner.host, owner.boot_id, owner.pid_namespace)
    if not (owner.boot_id and owner.pid_namespace):
        return False
    if machine != (here.host, here.boot_id, here.pid_namespace):
        return False
    state, started = _process(owner.pid)
    return state in ("", "Z", "X") or (owner.started not in ("", started))


def _process(pid: int) -> tuple[str, str]:
    """State letter and start ticks of a process; empty when there is none."""
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return "", ""
    fields = stat.rpartition(")")[2].split()  # the command before it may hold anything
    return fields[0], fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
