"""`simulate`: a plan carried out many times on an emulated fleet where things fail."""

from __future__ import annotations

import shlex

from rollout_kit.cli import simulation_view as view
from rollout_kit.cli import stand_in
from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.progress import Counted
from rollout_kit.cli.simulated_arguments import Simulate
from rollout_kit.simulation.causes import TRIES, causes, first_bad
from rollout_kit.simulation.faults import Fault
from rollout_kit.simulation.rehearse import Rehearsal, Wanted, draw, plain, rehearsed, spread
from rollout_kit.simulation.report import Report
from rollout_kit.simulation.shrink import shrinking
from rollout_kit.simulation.theirs import Theirs

RELEASE = "release"


def run(arguments: Simulate, console: Console) -> ExitCode:
    """Exit 0; 1 where a rule was broken or a rollback did not restore; 16 interrupted."""
    wanted = _wanted(arguments.faults)
    theirs = stand_in.read(
        arguments.plan, console, generation=arguments.generation, live=arguments.live
    )
    first = plain(theirs)
    if first.refusal:
        raise CommandError(
            ExitCode.FAILURE,
            f"{arguments.plan.file} is refused on the emulated fleet before its first write",
            why=first.refusal,
            hint=f"`rollout-kit preview {arguments.plan.file}` says what the live fleet lets it do",
        )
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    counted = Counted(console, arguments.runs, "runs")
    rehearsal = Rehearsal()
    jobs = min(stand_in.jobs(arguments.jobs), arguments.runs)
    for one in counted.of(rehearsed(theirs, seeds, spread(first), wanted, jobs)):
        rehearsal.add(one)
    shown = view.Simulated(
        plan=theirs.document.name,
        file=arguments.plan.file,
        asked=arguments.runs,
        replay=_replay(arguments),
        plain=first,
        rehearsal=rehearsal,
        stands_in=theirs.stands_in,
        enough=None if counted.interrupted else _enough(rehearsal, theirs, first, wanted, console),
    )
    match arguments.output:
        case Output.JSON:
            console.out.raw(view.simulation_json(shown))
        case Output.MARKDOWN:
            console.out.raw(view.simulation_markdown(shown).rstrip("\n"))
        case Output.HUMAN:
            view.print_simulation(shown, console.out)
    if rehearsal.broken or rehearsal.unrestored:
        return ExitCode.FAILURE
    return ExitCode.INTERRUPTED if counted.interrupted else ExitCode.SUCCESS


def _enough(
    rehearsal: Rehearsal, theirs: Theirs, plain_run: Report, wanted: Wanted, console: Console
) -> view.Enough | None:
    """For one of the bad ends, the least that it takes."""
    found = first_bad(rehearsal)
    if found is None:
        return None
    seed, still = found
    scenario = draw(seed, theirs, spread(plain_run), wanted)
    what = f"tries to find what is enough for seed {seed}"
    for smaller in Counted(console, TRIES, what).of(shrinking(scenario, still, TRIES)):
        scenario = smaller
    return view.Enough(seed=seed, causes=causes(scenario, plain_run.scenario))


def _wanted(text: str) -> Wanted:
    if text == "all":
        return Wanted()
    names = [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]
    known = {fault.value for fault in Fault}
    for name in names:
        if name not in known | {RELEASE}:
            raise CommandError(
                ExitCode.USAGE,
                f'"{name}" is no fault',
                hint=f"all, none, {RELEASE}, {', '.join(sorted(known))}",
            )
    faults = tuple(Fault(name) for name in names if name != RELEASE)
    return Wanted(faults=faults, flaws=RELEASE in names)


def _replay(arguments: Simulate) -> str:
    """The command that runs one seed again, which is to be put behind it."""
    words = ["rollout-kit", "simulate", arguments.plan.file]
    for name, value in arguments.plan.variables:
        words += ["--var", f"{name}={value}"]
    if arguments.faults != "all":
        words += ["--faults", arguments.faults]
    if arguments.generation:
        words += ["--generation", arguments.generation]
    if arguments.live:
        words.append("--live")
    return shlex.join([*words, "--runs", "1", "--seed"])
