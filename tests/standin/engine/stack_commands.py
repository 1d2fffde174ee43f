"""`pulumi stack ...` and the other commands that only read or file things."""

from __future__ import annotations

import getpass
import json
import socket
from datetime import UTC, datetime
from typing import Any

from . import values
from .arguments import Arguments
from .backend import MAGIC, ORGANIZATION, VERSION, Backend, now
from .failure import Failure
from .locks import remove_all
from .project import Config, Project, holds_secret, opened, text_of
from .session import Session, is_selected, open_session, out, out_json, select
from .vault import Vault


def init(arguments: Arguments) -> None:
    session = open_session(arguments, *arguments.words[:1], must_exist=False)
    if session.files.state.exists():
        full = f"{ORGANIZATION}/{session.project.name}/{session.stack}"
        raise Failure(f"stack '{full}' already exists")
    config = session.config
    try:
        vault = config.vault()
    except Failure as wrong:
        raise Failure(
            f"could not create secrets manager for new stack: {wrong.text}", wrong.code
        ) from None
    empty = fresh(vault.state)
    session.files.save(empty)
    session.files.save(empty)  # the second write leaves a .bak, as the real one has it
    select(session.project, session.stack)
    raise_note(f"Created stack '{session.stack}'")


def fresh(salt: str) -> dict:
    """The state of a stack that nothing was ever done to."""
    return {
        "manifest": {"time": now(), "magic": MAGIC, "version": VERSION},
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
        "metadata": {},
    }


def raise_note(text: str) -> None:
    import sys

    sys.stderr.write(text + "\n")


def select_stack(arguments: Arguments) -> None:
    if len(arguments.words) > 1:
        raise Failure(f"accepts at most 1 arg(s), received {len(arguments.words)}")
    if arguments.has("--create"):
        session = open_session(arguments, *arguments.words[:1], must_exist=False)
        if not session.files.state.exists():
            return init(arguments)
    session = open_session(arguments, *arguments.words[:1])
    return select(session.project, session.stack)


def remove(arguments: Arguments) -> None:
    session = open_session(arguments, *arguments.words[:1])
    if not arguments.has("--yes"):
        raise Failure("non-interactive mode requires --yes flag")
    resources = session.files.load().get("resources") or []
    if resources and not arguments.has("--force"):
        raise Failure(
            f"'{session.stack}' still has resources; removal rejected. Possible actions:\n"
            "- Make sure that '" + session.stack + "' is the stack that you want to destroy\n"
            "- Run `pulumi destroy` to delete the resources, then run `pulumi stack rm`\n"
            "- Run `pulumi stack rm --force` to override this error"
        )
    session.files.remove()
    if not arguments.has("--preserve-config"):
        session.config.path.unlink(missing_ok=True)
    out(f"Stack '{session.stack}' has been removed!")


def listing(arguments: Arguments) -> None:
    cwd_session = open_listing(arguments)
    backend, project = cwd_session
    found = []
    for path in sorted((backend.folder / "stacks" / project.name).glob("*.json")):
        session = Session(arguments, project.folder, backend, project, path.stem)
        entry: dict[str, Any] = {"name": path.stem, "current": is_selected(project, path.stem)}
        resources = session.files.load().get("resources")
        entries = session.files.entries()
        if entries:
            entry["lastUpdate"] = _time(entries[0]["endTime"])
        if resources is not None:
            entry["resourceCount"] = len(resources)
        found.append(entry)
    if arguments.has("--json"):
        return out_json(found)
    out("NAME  LAST UPDATE  RESOURCE COUNT")
    for entry in found:
        out(
            f"{entry['name']}  {entry.get('lastUpdate', 'n/a')}  {entry.get('resourceCount', 'n/a')}"
        )
    return None


def open_listing(arguments: Arguments) -> tuple[Backend, Project]:
    from pathlib import Path

    cwd = Path(arguments.get("--cwd") or Path.cwd())
    return Backend(cwd), Project(cwd)


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def outputs_of(latest: dict) -> dict[str, Any]:
    for resource in latest.get("resources") or []:
        if resource["type"] == "pulumi:pulumi:Stack" and not resource.get("delete"):
            return resource.get("outputs") or {}
    return {}


def state_vault(latest: dict) -> Vault:
    """For what the state itself has sealed; its errors name what was being built."""
    salt = latest["secrets_providers"]["state"]["salt"]
    try:
        return Vault(salt)
    except Failure as wrong:
        raise Failure(
            'constructing secrets manager of type "passphrase": constructing secrets manager: '
            + wrong.text
        ) from None


