"""Attributes beside the files of a `file://` backend: only what was cut off is taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi.sidecars import remove_torn

WHOLE = '{"user.content_type":"text/plain; charset=utf-8","user.metadata":null,"md5":"AA=="}'
BESIDE = (
    "stacks/orders/prod.json.attrs",
    "stacks/orders/prod.json.bak.attrs",
    "locks/organization/orders/prod/1.json.attrs",
    "history/orders/prod/prod-1.history.json.attrs",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in (*BESIDE, "stacks/orders/prod-2.json.attrs", "stacks/other/prod.json.attrs"):
        path = tmp_path / ".pulumi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WHOLE)
    return tmp_path


@pytest.mark.parametrize("left", ["", WHOLE[:30]], ids=["empty", "half"])
@pytest.mark.parametrize("name", BESIDE)
def test_what_was_cut_off_is_taken_away(state: Path, name: str, left: str) -> None:
    torn = state / ".pulumi" / name
    torn.write_text(left)
    assert remove_torn(f"file://{state}", "orders", "acme/orders/prod") == (torn,)
    assert not torn.exists()
    assert len(list(state.rglob("*.attrs"))) == len(BESIDE) + 1


def test_what_is_whole_stays_and_so_does_what_is_another_stacks(state: Path) -> None:
    (state / ".pulumi/stacks/other/prod.json.attrs").write_text("")
    (state / ".pulumi/stacks/orders/prod-2.json.attrs").write_text("")
    assert remove_torn(f"file://{state}", "orders", "prod") == ()
    assert len(list(state.rglob("*.attrs"))) == len(BESIDE) + 2


def test_a_backend_without_files_has_none() -> None:
    assert remove_torn("s3://state", "orders", "prod") == ()
