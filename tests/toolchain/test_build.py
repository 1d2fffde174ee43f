"""Where built programs are kept, and what is said where they cannot be built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain import build as building
from tests.toolchain.build import PROGRAMS, MissingError, build, built, cache_folder, find_go, place

ROOT = Path(__file__).parents[2]


def executable(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_cache_is_the_users_unless_one_is_named() -> None:
    assert cache_folder({"ROLLOUT_KIT_TOOLCHAIN": "/a"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/rollout-kit/toolchain")
    assert cache_folder({}) == Path.home() / ".cache" / "rollout-kit" / "toolchain"


def test_another_pin_is_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [place(one, tmp_path) for one in PROGRAMS]
    for module in {one.module for one in PROGRAMS}:
        (tmp_path / module).mkdir()
        for name in ("go.mod", "go.sum"):
            text = (building.MODULES / module / name).read_bytes()
            (tmp_path / module / name).write_bytes(text + b"// another\n")
    monkeypatch.setattr(building, "MODULES", tmp_path)

    assert len({*before, *(place(one, tmp_path) for one in PROGRAMS)}) == 2 * len(PROGRAMS)


def test_what_is_there_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for one in PROGRAMS:
        assert built(tmp_path) is None
        place(one, tmp_path).parent.mkdir()
        place(one, tmp_path).touch()

    assert build(tmp_path) == {one.name: place(one, tmp_path) for one in PROGRAMS}


def test_without_go_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingError, match=r"no `go` on PATH.*install Go 1\.26 or newer"):
        build(tmp_path / "cache")


@pytest.mark.parametrize("said", ["go1.25.9", "go version unknown", ""])
def test_an_old_go_is_named_beside_the_one_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    executable(tmp_path, "go", f"echo '{said}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(MissingError, match=r"need Go 1\.26 or newer"):
        find_go()


def test_a_newer_go_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path, "go", "echo go1.27rc1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert find_go() == str(tmp_path / "go")


def test_a_build_that_fails_says_the_last_of_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path, "go", "[ $1 = env ] && echo go1.26.0 || { echo no network >&2; exit 1; }")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(MissingError, match=r"etcd could not be built(?s:.*)no network"):
        build(tmp_path / "cache")
    assert built(tmp_path / "cache") is None


@pytest.mark.parametrize(("environment", "status"), [({"CI": "1"}, 1), ({}, 3)])
def test_what_cannot_be_built_fails_in_ci_and_is_said_elsewhere(
    tmp_path: Path, environment: dict[str, str], status: int
) -> None:
    given = {"PATH": str(tmp_path), "ROLLOUT_KIT_TOOLCHAIN": str(tmp_path / "cache")}

    done = subprocess.run(
        [sys.executable, "-m", "tests.toolchain"],
        env=given | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert done.stderr.startswith("there is no `go` on PATH")
