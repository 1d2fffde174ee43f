"""Settings from the variables that the real server reads."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.environment import BadEnvironment, settings_from
from rollout_kit.emulator.model.settings import Condition, FleetValidation, Generation


def test_without_variables_it_is_the_generations_default() -> None:
    older = settings_from({}, Generation.V0_2, "host-1")
    newer = settings_from({}, Generation.V2, "host-1")
    assert (older.server_id, older.shown_version, older.protocol) == ("host-1", "2.0.0", "1.0")
    assert (older.stale_after_s, newer.stale_after_s) == (60, 30)
    assert (older.workflow_lease_length_s, newer.workflow_lease_length_s) == (300, 60)
    assert older.marker is None


def test_each_variable_reaches_its_setting() -> None:
    env = {
        "DW_SERVER_ID": "api-1",
        "APP_VERSION": "2.4.0",
        "DW_V2_CURRENT_COMPATIBILITY": "b1",
        "DW_V2_SUPPORTED_COMPATIBILITIES": "b1, b2",
        "DW_WORKER_TOKEN": "w",
        "DW_AUTH_DRIVER": "none",
        "DW_OPERATOR_SIGNATURE_KEY": "k",
        "DW_WORKER_LONG_POLL_MAX_CONCURRENT": "3",
        "DW_WORKER_POLL_TIMEOUT": "2",
        "DW_WORKER_STALE_AFTER_SECONDS": "4",
        "DW_WORKER_HEARTBEAT_INTERVAL_SECONDS": "1",
        "DW_V2_FLEET_VALIDATION_MODE": "fail",
        "DW_V2_COMPATIBILITY_HEARTBEAT_TTL": "3",
        "DW_SERVER_TOPOLOGY_SHAPE": "split_control_execution",
        "DW_SERVER_PROCESS_CLASS": "ingress_node",
        "DW_V2_MATCHING_ROLE_QUEUE_WAKE": "false",
        "DW_EXPOSE_PACKAGE_PROVENANCE": "true",
        "DW_WORKER_PROTOCOL_VERSION": "1.20",
        "ROLLOUT_KIT_EMULATOR_CONDITIONS": "cache_down",
    }
    made = settings_from(env, Generation.V2, "host-1")
    assert (made.server_id, made.shown_version, made.image_version) == ("api-1", "2.4.0", "2.4.0")
    assert (made.marker, made.supported_markers) == ("b1", ["b1", "b2"])
    assert (made.tokens.worker, made.tokens.operator, made.auth_driver) == ("w", None, "none")
    assert (made.signature_keys.operator, made.long_polls_at_most) == ("k", 3)
    assert (made.poll_timeout_s, made.stale_after_s, made.heartbeat_interval_s) == (2, 4, 1)
    assert (made.fleet_validation, made.compatibility_ttl_s) == (FleetValidation.FAIL, 3)
    assert (made.topology_shape, made.process_class) == (
        "split_control_execution",
        "ingress_node",
    )
    assert (made.queue_wake, made.protocol) == (False, "1.20")
    assert made.provenance is not None
    assert made.provenance.ref == "v2.4.0"
    assert made.conditions == {Condition.CACHE_DOWN}


def test_the_older_generation_ignores_its_lease_variables_but_not_the_emulators() -> None:
    env = {"DW_WORKFLOW_TASK_TIMEOUT": "7", "DW_ACTIVITY_TASK_TIMEOUT": "8"}
    own = env | {"ROLLOUT_KIT_EMULATOR_LEASE_SECONDS": "5"}
    leases = [
        (made.workflow_lease_length_s, made.activity_lease_length_s)
        for made in (
            settings_from(env, Generation.V0_2, "h"),
            settings_from(env, Generation.V2, "h"),
            settings_from(own, Generation.V0_2, "h"),
            settings_from(own, Generation.V2, "h"),
        )
    ]
    assert leases == [(300, 300), (7, 8), (5, 5), (5, 5)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("DW_WORKER_POLL_TIMEOUT", "soon"), ("ROLLOUT_KIT_EMULATOR_CONDITIONS", "tired")],
)
def test_what_cannot_be_read_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(BadEnvironment, match=f"{name} is '{value}'"):
        settings_from({name: value}, Generation.V2, "h")


def test_tokens_are_not_shown() -> None:
    made = settings_from({"DW_ADMIN_TOKEN": "canary-value"}, Generation.V2, "h")
    assert "canary-value" not in repr(made)
