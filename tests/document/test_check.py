"""What is wrong with a plan: one case for each, with its place, its words and its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout_kit.document.codes import Code
from rollout_kit.document.diagnostics import SHOWN_AT_MOST, render
from rollout_kit.document.substitute import Purpose
from tests.document.plans import ENVIRONMENT, PLAN, changed, read, told

FORWARD = ("rollback: {within: 1h}", 'rollback: {forward_only: "broken"}')
ONE_NODE = ('    - {name: api-2, url: "http://api-2:8080"}\n', "")
SERVER = "server: {from: 0.2.9, to: 0.2.10, image: server-new}"
VERIFY = "{id: verify, uses: verify}"


@dataclass(frozen=True)
class Case:
    """What becomes of the good plan when one text of it is replaced; see `cases/`."""

    name: str
    old: str
    new: str
    found: list[str]
    words: str


def cases(file: str) -> list[Case]:
    """Read `## name`, `- old`, `+ new`, `! place severity code at text`, `> words` of each case."""
    text = (Path(__file__).parent / "cases" / file).read_text(encoding="utf-8")
    return [one_case(block) for block in text.strip().split("\n\n")]


def one_case(block: str) -> Case:
    lines = block.splitlines()

    def starting(mark: str) -> list[str]:
        return [line[2:] for line in lines if line.startswith(mark)]

    return Case(
        name=lines[0].removeprefix("## "),
        old="\n".join(starting("- ")),
        new="\n".join(starting("+ ")),
        found=starting("! "),
        words=" ".join(starting("> ")),
    )


CASES = [*cases("shape.txt"), *cases("contradictions.txt")]


def found_in(case: Case) -> list[str]:
    text = changed((case.old, case.new))
    lines = text.splitlines()
    return [
        f"{one.place} {one.severity} {one.code} at {lines[one.line - 1][one.col - 1 :][:14]}".rstrip()
        for one in read(text).diagnostics
        if one.line and one.col
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_said_where_it_is_wrong_and_what_to_do(case: Case) -> None:
    assert found_in(case) == case.found
    assert case.words in render(read(changed((case.old, case.new))).diagnostics)


def test_a_restart_needs_another_identity_and_no_bootstrap() -> None:
    reading = read(changed(("from: 0.2.9", "from: 0.2.10")))
    assert told(reading) == ["16:30 error restart", "22:24 error restart"]
    assert "identity: infra" in render(reading.diagnostics)


def test_an_outage_that_is_accepted_is_no_problem() -> None:
    accept = ("  namespace: orders\n", '  namespace: orders\n  accept: {outage: "agreed"}\n')
    order = ("order: [api-1, api-2]", "order: [api-1]")
    assert told(read(changed(ONE_NODE, order, accept))) == []


def test_forward_only_leaves_nothing_to_roll_back() -> None:
    reading = read(
        changed(
            ("rollback: {within: 1h}", 'rollback: {forward_only: "broken", new_build: freeze}'),
            ("{id: sched, ", "{id: sched, on_failure: abort, "),
        )
    )
    assert told(reading) == [
        "24:29 error forward-only",
        "33:13 error forward-only",
        "34:36 error forward-only",
    ]
    assert told(read(changed(FORWARD, ("on_failure: rollback", "on_failure: hold")))) == []


def test_a_bootstrap_after_new_code_comes_too_late() -> None:
    schema = "  - {id: schema, uses: bootstrap, with: {additive: true}}\n"
    text = changed((schema, ""), (f"  - {VERIFY}\n", f"{schema}  - {VERIFY}\n"))
    reading = read(text)
    assert told(reading) == ["31:24 error step-order"]
    assert "Step api starts new code before step schema" in reading.diagnostics[0].detail


def test_steps_that_replace_the_server_need_its_release() -> None:
    reading = read(changed((f"  {SERVER}\n", "")))
    assert told(reading) == [
        "21:24 error missing-image",
        "22:21 error missing-section",
        "23:23 error missing-section",
    ]


def test_everything_is_found_at_once_in_the_order_of_the_file() -> None:
    reading = read(
        changed(
            ("version: 1", "version: no"),
            ("bake: {default: 10m}", "bake: {default: 10m, defalt: 1m}"),
            ("order: [api-1, api-2]", "order: [api-1, api-3]"),
            ("gates: [served]", "gates: [serve]"),
            ("{id: sched,", "{id: api,"),
            ('"${var:bake}"', '"${var:bak}"'),
        )
    )
    assert told(reading) == [
        "1:10 error ambiguous-scalar",
        "4:3 warning variable-unused",
        "4:24 error unknown-key",
        "20:3 warning unused-gate",
        "23:56 error unknown-node",
        "24:10 error duplicate-name",
        "29:68 error unknown-variable",
        "30:13 error unknown-gate",
    ]
    assert reading.document is None


SUBSTITUTION = [
    ("${vars:bake}", "29:68 error bad-reference", "neither ${env:NAME} nor ${var:name}"),
    ("${bake}", "29:68 error bad-reference", "For a literal ${ write $${."),
    ("${var:bake", "29:68 error bad-reference", "neither"),
    ("${stack:out}", "29:68 error stack-reference", "only target.nodes[].url can"),
    ("${var:bakery}", "29:68 error unknown-variable", 'Did you mean "bake"?'),
    ("${env:NOWHERE}", "29:68 error unset-environment", "export NOWHERE=…"),
]


@pytest.mark.parametrize(("text", "found", "words"), SUBSTITUTION)
def test_a_reference_that_cannot_be_followed_is_said(text: str, found: str, words: str) -> None:
    reading = read(changed(("${var:bake}", text)))
    assert found in told(reading)
    assert words in render(reading.diagnostics)


def test_an_escaped_reference_is_text() -> None:
    reading = read(changed(("fleet: fleet.yaml", 'fleet: "a$${HOME}"')))
    assert reading.document is not None
    assert reading.document.infra is not None
    assert reading.document.infra.fleet == "a${HOME}"


def test_a_variable_of_the_command_line_that_the_plan_lacks_is_an_error() -> None:
    reading = read(PLAN, variables={"bakes": "1m"})
    assert told(reading) == ["None:None error unknown-variable"]
    assert 'Did you mean "bake"?' in render(reading.diagnostics)
    assert reading.diagnostics[0].place == "plan.yaml"


def test_a_variable_without_default_needs_a_value() -> None:
    text = changed(("bake: {default: 10m}", "bake: {}"))
    assert told(read(text)) == ["4:3 error variable-without-value"]
    reading = read(text, variables={"bake": "3m"})
    assert reading.diagnostics == ()


def test_the_value_of_a_variable_is_judged_where_it_is_used() -> None:
    reading = read(PLAN, variables={"bake": "soon"})
    assert told(reading) == ["29:68 error bad-value"]
    assert '"soon" is not a duration' in reading.diagnostics[0].detail


def test_a_secret_variable_is_a_reference_and_stays_in_secret_fields() -> None:
    secret = (
        "bake: {default: 10m}",
        'bake: {default: 10m}\n  t: {secret: true, default: "${env:ADMIN}"}',
    )
    good = read(changed(secret, ('admin: "${env:ADMIN}"', 'admin: "${var:t}"')))
    assert good.document is not None
    assert good.document.target.credentials.admin is not None
    assert good.document.target.credentials.admin.template == "${env:ADMIN}"
    bad = read(changed(secret, ("image: server-new", 'image: "${var:t}"')))
    assert told(bad) == ["17:44 error secret-in-the-open"]
    given = read(changed(secret), variables={"t": "abc"})
    assert told(given)[0] == "None:None error secret-in-the-open"


UNSET = [
    (
        Purpose.VALIDATE,
        {"10:27": "warning", "10:53": "warning", "14:33": "warning", "8:8": "warning"},
    ),
    (Purpose.PREVIEW, {"10:27": "error", "10:53": "warning", "14:33": "warning", "8:8": "error"}),
    (Purpose.APPLY, {"10:27": "error", "10:53": "error", "14:33": "error", "8:8": "error"}),
]


@pytest.mark.parametrize(("purpose", "severities"), UNSET)
def test_an_unset_variable_weighs_what_the_command_needs_it_for(
    purpose: Purpose, severities: dict[str, str]
) -> None:
    text = changed(
        ("http://api:8080", "${env:URL}"), ("fleet: fleet.yaml", 'fleet: "${env:FLEET}"')
    )
    reading = read(text, environment={"EMPTY": ""}, purpose=purpose)
    assert {d.code for d in reading.diagnostics} == {Code.UNSET_ENVIRONMENT}
    assert {f"{d.line}:{d.col}": d.severity.value for d in reading.diagnostics} == severities


def test_an_empty_environment_variable_is_unset() -> None:
    assert told(read(PLAN, environment=ENVIRONMENT | {"ADMIN": ""})) == [
        "10:53 error unset-environment"
    ]


def test_a_diagnostic_shows_line_and_caret() -> None:
    reading = read(changed(("gates: [served]", "gates: [servd]"), ("  gates:", "\tgates:")))
    assert render(reading.diagnostics).splitlines()[0].startswith("error: Tab ")
    (found,) = [
        d for d in read(changed(("gates: [served]", "gates: [servd]"))).diagnostics if d.line == 30
    ]
    assert render([found]).splitlines() == [
        "error: Unknown gate" + " " * 51 + "plan.yaml:30:13",
        '  "servd" is no gate of this plan. It has: served.',
        "    30 |     gates: [servd]",
        "       |             ^",
        'hint: Did you mean "served"?',
    ]


def test_a_flood_is_capped_and_warnings_give_way() -> None:
    lines = "".join(f"  gate-{n}: {{readiness: all}}\n" for n in range(40))
    text = changed(("gates:\n", f"gates:\n{lines}"), ("uses: verify", "uses: verfy"))
    shown = render(read(text).diagnostics)
    assert shown.count("\n\n") == SHOWN_AT_MOST
    assert "verfy" in shown
    assert shown.endswith("and 21 more")
