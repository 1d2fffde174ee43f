"""`status`: how far a rollout is, why it stopped, what to do next."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Output, Status
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.reporters import status_view as view


def run(arguments: Status, console: Console) -> ExitCode:
    choice = arguments.choice
    if arguments.all:
        store = journals.store(choice.state, console)
        found = [journals.open_entry(store, entry) for entry in store.rollouts(choice.target)]
    else:
        found = [journals.find(choice, console)]
    statuses = [journals.status(one, choice, console) for one in found]
    match arguments.output:
        case Output.JSON:
            console.out.raw(view.status_json(statuses))
        case Output.MARKDOWN:
            console.out.raw(view.status_markdown(statuses).rstrip("\n"))
        case Output.HUMAN if arguments.all:
            for one in statuses:
                console.out.line(f"{one.rollout}  {one.target}  {one.word}")
        case Output.HUMAN:
            view.print_status(statuses[0], console.out)
    return ExitCode.SUCCESS
