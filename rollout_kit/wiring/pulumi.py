"""The Pulumi driver of a plan: its stack, and the cluster that the stack is on."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from rollout_kit.document.plan import PulumiInfra
from rollout_kit.drivers.pulumi import locks, program_files
from rollout_kit.drivers.pulumi.api import Program, Stack
from rollout_kit.drivers.pulumi.driver import PulumiDriver
from rollout_kit.drivers.pulumi.environment import with_backend
from rollout_kit.drivers.pulumi.live import Live, NoCluster
from rollout_kit.drivers.pulumi.uncounted import UncountedPulumiDriver
from rollout_kit.drivers.work.folder import file_name
from rollout_kit.ports.errors import Refused, Trouble


def pulumi_driver(
    infra: PulumiInfra, folder: Path, environment: Mapping[str, str], secrets: tuple[str, ...]
) -> PulumiDriver:
    """Nothing is asked yet. Raises Refused: the SDK is not installed."""
    expect_installed("pulumi", "pulumi")
    live = _live(infra, folder, environment)
    kind = PulumiDriver if live.is_there else UncountedPulumiDriver
    return kind(
        stack_of(infra, folder),
        with_backend(environment),
        plan_folder=folder,
        allowed=infra.allow,
        secrets=secrets,
        live=live,
    )


def stack_of(infra: PulumiInfra, folder: Path) -> Stack:
    """The stack as the driver names it; relative paths start at the folder of the plan."""
    path, _, function = infra.program.rpartition(":")
    if not path or not function.isidentifier():
        path, function = infra.program, ""
    program = Program(path=str((folder / path).resolve()), function=function)
    project = _project_in(infra.stack) or program_files.project(program) or Path(path).stem
    kubeconfig = (folder / infra.kubeconfig).resolve() if infra.kubeconfig else ""
    return Stack(
        program=program,
        name=infra.stack,
        project=project,
        folder=str((folder / infra.state / file_name(infra.stack)).resolve()),
        backend=locks.absolute(infra.backend, folder),
        kubeconfig=str(kubeconfig),
        context=infra.context,
    )


def expect_installed(module: str, extra: str) -> None:
    """Raises Refused where a package of this extra is missing."""
    if importlib.util.find_spec(module) is None:
        raise Refused(
            f"the Python package {module} is not installed",
            why="The plan's infra section needs it, and nobody else does.",
            hint=f"pip install 'rollout-kit[{extra}]'",
            trouble=Trouble.NOT_FOUND,
        )


def _project_in(stack: str) -> str:
    """`organization/project/stack` names its project itself."""
    parts = stack.split("/")
    return parts[1] if len(parts) == 3 else ""


def _live(infra: PulumiInfra, folder: Path, environment: Mapping[str, str]) -> Live:
    if not (infra.kubeconfig or infra.context or environment.get("KUBECONFIG")):
        return NoCluster()
    expect_installed("kubernetes", "kubernetes")
    from rollout_kit.drivers.kubernetes.live import placed_objects

    return placed_objects(
        kubeconfig=folder / infra.kubeconfig if infra.kubeconfig else None,
        context=infra.context,
        environment=environment,
    )
