"""proxy/policy/files.py: where policies are found."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy.errors import ConfigError
from proxy.policy import load_policy, packaged_policies, policies_folder
from tests.policy.small import SMALL


def test_no_path_is_the_packaged_default() -> None:
    """Without a path the packaged default is read."""
    policy = load_policy(None)
    assert policy.name == "default"
    assert Path(policy.source) == policies_folder() / "default.yaml"


def test_a_bare_name_is_a_packaged_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`strict` is the packaged one, even where a file of that name lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strict").write_text("version: 9")
    assert load_policy(Path("strict")).name == "strict"
    assert set(packaged_policies()) == {"default", "strict"}


def test_a_file_without_suffix_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name that is not packaged is a file, where there is one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text(yaml.safe_dump(SMALL))
    assert load_policy(Path("mine")).name == "mine"


def test_a_path_is_a_file(tmp_path: Path) -> None:
    """A path is read from the disk, and its faults name it."""
    path = tmp_path / "p.yaml"
    path.write_text("\ufeff" + yaml.safe_dump(SMALL), encoding="utf-8")
    assert load_policy(path).roles.keys() == {"guest", "member"}
    path.write_text("version: 2")
    with pytest.raises(ConfigError) as refused:
        load_policy(path)
    assert all(fault.startswith(f"{path}:1: ") for fault in refused.value.faults)


def test_a_name_that_is_nothing_is_refused() -> None:
    """A misspelt name says what was meant and what there is."""
    with pytest.raises(ConfigError, match=r'strct: no such file .*did you mean "strict".*default, strict'):
        load_policy(Path("strct"))


def test_unreadable_files_are_faults(tmp_path: Path) -> None:
    """A missing file, a folder, bytes that are no UTF-8 and a huge file give an error for people."""
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        load_policy(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_policy(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"version: 1\nname: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: not UTF-8"):
        load_policy(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match="too large"):
        load_policy(path)
