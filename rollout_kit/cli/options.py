"""The options that commands share, and how a mistake is told."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import NoReturn, TypeAlias

GENERATIONS = ("2.x", "0.2")
SCHEMAS = ("plan", "command-driver")
BREAKS = ("canary", "node", "bootstrap", "worker")
OUTPUTS = ("human", "json", "markdown")
JOURNAL_ACTS = ("verify", "show", "export")
EXPORTS = ("jsonl", "otel")
SANDBOX_ACTS = ("up", "down", "status")
DEFAULT_STATE = ".rollout-kit"
DEFAULT_SANDBOX = ".rollout-kit-sandbox"


class Parser(argparse.ArgumentParser):
    """As argparse, with mistakes told like all other errors."""

    def error(self, message: str) -> NoReturn:
        """End with 2: what is wrong, and what was probably meant."""
        hint = f"`{self.prog} --help` shows what there is"
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if found:
            from difflib import get_close_matches

            known = [choice.strip("' ") for choice in found[2].split(",")]
            close = get_close_matches(found[1], known, n=1)
            message = f'"{found[1]}" is none of {", ".join(known)}'
            hint = f'did you mean "{close[0]}"?' if close else hint
        self.exit(2, f"error: {self.prog}: {message}\nhint: {hint}\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def command(commands: Commands, name: str, what: str) -> Parser:
    """A command's own parser; `what` is its line in the overview and its description."""
    return commands.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}.", allow_abbrev=False
    )


def plan(parser: Parser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="the plan file")
    parser.add_argument(
        "--var",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_assignment,
        help="give a variable of the plan its value",
    )


def policy(parser: Parser) -> None:
    parser.add_argument(
        "--policy",
        metavar="PATH",
        action="append",
        default=[],
        help="a policy pack or a folder of them, instead of policies/ beside the plan",
    )


def choice(parser: Parser, *, positional: bool = True, or_else: str = "") -> None:
    """Which rollout; `or_else`: what else may be named."""
    other = f", or {or_else}" if or_else else ""
    what = f"an id or the beginning of one{other}; default: the newest unfinished"
    if positional:
        parser.add_argument("rollout", metavar="ROLLOUT", nargs="?", help=what)
    else:
        parser.add_argument("--rollout", metavar="ID", help=what)
    parser.add_argument("--target", metavar="NAME", help="look at this target's rollouts only")
    state(parser)


def state(parser: Parser) -> None:
    parser.add_argument(
        "--state",
        metavar="URL",
        help=f"where journals live: a folder, s3://, gs://, az:// (plan: `state`; {DEFAULT_STATE})",
    )


def lock_wait(parser: Parser) -> None:
    parser.add_argument(
        "--lock-wait",
        metavar="DURATION",
        type=_duration,
        default=0.0,
        help="how long to wait while somebody else runs a rollout on this target (0s)",
    )


def act(parser: Parser, acts: tuple[str, ...]) -> None:
    parser.add_argument("act", metavar="ACT", choices=acts, help=", ".join(acts))


def flag(parser: Parser, name: str, what: str) -> None:
    parser.add_argument(name, action="store_true", help=what)


def because(parser: Parser) -> None:
    parser.add_argument("--because", metavar="TEXT", default="", help="why, for the journal")


def generation(parser: Parser) -> None:
    parser.add_argument(
        "--generation", choices=GENERATIONS, default="2.x", help="of the server (%(default)s)"
    )


def simulated(parser: Parser) -> None:
    """What `simulate` and `drill` share."""
    parser.add_argument(
        "--generation",
        choices=GENERATIONS,
        help="of the emulated server (default: by the versions of the plan)",
    )
    flag(parser, "--live", "emulate the live fleet: it is looked at first, with reads alone")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=count,
        default=None,
        help="processes side by side (default: as many as there are processors)",
    )


def count(text: str) -> int:
    """A number from 1 on, of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 1 on')
    return int(text)


def output(parser: Parser) -> None:
    parser.add_argument(
        "--output", choices=OUTPUTS, default="human", help="form of stdout (%(default)s)"
    )


def with_state(command: str, state_folder: str) -> str:
    """A command for people to type, as it works from this folder."""
    if state_folder in ("", DEFAULT_STATE):
        return command
    return f"{command} --state {shlex.quote(state_folder)}"


def _duration(text: str) -> float:
    from rollout_kit.document.quantities import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'"{text}" is no duration, as `90s` or `10m` is'
        ) from error


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return name, value
