"""How the house is built: its floors, a test for every file, tables that are whole, names and sizes."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import proxy

PACKAGE = Path(proxy.__file__).parent
ROOT = PACKAGE.parent
TESTS = ROOT / "tests"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SUITE = sorted(TESTS.rglob("*.py"))

LONGEST = 400

ELSEWHERE: Mapping[str, str] = {
    "__main__.py": "cli/test_main.py",
    "cli/__init__.py": "cli/test_main.py",
    "datasets/__init__.py": "datasets/test_reading.py",
    "datasets/letters.py": "datasets/test_encoding.py",
    "detectors/__init__.py": "test_house.py",
    "dialects/responses_*.py": "dialects/test_responses.py",
    "detectors/memorised_stream.py": "detectors/test_memorised.py",
    "detectors/decoders/base32.py": "detectors/decoders/test_bits.py",
    "detectors/decoders/base64.py": "detectors/decoders/test_bits.py",
    "detectors/decoders/binary.py": "detectors/decoders/test_bits.py",
    "detectors/decoders/hexadecimal.py": "detectors/decoders/test_bits.py",
    "detectors/decoders/transducer.py": "detectors/decoders/test_bits.py",
    "detectors/decoders/backslash.py": "detectors/decoders/test_substitution.py",
    "detectors/decoders/entities.py": "detectors/decoders/test_substitution.py",
    "detectors/decoders/percent.py": "detectors/decoders/test_substitution.py",
    "detectors/decoders/quoted_printable.py": "detectors/decoders/test_substitution.py",
    "detectors/decoders/braille.py": "detectors/decoders/test_hidden.py",
    "detectors/decoders/codepoints.py": "detectors/decoders/test_tokens.py",
    "detectors/decoders/morse.py": "detectors/decoders/test_tokens.py",
    "detectors/decoders/nato.py": "detectors/decoders/test_tokens.py",
    "detectors/decoders/samples.py": "detectors/decoders/test_language.py",
    "detectors/decoders/spans.py": "detectors/decoders/test_stream.py",
    "datasets/columns.py": "datasets/test_parts.py",
    "datasets/likeness.py": "datasets/test_hostile.py",
    "datasets/marks.py": "datasets/test_parts.py",
    "datasets/table_layout.py": "datasets/test_table.py",
    "datasets/tally.py": "datasets/test_reading.py",
    "index/joined.py": "index/test_adding.py",
    "keys/key.py": "keys/test_sqlite.py",
    "keys/opening.py": "keys/test_redis.py",
    "keys/sqlite_file.py": "keys/test_sqlite.py",
    "keys/state.py": "keys/test_sqlite.py",
    "cli/index_selftest.py": "selftest/test_selftest.py",
    "patterns/*.py": "patterns/test_patterns.py",
    "recognizers/chinese.py": "recognizers/test_recognize.py",
    "recognizers/english.py": "recognizers/test_rebuild.py",
    "selftest/*.py": "selftest/test_selftest.py",
    "server/unhandled.py": "e2e/test_faults_anywhere.py",
    "server/counts.py": "server/test_shared_limits.py",
    "values/known.py": "values/test_forms.py",
}
"""Files that have no test file of their own name, and the one that tests them: families whose members
are alike, and tables of data. A file with a test of its own has no place here."""

UNTESTED: Mapping[str, str] = {
    "types.py": "words and protocols: mypy reads them",
    "errors.py": "words: what raises them is tested",
    "recognizers/rebuild/*.py": "run by hand, with corpora that do not come with it; what it makes is tested",
}

FORBIDDEN = {"utils", "helpers", "common", "base", "core", "misc", "manager", "handler", "service", "engine"}
"""Names that say nothing, or too much."""


def inside(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def module(path: Path) -> str:
    """The dotted name of a source file."""
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


def definitions(path: Path) -> list[str]:
    """The functions and classes at the top of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in tree(path).body if isinstance(node, kinds)]


def own_test(path: Path) -> Path:
    """``proxy/a/b.py`` is tested by ``tests/a/test_b.py``."""
    name = path.parent.name if path.name == "__init__.py" else path.stem
    return TESTS / path.relative_to(PACKAGE).parent / f"test_{name}.py"


