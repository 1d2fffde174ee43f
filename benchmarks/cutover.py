"""A cutover of ten nodes, six acts each, beside what people do it with today. Start-up included."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import canned
import profiles
from figures import Figure
from fleet import HERE, SERVER, StubFleet, await_ready, fleet, start_plain
from plans import FROM, TO

WITHIN_S = 300.0
RIVALS = HERE / "rivals"
LIMITS = {0.2: 1.35, 2.0: 1.10}
"""Seconds until a node is ready -> how many times the nodes' own time a cutover may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One cutover: how long it took, what the nodes were asked."""

    took_s: float
    requests: Counter[str]


Cutover = Callable[[StubFleet], None]


def bench(repeats: int) -> list[Figure]:
    """All rivals in turn, at both speeds; the slow nodes once."""
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="rollout-kit-bench-") as root:
        answers = Path(root, "answers")
        canned.write(answers)
        for ready_after_s, limit in LIMITS.items():
            times = repeats if ready_after_s < 1 else 1
            runs = _measure(Path(root), answers, ready_after_s, times)
            own_s = median(run.took_s for run in runs["the nodes' own time"])
            for name, found in runs.items():
                figures.append(_figure(name, found, own_s, ready_after_s, limit))
            figures[-len(runs) :] = [
                _explained(figure, Path(root), answers, ready_after_s) if figure.missed else figure
                for figure in figures[-len(runs) :]
            ]
    return figures


def _measure(root: Path, answers: Path, ready_after_s: float, repeats: int) -> dict[str, list[Run]]:
    """Turn by turn, so that what else the machine does falls on all of them."""
    rivals: dict[str, tuple[Cutover, bool]] = {
        "the nodes' own time": (own_time, False),
        "rollout-kit apply": (rollout_kit, True),
        "bash + curl, 50 ms": (lambda made: bash(made, 0.05), False),
        "bash + curl, 1 s": (lambda made: bash(made, 1.0), False),
    }
    if shutil.which("ansible-playbook", path=_path()):
        rivals["Ansible, 50 ms"] = (lambda made: ansible(made, 0.05), False)
    runs: dict[str, list[Run]] = {name: [] for name in rivals}
    for turn in range(repeats):
        for name, (cut_over, by_driver) in rivals.items():
            if turn and name.startswith(("Ansible", "bash + curl, 1 s")):
                continue  # far enough behind to be measured once
            folder = root / f"{ready_after_s:g}-{turn}-{len(runs)}-{abs(hash(name))}"
            with fleet(folder, answers, ready_after_s=ready_after_s, by_driver=by_driver) as made:
                begun = time.monotonic()
                cut_over(made)
                took_s = time.monotonic() - begun
                requests = made.requests()
                _demand_new(made)
            runs[name].append(Run(took_s=took_s, requests=requests))
    return runs


def own_time(made: StubFleet) -> None:
    """Stop, start, wait: what no cutover can do without. No front, no identity, a look each 1 ms."""
    for name, port in made.ports.items():
        pid = int((made.folder / "pids" / name).read_text(encoding="utf-8"))
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        started = start_plain(made, name, TO)
        (made.folder / "pids" / name).write_text(f"{started.pid}\n", encoding="utf-8")
        await_ready(port, every_s=0.001)


def rollout_kit(made: StubFleet, *, through: Sequence[str] = ()) -> None:
    """The whole command as a user types it."""
    plan = made.write_plan()
    command = [*through, "apply", str(plan), "--state", str(made.folder / "rollouts")]
    entry = Path(sys.executable).with_name("rollout-kit")
    _run([*([] if through else [str(entry)]), *command], made)


def bash(made: StubFleet, poll_s: float) -> None:
    nodes = [f"{name}={url}" for name, url in made.urls.items()]
    _write_starters(made)
    _run([str(RIVALS / "cutover.sh"), made.url, f"{poll_s:g}", *nodes], made)


