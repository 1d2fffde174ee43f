"""Bad input and a bad world: each its own sentence, the right exit code, and never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.machine import Machine, plain_environment
from tests.acceptance.stub import Say, answer, never, reset, stub
from tests.cli.terminal import Ran, rollout_kit

PLAN = """\
version: 1
name: tiny
target:
  name: tiny
  engine: durable-workflow
  url: {url}
  namespace: orders
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes: [{{name: api-1, url: "{url}/1"}}, {{name: api-2, url: "{url}/2"}}]
infra: {{driver: process, fleet: fleet.yaml}}
release:
  workers: [{{task_queue: orders, from: a, to: b, image: "orders:b", replicas: 1}}]
steps:
  - id: canary
    uses: worker-canary
    with: {{task_queue: orders, stages: [{{smoke: {{workflow_type: ping}}}}, {{share: 100%}}]}}
"""
FLEET = """\
version: 1
state: state
images: {"server:1": {}, "orders:a": {}, "orders:b": {}}
node_template: {argv: [sleep, "60"]}
nodes:
  api-1: {port: 1, image: "server:1"}
  api-2: {port: 2, image: "server:1"}
cohorts:
  - namespace: orders
    task_queue: orders
    argv: [sleep, "60"]
    builds: [{build_id: a, image: "orders:a", replicas: 1}]
"""
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
SAID = '{"message": "Something is wrong.", "reason": "some_reason"}'


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path, plain_environment(DW_OPERATOR_TOKEN="op", DW_ADMIN_TOKEN="ad"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    yield found
    found.leave()


def written(machine: Machine, url: str = NOBODY, *changes: tuple[str, str]) -> None:
    text = PLAN.format(url=url)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (machine.folder / "plan.yaml").write_text(text)


def say(machine: Machine, *argv: str, **environment: str) -> Ran:
    """The command within this process: starting one for each row would cost a minute."""
    ran = rollout_kit(
        *argv, folder=machine.folder, environment={**machine.environment, **environment}
    )
    assert "This is a bug" not in ran.err, ran.err
    return ran


def is_an_error(ran: Ran, code: int, *said: str) -> None:
    """The code; a sentence of what is wrong; and what to do next."""
    assert ran.code == code, ran.out + ran.err
    assert "error: " in ran.err
    assert "hint: " in ran.err, ran.err
    for text in said:
        assert text in ran.err, ran.err
    assert ran.out == ""


# --- what the server answers ---------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One answer to everything, and how `preview` tells it."""

    name: str
    say: Say
    code: int
    said: str


ANSWERS = [
    Case("wrong token", answer(401, SAID), 4, "does not accept the operator token"),
    Case("forbidden", answer(403, SAID), 4, "is forbidden to this token"),
    Case(
        "no such namespace",
        answer(404, '{"reason": "namespace_not_found", "message": "Not found."}'),
        5,
        "has no namespace 'orders'",
    ),
    Case("another server", answer(404, "Not Found", kind="text/plain"), 5, "answered HTTP 404"),
    Case("conflict", answer(409, SAID), 1, "answered HTTP 409: Something is wrong (some_reason)"),
    Case("invalid", answer(422, '{"errors": {"queue": ["too long"]}}'), 1, "queue: too long"),
    Case(
        "too many",
        answer(429, SAID, headers={"Retry-After": "7"}),
        6,
        "answered HTTP 429: Something is wrong (some_reason); it asks to wait 7 s",
    ),
    Case("failed", answer(500, SAID), 6, "answered HTTP 500: Something is wrong"),
    Case("gateway", answer(502, "<html></html>", kind="text/html"), 6, "502 with an HTML page"),
    Case("down", answer(503, SAID), 6, "answered HTTP 503"),
    Case("gateway timeout", answer(504, SAID), 7, "answered HTTP 504"),
    Case("HTML", answer(200, "<html>Log in</html>", kind="text/html"), 8, "an HTML page where"),
    Case("truncated", answer(200, '{"task_qu', promised=900), 3, "the answer broke off"),
    Case("half", answer(200, '{"task_qu'), 3, "the answer stops after 9 bytes, in mid JSON"),
    Case("doubled", answer(200, '{"a": 1}{"a": 1}'), 8, "two JSON documents in one body"),
    Case("empty object", answer(200, "{}"), 8, "task_queues is missing, the contract has a list"),
    Case(
        "redirect",
        answer(302, "", headers={"Location": "https://login.example/"}),
        8,
        "a redirect to https://login.example",
    ),
    Case("hang up", reset, 3, "the connection was reset before the answer was there"),
    Case("slow", never, 7, "is under way for"),
]


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.name)
def test_each_wrong_answer_has_its_sentence_and_its_code(machine: Machine, case: Case) -> None:
    with stub(case.say) as url:
        written(machine, url)
        is_an_error(say(machine, "preview", "plan.yaml"), case.code, case.said, url)


def test_nothing_listens_there(machine: Machine) -> None:
    written(machine)
    is_an_error(say(machine, "preview", "plan.yaml"), 3, f"{NOBODY} refused the connection")


def test_the_name_is_not_known(machine: Machine) -> None:
    written(machine, "http://no-such-host.invalid:8080")
    is_an_error(say(machine, "preview", "plan.yaml"), 3, "no-such-host.invalid")


def test_tls_where_none_is_spoken(machine: Machine) -> None:
    with stub(answer(200, "{}")) as url:
        written(machine, url.replace("http://", "https://"))
        is_an_error(say(machine, "preview", "plan.yaml"), 3, "TLS")


