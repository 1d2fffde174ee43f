"""Where built programs are kept, and what is said where they cannot be built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain import build as building
from tests.toolchain.build import PROGRAMS, MissingError, build, built, cache_folder, find_go, place
from tests.toolchain.cluster import eventually

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


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("link: write a.o: no space left on device", r"no space is left; from nothing it needs"),
        (
            "go: x@v1: Get https://proxy.test/x: dial tcp: lookup proxy.test: no such host",
            r"a module could not be fetched \(GOPROXY\): go: x@v1: .*no such host$",
        ),
        ("go: x@v1: checksum mismatch", r"go: x@v1: checksum mismatch$"),
    ],
)
def test_a_build_that_fails_says_what_is_wrong_with_this_machine_or_the_last_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, sentence: str
) -> None:
    executable(tmp_path, "go", f"[ $1 = env ] && echo go1.26.0 || {{ echo '{said}' >&2; exit 1; }}")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(MissingError, match=f"^etcd could not be built: {sentence}"):
        build(tmp_path / "cache")
    assert built(tmp_path / "cache") is None


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path, "go", "echo go1.26.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (tmp_path / "file").touch()

    with pytest.raises(MissingError, match=r"nothing can be built in .*/file/x: Not a directory"):
        build(tmp_path / "file" / "x")


def test_while_a_compiler_lives_that_lost_its_run_the_next_one_waits(tmp_path: Path) -> None:
    """Both would write the same file."""
    go_on = tmp_path / "go-on"
    executable(
        tmp_path,
        "go",
        "[ $1 = env ] && exec echo go1.26.0\n"
        f"echo $$ >> {tmp_path}/started\n"
        f"until [ -e {go_on} ]; do sleep 0.05; done\n"
        'while [ "$1" != -o ]; do shift; done; echo built > "$2"',
    )
    environment = {"PATH": f"{tmp_path}:/bin:/usr/bin", "ROLLOUT_KIT_TOOLCHAIN": f"{tmp_path}/c"}

    def run() -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.toolchain"]
        return subprocess.Popen(argv, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    with run() as first:
        eventually((tmp_path / "started").exists)
        first.kill()
    with run() as second:
        assert second.stderr is not None
        assert "another run builds in" in second.stderr.readline()
        assert len((tmp_path / "started").read_text().split()) == 1
        go_on.touch()
        assert second.wait(30) == 0
    assert built(tmp_path / "c") is not None


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
