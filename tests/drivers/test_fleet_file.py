"""Fleet files: what is read from a good one, what is said of a bad one, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollout_kit.drivers.process.fleet_file import SCHEMA, FleetFileError, read_fleet
from rollout_kit.drivers.process.placeholders import filled
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec

GOOD = """\
version: 1
images:
  server:1: {version: "1.0", argv: [--one], environment: {APP_VERSION: "1.0", DEBUG: false}}
  worker:1: {}
front: {port: 8400}
node_template:
  argv: ["{python}", serve.py, "{image}", --port, "{port}"]
  environment: {SHARED: "1", DW_V2_CURRENT_COMPATIBILITY: blue, OWN: general}
nodes:
  api-1: {port: 8401, image: server:1, environment: {OWN: special, DW_SERVER_ID: first}}
  api-2: {port: 8402, image: server:1, marker: green}
cohorts:
  - task_queue: orders
    argv: ["{python}", work.py, "{image}", "{task_queue}"]
    builds:
      - {build_id: b1, image: worker:1, replicas: 2}
      - {unversioned: true, image: worker:1, replicas: 1}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(FleetFileError) as caught:
        read_fleet(written(tmp_path, text))
    return [(found.line, f"{found.summary}: {found.detail}") for found in caught.value.diagnostics]


def test_a_good_file_gives_specs_with_marker_and_server_id_lifted_out(tmp_path: Path) -> None:
    fleet = read_fleet(written(tmp_path, GOOD))
    one, two = fleet.nodes["api-1"].declared, fleet.nodes["api-2"].declared
    assert (one.marker, one.server_id, one.version) == ("blue", "first", "1.0")
    assert one.environment == {"SHARED": "1", "OWN": "special"}
    assert (two.marker, two.server_id) == ("green", None)
    assert fleet.images["server:1"].environment == {"APP_VERSION": "1.0", "DEBUG": "false"}
    assert fleet.grace_s == 10.0
    assert fleet.state == tmp_path / "state"
    versioned = CohortRef(namespace="default", task_queue="orders", build_id="b1")
    unversioned = CohortRef(namespace="default", task_queue="orders", build_id=None)
    assert fleet.queues[0].declared == {
        versioned: CohortSpec(image="worker:1", replicas=2),
        unversioned: CohortSpec(image="worker:1", replicas=1),
    }


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("front: {port: 8400}", "front: {port: 84000}", 5, "84000"),
        ("front: {port: 8400}", "frontt: {port: 8400}", 5, "frontt"),
        ("front: {port: 8400}", "front: {port: 8402}", 5, "8402 is already the address of api-2"),
        ("image: server:1, marker", "image: server:2, marker", 11, '"server:2" is not among'),
        ('"{port}"]', '"{prot}"]', 7, "{prot} means nothing here"),
        ('"{image}", --port', '"--image={image}", --port', 7, "element of its own"),
        ("--port", '"--token=${env:TOKEN}"', 7, "An argv shows in process lists"),
        ("replicas: 2", "replicas: -1", 16, "-1"),
        ("unversioned: true, ", "", 17, "either a `build_id` or"),
        ("version: 1\n", "version: 2\n", 1, "2"),
        ("  api-2:", "  api-1:", 11, "already given in line 10"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    found = complaints(tmp_path, GOOD.replace(old, new, 1))
    assert any(place == line and said in text for place, text in found), found


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("image: server:1, marker", "image: server:2, marker").replace(
        '"{port}"]', '"{prot}"]'
    )
    assert [line for line, _ in complaints(tmp_path, text)] == [7, 11]


def test_the_schema_is_valid_json_schema_and_describes_itself() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("argv", "image", "wanted"),
    [
        (["serve", "{port}"], ["/opt/v2/server"], ["/opt/v2/server", "serve", "8400"]),
        (["run", "{image}", "x"], ["a", "b-{port}"], ["run", "a", "b-8400", "x"]),
        (["run"], [], ["run"]),
        (["{unknown}"], [], ["{unknown}"]),
        (['{"json": 1}'], [], ['{"json": 1}']),
    ],
)
def test_the_images_argv_stands_where_the_role_says_or_first(
    argv: list[str], image: list[str], wanted: list[str]
) -> None:
    assert filled(argv, image, {"port": "8400"}) == wanted