@pytest.mark.processes
def test_apply_is_stopped_by_the_same_and_journals_nothing(machine: Machine) -> None:
    with stub(answer(401, SAID)) as url:
        written(machine, url)
        ran = machine.run("apply", "plan.yaml")
    is_an_error(Ran(ran.code, ran.out, ran.err), 4, "does not accept the operator token")
    assert not (machine.folder / ".rollout-kit").exists()


def test_a_wrong_policy_is_told_with_its_place_before_anything_may_pass_it(
    machine: Machine,
) -> None:
    with stub(answer(200, "{}")) as url:
        written(machine, url)
        (machine.folder / "pack.yaml").write_text("version: 1\nrules: [{id: x}]\n")
        ran = say(machine, "preview", "plan.yaml", "--policy", "pack.yaml")
        is_an_error(ran, 2, "pack.yaml:")
        ran = say(machine, "preview", "plan.yaml", "--policy", "none.yaml")
        is_an_error(ran, 2, "none.yaml cannot be used: No such file or directory")


# --- what a person gets wrong --------------------------------------------------------------------


def test_a_wrong_plan_is_told_with_all_that_is_wrong_and_nothing_is_contacted(
    machine: Machine,
) -> None:
    contacted: list[object] = []
    with stub(contacted.append) as url:
        written(
            machine,
            url,
            ("uses: worker-canary", "uses: worker-canery"),
            ("replicas: 1", "replicas: many"),
            ("namespace: orders\n", "namespace: orders\n  namespace: billing\n"),
        )
        ran = say(machine, "preview", "plan.yaml")
    is_an_error(ran, 2, "plan.yaml:8:3", "plan.yaml:13:", 'Did you mean "worker-canary"?')
    assert "3 errors" in ran.err
    assert contacted == []


def missing(machine: Machine) -> None:
    (machine.folder / "plan.yaml").unlink()


def folder(machine: Machine) -> None:
    (machine.folder / "plan.yaml").unlink()
    (machine.folder / "plan.yaml").mkdir()


def binary(machine: Machine) -> None:
    (machine.folder / "plan.yaml").write_bytes(b"version: \xff\xfe1\n")


def endless(machine: Machine) -> None:
    (machine.folder / "plan.yaml").write_bytes(b"# x\n" * 2_000_000)


def no_fleet(machine: Machine) -> None:
    (machine.folder / "fleet.yaml").unlink()


def wrong_fleet(machine: Machine) -> None:
    (machine.folder / "fleet.yaml").write_text(FLEET.replace("argv:", "argh:"))


def no_yaml_fleet(machine: Machine) -> None:
    (machine.folder / "fleet.yaml").write_text("version: [1\n")


def odd_fleet(machine: Machine) -> None:
    (machine.folder / "fleet.yaml").write_bytes(b"version: \xff\n")


FILES: list[tuple[Callable[[Machine], None], str]] = [
    (missing, "plan.yaml cannot be read: No such file or directory"),
    (folder, "plan.yaml cannot be read: Is a directory"),
    (binary, "plan.yaml is not UTF-8: byte 0xff at 9"),
    (endless, "plan.yaml has 8000000 bytes; a plan has at most 4194304"),
    (no_fleet, "fleet.yaml cannot be used: No such file or directory"),
    (wrong_fleet, "argh"),
    (no_yaml_fleet, "fleet.yaml:2:1"),
    (odd_fleet, "fleet.yaml cannot be used: it is not UTF-8"),
]


@pytest.mark.parametrize(("spoil", "said"), FILES, ids=lambda item: getattr(item, "__name__", ""))
def test_each_wrong_file_has_its_sentence(
    machine: Machine, spoil: Callable[[Machine], None], said: str
) -> None:
    written(machine)
    spoil(machine)
    is_an_error(say(machine, "preview", "plan.yaml"), 2, said)


def test_an_unset_variable_of_the_environment_is_named_with_its_place(machine: Machine) -> None:
    written(machine)
    ran = say(machine, "preview", "plan.yaml", DW_OPERATOR_TOKEN="")
    is_an_error(ran, 2, "DW_OPERATOR_TOKEN", "plan.yaml:8:")


@pytest.mark.parametrize(
    "token",
    ["two\nlines", " spaced ", "tab\there", "ключ"],
    ids=["line", "space", "tab", "letters"],
)
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(
    machine: Machine, token: str
) -> None:
    with stub(answer(200, "{}")) as url:
        written(machine, url)
        ran = say(machine, "preview", "plan.yaml", DW_OPERATOR_TOKEN=token)
    assert ran.code in (2, 4), ran
    assert "hint: " in ran.err
    assert token.strip() not in ran.out + ran.err


@pytest.mark.parametrize(
    "argv",
    [
        ("apply", "plan.yaml", "--var", "nosuch=1"),
        ("preview", "plan.yaml", "--policy", "none.yaml"),
        ("status", "--state", "plan.yaml"),
        ("resume", "no-such-rollout"),
        ("journal", "verify"),
        ("sandbox", "status"),
    ],
    ids=" ".join,
)
def test_each_wrong_call_is_told_what_to_do(machine: Machine, argv: tuple[str, ...]) -> None:
    written(machine)
    ran = say(machine, *argv)
    assert ran.code in (1, 2, 5), ran
    assert ran.err.startswith("error: ")
    assert "hint: " in ran.err, ran.err
