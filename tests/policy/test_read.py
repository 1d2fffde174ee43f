"""A pack is read with places; whatever is wrong in it is told, and a broken pack is no pack."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rollout_kit.policy.find import packs_beside, packs_in
from rollout_kit.policy.read import load_schema, read_pack

ROOT = Path(__file__).parents[2]
FREEZE = "{id: a, freeze: {time_zone: %s, windows: [%s]}}"


@pytest.mark.parametrize("path", sorted((ROOT / "policies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_pack_is_valid(path: Path) -> None:
    reading = read_pack(path.read_text(), file=path.name)
    assert reading.diagnostics == ()
    assert reading.pack is not None


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(dict(load_schema()))


@pytest.mark.parametrize(
    ("rule", "line", "col", "says"),
    [
        ("{id: a, nodes_out_at_most: 0}", 4, 32, "has to be a number of nodes"),
        ("{id: a, allowed_target: [x]}", 4, 13, "allowed_target"),
        ("{id: a}", 4, 5, "needs exactly one of"),
        ("{id: a, required_gates: [{uses: canary, gate: x}]}", 4, 37, "canary"),
        (
            '{id: a, freeze: {time_zone: Europe/Berlim, windows: [{days: [mon], from: "1:00", to: "2"}]}}',
            4,
            78,
            '"1:00" is not a time of day',
        ),
        (
            FREEZE % ("Europe/Berlim", '{days: [mon], from: "01:00", to: "02:00"}'),
            4,
            33,
            '"Europe/Berlim" is no time zone',
        ),
        (
            FREEZE % ("UTC", '{from: "2026-02-30T00:00", to: "2026-03-02T00:00"}'),
            4,
            48,
            "no day of the calendar",
        ),
        (
            FREEZE % ("UTC", '{from: "2026-03-03T00:00", to: "2026-03-02T00:00"}'),
            4,
            79,
            "is not after",
        ),
        (
            '{id: a, freeze: {time_zone: UTC, windows: [{days: [mon], from: 16:00, to: "24:00"}]}}',
            4,
            68,
            "base 60",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(rule: str, line: int, col: int, says: str) -> None:
    reading = read_pack(f"version: 1\nname: p\nrules:\n  - {rule}\n", file="p.yaml")
    assert reading.pack is None
    assert any(
        (one.line, one.col) == (line, col) and says in one.detail for one in reading.diagnostics
    ), [(one.place, one.detail) for one in reading.diagnostics]


def test_two_rules_do_not_share_a_name() -> None:
    rules = "  - {id: a, nodes_out_at_most: 1}\n  - {id: a, allowed_targets: [x]}\n"
    text = f"version: 1\nname: p\nrules:\n{rules}"
    (found,) = read_pack(text, file="p.yaml").diagnostics
    assert (found.line, found.col) == (5, 10)


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "version: 1", "\x00", "rules: 3"])
def test_no_text_makes_it_raise(text: str) -> None:
    reading = read_pack(text, file="p.yaml")
    assert reading.pack is None
    assert reading.diagnostics


def test_the_nearest_folder_up_to_the_repository_s_root_counts(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    plans = repository / "pipelines" / "plans"
    plans.mkdir(parents=True)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "elsewhere.yaml").write_text("")
    (repository / ".git").mkdir()
    assert packs_beside(plans) == ()
    (repository / "policies").mkdir()
    (repository / "policies" / "b.yaml").write_text("")
    (repository / "policies" / "a.yml").write_text("")
    assert [path.name for path in packs_beside(plans)] == ["a.yml", "b.yaml"]


def test_outside_a_repository_only_the_plan_s_own_folder_counts(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.yaml").write_text("")
    plans.mkdir()
    assert packs_beside(plans) == ()
    assert [path.name for path in packs_in((tmp_path / "policies",))] == ["a.yaml"]
