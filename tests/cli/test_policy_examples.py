"""proxy/cli/policy_examples.py: an example that does not do what it says makes the check fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli import main
from proxy.cli.policy_examples import failing
from proxy.policy import load_policy, packaged_policies, policies_folder


@pytest.mark.parametrize("name", packaged_policies())
def test_the_examples_of_the_packaged_policies_hold(name: str) -> None:
    """Each of them, for every role that the rule is about."""
    assert failing(load_policy(Path(name))) == []


def test_examples_that_fail_are_named_and_never_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; which example of which rule, and what decided instead."""
    path = tmp_path / "mine.yaml"
    text = (policies_folder() / "default.yaml").read_text("utf-8")
    text = text.replace("Write to ann.example@example.com for the form.", "Write to the harbour office.")
    text = text.replace("Order 4111 1111 1111 1112 has left the house.", "Pay 4111 1111 1111 1111 now.")
    text = text.replace("IBAN GB82 WEST 1234 5698 7654 32, please.", "Mail bob@example.org, please.")
    path.write_text(text, "utf-8")
    assert main(["policy", "check", str(path)], {}) == 2
    shown = capsys.readouterr()
    none = "the rule decides no finding in it"
    assert shown.err.splitlines() == [
        f"sluicegate: {path}: rule contact-data: leaks[0]: {none}; nothing is found there",
        f"sluicegate: {path}: rule checked-data: leaks[1]: {none}; found there: admin-sees, contact-data",
        f"sluicegate: {path}: rule checked-data: passes[0]: the rule decides a finding in it",
    ]
    assert shown.out == ""
    for secret in ("harbour", "4111", "bob@"):
        assert secret not in shown.err
