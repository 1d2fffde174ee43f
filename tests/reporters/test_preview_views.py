"""A preview for a terminal, a program and a review."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollout_kit.model.operation import ChangeKind
from rollout_kit.planning.api import Problem
from rollout_kit.policy.evaluate import Finding
from rollout_kit.reporters.preview_json import preview_json
from rollout_kit.reporters.preview_markdown import COMMENT_BYTES, preview_markdown
from rollout_kit.reporters.preview_view import print_preview, verdict

from .cases import ATTACH, GATE, HOSTILE, Terminal, change, operation, preview

UPDATE = change(ChangeKind.UPDATE, "take api-1 out of rotation", undo="attach node")
CHECK = change(ChangeKind.CHECK, "wait until ready", GATE)
ALREADY = change(ChangeKind.NO_OP, "in rotation", ATTACH)
BLOCKED = change(ChangeKind.BLOCKED, "no answer", operation("api/api-2/detach"))
PROBLEM = Problem(
    summary="Versions are not adjacent",
    detail="api-1 shows 2.0.0, the plan says 2.2.0 to 2.3.0",
    hint="go by 2.1.0",
    step="api",
    line=12,
    column=5,
    rule=2,
)
FINDING = Finding(rule="freeze", mandatory=True, sentence="it is Friday", line=3, column=1)


def printed(shown: object) -> list[str]:
    terminal = Terminal()
    print_preview(shown, "plan.yaml", terminal.printer)  # type: ignore[arg-type]
    return terminal.lines


def test_a_terminal_shows_symbol_object_reason_and_undo() -> None:
    assert printed(preview(UPDATE, CHECK, ALREADY, unserved=("orders@lost",))) == [
        "Preview of orders-2026 on orders",
        "plan abcdef012345 · fleet 0123456789ab · 1 step · 1 change · about 6s",
        "",
        "api (api-cutover): Replace the API nodes  about 6s",
        "    blast radius: 1 of 3 API nodes",
        "  ~ api/api-1/detach      take api-1 out of rotation",
        "      undo: attach node",
        "  ? api/api-1/gate/ready  wait until ready",
        "  = api/api-1/attach      in rotation",
        "",
        "~ changes   ? waits or judges   = already so   ✗ blocked",
        "unserved even now: orders@lost",
        "not read: node/api-1/marker: needs the admin token: judged at apply",
        "",
        "✓ 1 change, each with its undo.",
    ]


def test_a_step_that_is_done_is_one_line() -> None:
    assert "  = already so (2 operations)" in printed(preview(ALREADY, ALREADY))


def test_problems_name_rule_place_and_remedy() -> None:
    lines = printed(preview(BLOCKED, problems=(PROBLEM,)))

    start = lines.index("error: Versions are not adjacent    step api, plan.yaml:12:5")
    assert lines[start + 1 : start + 4] == [
        "  api-1 shows 2.0.0, the plan says 2.2.0 to 2.3.0",
        "  It would break safety rule 2.",
        "hint: go by 2.1.0",
    ]
    assert lines[-1] == "✗ 1 problem before the first write: apply would refuse."


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (preview(), "Nothing to do: the fleet is already there."),
        (preview(ALREADY), "Nothing to do: the fleet is already there."),
        (preview(UPDATE), "1 change, each with its undo."),
        (
            preview(UPDATE, findings=(FINDING,)),
            "A mandatory policy refuses this plan: apply would refuse.",
        ),
        (
            preview(UPDATE, findings=(replace(FINDING, mandatory=False),)),
            "1 change, each with its undo.",
        ),
        (
            preview(replace(UPDATE, change=replace(UPDATE.change, irreversible="it deletes rows"))),
            "1 change; no rollback is offered after api/api-1/detach.",
        ),
    ],
)
def test_the_last_line_says_what_apply_would_answer(shown: object, sentence: str) -> None:
    assert verdict(shown)[1] == sentence  # type: ignore[arg-type]


def test_json_has_all_of_it() -> None:
    said = json.loads(
        preview_json(preview(UPDATE, CHECK, problems=(PROBLEM,), findings=(FINDING,)), "plan.yaml")
    )

    assert (said["schema_version"], said["type"]) == (1, "preview")
    assert (said["changes"], said["estimate_s"]) == (1, 4.0)
    assert (said["blocked"], said["refused"]) == (True, True)
    assert [item["change"] for item in said["steps"][0]["operations"]] == ["update", "check"]
    assert said["problems"][0]["rule"] == 2
    assert said["findings"][0]["mandatory"] is True
    assert said["not_read"] == {"node/api-1/marker": "needs the admin token: judged at apply"}


def test_markdown_shows_problems_before_steps() -> None:
    text = preview_markdown(preview(UPDATE, problems=(PROBLEM,)), "plan.yaml")

    assert text.startswith("### Preview of `orders-2026` on `orders`\n")
    assert text.index("Versions are not adjacent") < text.index("#### `api`")
    assert "| &#126; | `api/api-1/detach` | take api\\-1 out of rotation | attach node |" in text


def test_markdown_of_hostile_text_has_no_markup_of_it() -> None:
    text = preview_markdown(preview(change(ChangeKind.UPDATE, HOSTILE)), "plan.yaml")

    assert "@ada" not in text
    assert "<b>" not in text
    assert "](http" not in text
    row = next(line for line in text.splitlines() if "pwned" in line)
    assert row.startswith("| ")
    assert row.endswith(" |")


def test_markdown_fits_into_a_comment_and_says_that_it_was_cut() -> None:
    many = [change(ChangeKind.UPDATE, f"change number {n} " * 20) for n in range(1000)]

    text = preview_markdown(preview(*many), "plan.yaml")

    assert len(text.encode()) <= COMMENT_BYTES
    assert text.endswith("See all of it with `rollout-kit preview plan.yaml`.\n")
