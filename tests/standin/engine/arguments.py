"""The command line: which flags there are, and which of them take a value."""

from __future__ import annotations

import os

from .failure import Failure

_GLOBAL = {
    "--non-interactive",
    "--logflow",
    "--logtostderr",
    "--debug",
    "--disable-integrity-checking",
}
_GLOBAL_VALUES = {"--color", "--verbose", "-v", "--tracing", "--cwd", "-C", "--emoji"}
_UPDATE = {
    "--yes", "-y", "--skip-preview", "--refresh", "--diff", "--json", "--expect-no-changes",
    "--continue-on-error", "--suppress-outputs", "--suppress-progress", "--target-dependents",
    "--exclude-dependents", "--show-sames", "--show-replacement-steps", "--clear-pending-creates",
    "--skip-pending-creates", "--preview-only", "--exclude-protected", "--run-program",
    "--suppress-permalink", "--attach-debugger", "--show-full-output", "--show-secrets",
}  # fmt: skip
_UPDATE_VALUES = {
    "--stack", "-s", "--client", "--exec-kind", "--exec-agent", "--event-log", "--message", "-m",
    "--target", "-t", "--exclude", "--replace", "--parallel", "-p", "--plan", "--save-plan",
    "--policy-pack", "--policy-pack-config", "--config-file", "--config", "-c",
    "--import-pending-creates", "--import-file",
}  # fmt: skip
_STACK_VALUES = {"--stack", "-s", "--config-file"}

FLAGS: dict[str, tuple[set[str], set[str]]] = {
    "version": (set(), set()),
    "about": ({"--json", "-j"}, _STACK_VALUES),
    "whoami": ({"--json", "-j", "--verbose"}, set()),
    "up": (_UPDATE, _UPDATE_VALUES),
    "preview": (_UPDATE, _UPDATE_VALUES),
    "refresh": (_UPDATE, _UPDATE_VALUES),
    "destroy": (_UPDATE | {"--remove"}, _UPDATE_VALUES),
    "cancel": ({"--yes", "-y"}, _STACK_VALUES),
    "config": ({"--json", "-j", "--show-secrets"}, _STACK_VALUES),
    "config get": ({"--json", "-j", "--path"}, _STACK_VALUES),
    "config set": ({"--plaintext", "--secret", "--path"}, _STACK_VALUES | {"--type"}),
    "config set-all": ({"--path"}, _STACK_VALUES | {"--plaintext", "--secret", "--json"}),
    "config rm": ({"--path"}, _STACK_VALUES),
    "config rm-all": ({"--path"}, _STACK_VALUES),
    "config refresh": ({"--force", "-f"}, _STACK_VALUES),
    "stack": ({"--show-urns", "--show-ids", "--show-name", "--show-secrets"}, _STACK_VALUES),
    "stack init": (set(), _STACK_VALUES | {"--secrets-provider", "--copy-config-from"}),
    "stack select": ({"--create"}, _STACK_VALUES | {"--secrets-provider"}),
    "stack ls": ({"--json", "-j", "--all"}, {"--project", "--organization", "--tag"}),
    "stack rm": ({"--yes", "-y", "--force", "-f", "--preserve-config", "--remove-backups"}, _STACK_VALUES),
    "stack output": ({"--json", "-j", "--show-secrets"}, _STACK_VALUES),
    "stack export": ({"--show-secrets"}, _STACK_VALUES | {"--file", "--version"}),
    "stack import": ({"--force", "-f"}, _STACK_VALUES | {"--file"}),
    "stack history": (
        {"--json", "-j", "--show-secrets", "--full-dates"},
        _STACK_VALUES | {"--page-size", "--page"},
    ),
    "stack tag ls": ({"--json", "-j"}, _STACK_VALUES),
    "state repair": ({"--yes", "-y"}, _STACK_VALUES),
    "state delete": ({"--yes", "-y", "--force", "--target-dependents", "--all"}, _STACK_VALUES),
    "state unprotect": ({"--yes", "-y", "--all"}, _STACK_VALUES),
    "plugin ls": ({"--json", "-j"}, set()),
    "plugin install": (set(), {"--server", "--file"}),
}  # fmt: skip
_SHORT = {"-s": "--stack", "-y": "--yes", "-j": "--json", "-f": "--force", "-m": "--message",
          "-t": "--target", "-p": "--parallel", "-c": "--config", "-C": "--cwd"}  # fmt: skip
_ALIASES = {
    "update": "up",
    "pre": "preview",
    "history": "stack history",
    "stack remove": "stack rm",
}


class Arguments:
    """One parsed command line: `command`, `flags`, `options` (all values given), `words`."""

    def __init__(self, argv: list[str]) -> None:
        self.flags: set[str] = set()
        self.options: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.command = ""
        self._parse(argv)

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def get(self, option: str, default: str = "") -> str:
        found = self.all(option)
        return found[-1] if found else default

    def all(self, option: str) -> list[str]:
        return [value for name, value in self.options if name == option]

    def _parse(self, argv: list[str]) -> None:
        words = iter(argv)
        for word in words:
            if word == "--":
                self.words.extend(words)
            elif word.startswith("-") and word != "-":
                self._flag(word, words)
            else:
                self._word(word)
        if self.command not in FLAGS:
            raise Failure(f'unknown command "{self.command}" for "pulumi"')

    def _word(self, word: str) -> None:
        longer = f"{self.command} {word}".strip()
        longer = _ALIASES.get(longer, longer)
        prefix = f"{longer} "
        if longer in FLAGS or any(known.startswith(prefix) for known in FLAGS):
            self.command = longer
        elif not self.command:
            raise Failure(f'unknown command "{word}" for "pulumi"')
        else:
            self.words.append(word)

    def _flag(self, word: str, rest: object) -> None:
        name, equals, value = word.partition("=")
        flags, valued = FLAGS.get(self.command, (set(), set()))
        if word == "--version" and not self.command:
            self.command = "version"
        elif name in valued | _GLOBAL_VALUES:
            if not equals:
                try:
                    value = next(rest)  # type: ignore[call-overload]
                except StopIteration:
                    raise Failure(f"flag needs an argument: {name}") from None
            if name == "--event-log" and not os.environ.get("PULUMI_DEBUG_COMMANDS"):
                raise Failure(f"unknown flag: {name}")
            self.options.append((_SHORT.get(name, name), value))
        elif name in flags | _GLOBAL:
            if value.lower() != "false":
                self.flags.add(_SHORT.get(name, name))
        else:
            raise Failure(f"unknown flag: {name}")
