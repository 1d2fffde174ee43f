"""`pulumi config ...`: it works on Pulumi.<stack>.yaml of the working folder alone."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

from .arguments import Arguments
from .failure import Failure
from .project import Config, holds_secret, opened, text_of
from .session import Session, open_session, out, out_json
from .values import MASK


def show(arguments: Arguments) -> None:
    """`config`: the table, or JSON; a secret's value only with --show-secrets."""
    session = open_session(arguments)
    config = session.config
    if not arguments.has("--json"):
        rows = [(config.short(key), _shown(value)) for key, value in _sorted(config)]
        width = max([len(key) for key, _ in rows] + [3]) + 2
        out(f"{'KEY':<{width}}VALUE")
        for key, value in rows:
            out(f"{key:<{width}}" + value.replace("\n", "\n" + " " * width))
        return
    reveal = arguments.has("--show-secrets")
    # the real one opens the vault for --show-secrets even where there is nothing to decrypt
    vault = config.vault() if reveal else None
    found: dict[str, Any] = {}
    for key, value in _sorted(config):
        secret = holds_secret(value)
        entry: dict[str, Any] = {}
        if not secret or vault is not None:
            clear = opened(value, vault) if vault is not None else value
            entry["value"] = text_of(clear)
            if isinstance(clear, dict | list):
                entry["objectValue"] = clear
        found[key] = {**entry, "secret": secret}
    out_json(found)


def _sorted(config: Config) -> list[tuple[str, Any]]:
    return sorted(config.values.items())


def _shown(value: Any) -> str:
    return MASK if holds_secret(value) else text_of(value)


def get(arguments: Arguments) -> None:
    _require_words(arguments, 1)
    session = open_session(arguments)
    config = session.config
    given = arguments.words[0]
    top, path = _split(given) if arguments.has("--path") else (given, [])
    key = config.full(top)
    value: Any = config.values.get(key)
    for part in path:
        value = _step(value, part)
    if value is None:
        raise Failure(f"configuration key '{given}' not found for stack '{session.stack}'")
    secret = holds_secret(value)
    clear = opened(value, config.vault()) if secret else value
    if arguments.has("--json"):
        entry: dict[str, Any] = {"value": text_of(clear)}
        if isinstance(clear, dict | list):
            entry["objectValue"] = clear
        out_json({**entry, "secret": secret})
    else:
        out(text_of(clear))


def _step(value: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def set_one(arguments: Arguments) -> None:
    if not arguments.words:
        raise Failure("requires at least 1 arg(s), only received 0")
    session = open_session(arguments)
    config = session.config
    key, value = (*arguments.words, "")[:2]
    _put(config, key, value, secret=arguments.has("--secret"), path=arguments.has("--path"))
    config.save()


def set_all(arguments: Arguments) -> None:
    """All or nothing."""
    session = open_session(arguments)
    config = session.config
    path = arguments.has("--path")
    for name, given in sorted(arguments.options, key=lambda option: option[1]):
        if name in ("--plaintext", "--secret"):
            key, _, value = given.partition("=")
            _put(config, key, value, secret=name == "--secret", path=path)
    for given in arguments.all("--json"):
        for key, entry in json.loads(given).items():
            clear = entry.get("objectValue", entry.get("value", ""))
            config.values[config.full(key)] = (
                {"secure": config.vault().encrypt(text_of(clear))} if entry.get("secret") else clear
            )
    config.save()


def _put(config: Config, key: str, value: str, *, secret: bool, path: bool) -> None:
    top, parts = _split(key) if path else (key, [])
    full = config.full(top)
    leaf: Any = {"secure": config.vault().encrypt(value)} if secret else value
    if not parts:
        config.values[full] = leaf
        return
    if not secret:
        leaf = _typed(value)
    config.values[full] = _grafted(config.values.get(full), parts, leaf)


def _typed(value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?(0|[1-9][0-9]*)", value) else value


def _grafted(tree: Any, path: list[str | int], leaf: Any) -> Any:
    if not path:
        return leaf
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        items = list(tree) if isinstance(tree, list) else []
        items.extend([None] * (head + 1 - len(items)))
        items[head] = _grafted(items[head], rest, leaf)
        return items
    fields = dict(tree) if isinstance(tree, dict) else {}
    fields[head] = _grafted(fields.get(head), rest, leaf)
    return fields


def _split(key: str) -> tuple[str, list[str | int]]:
    """`ns:a.b[0]["c.d"]` to `ns:a` and the path below it."""
    found = re.findall(r'\[(\d+)\]|\["([^"]*)"\]|([^.\[\]]+)', key)
    parts: list[str | int] = [
        int(number) if number else quoted or word for number, quoted, word in found
    ]
    if not parts:
        raise Failure(f"invalid configuration key path: {key}")
    return str(parts[0]), parts[1:]


def remove(arguments: Arguments) -> None:
    """`config rm` and `config rm-all`: what is not there is removed without a word."""
    session = open_session(arguments)
    config = session.config
    for key in arguments.words:
        top, path = _split(key) if arguments.has("--path") else (key, [])
        if not path:
            config.values.pop(config.full(top), None)
        else:
            _prune(config.values.get(config.full(top)), path)
    config.save()


def _prune(tree: Any, path: list[str | int]) -> None:
    for part in path[:-1]:
        tree = _step(tree, part)
    if isinstance(tree, dict):
        tree.pop(path[-1], None)


def refresh(arguments: Arguments) -> None:
    """The configuration of the last update, written over the file."""
    session: Session = open_session(arguments)
    config = session.config
    entries = session.files.entries()
    if not entries:
        raise Failure("no previous deployment")
    if config.path.exists() and not arguments.has("--force"):
        raise Failure(
            f"config file '{config.path.name}' has uncommitted changes; rerun with --force to overwrite"
        )
    if config.path.exists():
        shutil.copy(config.path, config.path.with_name(config.path.name + ".bak"))
    latest = session.files.load()
    state = (latest.get("secrets_providers") or {}).get("state") or {}
    if state.get("salt"):
        config.salt = state["salt"]
    config.values = entries[0]["config"]
    config.save()
    out(f"refreshed configuration for stack '{session.stack}'")


def _require_words(arguments: Arguments, count: int) -> None:
    if len(arguments.words) != count:
        raise Failure(f"accepts {count} arg(s), received {len(arguments.words)}")