def named(table: Mapping[str, str], path: Path) -> str:
    return next((value for pattern, value in table.items() if fnmatch(inside(path), pattern)), "")


# --- floors ---------------------------------------------------------------------------------------


def test_the_floors_hold() -> None:
    """The ground floor knows no room, rooms never meet, doors are on top: import-linter's contract."""
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache", "--no-logo"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert b"1 kept, 0 broken" in done.stdout


def test_every_room_is_in_the_contract() -> None:
    """A new file or folder at the top of the package has its floor, or the contract would not see it."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    floors = set(re.findall(r"proxy\.(\w+)", text[text.index("layers = [") :]))
    top = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert top - {"__init__"} == floors


HEAVY = (
    "litellm",
    "presidio_analyzer",
    "spacy",
    "onnxruntime",
    "datasketch",
    "fastapi",
    "numpy",
    "scipy",
    "pyarrow",
    "rapidfuzz",
    "aiohttp",
    "uvicorn",
)


@pytest.mark.parametrize(
    "statement",
    [
        "import proxy.guard",
        "import proxy.types, proxy.errors, proxy.text, proxy.grams, proxy.sse, proxy.jsontext",
        "from proxy.cli import main; main(['--help'])",
        "from proxy.cli import main; main(['keys', 'list', '--help'])",
    ],
)
def test_what_is_light_stays_light(statement: str) -> None:
    """The guard, the ground floor and ``--help`` load no large library."""
    script = (
        "import sys\n"
        f"try:\n    {statement}\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print(','.join(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
        check=True,
    )
    assert done.stderr.decode().strip() == ""


# --- a test for every file ------------------------------------------------------------------------


def test_every_file_has_its_test() -> None:
    """The tests mirror the files; where they do not, a table here says which test it is, or why none."""
    missing = []
    for path in SOURCES:
        if path.name == "__init__.py" and not definitions(path):
            continue  # re-exports and data
        if not own_test(path).is_file() and not named(ELSEWHERE, path) and not named(UNTESTED, path):
            missing.append(f"{inside(path)}: write {own_test(path).relative_to(ROOT)}")
    assert not missing, "\n".join(missing)


def test_the_tables_of_exceptions_are_true() -> None:
    """Each entry is for a file that has no test of its own; each test named imports what it tests."""
    wrong = []
    for table in (ELSEWHERE, UNTESTED):
        for pattern, value in table.items():
            files = [path for path in SOURCES if fnmatch(inside(path), pattern)]
            if not any(not own_test(path).is_file() for path in files):
                wrong.append(f"{pattern}: no such file, or each has a test of its own")
            if table is ELSEWHERE:
                room = module(files[0]).rpartition(".")[0] if files else ""
                text = (TESTS / value).read_text("utf-8") if (TESTS / value).is_file() else ""
                if not text or (room != "proxy" and room not in text and module(files[0]) not in text):
                    wrong.append(f"{pattern}: {value} does not test it")
    assert not wrong, "\n".join(wrong)


def test_tests_say_what_they_show() -> None:
    """Every test states the behaviour in a sentence or in its name; every folder of tests is a package."""
    mute = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in SUITE
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
        and node.name.count("_") < 4
    ]
    assert not mute, "\n".join(mute)
    assert all((path.parent / "__init__.py").is_file() for path in SUITE)


# --- the one exit ---------------------------------------------------------------------------------


def calls(path: Path) -> Iterator[str]:
    """The names of what a file calls, and of the types it casts to."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield called
            if called == "cast" and node.args:
                yield ast.unparse(node.args[0])


def test_only_the_guard_clears_text() -> None:
    """``Cleared`` is made in one file, and nowhere else, not even by a cast."""
    makers = {inside(path) for path in SOURCES if "Cleared" in set(calls(path))}
    assert makers == {"guard.py"}


def test_only_the_relay_drives_guards_and_streams() -> None:
    """Guards are made in one place, and one place makes an answer's stream of events."""
    assert {inside(path) for path in SOURCES if "StreamGuard" in set(calls(path))} == {
        "server/firewall.py",
        "cli/scan.py",
    }
    assert {inside(path) for path in SOURCES if "relay_stream" in set(calls(path))} == {"server/answering.py"}


