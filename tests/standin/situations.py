"""Which recorded situations are played, from where they begin, and what is not reproduced."""

from __future__ import annotations

from typing import Any


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

PLAYED: dict[str, list[Any]] = {
    "basics/stack-create-or-select-new": [],
    "basics/stack-empty-reads": ["stack"],
    "basics/stack-missing": ["stack"],
    "basics/stack-select-existing": ["stack"],
    "basics/up-then-reads": ["stack"],
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
    "signals/sigint-once-provider-partial": ["stack"],
    "signals/sigint-once-provider-stops": ["stack"],
    "signals/sigint-once-provider-ignores": ["stack"],
    "signals/sigint-twice": ["stack"],
    "signals/sigterm-cli": ["stack"],
    "signals/sigterm-twice": ["stack"],
    "signals/sigkill-cli-create": ["stack"],
    "signals/sigkill-cli-update": [_chain(1)],
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

NOT_PLAYED: dict[str, str] = {
    "kubernetes/": "needs a control plane: tests/cluster and tests/infra run the stand-in on one",
    "timing/": "durations are the real one's own",
    "parallel/": "two drivers at once in one process",
    "concurrency/": "needs a second process at a chosen moment; the lock is tested in test_standin.py",
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
    "config/": "the calls are descriptions, not Python; set-get is played",
    "preview/plan-": "update plans are not kept: nothing here uses them",
    "preview/diagnostics-and-log": "the program is described, not given",
    "preview/mixed-json": "compared by its events in preview/mixed",
    "preview/refresh": "the world is changed between the steps; see test_standin.py",
    "preview/targets": "the calls quote patterns that the recorder cut off",
    "recovery/lock-removed-by-hand": "removed by hand; the same as recovery/pending-create-clear-then-up",
    "recovery/pending-create-edit-state": "the state is edited by hand between the steps",
    "recovery/pending-create-import": "a raw refresh with a program of its own",
    "secrets/canary": "the plan file and policy; masking is in test_standin.py",
    "signals/sigint-group": "a driver process of its own",
    "signals/sigint-preview": "a driver process of its own",
    "signals/sigkill-destroy": "the program is not recorded",
    "signals/sigkill-driver": "a driver process of its own",
    "signals/sigkill-plugin": "the stand-in's providers have no process",
    "signals/sigkill-preview": "a driver process of its own",
    "signals/sigterm-driver": "a driver process of its own",
    "up/custom-timeouts": "the program is not recorded",
    "up/dynamic-provider": "dynamic providers need the plugin launcher",
    "up/raw-json": "the forms of output of raw calls; events are compared everywhere else",
}
"""Not played, by name or by what it begins with, and why."""
