"""`--help` is complete, quick, and the same on every Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollout_kit.cli.main import main
from rollout_kit.cli.parser import build_parser

SNAPSHOTS = Path(__file__).parent / "snapshots"
COMMANDS = [
    "validate",
    "doctor",
    "preview",
    "apply",
    "resume",
    "rollback",
    "hold",
    "abort",
    "approve",
    "status",
    "journal",
    "unlock",
    "sandbox",
    "schema",
    "demo",
    "simulate",
    "drill",
]
HEAVY = ["httpx", "jsonschema", "rich", "tenacity", "yaml", "dataclasses", "json", "asyncio"]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_as_written_down(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*([command] if command else []), "--help"])

    assert caught.value.code == 0
    expected = SNAPSHOTS / f"help-{command or 'rollout-kit'}.txt"
    # To write them anew: python -m tests.cli.snapshots
    assert capsys.readouterr().out == expected.read_text()


def test_every_command_has_a_file_and_every_file_a_command() -> None:
    import rollout_kit.cli.commands as package

    files = {path.stem for path in Path(package.__path__[0]).glob("[a-z]*.py")}
    assert files == set(COMMANDS)
    parser = build_parser()
    assert "{" not in parser.format_help()


def test_help_loads_nothing_that_costs() -> None:
    script = (
        "import sys\n"
        "from rollout_kit.cli.main import main\n"
        "try:\n    main(['apply', '--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["aply"],
            'error: rollout-kit: "aply" is none of validate, doctor, preview, apply, simulate, drill, '
            "resume, rollback, hold, abort, approve, status, journal, unlock, sandbox, schema, demo\n"
            'hint: did you mean "apply"?\n',
        ),
        (
            ["apply"],
            "error: rollout-kit apply: the following arguments are required: PLAN\n"
            "hint: `rollout-kit apply --help` shows what there is\n",
        ),
        (
            ["journal", "shwo"],
            'error: rollout-kit journal: "shwo" is none of verify, show, export\n'
            'hint: did you mean "show"?\n',
        ),
        (
            ["validate", "x.yaml", "--var", "bake"],
            'error: rollout-kit validate: argument --var: "bake" is not NAME=VALUE\n'
            "hint: `rollout-kit validate --help` shows what there is\n",
        ),
        (
            ["demo", "--generation", "3"],
            'error: rollout-kit demo: "3" is none of 2.x, 0.2\n'
            "hint: `rollout-kit demo --help` shows what there is\n",
        ),
        (
            ["apply", "x.yaml", "--sta", "y"],
            "error: rollout-kit: unrecognized arguments: --sta y\n"
            "hint: `rollout-kit --help` shows what there is\n",
        ),
    ],
)
def test_a_mistake_is_a_sentence_with_what_to_do(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)

    assert caught.value.code == 2
    assert capsys.readouterr().err == message


def test_without_a_command_the_mistake_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])

    assert caught.value.code == 2
    assert "required: COMMAND" in capsys.readouterr().err
