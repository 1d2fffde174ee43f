"""The whole fleet, from the stack contract's keys to its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from operator import itemgetter
from typing import TypeVar, cast

import pulumi

from rollout_kit.model.stack_contract import (
    NAMESPACE,
    VERSION,
    CohortWanted,
    Given,
    JobWanted,
    Key,
    NodeWanted,
    Placed,
    SingletonWanted,
    Wanted,
    as_output,
    read_wanted,
)
from single_host import processes, units
from single_host.resources import DYNAMIC, Line, Run, Units, urns
from single_host.settings import Command, Settings, read_settings

T = TypeVar("T")
SCHEDULER = "scheduler"


def fleet() -> None:
    """Makes every resource and exports the stack output `fleet`."""
    machine = Machine(read_settings(pulumi.Config()))
    wanted = _wanted(machine.settings)
    given = Given(
        contract=VERSION,
        reads=tuple(Key),
        nodes={name: machine.node(name, node) for name, node in _sorted(wanted.nodes)},
        scheduler=None if wanted.scheduler is None else machine.scheduler(wanted.scheduler),
        maintenance={
            name: machine.maintenance(name, process)
            for name, process in _sorted(wanted.maintenance)
        },
        cohorts={path: machine.cohort(path, cohort) for path, cohort in _sorted(wanted.cohorts)},
        jobs={job: machine.job(job, run) for job, run in _sorted(wanted.jobs)},
        repeatable=(DYNAMIC,),
    )
    pulumi.export(NAMESPACE, as_output(given))


class Thing(pulumi.ComponentResource):
    """One thing of the fleet: what holds its resources together."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"fleet:host:{kind}", name)
        self.here = pulumi.ResourceOptions(parent=self)
        self.register_outputs({})


class Machine:
    """Makes the things of the fleet on this machine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._manager = units.manager(settings.manager, settings.units_folder, settings.control)

    def node(self, name: str, wanted: NodeWanted) -> Placed:
        """A process with a port of its own, and its line in the front."""
        settings = self.settings
        thing = Thing("ApiNode", name)
        process = self._units(thing, name, {name: processes.node(name, settings, wanted)})
        address = f"{settings.address}:{processes.port(name, settings)}"
        line = Line(
            f"{name}-rotation",
            f"{settings.front_folder}/{name}.conf",
            f"server {address}{'' if wanted.attached else ' down'};\n",
            {"check": list(settings.front_check), "reload": list(settings.front_reload)},
            thing.here,
        )
        own = {
            "server_id": wanted.server_id or name,
            "environment": processes.server_environment(settings, wanted.environment),
        }
        return Placed(
            resources=urns(thing, process, line),
            membership=urns(line),
            runs=asdict(wanted) | own,
            url=f"http://{address}",
        )

    def scheduler(self, wanted: SingletonWanted) -> Placed:
        """There is one unit of that name, so there are never two."""
        return self._singleton(SCHEDULER, wanted, self.settings.scheduler_arguments)

    def maintenance(self, name: str, wanted: SingletonWanted) -> Placed:
        """A process of the server beside the nodes."""
        run = _of(self.settings.maintenance_arguments, name, "maintenance")
        return self._singleton(f"maintenance-{name}", wanted, run)

    def cohort(self, path: str, wanted: CohortWanted) -> Placed:
        """One unit for each worker."""
        name = processes.cohort_name(path, wanted)
        thing = Thing("Cohort", name)
        workers = {
            unit: processes.worker(unit, self.settings, wanted)
            for unit in processes.worker_names(path, wanted)
        }
        made = self._units(thing, name, workers, family=name)
        own = {"environment": processes.worker_environment(self.settings, wanted.environment)}
        return Placed(resources=urns(thing, made), runs=asdict(wanted) | own)

    def job(self, job: str, wanted: JobWanted) -> Placed:
        """The update that makes it ends when the job does, and fails if it fails."""
        settings = self.settings
        name = processes.run_name(job, wanted.run)
        thing = Thing("JobRun", name)
        arguments = _of(settings.job_arguments, job, "job")
        run = Run(
            name,
            {
                "folder": settings.state_folder,
                "job": job,
                "run": name.removeprefix(f"{job}-"),
                "argv": list(processes.job_argv(name, settings, wanted.image, arguments)),
                "environment": processes.server_environment(settings, {}),
                "environment_files": list(settings.server_environment_files),
                "user": settings.user,
            },
            thing.here,
        )
        printed = cast("str", run.printed.apply(lambda text: text or ""))
        return Placed(resources=urns(thing, run), runs=asdict(wanted), printed=printed)

    def _singleton(self, name: str, wanted: SingletonWanted, run: Command) -> Placed:
        thing = Thing("Singleton", name)
        process = processes.singleton(name, self.settings, wanted, run)
        made = self._units(thing, name, {name: process} if wanted.running else {})
        own = {"environment": processes.server_environment(self.settings, wanted.environment)}
        return Placed(resources=urns(thing, made), runs=asdict(wanted) | own)

    def _units(
        self, thing: Thing, name: str, wanted: Mapping[str, units.Process], family: str = ""
    ) -> Units:
        texts = {
            unit: units.text(self.settings.manager, unit, process)
            for unit, process in wanted.items()
        }
        return Units(name, self._manager, texts, thing.here, family=family)


def _wanted(settings: Settings) -> Wanted:
    """What the configuration says, and this program's own fleet where a key is not set."""
    config = pulumi.Config(NAMESPACE)
    values = {key.value: config.get_object(key.value) for key in Key if config.get(key.value)}
    wanted = read_wanted(values)
    if wanted.nodes is None:
        node = NodeWanted(image=settings.needed_image())
        wanted = replace(wanted, nodes=dict.fromkeys(settings.nodes, node))
    if Key.SCHEDULER.value not in values:
        wanted = replace(wanted, scheduler=SingletonWanted(image=settings.needed_image()))
    if wanted.maintenance is None:
        process = SingletonWanted(image=settings.needed_image())
        names = settings.maintenance_arguments
        wanted = replace(wanted, maintenance=dict.fromkeys(names, process))
    return wanted


def _of(arguments: Mapping[str, Command], name: str, kind: str) -> Command:
    if name not in arguments:
        known = ", ".join(sorted(arguments))
        raise ValueError(f"{kind} {name!r} is not in {kind}_arguments; there are {known}")
    return arguments[name]


def _sorted(section: Mapping[str, T] | None) -> list[tuple[str, T]]:
    return sorted((section or {}).items(), key=itemgetter(0))
