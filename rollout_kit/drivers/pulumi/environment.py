"""What the CLI's processes find in their environment, and which of it is secret."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from rollout_kit.drivers.pulumi import locks, program_files
from rollout_kit.drivers.pulumi.api import Stack
from rollout_kit.drivers.work import pump

_OURS = {
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",  # else a download in mid-update
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_AUTOMATION_API": "true",
    "PULUMI_DEBUG_COMMANDS": "true",  # without it the event log is an unknown flag
}
_FLAGS = re.compile(r"PULUMI_OPTION_|PULUMI_CONTINUE_ON_ERROR$|PULUMI_SKIP_CHECKPOINTS$")
"""What a person sets for calls of their own: each counts as a flag of every call, ours included."""
_SECRET = re.compile(r"PASSPHRASE$|PASSWORD|SECRET|TOKEN|CREDENTIAL|ACCESS_KEY|PRIVATE_KEY|API_KEY")
_BACKEND = "PULUMI_BACKEND_URL"
_CURRENT_CONTEXT = "context.yaml"


def of(stack: Stack, base: Mapping[str, str]) -> dict[str, str]:
    """`base` (the tool's own environment) with what this stack asks for."""
    environment = {name: value for name, value in base.items() if not _FLAGS.match(name)} | _OURS
    told = stack.backend or with_backend(base).get(_BACKEND)
    if backend := told or program_files.backend(stack.program):
        environment[_BACKEND] = backend
    # Dynamic providers are imported by processes of their own, which need the program and the SDK.
    program = Path(stack.program.path)
    folder = program.parent if stack.program.function else program
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), base.get("PYTHONPATH"))))
    environment.setdefault("PULUMI_PYTHON_CMD", sys.executable)
    if config := _kubeconfig(stack, base):
        environment["KUBECONFIG"] = config
    return environment


def with_backend(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The same for processes of another folder: a backend's relative path starts where the tool runs."""
    if not (backend := environment.get(_BACKEND)):
        return environment
    return {**environment, _BACKEND: locks.absolute(backend, Path.cwd())}


def _kubeconfig(stack: Stack, base: Mapping[str, str]) -> str:
    """Files in order: the first that names a current context has its way, so ours goes first."""
    files = stack.kubeconfig or base.get("KUBECONFIG", "")
    if not stack.context:
        return stack.kubeconfig
    chosen = Path(stack.folder) / _CURRENT_CONTEXT
    chosen.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = f'apiVersion: v1\nkind: Config\ncurrent-context: "{stack.context}"\n'
    if not chosen.exists() or chosen.read_text(encoding="utf-8") != text:
        chosen.write_text(text, encoding="utf-8")
    return f"{chosen}:{files or Path.home() / '.kube' / 'config'}"


class Mask:
    """Puts a name in the place of every secret value that is known.

    Engine and providers hide secrets of stacks, except in what a provider or program says itself.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        names = [name for name in environment if _SECRET.search(name)]
        self._values = pump.values_of(names, environment)

    def learn(self, values: Iterable[str]) -> None:
        """Secret configuration of the stack, once the program has been handed it."""
        for value in values:
            data = value.encode()
            if len(data) >= pump.TOO_SHORT_TO_BE_SECRET:
                self._values.append((data, b"[secret]"))

    def text(self, text: str) -> str:
        data = text.encode(errors="surrogateescape")
        return pump.masked(data, self._values, final=True)[0].decode(errors="replace")
