"""A process as a unit file, for systemd or for supervisor. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from single_host.host import Argv, Manager

_RESTART_S = 2
_STATE = "ActiveState,SubState,Result,ExecMainStatus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`user`: empty for the manager's own. `grace_s`: from the word to stop until it is killed."""

    about: str
    argv: Argv
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    user: str = ""
    grace_s: int = 30


def manager(kind: str, folder: str, control: Argv) -> Manager:
    """`systemd` or `supervisor`; `control` is its command line tool, with options of this machine."""
    if kind == "systemd":
        return Manager(
            folder=folder,
            suffix=".service",
            stop=(*control, "disable", "--now", "{unit}.service"),
            settle=(*control, "daemon-reload"),
            start=(*control, "enable", "--now", "{unit}.service"),
            state=(*control, "show", f"--property={_STATE}", "{unit}.service"),
            up="^ActiveState=active$",
            stays_s=_RESTART_S / 2,
        )
    if kind == "supervisor":
        return Manager(
            folder=folder,
            suffix=".conf",
            stop=(*control, "stop", "{unit}"),
            settle=(*control, "update"),
            start=(*control, "start", "{unit}"),
            state=(*control, "status", "{unit}"),
            up=r"\bRUNNING\b",
        )
    raise ValueError(f"manager {kind!r} is not known; there are systemd and supervisor")


def text(kind: str, unit: str, process: Process) -> str:
    """The unit's whole file."""
    return _systemd(process) if kind == "systemd" else _supervisor(unit, process)


def _systemd(process: Process) -> str:
    lines = [
        "[Unit]",
        f"Description={process.about}",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_systemd_word(part) for part in process.argv)}",
        "Restart=always",
        f"RestartSec={_RESTART_S}",
        f"TimeoutStopSec={process.grace_s}",
        *([f"User={process.user}"] if process.user else []),
        *(
            f"Environment={_quoted(f'{name}={value}').replace('%', '%%')}"
            for name, value in sorted(process.environment.items())
        ),
        *(f"EnvironmentFile={path}" for path in process.environment_files),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def _systemd_word(part: str) -> str:
    return _quoted(part).replace("%", "%%").replace("$", "$$")


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _supervisor(unit: str, process: Process) -> str:
    if process.environment_files:
        raise ValueError(
            f"{unit}: supervisor reads no environment files; let the command read them, "
            "or give the manager itself that environment"
        )
    environment = ",".join(
        f"{name}={_quoted(value)}" for name, value in sorted(process.environment.items())
    )
    lines = [
        f"[program:{unit}]",
        f"command={shlex.join(process.argv)}".replace("%", "%%"),
        *([f"environment={environment}".replace("%", "%%")] if environment else []),
        *([f"user={process.user}"] if process.user else []),
        "autostart=true",
        "autorestart=true",
        "startsecs=1",
        f"stopwaitsecs={process.grace_s}",
        "stopasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        "",
    ]
    return "\n".join(lines)
