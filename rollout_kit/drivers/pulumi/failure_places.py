"""Where a failure is: lines of the user's program, reasons of pods, blocks of the CLI's text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rollout_kit.drivers.pulumi.api import Kind, Trouble
from rollout_kit.drivers.pulumi.events import Said

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<where>\S+)')
_LIBRARIES = re.compile(
    r"site-packages|/pulumi/|/asyncio/|/grpc/|importlib|runpy|/lib/python3|<python>"
)
_RAISED = re.compile(r"[\w.]*(Error|Exception)\b")
_IN_NODE = re.compile(r"failed with an unhandled exception:\s*(?P<told>.*)", re.DOTALL)
_NODE_FRAME = re.compile(r"(?P<file>/[^\s():]+):(?P<line>\d+)")
_NODE_LIBRARIES = re.compile(r"/node_modules/")
_IN_YAML = re.compile(r"on (?P<file>\S+\.ya?ml) line (?P<line>\d+):")
_IN_GO = re.compile(r"error in compiling Go")
_OURS = re.compile(r"rollout_kit/drivers/pulumi/")
_OWNER = re.compile(r"^  (?P<type>\S.*?) \((?P<name>.*)\):$")
_ERROR = re.compile(r"^    error: (?P<text>.*)$")
_REASON = re.compile(r"\[(?P<code>[A-Z][A-Za-z]+)\] (?P<text>[^\n]+)")
_REASONS_AT_MOST = 3
_MANAGER = re.compile(
    r'conflicts? with "(?P<manager>[^"]+)"(?P<rest>.*?)(?=conflicts? with "|$)', re.DOTALL
)
_FIELD = re.compile(r"(?<![\w./])\.[A-Za-z][^\s,]*")


def program_error(text: str, folder: str) -> Trouble:
    """The user's own line in what the language says, and what was raised there."""
    return Trouble(
        kind=Kind.REFUSED,
        name="program-error",
        message=f"the program failed: {_told(text, folder)}",
        why="The engine ends at the first error of the program; what it had made stays.",
        hint="Correct the program; `pulumi preview` shows the whole traceback.",
    )


def is_of_the_program(text: str) -> bool:
    """Whether a language other than ours says it."""
    return any(pattern.search(text) for pattern in (_IN_NODE, _IN_YAML, _IN_GO))


def _told(text: str, folder: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if found := _IN_NODE.search(text):
        return _told_by_node(found["told"])
    if found := _IN_YAML.search(text):
        return f"{found['file']}:{found['line']}: {lines[0]}"
    if _IN_GO.search(text):
        return "it does not compile"
    raised = lines[0].split("runtime error: ")[-1].split("error occurred: ")[-1]
    if raised.rstrip().endswith(":") and len(lines) > 1:
        raised = lines[-1].removeprefix("* ")
    kind = next((line for line in reversed(lines) if _RAISED.match(line)), "")
    frames = [(found["file"], found["line"]) for found in _FRAME.finditer(text)]
    own = [place for place in frames if folder and place[0].startswith(folder)]
    theirs = own or [
        place for place in frames if not _LIBRARIES.search(place[0]) and not _OURS.search(place[0])
    ]
    where = f"{theirs[-1][0]}:{theirs[-1][1]}: " if theirs else ""
    return f"{where}{kind or raised}"


def _told_by_node(told: str) -> str:
    """The innermost frame comes first there, and what was raised before all frames."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    raised = next((line for line in lines if _RAISED.match(line)), lines[0] if lines else "")
    places = (f"{found['file']}:{found['line']}: " for found in _NODE_FRAME.finditer(told))
    where = next((place for place in places if not _NODE_LIBRARIES.search(place)), "")
    return f"{where}{raised}"


def with_reason(trouble: Trouble, text: str, waiting: Mapping[str, str]) -> Trouble:
    """The same with what the provider knows of why: conditions, pods, the last thing waited for."""
    reasons = [f"{found['code']}: {found['text']}" for found in _REASON.finditer(text)]
    details = [
        line.strip().removeprefix("* ").strip()
        for line in text.splitlines()
        if line.strip().startswith("* ") and "failed to fully initialize" not in line
    ]
    last = waiting.get(trouble.urn, "")
    said = list(dict.fromkeys([*reasons, *(_plain(item) for item in details), last]))
    told = "; ".join([item for item in said if item][:_REASONS_AT_MOST])
    return replace(trouble, message=f"{trouble.message}: {told}") if told else trouble


def with_managers(trouble: Trouble, text: str) -> Trouble:
    """The same with who set which fields."""
    told = [
        f"{found['manager']} set {', '.join(field.lstrip('.') for field in fields)}"
        for found in _MANAGER.finditer(text.partition("Apply failed")[2])
        if (fields := _FIELD.findall(found["rest"]))
    ]
    return replace(trouble, message=f"{trouble.message}: {'; '.join(told)}") if told else trouble


def _plain(detail: str) -> str:
    found = _REASON.search(detail)
    return f"{found['code']}: {found['text']}" if found else detail


def errors_in(stdout: str) -> tuple[Said, ...]:
    """Blocks of the `Diagnostics:` section: a line with the owner, indented lines with what it says."""
    return tuple(_blocks(stdout.partition("Diagnostics:\n")[2]))


def _blocks(section: str) -> Iterator[Said]:
    owner = ""
    text: list[str] = []
    for line in [*section.splitlines(), "end"]:
        if text and (not line.startswith("    ") or _ERROR.match(line)) and line.strip():
            yield Said(severity="error", text="\n".join(text), urn=owner)
            text = []
        if found := _OWNER.match(line):
            stack = found["type"] == "pulumi:pulumi:Stack"
            owner = "" if stack else f"::::{found['type']}::{found['name']}"
        elif found := _ERROR.match(line):
            text = [found["text"]]
        elif text:
            text.append(line[4:])
        if line and not line.startswith(" "):
            return
