"""The command ``sluicegate`` as a whole: exit codes, one sentence for what is wrong, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy import __version__, cli
from proxy.cli import COMMANDS, TERMINATED, main, parser
from proxy.errors import ConfigError
from proxy.keys import KeyStore
from tests.cli.running import environment, run


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for help sees each command, an example, and that the environment works too."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"], {})
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command.__name__.rpartition('.')[2]}" in told
    assert "sluicegate demo" in told
    assert "SLUICEGATE_<NAME>" in told


def test_each_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that does something shows how it is written."""
    for words in (
        ["demo"],
        ["index", "build"],
        ["index", "show"],
        ["serve"],
        ["keys", "create"],
        ["keys", "revoke"],
        ["scan"],
        ["audit", "show"],
        ["policy", "check"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"], {})
        assert ended.value.code == 0
        assert f"  sluicegate {' '.join(words)}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["keys"], ["keys", "create"], ["serve", "--port", "x"]])
def test_a_command_line_that_makes_no_sense(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """It ends with exit code 2 and says what is missing or unknown."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the package."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"], {})
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sluicegate {__version__}\n"


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """What ``main`` makes of an error in a command."""

    def run_list(_options: object, _environment: Mapping[str, str]) -> int:
        raise error

    monkeypatch.setattr(cli.keys, "run_list", run_list)
    return main(["keys", "list"], {})


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("a: wrong", "b: wrong too"), 2, "sluicegate: a: wrong\nsluicegate: b: wrong too\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "sluicegate: /x/y: Permission denied\n"),
        (OSError("no place"), 2, "sluicegate: no place\n"),
        (KeyboardInterrupt(), 130, "sluicegate: interrupted\n"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """Every fault on a line of its own, and an exit code that tells a script who has to act."""
    assert failing(monkeypatch, error) == code
    assert capsys.readouterr().err == said


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An index that cannot be put where it should go is said with the place."""
    (tmp_path / "data.txt").write_text("Some text that is long enough to be indexed.")
    assert main(["index", "build", str(tmp_path / "data.txt"), "--out", "/proc/nowhere/x.idx"], {}) == 2
    assert "/proc/nowhere" in capsys.readouterr().err


def test_sigterm_ends_a_command_as_an_exception_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folders and files are cleaned up; the code says that it was not done; the handler is put back."""
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def run_list(_options: object, _environment: Mapping[str, str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            return 0
        finally:
            cleaned.append(True)

    monkeypatch.setattr(cli.keys, "run_list", run_list)
    with pytest.raises(SystemExit) as ended:
        main(["keys", "list"], {})
    assert ended.value.code == TERMINATED == 143
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_runs_outside_the_main_thread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where signals cannot be caught the commands work all the same."""
    codes = []
    KeyStore(tmp_path / "s.sqlite").close()
    arguments = ["keys", "list", "--state", str(tmp_path / "s.sqlite")]
    thread = threading.Thread(target=lambda: codes.append(main(arguments, {})))
    thread.start()
    thread.join()
    assert codes == [0]
    assert capsys.readouterr().out.startswith("id\t")


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    """``sluicegate keys list | head`` ends quietly when head has had enough."""
    state = tmp_path / "s.sqlite"
    for number in range(3):
        assert (
            main(["keys", "create", "--role", "public", "--name", f"n{number}", "--state", str(state)], {})
            == 0
        )
    script = "import sys; from proxy import cli; from proxy.cli import console\n"
    script += "console.table = lambda *_: [print('x' * 100_000) for _ in range(50)]\n"
    script += f"sys.exit(cli.main(['keys', 'list', '--state', {str(state)!r}]))"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """``python -m proxy`` does the same, in any directory."""
    done = run("policy", "check", "strict", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"rule\taction\tmode")
    done = run("policy", "check", "strickt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"sluicegate: strickt: ")
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_options_can_come_from_the_environment() -> None:
    """No two options of one command share a variable, and none takes the name of a secret."""
    secrets = {"SLUICEGATE_INDEX_KEY", "SLUICEGATE_UPSTREAM_KEY", "SLUICEGATE_SETTINGS"}
    from proxy.cli.parsing import variable

    seen = 0
    waiting = [parser()]
    while waiting:
        one = waiting.pop()
        names = [name for action in one._actions if (name := variable(action))]
        assert len(names) == len(set(names))
        assert not secrets & set(names)
        seen += len(names)
        for action in one._actions:
            if isinstance(action.choices, Mapping):
                waiting.extend(action.choices.values())
    assert seen > 30