def ansible(made: StubFleet, poll_s: float) -> None:
    _write_starters(made)
    hosts = [
        f"{name} url={url} ansible_connection=local ansible_python_interpreter={sys.executable}"
        for name, url in made.urls.items()
    ]
    inventory = made.folder / "inventory"
    inventory.write_text("\n".join(("[nodes]", *hosts, "")), encoding="utf-8")
    given = ["-e", f"version={TO}", "-e", f"front={made.url}", "-e", f"poll={poll_s:g}"]
    _run(["ansible-playbook", "-i", str(inventory), str(RIVALS / "cutover.yml"), *given], made)


def _write_starters(made: StubFleet) -> None:
    """What `rivals/node start` runs: the very command that the product's driver is told."""
    folder = made.folder / "start"
    folder.mkdir()
    for name in made.ports:
        variables = {**SERVER, "DW_SERVER_ID": name}
        settings = " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items())
        text = f"exec env -i {settings} {shlex.join(made.argv(name, TO))}\n"
        (folder / name).write_text(text, encoding="utf-8")


def _run(command: list[str], made: StubFleet) -> None:
    environment = {
        **made.environment,
        "FLEET": str(made.folder),
        "VERSION": TO,
        "PATH": _path(),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOME": str(made.folder / "ansible"),
    }
    done = subprocess.run(
        command,
        env=environment,
        cwd=made.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    if done.returncode != 0:
        said = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}:\n{said}")


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _demand_new(made: StubFleet) -> None:
    """Whoever was quick has done it all the same: each node answers as the new version."""
    for name, url in made.urls.items():
        with urlopen(f"{url}/api/cluster/info", timeout=5) as answer:
            version = json.load(answer)["version"]
        assert version == TO, f"{name} is {version}, was {FROM}, should be {TO}"


def _figure(name: str, runs: list[Run], own_s: float, ready_after_s: float, limit: float) -> Figure:
    took_s = median(run.took_s for run in runs)
    asked = runs[-1].requests
    ready = sum(count for target, count in asked.items() if target == "/api/ready")
    return Figure(
        bench=f"cutover, nodes ready after {ready_after_s:g} s",
        name=name,
        measured=took_s / own_s,
        unit="×",
        at_most=limit if name == "rollout-kit apply" else None,
        note=f"{took_s:.2f} s; {asked.total()} requests, {ready} of them for readiness",
    )


def _explained(figure: Figure, root: Path, answers: Path, ready_after_s: float) -> Figure:
    """The same cutover once more, told by its journal, and then under a profiler."""
    whole = f"{ready_after_s:g}"
    with fleet(
        root / f"told-{whole}", answers, ready_after_s=ready_after_s, by_driver=True
    ) as made:
        begun = time.time()
        rollout_kit(made)
        told = _told(made, begun, time.time())
    with fleet(
        root / f"profiled-{whole}", answers, ready_after_s=ready_after_s, by_driver=True
    ) as made:
        written = made.folder / "profile"
        rollout_kit(made, through=profiles.command(written))
        explained = profiles.explain(figure, written)
    return replace(explained, profile=f"{told}\n{explained.profile}")


def _told(made: StubFleet, begun: float, ended: float) -> str:
    """Where the time went, by what the journal says: each act from the record before its own."""
    (path,) = (made.folder / "rollouts").glob("*/*.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    moments = [datetime.fromisoformat(record["at"]).timestamp() for record in records]
    spent: Counter[str] = Counter()
    for before, moment, record in zip(moments, moments[1:], records[1:], strict=False):
        operation = record["event"].get("operation")
        name = operation["id"] if isinstance(operation, dict) else operation
        act = name.rpartition("/")[2] if name else "baseline, end"
        spent[act] += round((moment - before) * 1000)
    spent["imports, plan, preview"] = round((moments[0] - begun) * 1000)
    spent["leaving"] = round((ended - moments[-1]) * 1000)
    return "\n".join(f"  {ms:6d} ms  {act}" for act, ms in spent.most_common())
