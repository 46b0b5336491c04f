"""What ``serve`` says when it cannot start: what is wrong, where, and what to do."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from proxy.cli import main
from tests.training import KEY, SmallIndex


def refused(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path, *more: str, key: str = KEY
) -> str:
    """What ``serve`` says when it does not start; a traceback would be an exception here."""
    arguments = ["serve", "--index", str(index), "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    state = ["--state", str(tmp_path / "state.sqlite")]
    assert main([*arguments, *state, *more], {"SLUICEGATE_INDEX_KEY": key}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sluicegate: ")
    assert KEY not in told.err
    return told.err


@pytest.fixture
def copied(small_index: SmallIndex, tmp_path: Path) -> Path:
    """An index of its own, to be spoilt."""
    return Path(shutil.copytree(small_index.path, tmp_path / "copy.idx"))


def test_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing index is said, with the command that makes one."""
    told = refused(capsys, tmp_path / "none.idx", tmp_path)
    assert "there is no index here; build one with `sluicegate index build`" in told


def test_an_index_that_is_not_whole(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file that is missing or cut short is named, all at once."""
    files = sorted(copied.glob("*.npy"))
    assert len(files) > 20
    missing, cut, *rest = files
    size = cut.stat().st_size
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    told = refused(capsys, copied, tmp_path)
    assert f"{missing}: is missing" in told
    assert f"{cut}: has {size - 1} bytes instead of {size}" in told
    for path in rest:
        path.write_bytes(b"")
    assert refused(capsys, copied, tmp_path).count("sluicegate: ") == len(files)


def test_a_wrong_or_short_key(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of another index is recognised as such, and no key is repeated."""
    told = refused(capsys, small_index.path, tmp_path, key="another key, long enough")
    assert "was built with another key" in told
    assert "another key, long" not in told
    assert "16 or more are needed" in refused(capsys, small_index.path, tmp_path, key="short")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: [", "not valid YAML"),
        ("", "the file is empty"),
        ("version: 1\nrules: []\n", "is missing"),
        ("version: 1\nroels: {}\n", 'did you mean "roles"?'),
    ],
    ids=["malformed", "empty", "incomplete", "unknown key"],
)
def test_a_policy_that_cannot_be_used(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """Every fault of a policy is said with its place, before anything is served."""
    path = tmp_path / "policy.yaml"
    path.write_text(text, "utf-8")
    told = refused(capsys, small_index.path, tmp_path, "--policy", str(path))
    assert said in told
    assert str(path) in told


def test_an_upstream_that_is_no_address(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL with a password in it is refused without repeating the password."""
    told = refused(capsys, small_index.path, tmp_path, "--upstream", "http://me:hunter2@127.0.0.1/v1")
    assert "SLUICEGATE_UPSTREAM_KEY" in told
    assert "hunter2" not in told


def test_a_port_that_is_taken(
    small_index: SmallIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two servers cannot have one port: the second says so and does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refused(capsys, small_index.path, tmp_path, "--port", port)
        assert f"--port: cannot listen on 127.0.0.1:{port}: Address already in use" in told
        told = refused(capsys, small_index.path, tmp_path, "--metrics-port", port)
        assert f"--metrics-port {port}: cannot listen on 127.0.0.1: Address already in use" in told
