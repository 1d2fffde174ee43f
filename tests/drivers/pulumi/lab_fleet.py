"""A program of lab objects: one for each entry of `fleet:nodes`, its inputs as they stand there."""

from __future__ import annotations

from typing import Any

import pulumi


class Thing(pulumi.CustomResource):
    def __init__(self, name: str, props: dict[str, Any]) -> None:
        given = {**props, "computed": None}
        super().__init__("lab:index:Thing", name, given, pulumi.ResourceOptions(version="1.0.0"))


def main() -> None:
    """What `infra.program` names: `lab_fleet.py:main`."""
    fleet = pulumi.Config("fleet").get_object("nodes") or {}
    for name, props in fleet.items():
        Thing(name, props)
    pulumi.export("fleet", {"contract": 1, "nodes": fleet})
    pulumi.export("token", pulumi.Config("proj").get_secret("token"))
