"""The shell of the CI files as their platforms run it, with everything around it that it may touch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

CI = Path(__file__).parents[2] / "pipelines" / "ci"
INSTALL = "pip install"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")

GH = """\
#!/bin/sh
printf '%s\\n' "$@" > "$STUBS/gh.arguments"
for last; do :; done
cp "$last" "$STUBS/gh.body"
"""


@dataclass(frozen=True)
class Ended:
    """How a job ended: the code of the step that failed it, or 0."""

    code: int
    log: str


def github(job: str, folder: Path, known: Mapping[str, str], event: str) -> Ended:
    """Run the job's shell steps. `known`: what the platform's expressions stand for."""
    flow: dict[Any, Any] = yaml.safe_load((CI / "github" / "rollout.yml").read_text())
    found = flow["jobs"][job]
    assert f"github.event_name == '{event}'" in found["if"], f"{job} does not run on {event}"
    code, log = 0, ""
    for step in found["steps"]:
        script = step.get("run", "")
        condition = step.get("if", "")
        left_out = "hashFiles('preview.md')" in condition and not (folder / "preview.md").exists()
        left_out |= "github.event_name" in condition and f"'{event}'" not in condition
        if not script or INSTALL in script or left_out or (code and "always()" not in condition):
            continue
        given = {**flow.get("env", {}), **found.get("env", {}), **step.get("env", {})}
        environment = {name: _resolved(str(text), known) for name, text in given.items()}
        # A step without `shell` gets `bash -e`; an expression inside a script would be an injection.
        assert not _EXPRESSION.search(script), script
        ended = _bash(("-e",), script, folder, {"GITHUB_ACTIONS": "true", **environment})
        log += ended.log
        code = code or ended.code
    return Ended(code, log)


def gitlab(job: str, folder: Path, given: Mapping[str, str]) -> Ended:
    """Run the job's scripts as a runner does: those before and its own in one shell, then those after."""
    flow: dict[Any, Any] = yaml.safe_load((CI / "gitlab" / "rollout.yml").read_text())
    found = _extended(flow, job)
    known = {
        "GITLAB_CI": "true",
        "CI_BUILDS_DIR": str(folder.parent),
        "CI_PROJECT_PATH": "acme/orders",
        "CI_JOB_URL": "https://gitlab.com/acme/orders/-/jobs/7",
    }
    variables = {
        name: Template(str(text)).substitute(known)
        for name, text in flow.get("variables", {}).items()
    }
    environment = {**known, **variables, **given}
    before = [line for line in found.get("before_script", []) if INSTALL not in line]
    lines = [*before, *found["script"]]
    ended = _bash(("-eo", "pipefail"), "\n".join(lines), folder, environment)
    after = "\n".join(found.get("after_script", []))
    last = _bash(("-eo", "pipefail"), after, folder, environment)
    assert last.code == 0, last.log
    return Ended(ended.code, ended.log + last.log)


def _extended(flow: Mapping[str, Any], job: str) -> dict[str, Any]:
    found = flow[job]
    return {**(_extended(flow, found["extends"]) if "extends" in found else {}), **found}


def _resolved(text: str, known: Mapping[str, str]) -> str:
    """Every expression must be known here: a typo in a secret's name is an empty token."""
    return _EXPRESSION.sub(lambda found: known[found[1]], text)


def _bash(
    options: tuple[str, ...], script: str, folder: Path, environment: Mapping[str, str]
) -> Ended:
    ran = subprocess.run(
        ["bash", "--noprofile", "--norc", *options, "-c", script],
        cwd=folder,
        env={
            "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "CI": "true",
            "STUBS": str(folder.parent),
            "GITHUB_OUTPUT": str(folder.parent / "output"),
            "GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"),
            "GITHUB_ACTOR": "octocat",
            "GITLAB_USER_LOGIN": "octocat",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(ran.returncode, ran.stdout + ran.stderr)


def runner(folder: Path, root: Path) -> None:
    """The programs that a runner's machine has: `rollout-kit` and `gh`."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    kit = f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m rollout_kit "$@"\n'
    for name, text in {"rollout-kit": kit, "gh": GH}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
