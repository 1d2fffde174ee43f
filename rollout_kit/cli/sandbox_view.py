"""A sandbox on a terminal and for programs. Tokens are never shown: they stand in its own file."""

from __future__ import annotations

from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.text import Printer, Style
from rollout_kit.sandbox.fleet import SandboxStatus
from rollout_kit.sandbox.layout import SandboxInfo


def print_fleet(status: SandboxStatus, printer: Printer) -> None:
    """Every process by its role, the nodes with what they answer."""
    info = status.info
    word, style = ("up", Style.GOOD) if status.up else ("not up", Style.BAD)
    printer.line(f"Sandbox {info.generation} in {info.folder}: {word}", style)
    printer.line(f"  front      {info.url}")
    for name, url in info.node_urls.items():
        ready = "ready" if status.ready.get(name) else "not ready"
        printer.line(f"  {name:<10} {url}  {ready}  {status.versions.get(name, '')}".rstrip())
    for role, pids in _by_role(status).items():
        missing = sum(1 for pid in pids if pid is None)
        noun = "process" if len(pids) == 1 else "processes"
        text = f"  {role}: {len(pids)} {noun}" + (f", {missing} missing" if missing else "")
        printer.line(text, Style.BAD if missing else Style.NONE)
    printer.line(f"  load       {status.starts} workflows started so far")


def _by_role(status: SandboxStatus) -> dict[str, list[int | None]]:
    """Process ids by what they do; the workers of one cohort are counted together."""
    found: dict[str, list[int | None]] = {}
    for role in status.roles:
        name, _, last = role.role.rpartition("/")
        found.setdefault(name if last.isdigit() else role.role, []).append(role.pid)
    return found


def fleet_json(status: SandboxStatus) -> str:
    info = status.info
    return document(
        "sandbox",
        {
            "folder": str(info.folder),
            "generation": info.generation.value,
            "up": status.up,
            "url": info.url,
            "nodes": [
                {
                    "name": name,
                    "url": url,
                    "ready": bool(status.ready.get(name)),
                    "version": status.versions.get(name) or None,
                }
                for name, url in info.node_urls.items()
            ],
            "roles": [
                {"role": role.role, "pid": role.pid, "worker_id": role.worker_id}
                for role in status.roles
            ],
            "load": {"starts": status.starts},
            "variables": dict(info.variables),
        },
    )


def print_next_steps(info: SandboxInfo, printer: Printer) -> None:
    """How to point a plan at it."""
    printer.line()
    printer.line("To try a plan on it:", Style.STRONG)
    printer.line(f"  . {info.folder / 'environment'}")
    printer.line("  rollout-kit preview pipelines/plans/rolling-upgrade.yaml \\")
    given = [f"    --var {name}={value}" for name, value in info.variables.items()]
    printer.line(" \\\n".join(given))
