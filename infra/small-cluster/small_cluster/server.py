"""The server's container, which API nodes, scheduler, maintenance and jobs have in common. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from small_cluster import pods
from small_cluster.objects import Manifest
from small_cluster.settings import Command, Settings

CONTAINER = "server"
MARKER = "DW_V2_CURRENT_COMPATIBILITY"
SERVER_ID = "DW_SERVER_ID"


def plain_environment(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """What a rollout gave, under what is the program's own to say: an echo of it never wins."""
    names = {MARKER, SERVER_ID, settings.version_variable}
    given = {name: value for name, value in given.items() if name not in names}
    return {**given, **settings.server_environment, "DW_V2_MULTI_NODE": "true"}


def container(
    settings: Settings,
    image: str,
    *,
    given: Mapping[str, str],
    own: Mapping[str, str | None],
    arguments: Command = (),
) -> Manifest:
    """One process of the server; of `own`, None means that the variable is not set."""
    plain: dict[str, str | None] = {**plain_environment(settings, given), **own}
    if settings.version_variable:
        plain[settings.version_variable] = tag(image)
    made = pods.container(
        CONTAINER,
        image,
        variables=pods.environment({n: v for n, v in plain.items() if v is not None}),
        requests=settings.server_requests,
        writable=settings.server_writable,
        arguments=arguments,
    )
    taken = pods.sources(settings.server_config_maps, settings.server_secrets)
    return made | ({"envFrom": taken} if taken else {})


def tag(image: str) -> str | None:
    """The image's tag; None where it has none."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or None
