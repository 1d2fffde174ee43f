"""Each recorded failure of the CLI is one class of error, with a sentence of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pulumi.automation.events import EngineEvent

from rollout_kit.drivers.pulumi import failures
from rollout_kit.drivers.pulumi.api import Kind
from rollout_kit.drivers.pulumi.events import Said, Stream
from rollout_kit.ports import errors
from tests.drivers.pulumi import recorded

CASES = [
    line.split("\t")
    for line in Path(__file__).with_name("failures.tsv").read_text("utf-8").splitlines()
]


def _end(call: dict[str, object]) -> failures.End:
    return failures.End(
        code=int(str(call["exit_code"])),
        stdout=str(call.get("stdout") or ""),
        stderr=str(call.get("stderr") or ""),
    )


@pytest.mark.parametrize(
    ("name", "place", "kind", "word", "sentence"),
    CASES,
    ids=[f"{case[0]} {case[1]}" for case in CASES],
)
def test_a_recorded_failure_has_its_class_and_its_sentence(
    name: str, place: str, kind: str, word: str, sentence: str
) -> None:
    step, call = map(int, place.split("."))
    trouble = failures.judge(_end(recorded.calls(recorded.load(name)[step])[call]))
    assert (trouble.kind.value, trouble.name, trouble.message) == (kind, word, sentence)
    assert trouble.why
    assert trouble.hint


@pytest.mark.parametrize("name", recorded.names())
def test_no_recorded_failure_of_an_update_or_a_reading_call_is_unknown(name: str) -> None:
    for step in recorded.load(name):
        for call in recorded.calls(step):
            words = [word for word in call["argv"][1:] if not word.startswith("-")]
            if (
                call.get("exit_code", 0) == 0
                or "import" in words
                or name == "preview/plan-bad-file"
            ):
                continue
            assert failures.judge(_end(call)).name != "unknown", call["stderr"] or call["stdout"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Running program '/fleet/index.js' failed with an unhandled exception:\n"
            "Error: no such thing as api-1\n    at thing (/fleet/node_modules/lab/thing.js:3:1)\n"
            "    at node (/fleet/index.js:22:9)\n    at Array.map (<anonymous>)\n"
            "    at Module._compile (node:internal/modules/cjs/loader:1521:14)",
            "/fleet/index.js:22: Error: no such thing as api-1",
        ),
        (
            "Running program '/fleet/index.js' failed with an unhandled exception:\n"
            "/fleet/index.js:45\nconst x = ;\n          ^\n\nSyntaxError: Unexpected token ';'",
            "/fleet/index.js:45: SyntaxError: Unexpected token ';'",
        ),
        (
            'receiver must be a list or object, not nil\n  on Pulumi.yaml line 30:\n  30:   image: "x"',
            "Pulumi.yaml:30: receiver must be a list or object, not nil",
        ),
        ("error in compiling Go: unable to run `go build`: exit status 1", "it does not compile"),
        (
            "an unhandled error occurred: program failed: \n\t* the fleet is not known",
            "the fleet is not known",
        ),
    ],
)
def test_the_place_and_the_reason_of_a_program_that_fails_are_told_in_any_language(
    text: str, sentence: str
) -> None:
    trouble = failures.judge(
        failures.End(code=255, errors=(Said(severity="error", text=text, urn=""),))
    )
    assert (trouble.name, trouble.message) == ("program-error", f"the program failed: {sentence}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "It looks like the Pulumi SDK has not been installed. Have you run pulumi install?",
            "its Pulumi SDK is not there",
        ),
        ("Error: Cannot find module '@pulumi/kubernetes'", "@pulumi/kubernetes is not there"),
    ],
)
def test_packages_of_a_program_that_are_missing_are_named(text: str, what: str) -> None:
    said = Said(severity="error", text=text, urn="")
    trouble = failures.judge(failures.End(code=255, errors=(said,)))
    assert trouble.message == f"the program's packages are not installed: {what}"
    assert "pulumi install" in trouble.hint


def test_the_reason_of_a_resource_that_never_got_ready_is_what_was_last_waited_for() -> None:
    step = recorded.load("kubernetes/never-ready")[1]
    stream = Stream(mask=str)
    for event in recorded.events(step):
        stream.take(event)
    end = failures.End(code=1, errors=tuple(stream.errors), waiting=tuple(stream.passing.items()))
    trouble = failures.judge(end)
    assert trouble.message == (
        "Deployment web did not get ready in time: Minimum number of Pods to consider the "
        "application live was not attained; Waiting for app ReplicaSet to be available "
        "(0/1 Pods available)"
    )
    assert trouble.urn == "urn:pulumi:dev::proj::kubernetes:apps/v1:Deployment::web"


def test_a_field_that_somebody_owns_is_not_got_back_by_setting_it_back() -> None:
    """`kubectl scale` to the old count leaves kubectl its owner: the next change conflicts again."""
    urn = "urn:pulumi:d::p::kubernetes:apps/v1:Deployment::w"
    said = Said(severity="error", text="server-side apply field conflict detected", urn=urn)
    trouble = failures.judge(failures.End(code=1, errors=(said,)))
    assert trouble.name == "field-conflict"
    assert "`PULUMI_K8S_ENABLE_PATCH_FORCE=true rollout-kit resume`" in trouble.hint
    assert "by hand does not give them back" in trouble.hint


def test_a_pods_own_reason_stands_in_the_message() -> None:
    text = (
        '1 error occurred:\n\t* the Kubernetes API server reported that "shop/web" failed to fully '
        "initialize or become live: 'web' timed out waiting to be Ready\n"
        '\t* [ImagePullBackOff] Back-off pulling image "shop/web:1.3"'
    )
    said = Said(
        severity="error", text=text, urn="urn:pulumi:d::p::kubernetes:apps/v1:Deployment::w"
    )
    trouble = failures.judge(failures.End(code=1, errors=(said,)))
    assert trouble.message == (
        'Deployment w did not get ready in time: ImagePullBackOff: Back-off pulling image "shop/web:1.3"'
    )


def test_an_error_of_the_program_names_the_users_own_line() -> None:
    text = (
        "python inline source runtime error: no such node\nTraceback (most recent call last):\n"
        '  File "/x/site-packages/pulumi/runtime/stack.py", line 253, in run\n    result = func()\n'
        '  File "/srv/infra/fleet.py", line 12, in main\n    node(3)\n'
        '  File "/srv/infra/nodes.py", line 40, in node\n    raise KeyError(n)\n'
        '  File "/x/site-packages/pulumi/config.py", line 9, in get\n    raise\nKeyError: 3'
    )
    end = failures.End(code=1, errors=(Said(severity="error", text=text),), folder="/srv/infra")
    assert failures.judge(end).message == "the program failed: /srv/infra/nodes.py:40: KeyError: 3"


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (failures.End(code=-9), "killed"),
        (failures.End(code=8, stderr="error: update cancelled"), "aborted"),
        (failures.End(code=None, timed_out=True), "no-end"),
        (failures.End(code=3), "not-logged-in"),
        (failures.End(code=6), "stack-missing"),
        (failures.End(code=255, stdout="panic"), "unknown"),
        (failures.End(code=2, stderr="error: bad"), "refused"),
    ],
)
def test_an_end_without_a_known_text_goes_by_its_code(end: failures.End, word: str) -> None:
    assert failures.judge(end).name == word


@pytest.mark.parametrize(
    ("printed", "word"),
    [
        ("v3.204.0", "too-old"),
        ("v2.9.1", "wrong-major"),
        ("v4.0.0", "wrong-major"),
        ("who knows", "unreadable-version"),
    ],
)
def test_a_version_whose_behaviour_is_another_is_refused(printed: str, word: str) -> None:
    unfit = failures.unfit_version(printed)
    assert unfit is not None
    assert unfit.name == word
    assert isinstance(failures.error(unfit), errors.Incompatible)


@pytest.mark.parametrize("printed", ["v3.205.0", "v3.259.0\n", "3.401.9-dev"])
def test_a_later_version_of_the_major_will_do(printed: str) -> None:
    assert failures.unfit_version(printed) is None


def test_each_class_of_trouble_is_one_of_the_ports_errors() -> None:
    missing = failures.error(failures.no_cli("pulumi"))
    assert isinstance(missing, errors.Refused)
    assert missing.trouble is errors.Trouble.NOT_FOUND
    assert "pulumi.com/docs/install" in missing.hint
    full = failures.no_space("/state", 3.4, 64)
    assert full.kind is Kind.REFUSED
    assert "3 MB free" in full.message


def test_a_mandatory_policy_is_a_refusal_with_its_name_and_an_advisory_one_is_none() -> None:
    """The engine says nothing else of why: it read as an end that nobody knows, and was sent again."""
    stream = Stream(mask=str)
    for level in ("advisory", "mandatory"):
        told = {
            "message": "<{%fg 1%}>3 replicas\nare the least<{%reset%}>",
            "policyName": "replicas",
            "policyPackName": "house-rules",
            "enforcementLevel": level,
            "resourceUrn": "urn:pulumi:dev::p::kubernetes:apps/v1:Deployment::web",
        }
        stream.take(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "policyEvent": told}))
    assert len(stream.errors) == 1
    end = failures.End(code=1, stdout="Policies:\n", errors=tuple(stream.errors))
    trouble = failures.judge(end)
    assert (trouble.kind, trouble.name) == (Kind.REFUSED, "policy-violated")
    assert trouble.message == (
        "Deployment web violates the policy replicas of house-rules: 3 replicas are the least"
    )
