"""The program on disk: its digest, and how it is run (in this process, or by its language's host)."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import os
import runpy
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from rollout_kit.drivers.pulumi import locks
from rollout_kit.drivers.pulumi.api import Program
from rollout_kit.ports.errors import Refused

_LEFT_OUT = frozenset({"node_modules", "venv", "__pycache__", "bin", "obj", "dist"})
_LEFT_OUT_OF_JAVA = frozenset({"target", "build"})
_VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
_ENDINGS = (
    *(".py", ".go", ".mod", ".sum", ".work", ".cs", ".fs", ".vb", ".csproj", ".fsproj", ".vbproj"),
    *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"),
    *(".java", ".kt", ".kts", ".scala", ".gradle", ".xml"),
    *(".yaml", ".yml", ".json", ".toml", ".txt", ".lock"),
)
_DESCRIPTIONS = ("Pulumi.yaml", "Pulumi.yml")
_KEPT = ("config", "plugins")
_ENDINGS_BESIDE_A_FILE = (".py",)
_NUMBERS = itertools.count(1)

Function = Callable[[], Awaitable[None] | None]


def digest(program: Program) -> str:
    """Of names and contents of the program's own files.

    A folder's: sources and descriptions, and the binary that it is run from where it names one; a
    file's: it and every Python file beside or below it. Left out: settings of stacks, hidden files,
    installed packages, what is built on the way. Raises Refused: it is not there.
    """
    _expect(program)
    folder = _folder(program)
    total = hashlib.sha256()
    for path in sorted(own_files(program)):
        total.update(str(path.relative_to(folder)).encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:32]


def own_files(program: Program) -> Iterator[Path]:
    """What the digest is made of."""
    root = Path(program.path)
    if not root.is_dir():
        yield from _files(root.parent, _ENDINGS_BESIDE_A_FILE, _LEFT_OUT)
        return
    runtime, options = _runtime(program)
    built = _LEFT_OUT_OF_JAVA if runtime == "java" else frozenset()
    yield from _files(root, _ENDINGS, _LEFT_OUT | built)
    binary = root / str(options.get("binary") or "")
    if binary.is_file():
        yield binary


def _files(folder: Path, endings: tuple[str, ...], left_out: frozenset[str]) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        if _VIRTUAL_ENVIRONMENT in names:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in left_out]
        for name in names:
            settings = name.startswith("Pulumi.") and name not in _DESCRIPTIONS
            if name.endswith(endings) and not name.startswith(".") and not settings:
                yield Path(where, name)


def runs_here(program: Program) -> bool:
    """Whether it is run in this process: a function, or a Python folder without its own environment."""
    if program.function:
        return True
    runtime, options = _runtime(program)
    return runtime == "python" and not (options.get("virtualenv") or options.get("toolchain"))


def _runtime(program: Program) -> tuple[str, Mapping[str, object]]:
    """The language, and what its host is told."""
    runtime = _description(program).get("runtime", "")
    if not isinstance(runtime, dict):
        return str(runtime), {}
    return str(runtime.get("name")), runtime.get("options") or {}


def project(program: Program) -> str:
    """The project's name as the program's folder says it; empty where nothing does."""
    return str(_description(program).get("name", ""))


def backend(program: Program) -> str:
    """The backend that the program's folder names for everybody; empty where it names none."""
    told = _description(program).get("backend")
    url = str(told.get("url") or "") if isinstance(told, dict) else ""
    return locks.absolute(url, _folder(program))


def project_text(program: Program, project: str) -> str:
    """`Pulumi.yaml` of a working folder for a program that is run here.

    What the program's own says of configuration and plugins holds there, too.
    """
    told = _description(program)
    kept = {key: told[key] for key in _KEPT if key in told} if told.get("name") == project else {}
    if isinstance(kept.get("plugins"), dict):
        kept["plugins"] = _from(_folder(program), kept["plugins"])
    return json.dumps({"name": project, "runtime": "python", **kept}, default=str) + "\n"


def _from(folder: Path, told: object) -> object:
    """The same with every `path` as it is from anywhere."""
    match told:
        case dict():
            return {
                key: str(folder / str(value)) if key == "path" else _from(folder, value)
                for key, value in told.items()
            }
        case list():
            return [_from(folder, item) for item in told]
        case _:
            return told


def _folder(program: Program) -> Path:
    root = Path(program.path)
    return root if root.is_dir() else root.parent


def _description(program: Program) -> dict[str, object]:
    """Raises Refused: it is there, and no YAML."""
    folder = _folder(program)
    for name in _DESCRIPTIONS:
        if (folder / name).is_file():
            try:
                read = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise Refused(
                    f"{folder / name} cannot be read: {' '.join(str(error).split())}",
                    why="It says how the program is run, and of which project it is.",
                    hint="Correct it; `pulumi preview` reads it too.",
                ) from None
            return read if isinstance(read, dict) else {}
    return {}


def function(program: Program) -> Function:
    """What to call: the file is read afresh each time, so that no run sees what another left.

    Raises Refused: no such file or function. Whatever else the file raises comes when it is called.
    """
    _expect(program)
    if not program.function:
        return lambda: _run_folder(_entry(program))

    def run() -> Awaitable[None] | None:
        with _importable(Path(program.path).parent):
            return _loaded(program)()

    return run


def _loaded(program: Program) -> Function:
    """The function of the file, read afresh.

    The module bears the file's own name and stays: the SDK looks up types of outputs in it after
    the run, and what runs a dynamic provider imports it by that name (`environment` says where).
    """
    stem = Path(program.path).stem
    known = sys.modules.get(stem)
    foreign = known is not None and getattr(known, "__file__", None) != program.path
    name = f"{stem}_{next(_NUMBERS)}" if foreign else stem
    spec = importlib.util.spec_from_file_location(name, program.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = getattr(module, program.function, None)
    if not callable(found):
        raise AttributeError(f"{program.path} has no function {program.function}")
    return found  # type: ignore[no-any-return]


def _entry(program: Program) -> Path:
    """The file that a folder's program begins with: `main` in its description names another."""
    entry = Path(program.path, str(_description(program).get("main") or ""))
    return entry / "__main__.py" if entry.is_dir() else entry


def _run_folder(entry: Path) -> None:
    with _importable(entry.parent):
        runpy.run_path(str(entry), run_name="__main__")


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _expect(program: Program) -> None:
    path = Path(program.path)
    if program.function:
        there, needs = path.is_file(), "a Python file"
    else:
        there, needs = (path / "Pulumi.yaml").is_file(), "a folder with Pulumi.yaml"
    if not there:
        raise Refused(
            f"the program {program.path} is not {needs}",
            why="Every change of the stack runs it.",
            hint="Correct `infra.program`: a folder with Pulumi.yaml, or file.py:function.",
        )