def test_no_error_is_passed_over() -> None:
    """A handler for every exception does something about it."""
    silent = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = (
                {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)}
                if node.type
                else set()
            )
            broad = not node.type or names & {"Exception", "BaseException"}
            if broad and all(isinstance(each, (ast.Pass, ast.Continue)) for each in node.body):
                silent.append(f"{inside(path)}:{node.lineno}")
    assert not silent, "\n".join(silent)


# --- tables ---------------------------------------------------------------------------------------


def test_every_detector_is_in_the_table() -> None:
    """A detector that is not in the table would guard nothing; the policy knows the same names."""
    from proxy.detectors import DETECTORS
    from proxy.policy import DETECTORS as KNOWN

    found = {
        getattr(import_module(module(path)), name).name
        for path in (PACKAGE / "detectors").glob("*.py")
        for name in definitions(path)
        if name.endswith("Detector")
    }
    assert found == set(DETECTORS) == set(KNOWN)


def test_every_decoder_is_in_a_table() -> None:
    """Each class that decodes, and so has a name, stands in exactly one of the tables."""
    from proxy.detectors import decoders

    tables = (decoders.STRANGE, decoders.SCRAMBLED, decoders.MARKED, decoders.SPELT)
    listed = [type(decoder).__name__ for table in tables for decoder in table]
    named = [
        node.name
        for path in (PACKAGE / "detectors" / "decoders").glob("*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "name" for part in node.body)
    ]
    assert sorted(listed) == sorted(named)


def test_every_dialect_is_in_the_table() -> None:
    """A file that checks requests has its endpoint, and the endpoint its metric."""
    from proxy.dialects import DIALECTS
    from proxy.metrics import ENDPOINTS

    files = {module(path) for path in (PACKAGE / "dialects").glob("*.py") if "request" in definitions(path)}
    assert {dialect.__module__ for dialect in DIALECTS.values()} == files
    assert {f"/v1{path}" for path in DIALECTS} <= set(ENDPOINTS)


def test_every_reader_is_in_the_table() -> None:
    """A file that reads records has a suffix; every shape that can be chosen is one that is known."""
    from proxy.cli.training import FORMATS as CHOICES
    from proxy.datasets import AUTO, FORMATS, READERS

    files = {
        module(path)
        for path in (PACKAGE / "datasets").glob("*.py")
        if "read" in definitions(path) and path.name != "__init__.py"
    }
    assert {reader.__module__ for reader in READERS.values()} == files
    assert set(CHOICES) == {AUTO, *FORMATS}


def test_every_command_is_in_the_table() -> None:
    """A file of the command line that adds a command is asked to."""
    from proxy.cli import COMMANDS

    files = {
        module(path)
        for path in (PACKAGE / "cli").glob("*.py")
        if {"add"} <= set(definitions(path)) and path.name != "__init__.py"
    }
    assert {command.__name__ for command in COMMANDS} == files


# --- names and sizes ------------------------------------------------------------------------------


def test_names_say_something() -> None:
    """No file or folder has a name under which anything could stand."""
    every = [path for path in (*SOURCES, *SUITE)]
    parts = {part for path in every for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not {part for part in parts if FORBIDDEN & set(part.lower().removeprefix("test_").split("_"))}


def test_no_file_is_too_long() -> None:
    """A file can be read at one sitting."""
    sizes = {inside(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert not {name: size for name, size in sizes.items() if size > LONGEST}


def test_every_file_says_what_it_is() -> None:
    """A docstring opens each module."""
    for path in SOURCES:
        assert ast.get_docstring(tree(path)), f"{inside(path)} has no docstring"


def test_nothing_is_kept_in_modules() -> None:
    """No module has a list, a dictionary or a set that is filled as it goes: state has an owner."""
    kept = []
    for path in SOURCES:
        for node in tree(path).body:
            value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
            empty = (isinstance(value, ast.Dict) and not value.keys) or (
                isinstance(value, ast.List) and not value.elts
            )
            made = isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("dict", "list", "set")
            if empty or (made and isinstance(value, ast.Call) and not value.args):
                kept.append(f"{inside(path)}:{node.lineno}")
    assert not kept, "\n".join(kept)
