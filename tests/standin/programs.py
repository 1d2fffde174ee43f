"""Programs as data: lists of `lab:index:Thing`, as the recordings have them.

`resources`: `name`, `props`, `opts`, `type` (`comp` is a component); `outputs`; `count`: so many
things `r000` ...; `sleepFirst`, `raiseFirst`, `raiseLast`, `log` (severity to text). In values
`{"$out": [resource, attribute]}`, `{"$secret": v}`, `{"$config": k}`, `{"$requireConfig": k}` and
`{"$requireSecretConfig": k}` stand for an output, a secret and configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pulumi


class Thing(pulumi.CustomResource):
    """One object of the lab provider."""

    computed: pulumi.Output[str]

    def __init__(
        self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        merged = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version="1.0.0"), opts)
        given = {**props, "computed": None}
        if "wantSecretOut" in props:
            given["secretOut"] = None
        super().__init__("lab:index:Thing", name, given, merged)


class Comp(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lab:index:Comp", name, None, opts)


Spec = dict[str, Any]


def program(spec: Spec) -> Callable[[], None]:
    """The inline program of this data."""

    def run() -> None:
        if "sleepFirst" in spec:
            time.sleep(spec["sleepFirst"])
        if "raiseFirst" in spec:
            raise ValueError(spec["raiseFirst"])
        _log(spec)
        made: dict[str, Any] = {}
        for one in _resources(spec):
            made[one["name"]] = _make(one, made)
        if spec.get("badType"):
            pulumi.export("bad", object())
        for name, value in spec.get("outputs", {}).items():
            pulumi.export(name, _value(value, made))
        if "raiseLast" in spec:
            raise ValueError(spec["raiseLast"])

    return run


def _resources(spec: Spec) -> list[Spec]:
    listed = spec.get("resources") or []
    props = spec.get("props", {"value": spec.get("value", 1)})
    return listed + [
        {"name": f"r{number:03d}", "props": props} for number in range(spec.get("count", 0))
    ]


def _log(spec: Spec) -> None:
    for severity, text in (spec.get("log") or {}).items():
        say = {"info": pulumi.log.info, "warning": pulumi.log.warn, "warn": pulumi.log.warn}
        say[severity](text)


def _make(one: Spec, made: dict[str, Any]) -> Any:
    opts = _options(one.get("opts") or {}, made)
    if one.get("type") == "comp":
        return Comp(one["name"], opts)
    props = {key: _value(value, made) for key, value in (one.get("props") or {}).items()}
    return Thing(one["name"], props, opts)


def _options(given: Spec, made: dict[str, Any]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        depends_on=[made[name] for name in given.get("dependsOn", [])] or None,
        parent=made[given["parent"]] if "parent" in given else None,
        aliases=[pulumi.Alias(name=name) for name in given.get("aliases", [])] or None,
        ignore_changes=given.get("ignoreChanges"),
        replace_on_changes=given.get("replaceOnChanges"),
        delete_before_replace=given.get("deleteBeforeReplace"),
        retain_on_delete=given.get("retainOnDelete"),
        protect=given.get("protect"),
        import_=given.get("import"),
        additional_secret_outputs=given.get("additionalSecretOutputs"),
    )


def _value(value: Any, made: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_value(one, made) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$out": [name, attribute]}:
            return getattr(made[name], attribute)
        case {"$secret": inner}:
            return pulumi.Output.secret(_value(inner, made))
        case {"$config": key}:
            return pulumi.Config().get(key)
        case {"$requireConfig": key}:
            return pulumi.Config().require(key)
        case {"$requireSecretConfig": key}:
            return pulumi.Config().require_secret(key)
    return {key: _value(one, made) for key, one in value.items()}
