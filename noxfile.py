"""Every check of the project: `nox` runs the default ones, `nox -s bench` the benchmarks."""

from __future__ import annotations

import os
from pathlib import Path

import nox
from packaging.requirements import Requirement

PROJECT = nox.project.load_toml("pyproject.toml")
HERE = Path(__file__).parent
WHOLE = ".[kubernetes,pulumi,remote]"
"""The package with every extra: whatever a session selects, all of `tests` is imported."""

NO_REAL_NOMAD = "left out: the tests of a real Nomad, which `nox -s nomad` runs"

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "crash", "clients", "cluster", "demo"]
nox.options.error_on_missing_interpreters = True


def _group(name: str) -> list[str]:
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, import layers, and the CI files against their platforms' schemas."""
    session.install("-q", ".", *_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    github = sorted(str(path.relative_to(HERE)) for path in HERE.glob("pipelines/ci/github/*.yml"))
    gitlab = sorted(str(path.relative_to(HERE)) for path in HERE.glob("pipelines/ci/gitlab/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *github)
    session.run("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *gitlab)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict; each program of infra/ with its own folder in front, as its engine runs it."""
    session.install("-q", ".[kubernetes,pulumi,remote]", *_group("types"))
    session.run("mypy")
    for program in ("small-cluster", "single-host"):
        package = program.replace("-", "_")
        session.run("mypy", "-p", package, env={"MYPYPATH": f"infra/{program}{os.pathsep}."})


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but those that a session below runs; about six minutes on two cores."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    session.run(
        "pytest",
        "-n",
        "2",
        "-m",
        "not clients and not cluster and not crash and not real_nomad",
        *session.posargs,
    )
    session.log(NO_REAL_NOMAD)


@nox.session
def crash(session: nox.Session) -> None:
    """Whole rollouts, killed before and after every record, forward and back."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    selected = "crash and not real_nomad"
    # The longest come last: who has none left takes over from the other.
    session.run(
        *("pytest", "-n", "2", "--dist", "worksteal", "-m", selected, "--durations=25"),
        *session.posargs,
    )
    session.log(NO_REAL_NOMAD)


@nox.session
def soak(session: nox.Session) -> None:
    """Simulated rollouts for as long as one wants: `nox -s soak -- --seeds 0..9999 --jobs 2`."""
    session.install("-q", ".")
    session.run("python", "-m", "rollout_kit.simulation", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plants every fault of tests/mutants in a scratch copy: half an hour. `crash` plants ten."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Official packages over real sockets: workers while a rollout goes on; journals in Azurite."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    session.run("pytest", "-m", "clients", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """What needs a Kubernetes control plane, against a real one: built once from Go modules.

    Where that cannot be, the tests say why and are left out; in CI they fail.
    """
    session.install("-q", "-e", WHOLE, *_group("test"))
    session.run("python", "-m", "tests.toolchain", success_codes=[0, 3])
    session.run("pytest", "-n", "2", "-m", "cluster", "-rs", *session.posargs)


@nox.session
def nomad(session: nox.Session) -> None:
    """The shipped script against a real Nomad; for a machine that has `nomad` on PATH."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    session.run("pytest", "-m", "real_nomad", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The tests with the lowest versions that the package accepts of what it uses."""
    session.install("-q", "-e", WHOLE, *_group("test"))
    extras = PROJECT["project"]["optional-dependencies"]
    used = [*PROJECT["project"]["dependencies"], *extras["remote"], *extras["pulumi"]]
    session.install("-q", *map(_lowest, used))
    selected = "not clients and not cluster and not crash and not real_nomad"
    session.run("pytest", "-n", "2", "-m", selected, *session.posargs)


def _lowest(requirement: str) -> str:
    wanted = Requirement(requirement)
    (version,) = (one.version for one in wanted.specifier if one.operator == ">=")
    return f"{wanted.name}=={version}"


@nox.session
def demo(session: nox.Session) -> None:
    """The product, as a new user sees it; then one automatic rollback."""
    session.install("-q", ".")
    session.run("rollout-kit", "demo", *session.posargs)
    if not session.posargs:
        session.run("rollout-kit", "demo", "--generation", "0.2")
        session.run("rollout-kit", "demo", "--break", "canary", success_codes=[10])


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios beside what a user would otherwise use; every rival's script lies beside it."""
    session.install("-q", ".[remote]", *_group("test"))
    session.run("python", "benchmarks/run.py", *session.posargs)
