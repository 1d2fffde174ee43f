"""The pods behind a Service, as its endpoint slices have them. Pure."""

from __future__ import annotations

from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport.workloads import Object, WorkloadRef, dig, listed

KIND = "Service"


def ready_pods(
    ref: WorkloadRef, port: int, service: Object, slices: tuple[Object, ...]
) -> tuple[tuple[str, int], ...]:
    """Name and port of each pod that these endpoint slices have as ready, by name.

    Raises:
        Refused: the Service has no such port.
    """
    ports = {one.get("port"): one.get("name") or "" for one in listed(service, "spec", "ports")}
    if port not in ports:
        known = ", ".join(str(one) for one in ports) or "none"
        raise Refused(
            f"{ref.label} has no port {port}; it has {known}",
            hint="correct the port in the address",
            trouble=Trouble.NOT_FOUND,
        )
    found = set()
    for one in slices:
        theirs = {each.get("name") or "": each.get("port") for each in listed(one, "ports")}
        for endpoint in listed(one, "endpoints"):
            is_ready = dig(endpoint, "conditions").get("ready") is not False
            pod, number = dig(endpoint, "targetRef"), theirs.get(ports[port])
            if is_ready and pod.get("kind") == "Pod" and isinstance(number, int):
                found.add((str(pod.get("name")), number))
    return tuple(sorted(found))
