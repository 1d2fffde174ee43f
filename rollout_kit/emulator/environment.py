"""Server settings from the environment variables that the real server reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from rollout_kit.emulator.model.settings import (
    Condition,
    FleetValidation,
    Generation,
    Provenance,
    ServerSettings,
    Tokens,
)

_OWN_LEASE = "ROLLOUT_KIT_EMULATOR_LEASE_SECONDS"
_TRUE = ("1", "true", "yes", "on")


class BadEnvironment(Exception):
    """A variable cannot be read; the text names it and what it holds."""


def settings_from(env: Mapping[str, str], generation: Generation, host: str) -> ServerSettings:
    """The settings of one process; `host` names it when DW_SERVER_ID does not.

    Raises BadEnvironment for a number that is none, or an unknown failing condition.
    """
    return ServerSettings(
        generation=generation,
        server_id=env.get("DW_SERVER_ID") or host,
        version=env.get("APP_VERSION") or None,
        image=env.get("ROLLOUT_KIT_EMULATOR_IMAGE_VERSION") or None,
        marker=env.get("DW_V2_CURRENT_COMPATIBILITY") or None,
        supported_markers=_list(env.get("DW_V2_SUPPORTED_COMPATIBILITIES")),
        tokens=Tokens(
            worker=env.get("DW_WORKER_TOKEN") or None,
            operator=env.get("DW_OPERATOR_TOKEN") or None,
            admin=env.get("DW_ADMIN_TOKEN") or None,
            legacy=env.get("DW_AUTH_TOKEN") or None,
        ),
        auth_driver=env.get("DW_AUTH_DRIVER") or "token",
        signature_keys=Tokens(
            worker=env.get("DW_WORKER_SIGNATURE_KEY") or None,
            operator=env.get("DW_OPERATOR_SIGNATURE_KEY") or None,
            admin=env.get("DW_ADMIN_SIGNATURE_KEY") or None,
            legacy=env.get("DW_SIGNATURE_KEY") or None,
        ),
        auth_provider=env.get("DW_AUTH_PROVIDER") or None,
        auth_backward_compatible=_flag(env, "DW_AUTH_BACKWARD_COMPATIBLE", default=True),
        default_namespace=env.get("DW_DEFAULT_NAMESPACE") or "default",
        poll_timeout_s=_whole(env, "DW_WORKER_POLL_TIMEOUT", 30),
        long_polls_at_most=_whole(env, "DW_WORKER_LONG_POLL_MAX_CONCURRENT", 0) or None,
        stale_after_override_s=_whole(env, "DW_WORKER_STALE_AFTER_SECONDS", 0) or None,
        heartbeat_interval_s=_whole(env, "DW_WORKER_HEARTBEAT_INTERVAL_SECONDS", 10),
        workflow_lease_s=_lease_s(env, generation, "DW_WORKFLOW_TASK_TIMEOUT"),
        activity_lease_s=_lease_s(env, generation, "DW_ACTIVITY_TASK_TIMEOUT"),
        fleet_validation=FleetValidation.FAIL
        if env.get("DW_V2_FLEET_VALIDATION_MODE") == "fail"
        else FleetValidation.WARN,
        compatibility_ttl_s=_whole(env, "DW_V2_COMPATIBILITY_HEARTBEAT_TTL", 30),
        topology_shape=env.get("DW_SERVER_TOPOLOGY_SHAPE") or "standalone_server",
        process_class=env.get("DW_SERVER_PROCESS_CLASS") or "server_http_node",
        queue_wake=_flag(env, "DW_V2_MATCHING_ROLE_QUEUE_WAKE", default=True),
        provenance=_provenance(env),
        worker_protocol=env.get("DW_WORKER_PROTOCOL_VERSION") or None,
        conditions=_conditions(env.get("ROLLOUT_KIT_EMULATOR_CONDITIONS")),
    )


def _lease_s(env: Mapping[str, str], generation: Generation, name: str) -> float | None:
    """0.2.x reads its lease variables and ignores them; the emulator's own one always counts."""
    if generation is Generation.V0_2 or env.get(_OWN_LEASE):
        name = _OWN_LEASE
    text = env.get(name)
    return _number(name, text) if text else None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        msg = f"{name} is {text!r}, which is no number of seconds"
        raise BadEnvironment(msg) from error


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    return int(_number(name, text)) if text else default


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name)
    return text.lower() in _TRUE if text else default


def _list(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _provenance(env: Mapping[str, str]) -> Provenance | None:
    """As told (source, ref and commit, blank between them), else made up from the image's release."""
    if not _flag(env, "DW_EXPOSE_PACKAGE_PROVENANCE", default=False):
        return None
    told = (env.get("ROLLOUT_KIT_EMULATOR_PROVENANCE") or "").split()
    if len(told) == 3:
        return Provenance(source=told[0], ref=told[1], commit=told[2])
    release = env.get("ROLLOUT_KIT_EMULATOR_IMAGE_VERSION") or env.get("APP_VERSION") or "unknown"
    commit = hashlib.sha1(release.encode(), usedforsecurity=False).hexdigest()
    return Provenance(source="durable-workflow/server", ref=f"v{release}", commit=commit)


def _conditions(text: str | None) -> frozenset[Condition]:
    try:
        return frozenset(Condition(name) for name in _list(text) or ())
    except ValueError as error:
        known = ", ".join(condition.value for condition in Condition)
        msg = f"ROLLOUT_KIT_EMULATOR_CONDITIONS is {text!r}; known are {known}"
        raise BadEnvironment(msg) from error
