"""The program on disk: its digest, and how a function of a file is run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import program_files
from rollout_kit.drivers.pulumi.api import Program
from rollout_kit.ports.errors import Refused

SEEN: list[str] = []


def _file(folder: Path, text: str, name: str = "fleet_of_a_test.py") -> Program:
    (folder / name).write_text(text)
    return Program(path=str(folder / name), function="main")


def _folder(folder: Path, description: str) -> Program:
    (folder / "Pulumi.yaml").write_text(description)
    return Program(path=str(folder))


def test_a_digest_moves_with_sources_and_not_with_settings_or_what_is_hidden(
    tmp_path: Path,
) -> None:
    program = _folder(tmp_path, "name: p\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("x = 1")
    first = program_files.digest(program)
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.py").write_text("y")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "a.js").write_text("y")
    assert program_files.digest(program) == first
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "nodes.py").write_text("z")
    second = program_files.digest(program)
    assert second != first
    (tmp_path / "Pulumi.yaml").write_text("name: q\nruntime: python\n")
    assert program_files.digest(program) != second


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("nodejs", "lib/front.mjs"),
        ("nodejs", "yarn.lock"),
        ("go", "go.mod"),
        ("go", "go.sum"),
        ("{name: go, options: {binary: ./fleet}}", "fleet"),
        ("dotnet", "Fleet.csproj"),
        ("java", "pom.xml"),
        ("python", "build/nodes.py"),
    ],
)
def test_what_decides_which_program_runs_is_in_the_digest(
    tmp_path: Path, runtime: str, name: str
) -> None:
    program = _folder(tmp_path, f"name: p\nruntime: {runtime}\n")
    first = program_files.digest(program)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    second = program_files.digest(program)
    assert second != first
    (tmp_path / name).write_text("y")
    assert program_files.digest(program) != second


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("nodejs", "node_modules/pulumi/index.js"),
        ("go", "fleet"),
        ("dotnet", "obj/project.assets.json"),
        ("java", "target/classes/fleet.xml"),
        ("java", "build/libs/fleet.json"),
        ("{name: python, options: {virtualenv: env}}", "env/lib/six.py"),
    ],
)
def test_packages_and_what_is_built_on_the_way_do_not_make_it_another_program(
    tmp_path: Path, runtime: str, name: str
) -> None:
    program = _folder(tmp_path, f"name: p\nruntime: {runtime}\n")
    first = program_files.digest(program)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x")
    (tmp_path / "env").mkdir(exist_ok=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin")
    assert program_files.digest(program) == first


def test_a_function_is_read_afresh_each_time_and_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_a_test.py").write_text("NAME = 'n'")
    imports = "import tests.drivers.pulumi.test_program_files as t\nimport neighbour_of_a_test\n"
    text = imports + "def main():\n    t.SEEN.append({})\n"
    SEEN.clear()
    program = _file(tmp_path, text.format("neighbour_of_a_test.NAME"))
    program_files.function(program)()
    _file(tmp_path, text.format("'second'"))
    program_files.function(program)()
    assert SEEN == ["n", "second"]
    assert str(tmp_path) not in sys.path


def test_a_file_named_like_a_package_does_not_take_its_place(tmp_path: Path) -> None:
    program = _file(tmp_path, "def main():\n    pass\n", "json.py")
    program_files.function(program)()
    assert sys.modules["json"].__file__ != program.path


def test_a_missing_function_says_so(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="has no function main"):
        program_files.function(_file(tmp_path, "x = 1"))()


@pytest.mark.parametrize("program", [Program(path="/nowhere"), Program(path="/n.py", function="f")])
def test_a_program_that_is_not_there_is_refused(program: Program) -> None:
    with pytest.raises(Refused, match="is not a"):
        program_files.digest(program)


@pytest.mark.parametrize(
    ("description", "here"),
    [
        ("name: p\nruntime: python\n", True),
        ("name: p\nruntime: {name: python}\n", True),
        ("name: p\nruntime: {name: python, options: {virtualenv: venv}}\n", False),
        ("name: p\nruntime: nodejs\n", False),
        ("name: p\nruntime: {name: go}\n", False),
    ],
)
def test_python_without_an_environment_of_its_own_is_run_here(
    tmp_path: Path, description: str, here: bool
) -> None:
    program = _folder(tmp_path, description)
    assert program_files.runs_here(program) is here
    assert program_files.project(program) == "p"


def test_what_the_description_says_holds_where_the_program_is_run_here(tmp_path: Path) -> None:
    """Its defaults of configuration, its plugins, its backend, its first file: the CLI would heed them."""
    told = """\
name: p
runtime: python
main: src
backend: {url: "s3://state"}
config:
  region: {default: "12e5"}
plugins:
  providers: [{name: lab, path: ../lab}]
"""
    program = _folder(tmp_path, told)
    made = json.loads(program_files.project_text(program, "p"))
    assert made == {
        "name": "p",
        "runtime": "python",
        "config": {"region": {"default": "12e5"}},
        "plugins": {"providers": [{"name": "lab", "path": f"{tmp_path}/../lab"}]},
    }
    other = json.loads(program_files.project_text(program, "another"))
    assert other == {"name": "another", "runtime": "python"}
    assert program_files.backend(program) == "s3://state"
    (tmp_path / "src").mkdir()
    here = "from tests.drivers.pulumi.test_program_files import SEEN\nSEEN.append(__file__)\n"
    (tmp_path / "src" / "__main__.py").write_text(here)
    program_files.function(program)()
    assert SEEN.pop() == str(tmp_path / "src" / "__main__.py")


def test_a_description_that_is_no_yaml_is_refused_by_its_name(tmp_path: Path) -> None:
    program = _folder(tmp_path, "name: p\n  runtime: [\n")
    with pytest.raises(Refused, match=r"Pulumi\.yaml cannot be read: .*line 2"):
        program_files.project(program)
