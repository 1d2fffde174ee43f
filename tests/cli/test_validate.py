"""`validate`: everything wrong with a plan at once, each in its place, no traceback ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .terminal import rollout_kit

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
ENVIRONMENT = {
    "DURABLE_WORKFLOW_SERVER_URL": "http://127.0.0.1:1",
    "DW_OPERATOR_TOKEN": "operator-canary-7f3",
    "DW_ADMIN_TOKEN": "admin-canary-7f3",
    "DW_API_1_URL": "http://127.0.0.1:2",
    "DW_API_2_URL": "http://127.0.0.1:3",
    "DW_API_3_URL": "http://127.0.0.1:4",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(PLANS / "rolling-upgrade.yaml", tmp_path / "plan.yaml")
    return tmp_path


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / "plan.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_good_plan_is_said_to_be_good(folder: Path) -> None:
    ran = rollout_kit("validate", "plan.yaml", folder=folder, environment=ENVIRONMENT)

    assert (ran.code, ran.out, ran.err) == (0, "plan.yaml is a valid plan\n", "")


def test_unset_variables_are_warnings(folder: Path) -> None:
    ran = rollout_kit("validate", "plan.yaml", folder=folder)

    assert ran.code == 0
    assert "DW_OPERATOR_TOKEN is not set" in ran.out
    assert ran.out.endswith("6 warnings\nplan.yaml is a valid plan\n")


def test_all_errors_come_at_once_on_stdout_with_their_places(folder: Path) -> None:
    edit(folder, "uses: bootstrap", "uses: bootstap")
    edit(folder, "version: 1", "version: 1\ncolour: blue")
    ran = rollout_kit("validate", "plan.yaml", folder=folder, environment=ENVIRONMENT)

    assert ran.code == 2
    assert 'Did you mean "bootstrap"' in ran.out
    assert "colour" in ran.out
    heads = [line for line in ran.out.splitlines() if line.startswith("error:")]
    places = [int(line.rsplit(":", 2)[1]) for line in heads]
    assert len(heads) >= 2
    assert places == sorted(places)
    assert "valid plan" not in ran.out


def test_json_says_the_same_to_programs(folder: Path) -> None:
    edit(folder, "uses: bootstrap", "uses: bootstap")
    ran = rollout_kit(
        "validate", "plan.yaml", "--output", "json", folder=folder, environment=ENVIRONMENT
    )

    said = json.loads(ran.out)
    assert ran.code == 2
    assert (said["schema_version"], said["type"], said["valid"]) == (1, "validation", False)
    first = said["diagnostics"][0]
    assert first["severity"] == "error"
    assert first["file"] == "plan.yaml"
    assert first["line"] > 0


def test_markdown_holds_every_problem(folder: Path) -> None:
    edit(folder, "uses: bootstrap", "uses: bootstap")
    ran = rollout_kit(
        "validate", "plan.yaml", "--output", "markdown", folder=folder, environment=ENVIRONMENT
    )

    assert ran.code == 2
    assert ran.out.startswith("### `plan.yaml`: ")
    assert "- error: **" in ran.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nope.yaml"], "error: nope.yaml cannot be read: No such file or directory"),
        (["."], "error: . cannot be read: Is a directory"),
        (["latin.yaml"], "error: latin.yaml is not UTF-8: byte 0xe9 at 6"),
        (["big.yaml"], "error: big.yaml has 4194305 bytes; a plan has at most 4194304"),
        (["plan.yaml", "--var", "bake=1m", "--var", "bake=2m"], "error: --var bake is given twice"),
        (["a\0b"], "error: a\N{REPLACEMENT CHARACTER}b cannot be read"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(folder: Path, argv: list[str], message: str) -> None:
    (folder / "latin.yaml").write_bytes(b"name: \xe9")
    (folder / "big.yaml").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    ran = rollout_kit("validate", *argv, folder=folder)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(message)
    assert "\nhint: " in ran.err


def test_an_unknown_variable_is_an_error(folder: Path) -> None:
    ran = rollout_kit(
        "validate", "plan.yaml", "--var", "bakee=1m", folder=folder, environment=ENVIRONMENT
    )

    assert ran.code == 2
    assert "bakee" in ran.out


def test_no_secret_is_ever_printed(folder: Path) -> None:
    for change in ("version: 1", "name: rolling-upgrade", "engine: durable-workflow"):
        edit(folder, change, f"{change}x")
    for output in ("human", "json", "markdown"):
        ran = rollout_kit(
            "validate", "plan.yaml", "--output", output, folder=folder, environment=ENVIRONMENT
        )
        assert ran.code == 2
        assert "canary-7f3" not in ran.out + ran.err


def test_the_schema_is_json_schema() -> None:
    ran = rollout_kit("schema", folder=Path())

    schema = json.loads(ran.out)
    assert ran.code == 0
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
