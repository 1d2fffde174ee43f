"""What is in the images of a sandbox's fleet, for whatever starts them: Nomad, ECS, docker by Ansible.

    python -m tests.drivers.contained FLEET.yaml node/api-1
    python -m tests.drivers.contained FLEET.yaml worker/orders
    python -m tests.drivers.contained FLEET.yaml job php artisan migrate:status

It becomes that program of the fleet file, with the image, marker, server id and build id that its
environment names: those variables are all that it learns from who starts it. `Inside` knows the processes
that have come of it, from the kernel and nobody else.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work.launcher import resolved
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, RunJob

IMAGE, MARKER, SERVER_ID = "IMAGE", "DW_V2_CURRENT_COMPATIBILITY", "DW_SERVER_ID"
BUILDS = ("FLEET_BUILD_ID", "NOMAD_META_build_id")
WHOSE, WHAT = "CONTAINED_IN", "CONTAINED"
JOBS = {"server-bootstrap": "bootstrap", "php": "migrate-status"}
TWO_SCHEDULERS = "two-schedulers"


def main(fleet_file: str, what: str, *command: str) -> None:
    given = os.environ
    driver = ProcessDriver(Path(fleet_file), given)
    fleet, render = driver.fleet, driver.render
    image = given[IMAGE]
    kind, _, name = what.partition("/")
    of_server = {"image": image, "marker": given.get(MARKER), "server_id": given.get(SERVER_ID)}
    match kind:
        case "node":
            node = fleet.nodes[name]
            values = {"node": name, "host": node.host, "port": str(node.port)}
            spec = replace(node.declared, **of_server)
            launch = render.process(what, node.argv, spec, values)
        case "scheduler":
            assert fleet.scheduler is not None
            spec = replace(fleet.scheduler.declared, **of_server)
            launch = render.process(what, fleet.scheduler.argv, spec, {})
            _lone_scheduler(Path(fleet_file).parent)
        case "maintenance":
            entry = fleet.maintenance[name]
            launch = render.process(what, entry.argv, replace(entry.declared, **of_server), {})
        case "worker":
            build = next(given[variable] for variable in BUILDS if variable in given)
            place = CohortRef(namespace="default", task_queue=name, build_id=build)
            launch = render.worker(place, os.getpid(), CohortSpec(image=image, replicas=1))
        case _:
            wanted = RunJob(job=JOBS[command[0]], image=image, revision=image.rpartition(":")[2])
            program = render.job(wanted)
            return _become(program.argv, program.environment, fleet_file, what)
    variables = launch["environment"] | {launch["worker_variable"]: f"{launch['worker']}"}
    return _become(tuple(launch["argv"]), variables, fleet_file, what)


def _become(
    argv: tuple[str, ...], variables: Mapping[str, str], fleet_file: str, what: str
) -> None:
    own = {name: resolved(text, os.environ) for name, text in variables.items()}
    seen = {WHOSE: str(Path(fleet_file).parent), WHAT: what}
    os.chdir(Path(fleet_file).parent)
    os.execvpe(argv[0], argv, {**os.environ, **own, **seen})


def _lone_scheduler(folder: Path) -> None:
    """Leave a mark where another one runs: two of them would run each schedule twice."""
    if any(one.what == "scheduler" for one in inside(folder)):
        (folder / TWO_SCHEDULERS).touch()


@dataclass(frozen=True, kw_only=True)
class Inside:
    """A process that runs for a fleet."""

    pid: int
    what: str
    image: str
    build: str


def inside(folder: Path) -> Iterator[Inside]:
    """The processes of the fleet in this folder, by their own environments."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            pairs = (process / "environ").read_text(errors="replace").split("\0")
            state = (process / "stat").read_text().rpartition(") ")[2][0]
        except OSError:  # it has ended, or is not ours to look at
            continue
        found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if found.get(WHOSE) == str(folder) and state != "Z":
            build = next((found[name] for name in BUILDS if name in found), "")
            pid = int(process.name)
            yield Inside(pid=pid, what=found[WHAT], image=found[IMAGE], build=build)


def running(folder: Path) -> Counter[tuple[str, str]]:
    """How many of each: (what, image)."""
    return Counter((one.what, one.image) for one in inside(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
