"""A stand-in for `docker` on machines that Ansible reaches: containers are processes of a sandbox's fleet.

A machine is a folder with a program `docker`, and a file for each container. `Docker` starts those that
are there before a rollout.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rollout_kit.sandbox.layout import SandboxInfo
from tests.drivers.machines import contained, environment_of

LOOK_S = 0.02
NAME, LABEL, VALUE = "--name=", "--label=fleet=", "--env="


def main(argv: list[str], machine: Path) -> int:
    verb, last = argv[0], argv[-1]
    place = machine / f"{last}.container"
    match verb:
        case "ps":
            for path in sorted(machine.glob("*.container")):
                told = json.loads(path.read_text())
                if told["label"]:
                    print("running" if _lives(told["pid"]) else "exited", told["label"])
        case "run":
            return _run(argv[1:], machine)
        case "stop":
            _stop(json.loads(place.read_text())["pid"])
        case "rm":
            if _lives(json.loads(place.read_text())["pid"]):
                sys.exit(f"cannot remove container {last}: container is running")
            place.unlink()
        case "wait":
            while not (ended := place.with_suffix(".status")).exists():
                time.sleep(LOOK_S)
            print(ended.read_text().strip())
        case "logs":
            sys.stdout.write(place.with_suffix(".out").read_text())
            sys.stderr.write(place.with_suffix(".err").read_text())
    return 0


def _run(argv: list[str], machine: Path) -> int:
    options = [one for one in argv if one.startswith("--")]
    image, *command = [one for one in argv if not one.startswith("--")]
    (name,) = (one.removeprefix(NAME) for one in options if one.startswith(NAME))
    label = next((one.removeprefix(LABEL) for one in options if one.startswith(LABEL)), "")
    values = [one.removeprefix(VALUE) for one in options if one.startswith(VALUE)]
    place = machine / f"{name}.container"
    if place.exists():
        sys.exit(f'Conflict. The container name "/{name}" is already in use')
    start = json.loads((machine / "start.json").read_text())
    what = json.loads(label)["is"] if label else "job"
    kind, *rest = what.split("/")
    what = f"worker/{rest[1]}" if kind == "worker" else what
    program = [*start["argv"], what, *command]
    given = {**os.environ, **start["environment"], "IMAGE": image}
    given |= dict(value.split("=", 1) for value in values)
    whole = ["sh", "-c", 'status=$1; shift; "$@"; echo $? >"$status"', "sh"]
    status = str(place.with_suffix(".status"))
    with place.with_suffix(".out").open("w") as out, place.with_suffix(".err").open("w") as err:
        process = subprocess.Popen(
            program if label else [*whole, status, *program],
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    place.write_text(json.dumps({"pid": process.pid, "label": label}))
    return 0


def _stop(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while _lives(pid):
        time.sleep(LOOK_S)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


class Docker:
    """The machines, in a folder."""

    def __init__(self, folder: Path, info: SandboxInfo) -> None:
        self._folder = folder
        self._info = info

    def engine(self, machine: str) -> Path:
        """The program of this machine."""
        program = self._folder / machine / "docker"
        if not program.exists():
            program.parent.mkdir(parents=True)
            root = Path(__file__).parents[2]
            program.write_text(
                f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\n"
                "from pathlib import Path\nfrom tests.drivers.docker_standin import main\n"
                "sys.exit(main(sys.argv[1:], Path(__file__).parent))\n"
            )
            program.chmod(0o755)
            *argv, _ = contained(self._info, "")
            start = {"argv": argv, "environment": environment_of(self._info)}
            (program.parent / "start.json").write_text(json.dumps(start))
        return program

    def run(self, machine: str, label: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        """A container that was there before, named as the script would name it."""
        name = re.sub(r"[^\w.-]", "-", f"fleet-{label['is']}")
        name += f"-{label['number']}" if "number" in label else ""
        values = [f"{VALUE}{key}={value}" for key, value in variables.items() if value]
        options = [f"{NAME}{name}", f"{LABEL}{json.dumps(label)}", *values]
        _run([*options, str(label["image"])], self.engine(machine).parent)

    def leave(self) -> None:
        for path in self._folder.glob("*/*.container"):
            _stop(json.loads(path.read_text())["pid"])