def output(arguments: Arguments) -> None:
    session = open_session(arguments)
    latest = session.files.load()
    found = outputs_of(latest)
    if arguments.has("--show-secrets"):
        found = values.reveal(state_vault(latest).unseal(found))
    else:
        found = values.mask(found)
    if arguments.words:
        key = arguments.words[0]
        if key not in found:
            raise Failure(f"current stack does not have output property '{key}'")
        found = found[key]
        if not arguments.has("--json"):
            return out(text_of(found))
        return out_json(found)
    if arguments.has("--json"):
        return out_json(dict(sorted(found.items())))
    return _table(found)


def _table(found: dict[str, Any]) -> None:
    out(f"Current stack outputs ({len(found)}):")
    if not found:
        return out("    No output values currently in this stack")
    width = max([len(key) for key in found] + [6]) + 2
    out(f"    {'OUTPUT':<{width}}VALUE")
    for key, value in sorted(found.items()):
        out(f"    {key:<{width}}{text_of(value)}")
    return None


def history(arguments: Arguments) -> None:
    session = open_session(arguments)
    entries = session.files.entries()
    size = int(arguments.get("--page-size") or 0)
    if size:
        page = max(int(arguments.get("--page") or 1), 1)
        entries = entries[(page - 1) * size : page * size]
    reveal = arguments.has("--show-secrets")
    config = session.config
    shown = []
    for entry in entries:
        shown.append(
            {
                "version": 0,
                "kind": entry["kind"],
                "startTime": _time(entry["startTime"]),
                "message": entry["message"],
                "environment": entry["environment"],
                "config": {
                    key: _entry(value, config, reveal) for key, value in entry["config"].items()
                },
                "result": entry["result"],
                "endTime": _time(entry["endTime"]),
                "resourceChanges": entry["resourceChanges"],
            }
        )
    if arguments.has("--json"):
        return out_json(shown)
    for entry in shown:
        out(
            f"UpdateType: {entry['kind']}\nStatus: {entry['result']}\nMessage: {entry['message']}\n"
        )
    return None


def _entry(value: Any, config: Config, reveal: bool) -> dict:
    secret = holds_secret(value)
    entry: dict[str, Any] = {}
    if not secret:
        entry["value"] = text_of(value)
        if isinstance(value, dict | list):
            entry["objectValue"] = value
    elif reveal:
        entry["value"] = text_of(opened(value, config.vault()))
    return {**entry, "secret": secret}


def cancel(arguments: Arguments) -> None:
    session = open_session(arguments, *arguments.words[:1])
    remove_all(session.files)
    out(f"The currently running update for '{session.stack}' has been canceled!")


def version(arguments: Arguments) -> None:
    out(VERSION)


def whoami(arguments: Arguments) -> None:
    _, url = Backend(open_cwd(arguments)), Backend(open_cwd(arguments)).url
    user = getpass.getuser()
    if arguments.has("--json"):
        return out_json({"user": user, "url": url})
    if arguments.has("--verbose"):
        return out(f"User: {user}\nOrganizations: \nBackend URL: {url}\nToken type: personal")
    return out(user)


def open_cwd(arguments: Arguments) -> Any:
    from pathlib import Path

    return Path(arguments.get("--cwd") or Path.cwd())


def about(arguments: Arguments) -> None:
    session = open_session(arguments)
    latest = session.files.load()
    resources = [{"type": one["type"], "urn": one["urn"]} for one in latest.get("resources") or []]
    pending = [
        {"type": one["resource"]["type"], "urn": one["resource"]["urn"]}
        for one in latest.get("pending_operations") or []
    ]
    out_json(
        {
            "plugins": None,
            "backend": {
                "name": socket.gethostname(),
                "url": session.backend.url,
                "user": getpass.getuser(),
                "organizations": None,
            },
            "currentStack": {
                "name": session.stack,
                "fullyQualifiedName": f"{ORGANIZATION}/{session.project.name}/{session.stack}",
                "resources": resources,
                "pendingOps": pending,
            },
            "cliAbout": {"version": VERSION.removeprefix("v"), "goVersion": "", "goCompiler": ""},
            "runtime": None,
            "dependencies": None,
            "errors": [],
        }
    )


def show(arguments: Arguments) -> None:
    session = open_session(arguments)
    latest = session.files.load()
    out(f"Current stack is {session.stack}:\n    Managed by {socket.gethostname()}")
    resources = latest.get("resources") or []
    out(f"Current stack resources ({len(resources)}):")
    for one in resources:
        out(f"    {one['type']}  {one['urn'].rpartition('::')[2]}")
        if arguments.has("--show-urns"):
            out(f"       URN: {one['urn']}")
    out("")
    _table(values.mask(outputs_of(latest)))


def plugins(arguments: Arguments) -> None:
    out(json.dumps([]) if arguments.has("--json") else "NAME  KIND  VERSION  SIZE  INSTALLED")


def nothing(arguments: Arguments) -> None:
    """Commands that need no doing here: tags are not kept, plugins are built in."""
    if arguments.has("--json"):
        out("{}")
