# ruff: noqa: ARG002  # the methods' arguments are the engine's
"""The three kinds of things on the machine as Pulumi resources, with dynamic providers.

Dynamic providers need nothing but the CLI's own launcher for them and this Python: no plugin has to
be downloaded for a machine that is managed from itself. The engine starts them in a process of
their own, which imports this module: the program's folder has to be on its path, as it is for
`pulumi up` in that folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import pulumi
from pulumi import dynamic

from single_host import host, runs
from single_host.host import Manager

Properties = dict[str, Any]
DYNAMIC = "pulumi-python:dynamic:Resource"
"""What the engine calls each of them. Made again, each finds what the first time left."""


class UnitsProvider(dynamic.ResourceProvider):
    """Units of one thing, changed together: the old ones are gone before a new one starts."""

    def create(self, props: Properties) -> dynamic.CreateResult:
        host.change_units(_manager(props), {}, props["units"], _family(props))
        return dynamic.CreateResult(id_=props["thing"], outs=_known(props))

    def diff(self, id_: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        return _difference(olds, news, "units", "manager")

    def update(self, id_: str, olds: Properties, news: Properties) -> dynamic.UpdateResult:
        before = _manager(olds)
        if before != _manager(news):
            host.change_units(before, olds["units"], {}, _family(olds))
        host.change_units(_manager(news), olds["units"], news["units"], _family(news))
        return dynamic.UpdateResult(outs=_known(news))

    def delete(self, id_: str, props: Properties) -> None:
        host.change_units(_manager(props), props["units"], {}, _family(props))

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        units = host.standing_units(_manager(props), props["units"], _family(props))
        seen = {**_known(props), "units": units}
        return dynamic.ReadResult(id_=id_, outs=seen)


class LineProvider(dynamic.ResourceProvider):
    """One file that the front includes."""

    def create(self, props: Properties) -> dynamic.CreateResult:
        host.write_line(props["path"], props["text"], tuple(props["check"]), tuple(props["reload"]))
        return dynamic.CreateResult(id_=props["path"], outs=_known(props))

    def diff(self, id_: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        moved = olds.get("path") != news.get("path")
        found = _difference(olds, news, "path", "text", "check", "reload")
        return dynamic.DiffResult(changes=found.changes, replaces=["path"] if moved else [])

    def update(self, id_: str, olds: Properties, news: Properties) -> dynamic.UpdateResult:
        self.create(news)
        return dynamic.UpdateResult(outs=_known(news))

    def delete(self, id_: str, props: Properties) -> None:
        host.remove_line(props["path"], tuple(props["reload"]))

    def read(self, id_: str, props: Properties) -> dynamic.ReadResult:
        seen = {**_known(props), "text": host.standing_line(props["path"])}
        return dynamic.ReadResult(id_=id_, outs=seen)


class RunProvider(dynamic.ResourceProvider):
    """One run of a job: made once, never changed; what it wrote stays known."""

    def create(self, props: Properties) -> dynamic.CreateResult:
        command = runs.Command(
            argv=tuple(props["argv"]),
            environment=props["environment"],
            environment_files=tuple(props["environment_files"]),
            user=props["user"],
        )
        printed = runs.run_once(props["folder"], props["job"], props["run"], command)
        outs = {**_known(props), "printed": printed}
        return dynamic.CreateResult(id_=f"{props['job']}-{props['run']}", outs=outs)

    def diff(self, id_: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=False)


class Units(dynamic.Resource):
    """`units`: each unit's name and its file's text; none of them: the thing is stopped.

    `family`: units `<family>-<number>` are all this thing's, whoever remembers them.
    """

    def __init__(
        self,
        thing: str,
        manager: Manager,
        units: Mapping[str, str],
        opts: pulumi.ResourceOptions,
        *,
        family: str = "",
    ) -> None:
        props = {
            "thing": thing,
            "manager": _plain(manager),
            "units": dict(units),
            "family": family,
        }
        super().__init__(UnitsProvider(), thing, props, opts)


class Line(dynamic.Resource):
    """What the front includes for one node."""

    def __init__(
        self,
        name: str,
        path: str,
        text: str,
        commands: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(LineProvider(), name, {"path": path, "text": text, **commands}, opts)


class Run(dynamic.Resource):
    """`printed`: what it wrote to standard output, the end of it."""

    printed: pulumi.Output[str]

    def __init__(self, name: str, props: Properties, opts: pulumi.ResourceOptions) -> None:
        super().__init__(RunProvider(), name, {**props, "printed": None}, opts)


def urns(*resources: pulumi.Resource) -> tuple[str, ...]:
    """Their URNs, for the stack contract: promises, which the engine keeps when it takes the output."""
    return cast("tuple[str, ...]", tuple(resource.urn for resource in resources))


def _difference(olds: Properties, news: Properties, *names: str) -> dynamic.DiffResult:
    return dynamic.DiffResult(changes=any(olds.get(name) != news.get(name) for name in names))


def _known(props: Properties) -> Properties:
    return {name: value for name, value in props.items() if not name.startswith("__")}


def _plain(manager: Manager) -> Properties:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(manager).items()
    }


def _family(props: Properties) -> str:
    return str(props.get("family", ""))


def _manager(props: Properties) -> Manager:
    said = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in props["manager"].items()
    }
    return Manager(**cast("Any", said))
