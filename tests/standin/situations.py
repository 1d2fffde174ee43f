"""Which recorded situations are played, from where they begin, and what is not reproduced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pulumi import automation as auto

from .replay import Meanwhile, Replay


def _things(**props: Any) -> dict[str, Any]:
    return {"resources": [{"name": name, "props": value} for name, value in props.items()]}


_FOUR = _things(
    keep={"value": 1}, upd={"value": 1}, repl={"key": "k1", "value": 1}, gone={"value": 1}
) | {"outputs": {"o": {"$out": ["upd", "computed"]}}}
_TWO = {
    "resources": [
        {"name": "a", "props": {"value": 1}},
        {"name": "b", "props": {"value": {"$out": ["a", "computed"]}}},
    ],
    "outputs": {"o": {"$out": ["b", "computed"]}},
}


def _chain(value: int, **slow: Any) -> dict[str, Any]:
    return {
        "resources": [
            {"name": "a", "props": {"value": value}},
            {"name": "slow", "opts": {"dependsOn": ["a"]}, "props": {**slow, "value": value}},
            {"name": "after", "opts": {"dependsOn": ["slow"]}, "props": {"value": value}},
        ]
    }


_KINDS = {
    "resources": [
        {"name": "comp", "type": "comp"},
        {"name": "child", "opts": {"parent": "comp"}, "props": {"value": 1}},
        {"name": "old", "props": {"value": 1}},
        {"name": "ign", "props": {"value": 1}},
        {"name": "dbr", "opts": {"deleteBeforeReplace": True}, "props": {"key": "1", "value": 1}},
        {"name": "user", "props": {"value": {"$out": ["dbr", "computed"]}}},
        {"name": "ret", "opts": {"retainOnDelete": True}, "props": {"value": 1}},
    ]
}
_THEN = ("then", _chain(1) | {"outputs": {"o": 1}})
_KILLED = [(_chain(1, createSleep=4, onCancel="ignore"), "SIGKILL"), _THEN]
_KILLED_UPDATE = [_chain(1), (_chain(2, updateSleep=4, onCancel="ignore"), "SIGKILL"), _THEN]

_SEALED = {
    "resources": [
        {"name": "a", "props": {"token": {"$secret": "canary-in"}, "value": {"$config": "image"}}}
    ]
}


def _configured(**values: str) -> Any:
    """Configuration is set; what is called a token is a secret."""

    def act(replay: Replay) -> None:
        for name, value in values.items():
            replay.stack().set_config(name, auto.ConfigValue(value, secret="token" in name))

    return act


def _emptied(replay: Replay) -> None:
    """The folder of the stack is a new one."""
    (replay.cli.work / "Pulumi.dev.yaml").unlink()


def _unlocked(replay: Replay) -> None:
    for path in replay.cli.locks():
        path.unlink()


def _dated(replay: Replay) -> None:
    (path,) = replay.cli.locks()
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "timestamp": "2019-01-01T00:00:00Z"})
    )


def _beside_it(text: str | None) -> Any:
    """A second lock file, `None`: like the first."""

    def act(replay: Replay) -> None:
        first = next(path for path in replay.cli.locks() if not path.name.startswith("0000"))
        second = first.with_name("00000000-0000-0000-0000-000000000000.json")
        second.write_text(first.read_text() if text is None else text)

    return act


MEANWHILE: dict[str, Meanwhile] = {
    "concurrency/stale-lock": {
        4: _dated,
        5: _beside_it(None),
        6: _beside_it("nonsense"),
        7: _beside_it("{}"),
    },
    "config/history-config": {1: _configured(image="v2")},
    "recovery/lock-removed-by-hand": {1: _unlocked},
}
"""What was done between the steps, and not recorded as one."""

_MANY = {
    "proj:image": {"value": "v3", "secret": False},
    "proj:token": {"value": "canary-cfg-3", "secret": True},
    "proj:obj": {"value": '{"a":1}', "objectValue": {"a": 1}, "secret": False},
}

CALLS: dict[str, Mapping[int, str]] = {
    "config/edit-file-directly": {
        1: "list(map(lambda s: (setattr(s, 'config', {'proj:image': 'v9'}), "
        "workspace.save_stack_settings('dev', s)), [workspace.stack_settings('dev')]))"
    },
    "config/fresh-workdir": {7: "stack.set_config('token2', ConfigValue('z', secret=True))"},
    "config/set-all": {
        0: "stack.set_all_config({'image': ConfigValue('v2'), 'token': "
        "ConfigValue('canary-cfg-2', secret=True), 'replicas': ConfigValue('3'), "
        "'eq': ConfigValue('a=b')})",
        1: "stack.set_all_config({'x.y': ConfigValue('1')}, path=True)",
        3: f"stack.set_all_config_json({json.dumps(_MANY)!r})",
        6: "stack.set_all_config({'good': ConfigValue('1'), 'bad:key:x': ConfigValue('2')})",
    },
}
"""Calls that a recording only describes."""

PLAYED: dict[str, list[Any]] = {
    "basics/stack-create-or-select-new": [],
    "basics/stack-empty-reads": ["stack"],
    "basics/stack-missing": ["stack"],
    "basics/stack-select-existing": ["stack"],
    "basics/up-then-reads": ["stack"],
    "concurrency/stale-lock": _KILLED,
    "config/edit-file-directly": ["stack"],
    "config/fresh-workdir": [
        "stack",
        _configured(image="v1", token="canary"),
        _SEALED,
        _emptied,
    ],
    "config/history-config": ["stack", _configured(image="v1", token="canary-hist")],
    "config/inline-workdir-argument-ignored": [],
    "config/set-all": ["stack"],
    "config/set-get": ["stack"],
    "errors/bad-project-name": [],
    "errors/bad-stack-name": [],
    "errors/long-stack-name": [],
    "errors/program-config-missing": ["stack"],
    "errors/program-raises": ["stack"],
    "preview/creates": ["stack"],
    "preview/expect-no-changes": [_FOUR],
    "preview/mixed": [_FOUR],
    "preview/no-changes": [_FOUR],
    "preview/op-kinds": [_KINDS],
    "recovery/pending-create-clear-then-up": _KILLED,
    "recovery/pending-create-plain-refresh": [*_KILLED, "cancel"],
    "recovery/pending-create-up-refresh-flag": _KILLED,
    "recovery/pending-create-adopt-by-import-option": [*_KILLED, "cancel"],
    "recovery/destroy-with-pending": _KILLED,
    "recovery/pending-update-no-refresh": _KILLED_UPDATE,
    "recovery/pending-update-refresh": _KILLED_UPDATE,
    "recovery/lock-removed-by-hand": _KILLED,
    "signals/sigint-group": ["stack"],
    "signals/sigint-preview": ["stack"],
    "signals/sigint-once-provider-partial": ["stack"],
    "signals/sigint-once-provider-stops": ["stack"],
    "signals/sigint-once-provider-ignores": ["stack"],
    "signals/sigint-twice": ["stack"],
    "signals/sigterm-cli": ["stack"],
    "signals/sigterm-twice": ["stack"],
    "signals/sigkill-cli-create": ["stack"],
    "signals/sigkill-cli-update": [_chain(1)],
    "signals/sigkill-driver": ["stack"],
    "signals/sigkill-driver-before-registration": [_chain(1)],
    "signals/sigkill-preview": ["stack"],
    "signals/sigterm-driver": ["stack"],
    "up/create-fails": ["stack"],
    "up/create-fails-continue": ["stack"],
    "up/create-not-ready": ["stack"],
    "up/delete-fails": [_things(a={"value": 1}, b={"value": 1, "failDelete": "still in use"})],
    "up/destroy": [_TWO],
    "up/no-change": [_TWO],
    "up/program-empty": [_things(a={"value": 1}, b={"value": 1})],
    "up/program-raises-early": [_things(a={"value": 1}, b={"value": 1})],
    "up/program-raises-late": ["stack"],
    "up/protected": [
        {
            "resources": [
                {"name": "a", "props": {"value": 1}, "opts": {"protect": True}},
                {"name": "b", "props": {"value": 1}},
            ]
        }
    ],
    "up/provider-crashes": ["stack"],
    "up/replace-create-fails": [_things(a={"key": "1", "value": 1})],
    "up/replace-delete-fails": [
        _things(a={"key": "1", "value": 1, "failDelete": "old one is stuck"})
    ],
    "up/success": ["stack"],
    "up/update-fails": [_things(a={"value": 1}, b={"value": 1})],
    "up/update-not-ready": [_things(a={"value": 1}, b={"value": 1})],
}

DIFFERENT: dict[str, str] = {
    "config/set-get": "the recorded command has a line end that the call did not ask for",
    "up/create-fails-continue": "the SDK of the recordings raised for what a later one leaves unknown",
}
"""Played, and known to differ, for the SDK is a later one; each must go on differing, or leave."""

DIFFERENT_HERE: dict[str, str] = {
    "recovery/destroy-with-pending": "the warning and the deletion share the row of the stack",
}
"""What the stand-in alone does differently; each must go on differing, or leave this list."""

_PIPE = (
    "output into the pipe of a driver that is gone ends the real CLI; the recorder kept it in files"
)
DIFFERENT_THERE: dict[str, str] = {
    "signals/sigint-group": "the lock and the pending operation stay; not known why",
    "signals/sigkill-driver": _PIPE,
    "signals/sigterm-driver": _PIPE,
}
"""What the real CLI alone does differently; each must go on differing, or leave this list."""

NOT_PLAYED: dict[str, str] = {
    "kubernetes/timing": "durations are the real one's own",
    "timing/": "durations are the real one's own",
    "parallel/": "test_standin.py has two updates at once, from two threads of one process",
    "concurrency/cancel-while-running": "all of it lies within nine seconds of another process: too "
    "few on a loaded machine; the lock is in test_standin.py",
    "concurrency/second-up-while-first-runs": "the same; who is turned away is in test_standin.py",
    "concurrency/lock-owner": "observed in the middle of an update; every killed one looks at its lock",
    "concurrency/same-instant": "a measurement; test_standin.py has two updates at once",
    "errors/backend-": "other backends; what is no login is in test_standin.py",
    "errors/cli-": "concerns the SDK alone, no CLI is run",
    "errors/passphrase-": "the environment changes between the steps; see test_standin.py",
    "errors/state-dir-": "needs a file system of its own that fills up; faults do it in test_standin.py",
    "errors/state-file-": "the state is broken between the steps; see test_standin.py",
    "errors/missing-": "programs with other packages than lab",
    "errors/policy-pack-missing": "policy packs are not known here",
    "errors/program-duplicate-urn": "whether the first of the two is begun is a race, there as here",
    "up/check-fails": "whether the other resource is begun is a race, there as here",
    "errors/program-bad-type": "the SDK's own refusal",
    "errors/sdk-after-success-calls": "the environment changes while the SDK works",
    "errors/unknown-flag-and-command": "usage texts are not rendered",
    "basics/export-import": "what is imported quotes ciphertexts that the recorder took out",
    "basics/raw-reads-json": "tables for people are not rendered as they are there",
    "basics/version": "reads a version that this machine's real CLI may not have",
    "preview/plan-": "update plans are not kept: nothing here uses them",
    "preview/diagnostics-and-log": "the program is described, not given",
    "preview/mixed-json": "compared by its events in preview/mixed",
    "preview/refresh": "the world is changed between the steps; see test_standin.py",
    "preview/targets": "the calls quote patterns that the recorder cut off",
    "recovery/pending-create-edit-state": "the state is edited by hand between the steps",
    "recovery/pending-create-import": "a raw refresh with a program of its own",
    "secrets/canary": "the plan file and policy; masking is in test_standin.py",
    "signals/sigkill-destroy": "when an orphaned provider ends its deletion is a race; no provider "
    "outlives the stand-in",
    "signals/sigkill-plugin": "the stand-in's providers have no process",
    "up/custom-timeouts": "the program is not recorded",
    "up/dynamic-provider": "dynamic providers need the plugin launcher",
    "up/raw-json": "the forms of output of raw calls; events are compared everywhere else",
}
"""Not played, by name or by what it begins with, and why."""
