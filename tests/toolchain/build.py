"""Builds the programs of a Kubernetes control plane, once, from the modules that lie beside this file.

Each module pins a program and all that it is made of (`go.mod`, `go.sum`); the cache keeps what was
built from exactly these bytes. Cold, all five take sixteen minutes of processor time and about 5 GB
of the Go build cache; after that a look at the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MODULES = Path(__file__).with_name("modules")
NEEDED_GO = (1, 26)
KUBERNETES = "v1.36.3"
NEEDED_GB = 6
_NETWORK = re.compile(r"dial tcp|no such host|connection re|i/o timeout|TLS handshake|proxyconnect")
_STAMP = "k8s.io/component-base/version"
_SETTINGS = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-p=2 -buildvcs=false"}


class MissingError(Exception):
    """The programs are not there and cannot be built here; the message says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Program:
    """One executable: the module that pins it, and the package it is made of."""

    name: str
    module: str
    package: str
    stamp: str = ""


def _kubernetes(name: str) -> Program:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    stamp = (
        f" -X {_STAMP}.gitVersion={KUBERNETES}"
        f" -X {_STAMP}.gitMajor={major} -X {_STAMP}.gitMinor={minor}"
    )
    return Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", stamp)


PROGRAMS = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where built programs are kept: ROLLOUT_KIT_TOOLCHAIN, or below the user's cache folder."""
    given = environment.get("ROLLOUT_KIT_TOOLCHAIN")
    if given:
        return Path(given)
    caches = environment.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "rollout-kit" / "toolchain"


def place(program: Program, cache: Path) -> Path:
    """Where this program lies once it is built: another pin, package or stamp is another place."""
    text = hashlib.sha256(f"{program.package}{program.stamp}".encode())
    for name in ("go.mod", "go.sum"):
        text.update((MODULES / program.module / name).read_bytes())
    return cache / f"{program.name}-{text.hexdigest()[:16]}" / program.name


def built(cache: Path | None = None) -> dict[str, Path] | None:
    """The programs by name; None while one of them is missing."""
    places = {one.name: place(one, cache or cache_folder()) for one in PROGRAMS}
    return places if all(path.is_file() for path in places.values()) else None


def build(cache: Path | None = None) -> dict[str, Path]:
    """Build what is missing, politely (low priority, two compilers at a time); others wait meanwhile.

    Raises:
        MissingError: there is no Go, an older one, no space, no network, or it failed.
    """
    cache = cache or cache_folder()
    places = built(cache)
    if places is not None:
        return places
    go = find_go()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            _await_turn(lock, cache)
            for program in PROGRAMS:
                path = place(program, cache)
                if not path.is_file():
                    _compile(go, program, path, lock)
    except OSError as error:
        raise MissingError(f"nothing can be built in {cache}: {error.strerror}") from None
    return {one.name: place(one, cache) for one in PROGRAMS}


def _await_turn(lock: IO[str], cache: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another run builds in {cache}; this one waits for it", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def find_go() -> str:
    go = shutil.which("go")
    wanted = ".".join(map(str, NEEDED_GO))
    if go is None:
        raise MissingError(
            "there is no `go` on PATH: the control plane is built from Go modules; "
            f"install Go {wanted} or newer"
        )
    said = subprocess.run(
        [go, "env", "GOVERSION"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **_SETTINGS},
    ).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < NEEDED_GO:
        raise MissingError(
            f"{go} is {said or 'not Go'}, the modules need Go {wanted} or newer; install that one"
        )
    return go


def _compile(go: str, program: Program, path: Path, lock: IO[str]) -> None:
    """The compiler holds the lock, too: should we be killed, nobody builds beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    flags = ["-trimpath", "-ldflags", f"-s -w{program.stamp}", "-o", str(unfinished)]
    ended = subprocess.run(
        [go, "build", *flags, program.package],
        check=False,
        cwd=MODULES / program.module,
        env={**os.environ, **_SETTINGS},
        capture_output=True,
        text=True,
        pass_fds=[lock.fileno()],
        preexec_fn=_be_polite,
    )
    if ended.returncode:
        raise MissingError(f"{program.name} could not be built: {_why(ended.stderr)}")
    unfinished.replace(path)


def _be_polite() -> None:
    os.nice(15)


def _why(said: str) -> str:
    """What is wrong, where it is a thing of this machine; else the last of what the compiler said."""
    if "no space left on device" in said:
        return f"no space is left; from nothing it needs about {NEEDED_GB} GB (GOCACHE, GOMODCACHE)"
    lines = [line for line in said.splitlines() if line.strip()]
    out_there = [line for line in lines if _NETWORK.search(line)]
    if out_there:
        return f"a module could not be fetched (GOPROXY): {out_there[-1].strip()}"
    return "\n".join(lines[-12:]) or "the compiler was killed"
