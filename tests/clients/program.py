"""What an official package does against a fleet: a worker, or a client that starts and awaits.

Run by the Python of the package's own environment, never imported: `program.py worker URL QUEUE`
or `program.py client URL QUEUE OPTIONS`, these as JSON. A client goes on until the file that its
options name is there, and prints what became of every workflow that it started.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import durable_workflow
from durable_workflow import Client, Worker, activity, workflow


@activity.defn(name="shout")
async def shout(text: str) -> str:
    await asyncio.sleep(0.05)
    return text.upper()


@workflow.defn(name="greeter")
class Greeter:
    """Two activities with a timer between them: several workflow tasks, replayed each time."""

    def run(self, ctx: Any, name: str) -> Any:
        first = yield ctx.schedule_activity("shout", [f"hello {name}"])
        yield ctx.sleep(1)
        second = yield ctx.schedule_activity("shout", ["bye"])
        return f"{first}, {second}"


async def work(client: Client, queue: str) -> None:
    """As the process driver starts it: who it is comes from the environment."""
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[Greeter],
        activities=[shout],
        worker_id=os.environ["ROLLOUT_KIT_WORKER_ID"],
        build_id=os.environ["DW_WORKER_BUILD_ID"],
        poll_timeout=10.0,
        shutdown_timeout=5.0,
    )
    await worker.run()


async def start_and_await(client: Client, queue: str, options: dict[str, Any]) -> None:
    """One after the other, several at a time, until told to stop; each is awaited to its end."""
    info = await client.get_cluster_info()
    stop = Path(options["until"])
    numbers = itertools.count(1)
    results: list[dict[str, Any]] = []

    async def keep_starting() -> None:
        while not stop.exists():
            number = next(numbers)
            workflow_id = f"{options['prefix']}-{number}"
            results.append(await _one(client, queue, options, workflow_id))

    await asyncio.gather(*(keep_starting() for _ in range(options["at_a_time"])))
    package = durable_workflow.__version__
    print(json.dumps({"package": package, "server": info["version"], "results": results}))


async def _one(
    client: Client, queue: str, options: dict[str, Any], workflow_id: str
) -> dict[str, Any]:
    """Started again while the server is not to be had: the workflow id makes that safe."""
    for _ in range(40):
        try:
            handle = await client.start_workflow(
                workflow_type=options["workflow_type"],
                task_queue=queue,
                workflow_id=workflow_id,
                input=options["input"],
                duplicate_policy="use-existing",
            )
            output = await client.get_result(handle, poll_interval=0.2, timeout=60)
        except (OSError, durable_workflow.DurableWorkflowError, TimeoutError) as error:
            last = f"{type(error).__name__}: {error}"
            print(last, file=sys.stderr)
            if "AlreadyStarted" in last:
                described = await client.describe_workflow(workflow_id)
                return {"id": workflow_id, "output": described.output, "status": described.status}
            await asyncio.sleep(0.25)
            continue
        return {"id": workflow_id, "output": output, "status": "completed"}
    return {"id": workflow_id, "output": None, "status": last}


async def main(act: str, url: str, queue: str, options: dict[str, Any]) -> None:
    tokens = {role: os.environ.get(f"DW_{role.upper()}_TOKEN") for role in ("operator", "worker")}
    async with Client(
        url,
        control_token=tokens["operator"],
        worker_token=tokens["worker"],
        namespace="default",
    ) as client:
        if act == "worker":
            await work(client, queue)
        else:
            await start_and_await(client, queue, options)


if __name__ == "__main__":
    given = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], given))
