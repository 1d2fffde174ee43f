"""What the fake nodes of the test cluster do with pods, as documents for KWOK.

A pod gets ready soon, with an address of the run's own range. Words in its first container's image
make it end otherwise: `broken` cannot be pulled, `crash` ends with 1 over and over, `oom` is killed
for its memory, `fails` ends with 3 where it belongs to a Job (any other Job pod succeeds, but those of
`emulated/…` images: whoever runs a program for them says how they end). The
annotation `STAYS_PENDING` keeps a pod from starting, `LINGERS` from going once it is deleted.
"""

from __future__ import annotations

import json
from pathlib import Path

STAYS_PENDING = "rollout-kit.test/stays-pending"
LINGERS = "rollout-kit.test/lingers"
FAILS_WITH = 3
NOT_FOUND = "not found in the registry of this test"

_IMAGE = ".spec.containers.[0].image"
_PENDING = f'.metadata.annotations["{STAYS_PENDING}"]'

_ADDRESS = """
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
{{ $name := or .metadata.name "" }}
{{ $namespace := or .metadata.namespace "" }}
podIP: {{ PodIPWith .spec.nodeName false ( or .metadata.uid "" ) $name $namespace | Quote }}
startTime: {{ $now | Quote }}
"""

_NODE = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
- {address: {{ NodeIP | Quote }}, type: InternalIP}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
allocatable: {cpu: 1k, memory: 1Ti, pods: 1M}
capacity: {cpu: 1k, memory: 1Ti, pods: 1M}
phase: Running
"""


def _conditions(ready: str) -> str:
    lines = [
        f'- {{lastTransitionTime: {{{{ $now | Quote }}}}, status: "{ready}", type: {kind}}}'
        for kind in ("Ready", "ContainersReady")
    ]
    first = '- {lastTransitionTime: {{ $now | Quote }}, status: "True", type: Initialized}'
    return "\n".join(["conditions:", first, *lines])


def _containers(rest: str, *, ready: bool = False) -> str:
    flag = str(ready).lower()
    return (
        "containerStatuses:\n"
        "{{ range .spec.containers }}\n"
        f"- {{name: {{{{ .name | Quote }}}}, image: {{{{ .image | Quote }}}}, imageID: '', ready: {flag}, "
        f"started: {flag}, {rest}}}\n"
        "{{ end }}\n"
    )


def _status(ready: str, containers: str, phase: str, address: str = _ADDRESS) -> str:
    return "\n".join(
        ["{{ $now := Now }}", _conditions(ready), containers, address, f"phase: {phase}"]
    )


_RUNNING = _containers(
    "restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}", ready=True
)


def _waiting(reason: str, message: str, last: str = "") -> str:
    previous = f", lastState: {{terminated: {last}}}" if last else ""
    return _containers(
        f"restartCount: {4 if last else 0}, "
        f"state: {{waiting: {{reason: {reason}, message: {message}}}}}{previous}"
    )


def _ended(code: int, reason: str) -> str:
    return (
        f"{{exitCode: {code}, reason: {reason}, startedAt: {{{{ $now | Quote }}}}, "
        "finishedAt: {{ $now | Quote }}}"
    )


_NO_IMAGE = _waiting(
    "ImagePullBackOff",
    f"""{{{{ printf "Back-off pulling image %q: ErrImagePull: %s: {NOT_FOUND}" .image .image | Quote }}}}""",
)
_BACK_OFF = '"back-off 40s restarting failed container"'


def _exists(key: str) -> dict[str, object]:
    return {"key": key, "operator": "Exists"}


def _absent(key: str) -> dict[str, object]:
    return {"key": key, "operator": "DoesNotExist"}


def _is(key: str, value: str) -> dict[str, object]:
    return {"key": key, "operator": "In", "values": [value]}


def _image(pattern: str) -> dict[str, object]:
    return _exists(f'{_IMAGE} | select(test("{pattern}"))')


def _no_image(pattern: str) -> dict[str, object]:
    return _absent(f'{_IMAGE} | select(test("{pattern}"))')


_NEW = [_absent(".metadata.deletionTimestamp"), _absent(".status.podIP"), _absent(_PENDING)]
_OF_A_JOB = [
    _absent(".metadata.deletionTimestamp"),
    _is(".status.phase", "Running"),
    _is(".metadata.ownerReferences.[].kind", "Job"),
]


def _stage(name: str, kind: str, when: list[dict[str, object]], then: dict[str, object]) -> str:
    document = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
        },
    }
    return json.dumps(document)


def documents(log: Path) -> str:
    """All of them, as the one file that KWOK reads. `log`: what every container has printed."""
    status = "statusTemplate"
    crashed, killed = _ended(1, "Error"), _ended(137, "OOMKilled")
    stages = [
        _stage("node", "Node", [_absent(".status.conditions.[0]")], {status: _NODE}),
        _stage(
            "pod-ready",
            "Pod",
            [*_NEW, _no_image("broken|crash|oom")],
            {status: _status("True", _RUNNING, "Running")},
        ),
        _stage(
            "pod-without-image",
            "Pod",
            [*_NEW, _image("broken")],
            {status: _status("False", _NO_IMAGE, "Pending")},
        ),
        _stage(
            "pod-crashes",
            "Pod",
            [*_NEW, _image("crash")],
            {status: _status("False", _waiting("CrashLoopBackOff", _BACK_OFF, crashed), "Running")},
        ),
        _stage(
            "pod-without-memory",
            "Pod",
            [*_NEW, _image("oom")],
            {status: _status("False", _waiting("CrashLoopBackOff", _BACK_OFF, killed), "Running")},
        ),
        _stage(
            "job-succeeds",
            "Pod",
            [*_OF_A_JOB, _no_image("fails|^emulated/")],
            {
                status: _status(
                    "False",
                    _containers(
                        f"restartCount: 0, state: {{terminated: {_ended(0, 'Completed')}}}"
                    ),
                    "Succeeded",
                    "",
                )
            },
        ),
        _stage(
            "job-fails",
            "Pod",
            [*_OF_A_JOB, _image("fails"), _no_image("^emulated/")],
            {
                status: _status(
                    "False",
                    _containers(
                        f"restartCount: 0, state: {{terminated: {_ended(FAILS_WITH, 'Error')}}}"
                    ),
                    "Failed",
                    "",
                )
            },
        ),
        _stage(
            "pod-gone",
            "Pod",
            [
                _exists(".metadata.deletionTimestamp"),
                _absent(f'.metadata.annotations["{LINGERS}"]'),
            ],
            {"delete": True},
        ),
    ]
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "logs"},
        "spec": {"logs": [{"logsFile": str(log)}]},
    }
    return "\n---\n".join([*stages, json.dumps(logs)]) + "\n"
