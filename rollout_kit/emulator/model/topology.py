"""Which roles a node believes it has, and how its matching role is set up."""

from __future__ import annotations

from rollout_kit.emulator.model.settings import Generation, ServerSettings

_API = ["api_ingress", "control_plane", "matching", "history_projection"]
_VOCABULARY = [*_API, "scheduler", "execution_plane"]
_SHAPES: dict[str, dict[str, list[str]]] = {
    "standalone_server": {
        "server_http_node": _API,
        "scheduler_node": ["scheduler"],
        "worker_node": ["execution_plane"],
    },
    "split_control_execution": {
        "ingress_node": ["api_ingress"],
        "control_plane_node": ["api_ingress", "control_plane", "history_projection"],
        "scheduler_node": ["scheduler"],
        "matching_node": ["matching"],
        "execution_node": ["execution_plane"],
    },
    "embedded": {"application_process": _VOCABULARY},
}
_DEFAULT_SHAPE = "standalone_server"


def shape_of(settings: ServerSettings) -> str:
    """An unknown shape falls back silently, as the server does it."""
    return settings.topology_shape if settings.topology_shape in _SHAPES else _DEFAULT_SHAPE


def process_class_of(settings: ServerSettings) -> str:
    classes = _SHAPES[shape_of(settings)]
    return settings.process_class if settings.process_class in classes else next(iter(classes))


def roles_of(settings: ServerSettings) -> list[str]:
    return _SHAPES[shape_of(settings)][process_class_of(settings)]


def missing_roles(settings: ServerSettings) -> list[str]:
    """What a control call needs and this node lacks."""
    return [role for role in ("api_ingress", "control_plane") if role not in roles_of(settings)]


def matching_role(settings: ServerSettings) -> dict[str, object]:
    """The matching role of this process; the older generation shows three leaves of it."""
    shape = "in_worker" if settings.queue_wake else "dedicated"
    shown: dict[str, object] = {
        "queue_wake_enabled": settings.queue_wake,
        "shape": shape,
        "task_dispatch_mode": "poll",
    }
    if settings.generation is Generation.V0_2:
        return shown
    return shown | {
        "wake_owner": "worker_loop" if settings.queue_wake else "dedicated_repair_pass",
        "partition_primitives": ["connection", "queue", "compatibility", "namespace"],
        "backpressure_model": "lease_ownership",
        "discovery_limits": {
            "poll_batch_cap": 100,
            "availability_ceiling_seconds": 1,
            "wake_signal_ttl_seconds": 60,
            "workflow_task_lease_seconds": int(settings.workflow_lease_length_s),
            "activity_task_lease_seconds": int(settings.activity_lease_length_s),
        },
    }


def summary(settings: ServerSettings) -> dict[str, object]:
    """The part that health and readiness show."""
    embedded = shape_of(settings) == "embedded"
    return {
        "schema": "durable-workflow.v2.role-topology",
        "version": 4,
        "current_shape": shape_of(settings),
        "current_process_class": process_class_of(settings),
        "current_roles": list(roles_of(settings)),
        "execution_mode": "local_queue_worker" if embedded else "remote_worker_protocol",
        "matching_role": matching_role(settings),
    }


def full(settings: ServerSettings) -> dict[str, object]:
    """The block of cluster info."""
    return summary(settings) | {
        "supported_shapes": list(_SHAPES),
        "role_vocabulary": _VOCABULARY,
        "shape_assignments": _SHAPES,
    }
