"""Plays a recorded situation against the `pulumi` on PATH, and says where it went another way."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pulumi import automation as auto

from . import recordings
from .calling import NAMES, UPDATES, Recorder, expression, served
from .comparing import Comparison
from .driving import Driven
from .fixtures import Cli
from .programs import Spec, program
from .waiting import PATIENCE_S, await_

Meanwhile = Mapping[int, Callable[["Replay"], None]]
"""What happens before the step of that number."""
_VALUES = ("stack.outputs()", "stack.get_all_config()")


class Replay:
    """`differences` fills up while `play` goes on."""

    def __init__(self, cli: Cli, *, exports: bool = True) -> None:
        """`exports=False`: the stack's outputs are not compared; a kill may come before them."""
        self.cli = cli
        self._spec: Spec = {}
        self._found = self._comparison(exports=exports)
        self._exported: Any = None
        self.meanwhile: Meanwhile = {}
        self.calls: Mapping[int, str] = {}
        self._selected: auto.Stack | None = None

    @property
    def differences(self) -> list[str]:
        return self._found.differences

    def _comparison(self, *, exports: bool) -> Comparison:
        return Comparison(self._places(), exports=exports)

    def _places(self) -> dict[str, str]:
        return {
            str(self.cli.state): "<state>",
            str(self.cli.work): "<work>",
            str(self.cli.folder / "home"): "<home>",
            str(self.cli.folder): "<run>",
            os.environ.get("USER", "root"): "<user>",
        }

    def _program(self) -> Callable[[], None]:
        return program(self._spec)

    def stack(self, spec: Spec | None = None) -> auto.Stack:
        """The stack with the program of the moment; selected once, for every process costs."""
        if spec is not None:
            self._spec = spec
        if self._selected is None:
            self._selected = auto.create_or_select_stack(
                "dev",
                project_name="proj",
                program=self._program(),
                opts=auto.LocalWorkspaceOptions(work_dir=str(self.cli.work)),
            )
        self._selected.workspace.program = self._program()
        return self._selected

    _cancels = False
    _beside: Driven | None = None

    def end(self) -> None:
        """Nothing of it goes on."""
        if self._beside is not None:
            self._beside.end()

    def prepare(self, before: list[Any]) -> None:
        """`{program}`: an up; (program, "SIGKILL"): killed in it; "stack": only the stack.

        ("then", program): the program of the steps that name none; "cancel": the locks are removed
        after the first look; a function is called with this.
        """
        for one in before:
            if callable(one):
                one(self)
            elif isinstance(one, dict):
                self.stack(one).up()
            elif isinstance(one, tuple) and one[0] == "then":
                self._spec = one[1]
            elif isinstance(one, tuple):
                self._interrupt(one[0], "up", [{"signal": one[1], "after_ms": 0}])
            elif one == "cancel":
                self._cancels = True
            elif one == "stack":
                self.stack()

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            where = f"step {number} {step['kind']} {step.get('call') or step.get('when') or ''}"
            if number in self.meanwhile:
                self.meanwhile[number](self)
            if number in self.calls:
                step = {**step, "call": self.calls[number]}  # noqa: PLW2901
            match step["kind"]:
                case "sdk":
                    after = steps[number + 1 : number + 2]
                    if "fixed program" in step["call"] and after and "program" not in step:
                        self._spec = after[0].get("program") or self._spec
                    self._sdk(where, step)
                case "cli":
                    self._raw(where, step)
                case "observation":
                    self._look(where, step)
                    if self._cancels:
                        self._cancels = False
                        self.stack().cancel()
                case "signal":
                    self._signal(step["driver"], step["signals_sent"])
                case _:
                    self.differences.append(f"{where}: not played")

    def _signal(self, driver: dict[str, Any], signals: list[dict[str, Any]]) -> None:
        """A driver that is not to be interrupted itself can be this process."""
        if driver["op"] != "preview" and signals[0]["to"] == "cli":
            self._interrupt(driver.get("program"), driver["op"], signals)
            return
        self.stack()
        self._beside = Driven(self.cli, driver["op"], driver["program"])
        self._beside.await_begun()
        self._beside.send(signals)
        self._beside.await_end()

    def _sdk(self, where: str, step: dict[str, Any]) -> None:
        calls = step["cli_calls"]
        if step.get("program") is not None:
            self._spec = step["program"]
        heard: list[dict[str, Any]] = []
        listens = any("--event-log" in call["argv"] for call in calls)
        raised, returned = "", None
        outputs: list[str] = []
        try:
            returned = self._call(step["call"], heard if listens else None, outputs)
        except Exception as wrong:  # noqa: BLE001 - whatever the SDK raises is compared
            raised = f"{type(wrong).__module__}.{type(wrong).__name__}"
            outputs.append(str(wrong))
        found = self._found
        found.differ(where, "raised", step.get("raised", {}).get("class", ""), raised)
        if calls and any(verb in step["call"] for verb in UPDATES):
            found.call(where, step, outputs, calls[-4 if len(calls) > 3 else 0])
        if listens and step.get("events") is not None:
            found.events(where, step["events"], heard)
        value = (step.get("returned") or {}).get("value")
        if isinstance(value, dict) and "change_summary" in value and not raised:
            here = {
                getattr(op, "value", op): count for op, count in returned.change_summary.items()
            }
            found.differ(where, "change summary", value["change_summary"], here)
        if any(one in step["call"] for one in _VALUES) and not raised:
            here = {
                key: {"secret": one.secret, "value": one.value} for key, one in returned.items()
            }
            found.differ(where, "values", value, here)
        if "export_stack" in step["call"] and not raised:
            self._exported = returned

    def _call(self, text: str, heard: list[dict] | None, outputs: list[str]) -> Any:
        """The call of the recording: it is Python, up to a remark."""
        wanted = expression(text)
        known: dict[str, Any] = {"program": self._program(), **NAMES}
        if wanted.startswith("auto."):
            work = str(self.cli.work)
            wanted = wanted.replace("program=...", "program=program").replace("<work>", work)
            return eval(wanted, known)
        stack = self.stack()
        known |= {"stack": Recorder(stack, heard, outputs), "workspace": stack.workspace}
        known["state"] = self._exported
        return eval(wanted, known)

    def _raw(self, where: str, step: dict[str, Any]) -> None:
        with served(self._program()) as port:
            argv = [
                word.replace("127.0.0.1:<port>", f"127.0.0.1:{port}").replace(
                    "<run>", str(self.cli.folder)
                )
                for word in step["argv"]
            ]
            wanted = step.get("env") or {}
            environment = {
                name: value
                for name, value in os.environ.items()
                if name != "PULUMI_CONFIG_PASSPHRASE" or name in wanted
            }
            for name in ("PULUMI_DEBUG_COMMANDS", "PULUMI_AUTOMATION_API"):
                if name in wanted:
                    environment[name] = "true"
            done = subprocess.run(
                argv, check=False, capture_output=True, text=True, cwd=self.cli.work, env=environment,
                input="" if step.get("stdin") in (None, "/dev/null") else step["stdin"],
            )  # fmt: skip
        where = f"{where} {shlex.join(step['argv'][1:])}"
        self._found.process(where, step, done.returncode, done.stdout, done.stderr)

    def _look(self, where: str, step: dict[str, Any]) -> None:
        found = self._found
        if step.get("checkpoint"):
            found.checkpoint(where, step["checkpoint"], self.cli.checkpoint())
        if step.get("locks") is not None:
            found.differ(where, "locks", len(step["locks"]), len(self.cli.locks()))
        if step.get("world") is not None:
            found.differ(where, "world", step["world"], self.cli.world())
        if step.get("files") == []:
            found.differ(where, "files", [], [path.name for path in self.cli.work.iterdir()])
        if step.get("config_file"):
            path = self.cli.work / "Pulumi.dev.yaml"
            texts = (recordings.plain(text, {}) for text in (step["config_file"], path.read_text()))
            found.differ(where, "config file", *texts)

    def _interrupt(self, spec: Spec | None, verb: str, signals: list[dict]) -> None:
        """Starts the update, waits for the operation that takes long, sends the signals to the CLI."""
        if spec is not None:
            self._spec = spec
        stack = self.stack()
        begun = threading.Event()

        def heed(event: Any) -> None:
            if self._takes_long(event):
                begun.set()

        def run() -> None:
            with contextlib.suppress(auto.CommandError):
                getattr(stack, verb)(on_event=heed)

        worker = threading.Thread(target=run)
        worker.start()
        assert begun.wait(PATIENCE_S), "the slow operation never began"
        await_(lambda: bool(self.cli.checkpoint().get("pending_operations")))
        self._await_world(verb)
        pid = json.loads(self.cli.locks()[0].read_text())["pid"]
        for sent in signals:
            time.sleep(min(sent.get("after_ms", 0), 1000) / 1000)
            os.kill(pid, getattr(signal, sent["signal"]))
        worker.join(PATIENCE_S)
        assert not worker.is_alive(), "the interrupted update never ended"

    def _takes_long(self, event: Any) -> bool:
        """This event says that the operation has begun that is to be interrupted."""
        pre = event.resource_pre_event
        return bool(
            pre
            and pre.metadata.op.value not in ("same", "refresh")
            and "::slow" in pre.metadata.urn
        )

    def _await_world(self, verb: str) -> None:
        if verb != "destroy":
            wanted = [one["props"] for one in self._spec["resources"] if one["name"] == "slow"]
            await_(lambda: wanted[0] in self.cli.world().values())
