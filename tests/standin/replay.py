"""Plays a recorded situation against the `pulumi` on PATH, and says where it went another way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from pulumi import automation as auto
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

from . import recordings
from .fixtures import Cli
from .programs import Spec, program

_UPDATES = {"up", "preview", "refresh", "destroy", "preview_refresh"}
_IGNORED = {"history", "export"}  # compared by their content, or in the observations
_PATIENCE_S = 60


class Replay:
    """`differences` fills up while `play` goes on."""

    def __init__(self, cli: Cli, *, exports: bool = True) -> None:
        """`exports=False`: the stack's outputs are not compared; a kill may come before them."""
        self._cli, self._exports = cli, exports
        self._spec: Spec = {}
        self.differences: list[str] = []
        self._places = {
            str(cli.state): "<state>",
            str(cli.work): "<work>",
            str(cli.folder / "home"): "<home>",
            str(cli.folder): "<run>",
            os.environ.get("USER", "root"): "<user>",
        }
        self._exported: Any = None
        self._selected: auto.Stack | None = None

    def _stack(self, spec: Spec | None = None) -> auto.Stack:
        """The stack with the program of the moment; selected once, for every process costs."""
        if spec is not None:
            self._spec = spec
        if self._selected is None:
            self._selected = auto.create_or_select_stack(
                "dev",
                project_name="proj",
                program=program(self._spec),
                opts=auto.LocalWorkspaceOptions(work_dir=str(self._cli.work)),
            )
        self._selected.workspace.program = program(self._spec)
        return self._selected

    _cancels = False

    def prepare(self, before: list[Any]) -> None:
        """`{program}`: an up; (program, "SIGKILL"): killed in it; "stack": only the stack.

        ("then", program): the program of the steps that name none; "cancel": the locks are removed
        after the first look.
        """
        for one in before:
            if isinstance(one, dict):
                self._stack(one).up()
            elif isinstance(one, tuple) and one[0] == "then":
                self._spec = one[1]
            elif isinstance(one, tuple):
                self._interrupt(one[0], "up", [{"signal": one[1], "after_ms": 0}])
            elif one == "cancel":
                self._cancels = True
            elif one == "stack":
                self._stack()
            elif one.startswith("world:"):
                name, _, text = one.removeprefix("world:").partition("=")
                path = self._cli.world_folder / name
                path.write_text(text) if text else path.unlink()

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            where = f"step {number} {step['kind']} {step.get('call') or step.get('when') or ''}"
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
                        self._stack().cancel()
                case "signal":
                    driver = step["driver"]
                    self._interrupt(driver.get("program"), driver["op"], step["signals_sent"])
                case _:
                    self.differences.append(f"{where}: not played")

    def _differ(self, where: str, what: str, recorded: Any, here: Any) -> None:
        if recorded != here:
            self.differences.append(f"{where}: {what}\n  recorded {recorded}\n  here     {here}")

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
        self._differ(where, "raised", step.get("raised", {}).get("class", ""), raised)
        if calls and any(verb in step["call"] for verb in _UPDATES):
            self._texts(where, step, outputs, calls[-4 if len(calls) > 3 else 0])
        if listens and step.get("events") is not None:
            self._events(where, step["events"], heard)
        value = (step.get("returned") or {}).get("value")
        if isinstance(value, dict) and "change_summary" in value and not raised:
            here = {
                getattr(op, "value", op): count for op, count in returned.change_summary.items()
            }
            self._differ(where, "change summary", value["change_summary"], here)
        if "stack.outputs()" in step["call"] and not raised:
            here = {
                key: {"secret": one.secret, "value": one.value} for key, one in returned.items()
            }
            self._differ(where, "outputs", value, here)
        if "export_stack" in step["call"] and not raised:
            self._exported = returned

    def _texts(
        self, where: str, step: dict[str, Any], texts: list[str], call: dict[str, Any]
    ) -> None:
        recorded = recordings.lines(call["stdout"], self._places, exports=self._exports)
        if step.get("raised"):
            message = texts[-1] if texts else ""
            code = re.search(r"code: (-?\d+)", message)
            self._differ(
                where, "exit code", call["exit_code"], int(code.group(1)) if code else None
            )
            out, _, err = message.partition("\n stderr: ")
            out = out.partition("\n stdout: ")[2]
            recorded_err = recordings.lines(call["stderr"], self._places)
            self._differ(where, "stderr", recorded_err, recordings.lines(err, self._places))
        else:
            out = texts[0] if texts else ""
        if {"--json", "--diff"} & set(call["argv"]):
            return  # the rich diff is not rendered
        here = recordings.lines(out, self._places, exports=self._exports)
        if recorded != here:
            only = f"only recorded {sorted(recorded - here)}\n  only here     {sorted(here - recorded)}"
            self.differences.append(f"{where}: stdout\n  {only}")

    def _events(self, where: str, recorded: list[dict], here: list[dict]) -> None:
        a, b = recordings.steps_of(recorded), recordings.steps_of(here)
        for urn in sorted(a.keys() | b.keys()):
            self._differ(where, f"events of {urn}", a.get(urn), b.get(urn))
        self._differ(
            where,
            "diagnosed",
            recordings.said(recorded, self._places),
            recordings.said(here, self._places),
        )
        for kind in ("prelude_event", "summary_event", "cancel_event"):
            find = lambda events: [e[kind] for e in events if kind in e]  # noqa: E731, B023
            first, second = find(recorded), find(here)
            if kind == "summary_event":
                first = [one["resource_changes"] for one in first]
                second = [one["resource_changes"] for one in second]
            self._differ(where, kind, first, second)
        if here:
            self._differ(where, "last event", True, "cancel_event" in here[-1])

    def _call(self, text: str, heard: list[dict] | None, outputs: list[str]) -> Any:
        """The call of the recording: it is Python, up to a remark."""
        expression = _expression(text)
        known: dict[str, Any] = {"auto": auto, "program": program(self._spec), **_NAMES}
        if expression.startswith("auto."):
            work = str(self._cli.work)
            expression = expression.replace("program=...", "program=program").replace(
                "<work>", work
            )
            return eval(expression, known)
        stack = self._stack()
        known |= {"stack": _Recorder(stack, heard, outputs), "workspace": stack.workspace}
        known["state"] = self._exported
        return eval(expression, known)

    def _raw(self, where: str, step: dict[str, Any]) -> None:
        with _served(self._spec) as port:
            argv = [
                word.replace("127.0.0.1:<port>", f"127.0.0.1:{port}").replace(
                    "<run>", str(self._cli.folder)
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
                argv, check=False, capture_output=True, text=True, cwd=self._cli.work, env=environment,
                input="" if step.get("stdin") in (None, "/dev/null") else step["stdin"],
            )  # fmt: skip
        where = f"{where} {shlex.join(step['argv'][1:])}"
        self._differ(where, "exit code", step["exit_code"], done.returncode)
        if any(word in argv for word in _IGNORED) or "--json" in argv:
            if step["exit_code"] == 0 and "preview" not in argv and "about" not in argv:
                self._differ(where, "JSON", _shape(step["stdout"]), _shape(done.stdout))
        else:
            recorded, here = (
                recordings.lines(text, self._places) for text in (step["stdout"], done.stdout)
            )
            self._differ(where, "stdout", recorded, here)
        recorded, here = (
            recordings.lines(text, self._places) for text in (step["stderr"], done.stderr)
        )
        self._differ(where, "stderr", recorded, here)

    def _look(self, where: str, step: dict[str, Any]) -> None:
        if step.get("checkpoint"):
            here = recordings.state(self._cli.checkpoint(), exports=self._exports)
            recorded = recordings.state(step["checkpoint"], exports=self._exports)
            for urn in sorted(recorded["resources"].keys() | here["resources"].keys()):
                self._differ(
                    where,
                    urn,
                    _unsealed(recorded["resources"].get(urn)),
                    _unsealed(here["resources"].get(urn)),
                )
            self._differ(where, "pending", recorded["pending"], here["pending"])
        if step.get("locks") is not None:
            self._differ(where, "locks", len(step["locks"]), len(self._cli.locks()))
        if step.get("world") is not None:
            self._differ(where, "world", step["world"], self._cli.world())
        if step.get("config_file"):
            path = self._cli.work / "Pulumi.dev.yaml"
            self._differ(
                where,
                "config file",
                recordings.plain(step["config_file"], {}),
                recordings.plain(path.read_text(), {}),
            )

    def _interrupt(self, spec: Spec | None, verb: str, signals: list[dict]) -> None:
        """Starts the update, waits for the operation that takes long, sends the signals to the CLI."""
        if spec is not None:
            self._spec = spec
        stack = self._stack()
        begun = threading.Event()

        def heed(event: Any) -> None:
            pre = event.resource_pre_event
            if (
                pre
                and pre.metadata.op.value not in ("same", "refresh")
                and "::slow" in pre.metadata.urn
            ):
                begun.set()

        def run() -> None:
            with contextlib.suppress(auto.CommandError):
                getattr(stack, verb)(on_event=heed)

        worker = threading.Thread(target=run)
        worker.start()
        assert begun.wait(_PATIENCE_S), "the slow operation never began"
        _await(lambda: bool(self._cli.checkpoint().get("pending_operations")))
        if verb != "destroy":
            wanted = [one["props"] for one in self._spec["resources"] if one["name"] == "slow"]
            _await(lambda: wanted[0] in self._cli.world().values())
        pid = json.loads(self._cli.locks()[0].read_text())["pid"]
        for sent in signals:
            time.sleep(min(sent.get("after_ms", 0), 1000) / 1000)
            os.kill(pid, getattr(signal, sent["signal"]))
        worker.join(_PATIENCE_S)
        assert not worker.is_alive(), "the interrupted update never ended"


class _Recorder:
    """A stack whose updates are listened to as they were in the recording."""

    def __init__(self, stack: auto.Stack, heard: list[dict] | None, outputs: list[str]) -> None:
        self._stack, self._heard, self._outputs = stack, heard, outputs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stack, name)
        if name not in _UPDATES:
            return found

        def call(**given: Any) -> Any:
            if self._heard is not None:
                given["on_event"] = lambda event: self._heard.append(_plain_event(event))
            result = found(**given)
            self._outputs.append(result.stdout)
            return result

        return call


