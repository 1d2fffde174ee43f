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
_TEXT = "tag:yaml.org,2002:str"


def file_name(stack: str) -> str:
    """Of a stack's settings: the last part of its name counts."""
    return f"Pulumi.{stack.rpartition('/')[2]}.yaml"


def recorded(text: str) -> Recorded:
    """What a settings file says. Raises Incompatible: it is none."""
    return Recorded(text=text, configuration=_plain(_parsed(text).get(_CONFIG) or {}))


def merged(text: str, wanted: Mapping[str, object]) -> str:
    """The same file with these keys set (None: to JSON's null). Everything else stays as it is written.

    Values go in as JSON texts, which every language's `Config` reads as objects. The others are
    never read: the engine's YAML is not ours, and "12e5" without its quotes would be a number there.
    Raises Incompatible: the text is no settings file.
    """
    _parsed(text)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    settings = root if isinstance(root, yaml.MappingNode) else _mapping()
    if wanted:
        config = _entry(settings, _CONFIG)
        for key, value in wanted.items():
            told = json.dumps(value, ensure_ascii=False, sort_keys=True)
            _set(config, key, yaml.ScalarNode(_TEXT, told, style="'"))
        _set(settings, _CONFIG, config)
    return yaml.serialize(settings, Dumper=yaml.SafeDumper, allow_unicode=True, width=2**20)


def _mapping() -> yaml.MappingNode:
    return yaml.MappingNode(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, [])


def _entry(mapping: yaml.MappingNode, key: str) -> yaml.MappingNode:
    found = [value for name, value in mapping.value if name.value == key]
    return found[-1] if found and isinstance(found[-1], yaml.MappingNode) else _mapping()


def _set(mapping: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    """In its place, or at the end."""
    entries = [(name, value if name.value == key else old) for name, old in mapping.value]
    if all(name.value != key for name, _ in entries):
        entries.append((yaml.ScalarNode(_TEXT, key), value))
    mapping.value = entries


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
