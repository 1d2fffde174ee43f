"""`Pulumi.<stack>.yaml` as text: the recorded one with this change's keys laid over it. Pure.

The configuration in force is that file in a working folder and nowhere else, so a folder is never
trusted: the file is rebuilt from the last recorded update each time. Plain values need no call of
the CLI; ciphertexts and their salt are carried over as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from rollout_kit.drivers.pulumi.api import Recorded
from rollout_kit.ports.errors import Incompatible

_CONFIG = "config"


def file_name(stack: str) -> str:
    """Of a stack's settings: the last part of its name counts."""
    return f"Pulumi.{stack.rpartition('/')[2]}.yaml"


def project_text(project: str, runtime: str = "python") -> str:
    """`Pulumi.yaml` of a working folder for an inline program."""
    return yaml.safe_dump({"name": project, "runtime": runtime}, sort_keys=False)


def recorded(text: str) -> Recorded:
    """What a settings file says. Raises Incompatible: it is none."""
    return Recorded(text=text, configuration=_plain(_parsed(text).get(_CONFIG) or {}))


def merged(text: str, wanted: Mapping[str, object]) -> str:
    """The same file with these keys set (None: to JSON's null). Everything else stays.

    Values go in as JSON texts, which every language's `Config` reads as objects.
    Raises Incompatible: the text is no settings file.
    """
    settings = _parsed(text)
    config = dict(settings.get(_CONFIG) or {})
    for key, value in wanted.items():
        config[key] = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if config:
        settings[_CONFIG] = config
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=2**20)


def same_configuration(text: str, other: str) -> bool:
    """Whether two settings files set the same keys to the same values, ciphertexts included."""
    return _comparable(text) == _comparable(other)


def _comparable(text: str) -> object:
    return {key: _decoded(value) for key, value in (_parsed(text).get(_CONFIG) or {}).items()}


def _plain(config: Mapping[str, Any]) -> dict[str, object]:
    return {
        key: _decoded(value)
        for key, value in config.items()
        if not (isinstance(value, dict) and set(value) == {"secure"})
    }


def _decoded(value: Any) -> object:
    """A JSON text is what it says; any other text is itself."""
    if isinstance(value, str) and value[:1] in {"{", "[", "n", '"'}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _parsed(text: str) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        settings = f"{type(error).__name__}"
    if not isinstance(settings, dict) or not isinstance(settings.get(_CONFIG) or {}, dict):
        raise Incompatible(
            "the recorded settings of the stack are no mapping with a `config`",
            why="This change's configuration is laid over the last recorded update's.",
            hint="Look at them with `pulumi config refresh` in an empty folder.",
        )
    return settings