def _plain_event(event: Any) -> Any:
    """An event of the SDK as the recordings have it."""
    if isinstance(event, dict):
        return {key: _plain_event(value) for key, value in event.items()}
    if isinstance(event, list):
        return [_plain_event(one) for one in event]
    if (hasattr(event, "value") and not hasattr(event, "__dict__")) or isinstance(event, str):
        return getattr(event, "value", event)
    if hasattr(event, "name") and hasattr(event, "value"):
        return event.value
    if hasattr(event, "__dict__"):
        return {key: _plain_event(value) for key, value in vars(event).items() if value is not None}
    return event


def _expression(text: str) -> str:
    """`stack.up(message='x') with remarks` without the remarks."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return text[: at + 1]
    return text


_NAMES: dict[str, Any] = {
    "ConfigValue": auto.ConfigValue,
    "LocalWorkspaceOptions": auto.LocalWorkspaceOptions,
}


def _unsealed(tree: Any) -> Any:
    """Ciphertexts say nothing."""
    if isinstance(tree, dict):
        return {key: _unsealed(value) for key, value in tree.items() if key != "ciphertext"}
    return [_unsealed(one) for one in tree] if isinstance(tree, list) else tree


def _shape(text: str) -> Any:
    """The keys of a JSON text, to their depth; what depends on the machine is left out."""

    def keys(tree: Any) -> Any:
        if isinstance(tree, dict):
            ours = {"environment", "stackTrace", "sourcePosition", "created", "modified", "time"}
            return {key: keys(value) for key, value in tree.items() if key not in ours}
        if isinstance(tree, list):
            return [keys(one) for one in tree]
        return type(tree).__name__

    try:
        return keys(json.loads(text))
    except ValueError:
        return text


def _await(holds: Any) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def _served(spec: Spec) -> Iterator[int]:
    """A language server of the program, for raw calls of the CLI."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program(spec)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0)


def workdir(cli: Cli) -> Path:
    return cli.work
