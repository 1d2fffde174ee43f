"""Pulumi.yaml and Pulumi.<stack>.yaml of the working folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from .failure import Failure
from .vault import Vault


def _present(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:str"
    if "\n" in text:
        return dumper.represent_scalar(tag, text, style="|")
    plain = dumper.resolve(yaml.ScalarNode, text, (True, False)) == tag
    octal = bool(re.fullmatch(r"[0-9][0-9_.eE+-]*|[yYnN]", text))
    return dumper.represent_scalar(tag, text, style=None if plain and not octal and text else '"')


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(str, _present)


class Project:
    """Of the folder, or the nearest one above it."""

    def __init__(self, cwd: Path) -> None:
        for folder in (cwd, *cwd.parents):
            found = folder / "Pulumi.yaml"
            if found.exists():
                self.folder = folder
                self.settings: dict[str, Any] = yaml.safe_load(found.read_text()) or {}
                return
        raise Failure(
            "no Pulumi.yaml project file found (searching upwards from "
            f"{cwd}). If you have not created a project yet, use `pulumi new` to do so"
        )

    @property
    def name(self) -> str:
        return self.settings["name"]

    @property
    def runtime(self) -> str:
        runtime = self.settings.get("runtime", "")
        return runtime if isinstance(runtime, str) else runtime.get("name", "")


class Config:
    """The configuration of one stack: keys in full (`proj:key`) to values, secrets sealed."""

    def __init__(self, project: Project, stack: str) -> None:
        self._project = project
        self.path = project.folder / f"Pulumi.{stack}.yaml"
        self._settings: dict[str, Any] = {}
        if self.path.exists():
            self._settings = yaml.safe_load(self.path.read_text()) or {}
        self.values: dict[str, Any] = dict(self._settings.get("config") or {})

    @property
    def salt(self) -> str | None:
        return self._settings.get("encryptionsalt")

    @salt.setter
    def salt(self, salt: str) -> None:
        self._settings["encryptionsalt"] = salt

    def save(self) -> None:
        self._settings.pop("config", None)
        if self.values:
            self._settings["config"] = self.values
        text = yaml.dump(
            self._settings, Dumper=_Dumper, sort_keys=False, width=10**9, allow_unicode=True
        )
        self.path.write_text(text if self._settings else "")

    def vault(self) -> Vault:
        """Opened and checked; makes a salt where there is none, and keeps it."""
        if self.salt:
            vault = Vault(self.salt)
            vault.verify()
            return vault
        vault = Vault()
        self.salt = vault.state
        self.save()
        return vault

    def full(self, key: str) -> str:
        """`key` of the project, or as given; raises Failure for what is no key."""
        parts = key.split(":")
        if len(parts) > 2 or not all(parts):
            raise Failure(
                f"invalid configuration key: could not parse {key} as a configuration key "
                "(configuration keys should be of the form `<namespace>:<name>`)"
            )
        return key if len(parts) == 2 else f"{self._project.name}:{key}"

    def in_force(self) -> dict[str, Any]:
        """With the project's own defaults where the stack says nothing."""
        told = self._project.settings.get("config") or {}
        defaults = {
            self.full(key): entry.get("value", entry.get("default"))
            for key, entry in told.items()
            if isinstance(entry, dict) and {"value", "default"} & set(entry)
        }
        return {**defaults, **self.values}

    def short(self, key: str) -> str:
        return key.removeprefix(f"{self._project.name}:")


def text_of(value: Any) -> str:
    """A value of the file as the program gets it: objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | dict | list):
        return json.dumps(value, separators=(",", ":"))
    return ""


def holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(holds_secret, value.values()))
    return isinstance(value, list) and any(map(holds_secret, value))


def opened(value: Any, vault: Vault) -> Any:
    """The value with what is `secure` in it decrypted."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return vault.decrypt(value["secure"])
        return {key: opened(one, vault) for key, one in value.items()}
    return [opened(one, vault) for one in value] if isinstance(value, list) else value
