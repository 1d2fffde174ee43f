"""Reading the world back into the state."""

from __future__ import annotations

from . import values
from .backend import now
from .custom import NO_CHANGE
from .deployment import Deployment, is_default_provider
from .failure import OperationFailed
from .operations import Stopped
from .providers.api import Change, Read
from .snapshot import Resource


def refresh(deployment: Deployment, *, alone: bool) -> None:
    """Every resource of the state; `alone`: it is the whole update, what it found is its result.

    Raises Stopped where a provider cannot be asked.
    """
    ops = deployment.ops
    for old in list(ops.snapshot.old):
        if not deployment.aimed_at(old["urn"], old):
            continue
        with ops.lock:
            if ops.cancelled.is_set() or ops.stopped:
                raise Stopped
            ops.pre("refresh", old, old, NO_CHANGE)
        if not _read_by_provider(old):
            ops.post("same" if alone else "refresh", old, old, NO_CHANGE)
            if alone and not is_default_provider(old):
                ops.counts["same"] += 1
            continue
        _one(deployment, old, alone)
    ops.snapshot.write()


def _read_by_provider(old: Resource) -> bool:
    return bool(old.get("custom")) and not old["type"].startswith("pulumi:providers:")


def _one(deployment: Deployment, old: Resource, alone: bool) -> None:
    ops = deployment.ops
    plain_in, plain_out = (
        values.reveal(old["inputs"] or {}),
        values.reveal(old.get("outputs") or {}),
    )
    try:
        provider = deployment.provider_in_state(old)
        found = provider.read(ops.call(old), old.get("id", ""), plain_in, plain_out)
    except OperationFailed as wrong:
        ops.failed = True
        ops.stream.diagnostic(
            "error", f"Preview failed: {wrong}" if ops.preview else str(wrong), old["urn"]
        )
        raise Stopped from None
    with ops.lock:
        drift = (
            provider.diff(ops.call(old), plain_in, plain_out, found.inputs) if found else NO_CHANGE
        )
        new, change = _result(old, found, drift)
        ops.snapshot.settle(old, None) if new is None else ops.snapshot.replace(old, new)
        if found and found.reasons:
            lines = "".join(f"\n* {reason}" for reason in found.reasons)
            ops.call(old).warn(f"Refreshed resource is in an unhealthy state:{lines}")
        if new is None:
            ops.snapshot._before = [one for one in ops.snapshot._before if one is not old]
        op = "delete" if new is None else "update" if change.paths else "same"
        if alone:
            ops.counts[op] += 1
        ops.post(op if alone else "refresh", old, new, change)


def _result(old: Resource, found: Read | None, drift: Change) -> tuple[Resource | None, Change]:
    if found is None:
        return None, NO_CHANGE
    secret = old.get("additionalSecretOutputs") or []
    inputs = values.resecret(found.inputs, old["inputs"] or {}, [])
    outputs = values.resecret(
        found.outputs, {**(old.get("outputs") or {}), **old["inputs"]}, secret
    )
    new = {**old, "inputs": inputs, "outputs": outputs, "initErrors": found.reasons}
    kinds = {path: kind.removesuffix("-replace") for path, kind in drift.paths.items()}
    change = Change(kinds, by_inputs=drift.by_inputs)
    if change.paths:
        new["modified"] = now()
    return new, change
