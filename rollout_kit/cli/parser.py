"""Every command with its options. Imports argparse alone: `--help` and mistakes are answered at once."""

from __future__ import annotations

import argparse

from rollout_kit import __version__
from rollout_kit.cli import options
from rollout_kit.cli.options import Commands, Parser


def build_parser() -> Parser:
    """What `arguments.read` is given comes from here; `command` names the one that was asked for."""
    parser = Parser(
        prog="rollout-kit",
        description="Replace a running workflow fleet without losing work: "
        "one reviewed YAML plan, gates, automated rollback.",
        epilog="stdout is data, progress goes to stderr. NO_COLOR and FORCE_COLOR are honoured.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rollout-kit {__version__}")
    commands: Commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    _add_plan_commands(commands)
    _add_simulated_commands(commands)
    _add_rollout_commands(commands)
    _add_record_commands(commands)
    _add_other_commands(commands)
    return parser


def _add_plan_commands(commands: Commands) -> None:
    validate = options.command(commands, "validate", "check a plan file; nothing is contacted")
    options.plan(validate)
    options.output(validate)

    doctor = options.command(
        commands, "doctor", "check that everything a plan needs is there; changes nothing"
    )
    options.plan(doctor)
    options.output(doctor)

    preview = options.command(
        commands, "preview", "show what a plan would do to the live fleet; only reads"
    )
    options.plan(preview)
    options.policy(preview)
    options.flag(preview, "--exit-code", "end with 20 when changes are pending")
    preview.add_argument(
        "--save", metavar="FILE", help="keep what was seen, for `apply --preview FILE`"
    )
    options.output(preview)

    apply = options.command(
        commands, "apply", "carry a plan out, or go on with its unfinished rollout"
    )
    options.plan(apply)
    options.policy(apply)
    apply.add_argument(
        "--preview",
        metavar="FILE",
        help="start only if plan and fleet are what this saved preview saw",
    )
    options.state(apply)
    options.lock_wait(apply)
    options.flag(apply, "--wait", "wait in place for approvals")
    options.output(apply)


def _add_simulated_commands(commands: Commands) -> None:
    simulate = options.command(
        commands, "simulate", "carry a plan out many times on an emulated fleet where things fail"
    )
    options.plan(simulate)
    simulate.add_argument(
        "--runs", metavar="N", type=options.count, default=1000, help="how many (%(default)s)"
    )
    simulate.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="the number that the first run is drawn from; the others follow (%(default)s)",
    )
    simulate.add_argument(
        "--faults",
        metavar="NAMES",
        default="all",
        help="what may go wrong: all, none, or names with commas; `release` is a release that is bad",
    )
    options.simulated(simulate)
    options.output(simulate)

    drill = options.command(
        commands, "drill", "rehearse the rollback from every step of a plan on an emulated fleet"
    )
    options.plan(drill)
    drill.add_argument("--step", metavar="ID", help="from this step only")
    options.simulated(drill)
    options.output(drill)


def _add_rollout_commands(commands: Commands) -> None:
    resume = options.command(
        commands, "resume", "go on with a rollout that was interrupted or holds"
    )
    options.choice(resume)
    options.lock_wait(resume)
    options.flag(resume, "--accept", "take what somebody else changed as it is")
    options.flag(resume, "--wait", "wait in place for approvals")
    options.output(resume)

    rollback = options.command(
        commands, "rollback", "put back what a rollout did, from its journal alone"
    )
    options.choice(rollback)
    options.lock_wait(rollback)
    options.flag(rollback, "--freeze", "stop the new build at once: it does harm")
    options.output(rollback)

    hold = options.command(commands, "hold", "ask a running rollout to stop where it may")
    options.choice(hold)
    options.because(hold)

    abort = options.command(commands, "abort", "stop a rollout and leave the fleet as it is")
    options.choice(abort)
    options.because(abort)
    options.output(abort)

    approve = options.command(commands, "approve", "say yes to what a rollout holds for")
    approve.add_argument(
        "operation", metavar="OPERATION", nargs="?", help="default: what it holds for now"
    )
    options.choice(approve, positional=False)
    options.because(approve)


def _add_record_commands(commands: Commands) -> None:
    status = options.command(commands, "status", "show how far a rollout is and what to do next")
    options.choice(status)
    options.flag(status, "--all", "one line for every rollout")
    options.output(status)

    journal = options.command(commands, "journal", "check, tell or copy what a rollout journaled")
    options.act(journal, options.JOURNAL_ACTS)
    options.choice(journal, or_else="the path of a copied journal (*.jsonl)")
    journal.add_argument(
        "--format",
        choices=options.EXPORTS,
        default="jsonl",
        help="of an export: its own lines, or an OpenTelemetry trace (%(default)s)",
    )
    journal.add_argument("--to", metavar="FILE", help="write an export there instead of stdout")
    options.output(journal)

    unlock = options.command(
        commands, "unlock", "show who holds a target, and open its lock by force"
    )
    unlock.add_argument("--target", metavar="NAME", help="default: the only one there is")
    options.state(unlock)
    options.flag(unlock, "--force", "open it; the holder stops before its next effect")
    options.flag(unlock, "--yes", "do not ask back; takes --because")
    options.because(unlock)


def _add_other_commands(commands: Commands) -> None:
    sandbox = options.command(commands, "sandbox", "a fleet of real processes on this machine")
    options.act(sandbox, options.SANDBOX_ACTS)
    sandbox.add_argument(
        "--folder",
        metavar="DIR",
        default=options.DEFAULT_SANDBOX,
        help="where it lives (%(default)s)",
    )
    options.generation(sandbox)
    options.output(sandbox)

    schema = options.command(commands, "schema", "print the JSON Schema of the plan file")
    schema.add_argument(
        "--of",
        choices=options.SCHEMAS,
        default=options.SCHEMAS[0],
        help="of this instead: what a script of the command driver is asked and answers",
    )

    demo = options.command(
        commands, "demo", "upgrade a sandbox fleet from end to end, about a minute"
    )
    options.generation(demo)
    demo.add_argument(
        "--break",
        dest="breaks",
        choices=options.BREAKS,
        help="let this go wrong, and see it put right",
    )


def parse(argv: list[str]) -> argparse.Namespace:
    """Exits with 0 for `--help` and `--version`, with 2 for a mistake."""
    return build_parser().parse_args(argv)
