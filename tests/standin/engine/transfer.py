"""`stack export`, `stack import` and the `state` commands: the state as a whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from . import values
from .arguments import Arguments
from .backend import compact, parse
from .failure import Failure
from .locks import Lock
from .session import open_session, out, out_json
from .stack_commands import state_vault
from .vault import Vault


def export(arguments: Arguments) -> None:
    session = open_session(arguments)
    latest = session.files.load()
    if arguments.has("--show-secrets"):
        try:
            vault = state_vault(latest)
            vault.verify() if _sealed(latest) else None
            latest = values.map_secrets(vault.unseal(latest), _plain)
        except Failure as wrong:
            text = wrong.text
            if text == "incorrect passphrase":
                text = _decrypting(latest)
            raise Failure(f"could not deserialize deployment: {text}") from None
    whole = {"version": 3, "deployment": latest}
    if arguments.get("--file"):
        Path(arguments.get("--file")).write_text(json.dumps(whole, indent=4) + "\n")
    else:
        out_json(whole, indent=4)


def _sealed(latest: dict) -> bool:
    return '"ciphertext"' in compact(latest)


def _decrypting(latest: dict) -> str:
    try:
        Vault(latest["secrets_providers"]["state"]["salt"]).unseal(latest)
    except Failure as wrong:
        return wrong.text
    return ""


def _plain(wrapped: dict) -> dict:
    return {values.SIGNATURE: values.SECRET, "plaintext": json.dumps(wrapped["value"])}


def import_(arguments: Arguments) -> None:
    session = open_session(arguments)
    file = arguments.get("--file")
    if file and not Path(file).exists():
        raise Failure(f"could not open file: open {file}: no such file or directory")
    given = parse(Path(file).read_text() if file else sys.stdin.read())
    deployment: dict[str, Any] = given["deployment"]
    wrong = _foreign(deployment, session.stack) + _broken(deployment)
    if wrong and not arguments.has("--force"):
        wrong.append("importing this file could be dangerous; rerun with --force to proceed anyway")
        lines = "".join(f"\n    {at}) {text}" for at, text in enumerate(wrong, 1))
        raise Failure(f"{len(wrong)} errors occurred:{lines}")
    lock = Lock(session.files)
    lock.take()
    try:
        vault = state_vault(deployment) if deployment.get("secrets_providers") else None
        if vault is not None:
            deployment = vault.seal(vault.unseal(deployment))
        if deployment.pop("pending_operations", None):
            sys.stderr.write("warning: removing pending operations from the imported state\n")
        session.files.save(deployment)
    finally:
        lock.release()
    out("Import complete.")


def _foreign(deployment: dict, stack: str) -> list[str]:
    found = []
    for resource in deployment.get("resources") or []:
        other = resource["urn"].split("::")[0].removeprefix("urn:pulumi:")
        if other != stack:
            text = f"resource '{resource['urn']}' is from a different stack ({other} != {stack})"
            found.append(text)
    return found


def _broken(deployment: dict) -> list[str]:
    seen: set[str] = set()
    for resource in deployment.get("resources") or []:
        urn = resource["urn"]
        if urn in seen and not resource.get("delete"):
            return [
                f"state file contains errors: duplicate resource {urn} (not marked for deletion)"
            ]
        parent = resource.get("parent")
        if parent and parent not in seen:
            return [
                f"state file contains errors: child resource {urn} refers to missing parent {parent}"
            ]
        seen.add(urn)
    return []


def repair(arguments: Arguments) -> None:
    open_session(arguments)
    out("The snapshot is already valid; skipping repair.")


def delete(arguments: Arguments) -> None:
    """`state delete URN`: out of the state, not out of the world."""
    session = open_session(arguments)
    latest = session.files.load()
    urn = arguments.words[0]
    kept = [one for one in latest.get("resources") or [] if one["urn"] != urn]
    if len(kept) == len(latest.get("resources") or []):
        raise Failure(
            f'No such resource "{urn}" exists in the current state\nTo list the resource URNs in '
            "the stack, run `pulumi stack --show-urns`; to inspect the full state, run "
            "`pulumi stack export`."
        )
    lock = Lock(session.files)
    lock.take()
    try:
        session.files.save({**latest, "resources": kept})
    finally:
        lock.release()
    out("Resource deleted")


def unprotect(arguments: Arguments) -> None:
    session = open_session(arguments)
    latest = session.files.load()
    chosen = [
        one
        for one in latest.get("resources") or []
        if arguments.has("--all") or one["urn"] in arguments.words
    ]
    for one in chosen:
        one.pop("protect", None)
    lock = Lock(session.files)
    lock.take()
    try:
        session.files.save(latest)
    finally:
        lock.release()
    out(f"{len(chosen)} resources unprotected")
