"""The CI files that people copy, their shell run as it stands against a live sandbox."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.acceptance.machine import ROOT, Machine, sandbox_machine
from tests.acceptance.small_plan import approval, pause, plan, touch
from tests.pipelines.ci_job import Ended, github, gitlab, runner

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("ci-files")]

ADDRESSES = ("DURABLE_WORKFLOW_SERVER_URL", "DW_API_1_URL", "DW_API_2_URL", "DW_API_3_URL")
EVENTS = {"preview": "pull_request", "apply": "push", "continue": "workflow_dispatch"}
PULL_REQUEST = "https://github.com/acme/orders/pull/7"


@dataclass(frozen=True)
class Checkout:
    """A runner with a checkout of a repository whose plan is for the sandbox."""

    machine: Machine

    @property
    def folder(self) -> Path:
        return self.machine.folder

    def write(self, *steps: str) -> None:
        text = plan(*steps).replace("../sandbox/", "../../sandbox/")
        (self.folder / "rollouts" / "rolling-upgrade.yaml").write_text(text)

    def github(self, job: str, event: str = "", **inputs: str) -> Ended:
        there = self.machine.environment
        known = {
            "vars.ROLLOUT_PLAN || 'rollouts/rolling-upgrade.yaml'": "rollouts/rolling-upgrade.yaml",
            "vars.ROLLOUT_STATE || format('~/rollout-state/{0}', github.repository)": (
                "~/rollout-state/acme/orders"
            ),
            "github.server_url": "https://github.com",
            "github.repository": "acme/orders",
            "github.run_id": "7",
            **{f"vars.{name}": there[name] for name in ADDRESSES},
            "secrets.DW_OPERATOR_TOKEN": there["DW_OPERATOR_TOKEN"],
            "secrets.DW_ADMIN_TOKEN": there["DW_ADMIN_TOKEN"],
            "github.token": "gh-token",
            "github.event.pull_request.html_url": PULL_REQUEST,
            **{f"inputs.{name}": text for name, text in {"rollout": "", **inputs}.items()},
        }
        return github(job, self.folder, known, event or EVENTS[job])

    def gitlab(self, job: str, **given: str) -> Ended:
        admin = () if job == "preview" else ("DW_ADMIN_TOKEN",)  # protected: not for reviews
        names = (*ADDRESSES, "DW_OPERATOR_TOKEN", *admin)
        variables = {name: self.machine.environment[name] for name in names}
        return gitlab(job, self.folder, {**variables, **given})

    @property
    def state(self) -> str:
        """Outside the checkout, on both platforms."""
        return str(self.folder.parent / "rollout-state" / "acme" / "orders")

    @property
    def rollout(self) -> str:
        return str(self.machine.events(self.state)[0]["rollout"])

    def clean(self) -> None:
        """What the next job's checkout does first."""
        for entry in self.folder.iterdir():
            if entry.name != "rollouts":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("ci"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.fixture
def checkout(fleet: Machine, tmp_path: Path) -> Iterator[Checkout]:
    (tmp_path / "sandbox").symlink_to(fleet.folder.parent / "sandbox")
    work = tmp_path / "work"
    (work / "rollouts").mkdir(parents=True)
    runner(tmp_path, ROOT)
    machine = Machine(work, fleet.environment)
    yield Checkout(machine)
    machine.leave()


def test_a_review_gets_the_preview_in_summary_and_comment(checkout: Checkout) -> None:
    checkout.write(touch("first", "first.txt"))
    ended = checkout.github("preview")
    assert ended.code == 0, ended.log
    summary = (checkout.folder.parent / "summary.md").read_text()
    assert "1 change" in summary
    assert "`first/command`" in summary
    assert (checkout.folder.parent / "gh.body").read_text() == summary
    arguments = (checkout.folder.parent / "gh.arguments").read_text().split()
    assert arguments[:3] == ["pr", "comment", PULL_REQUEST]

    ended = checkout.gitlab("preview")
    assert ended.code == 0, ended.log
    assert (checkout.folder / "preview.md").read_text() == summary
    assert not Path(checkout.state).exists()


@pytest.mark.parametrize("platform", ["github", "gitlab"])
def test_a_plan_that_cannot_be_applied_fails_its_review(checkout: Checkout, platform: str) -> None:
    review = getattr(checkout, platform)
    checkout.write("{id: first, uses: pauze, with: {for: 1s}}")
    ended = review("preview")
    assert ended.code == 2, ended.log
    assert 'Did you mean "pause"?' in ended.log
    checkout.write(touch("first", "first.txt"))
    path = checkout.folder / "rollouts" / "rolling-upgrade.yaml"
    path.write_text(path.read_text().replace("namespace: default", "namespace: nowhere"))
    ended = review("preview")
    assert ended.code == 5, ended.log
    assert "has no namespace 'nowhere'" in ended.log
    assert "No preview (exit code 5)" in (checkout.folder / "preview.md").read_text()
    assert (checkout.folder.parent / "gh.body").exists() == (platform == "github")


def test_a_review_of_what_is_already_there_passes(checkout: Checkout) -> None:
    checkout.write(pause("wait", "1s"))
    ended = checkout.github("preview")
    assert ended.code == 0, ended.log
    assert "Nothing to do" in (checkout.folder.parent / "gh.body").read_text()
    assert checkout.gitlab("preview").code == 0


def test_a_merge_applies_and_a_dispatch_resumes_and_rolls_back(checkout: Checkout) -> None:
    checkout.write(touch("first", "first.txt"), approval("ask"), touch("last", "last.txt"))
    seen = checkout.github("preview", event="push")
    assert seen.code == 0, seen.log
    assert "2 changes" in (checkout.folder.parent / "summary.md").read_text()
    assert not (checkout.folder.parent / "gh.body").exists(), (
        "there is no pull request to comment on"
    )
    held = checkout.github("apply")
    assert held.code == 12, held.log
    assert "held" in (checkout.folder.parent / "summary.md").read_text()
    status = checkout.github("continue", command="status")
    assert status.code == 0, status.log
    assert "held (approval)" in status.log
    checkout.clean()
    approved = checkout.github("continue", command="approve", rollout=checkout.rollout)
    assert approved.code == 0, approved.log
    resumed = checkout.github("continue", command="resume")
    assert resumed.code == 0, resumed.log
    assert "asked for in https://github.com/acme/orders/actions/runs/7" in resumed.log

    nothing = checkout.github("continue", command="rollback")
    assert nothing.code == 5, nothing.log
    assert f"{checkout.rollout} (succeeded)" in nothing.log
    back = checkout.github("continue", command="rollback", rollout=checkout.rollout)
    assert back.code == 0, back.log
    outcome = [
        event
        for event in checkout.machine.events(checkout.state)
        if event["is"] == "RolloutFinished"
    ]
    assert [event["outcome"] for event in outcome] == ["succeeded", "rolled-back"]


def test_a_job_that_was_killed_is_resumed_or_rolled_back_by_hand(checkout: Checkout) -> None:
    checkout.write(touch("first", "first.txt"), pause("wait", "2s"), touch("last", "last.txt"))
    environment = {"CI": "true"}
    path = "rollouts/rolling-upgrade.yaml"
    killed = checkout.machine.start(
        "apply", path, "--state", checkout.state, environment=environment
    )
    checkout.machine.await_event("OperationAwaited", "wait/bake", state=checkout.state)
    killed.kill()
    checkout.clean()
    ended = checkout.gitlab("resume")
    assert ended.code == 0, ended.log
    back = checkout.gitlab("rollback", ROLLOUT=checkout.rollout)
    assert back.code == 0, back.log

    assert checkout.gitlab("preview").code == 0
    applied = checkout.gitlab("apply")
    assert applied.code == 0, applied.log
    body = json.loads(
        checkout.machine.run("status", "--state", checkout.state, "--output", "json").out
    )
    assert body["rollouts"][0]["outcome"] == "succeeded"


@pytest.mark.parametrize("platform", ["github", "gitlab"])
def test_what_was_merged_is_not_applied_when_it_is_not_what_was_previewed(
    checkout: Checkout, platform: str
) -> None:
    run = getattr(checkout, platform)
    checkout.write(touch("first", "first.txt"))
    seen = run("preview", event="push") if platform == "github" else run("preview")
    assert seen.code == 0, seen.log
    checkout.write(touch("other", "other.txt"))
    refused = run("apply")
    assert refused.code == 14, refused.log
    assert "operation other/command: was not there, is update" in refused.log
    assert checkout.machine.events(checkout.state) == []


def test_the_preview_that_apply_is_held_to_comes_from_the_job_before() -> None:
    text = (ROOT / "pipelines" / "ci" / "github" / "rollout.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    steps = {job: jobs[job]["steps"] for job in ("preview", "apply")}
    kept = [s["with"] for s in steps["preview"] if "upload-artifact" in s.get("uses", "")]
    fetched = [s["with"] for s in steps["apply"] if "download-artifact" in s.get("uses", "")]
    assert [(one["name"], one["path"]) for one in kept] == [("rollout-preview", "preview.json")]
    assert [one["name"] for one in fetched] == ["rollout-preview"]
    assert jobs["apply"]["needs"] == "preview"
    flow = yaml.safe_load((ROOT / "pipelines" / "ci" / "gitlab" / "rollout.yml").read_text())
    assert flow["apply"]["needs"] == ["preview"]
    assert "preview.json" in flow["preview"]["artifacts"]["paths"]
    assert flow[".by-hand"]["needs"] == []
    assert flow["resume"]["extends"] == flow["rollback"]["extends"] == ".by-hand"


def test_on_gitlab_a_rollout_is_watched_held_and_aborted_from_jobs_of_their_own(
    checkout: Checkout,
) -> None:
    checkout.write(touch("first", "first.txt"), pause("wait", "60s"), touch("last", "last.txt"))
    path = "rollouts/rolling-upgrade.yaml"
    running = checkout.machine.start("apply", path, "--state", checkout.state)
    checkout.machine.await_event("OperationAwaited", "wait/bake", state=checkout.state)

    status = checkout.gitlab("status")
    assert status.code == 0, status.log
    assert ": running" in status.log
    assert checkout.gitlab("hold").code == 0
    held = running.end(20)
    assert held.code == 12
    assert "asked for in https://gitlab.com/acme/orders/-/jobs/7" in held.out
    aborted = checkout.gitlab("abort", ROLLOUT=checkout.rollout)
    assert aborted.code == 0, aborted.log
    assert ": aborted" in checkout.gitlab("status").log


def test_a_gitlab_runner_that_never_saw_the_state_takes_the_copy_of_the_job_before(
    checkout: Checkout,
) -> None:
    checkout.write(touch("first", "first.txt"), approval("ask"), touch("last", "last.txt"))
    assert checkout.gitlab("preview").code == 0
    assert checkout.gitlab("apply").code == 12
    shutil.rmtree(checkout.state)  # another runner; the cache puts the copy into its checkout

    approved = checkout.gitlab("approve")
    assert approved.code == 0, approved.log
    resumed = checkout.gitlab("resume")
    assert resumed.code == 0, resumed.log


def test_the_github_workflow_sets_all_that_the_plan_it_names_refers_to() -> None:
    flow = (ROOT / "pipelines" / "ci" / "github" / "rollout.yml").read_text()
    text = (ROOT / "pipelines" / "plans" / "rolling-upgrade.yaml").read_text()
    names = set(re.findall(r"\$\{env:([A-Z0-9_]+)\}", text))
    assert names >= {"DW_OPERATOR_TOKEN", "DW_API_3_URL"}
    assert [name for name in names if f" {name}: ${{{{" not in flow] == []
