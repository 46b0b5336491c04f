"""proxy/server/audiences.py: text that nobody gets because of a slip is named, at start and reload."""

from __future__ import annotations

from pathlib import Path

from proxy.index import BuildOptions, build_index
from proxy.keys import KeyStore
from proxy.policy import load_policy
from proxy.server.audiences import unnamed
from proxy.types import Document
from tests.cli.running import running
from tests.cli.test_serve import url_of
from tests.training import ADMIN, KEY, PUBLIC, STAFF


def test_only_audiences_without_a_name_are_warned_of() -> None:
    """With the name that was meant, where one is near; text for nobody is as it should be."""
    policy = load_policy(None)
    assert unnamed(policy, ["public", "staff", "admin", "nobody"]) == []
    near, far = unnamed(policy, ["public", "stff", "board"])
    assert "'stff'" in near and "did you mean 'staff'?" in near
    assert "'board'" in far and "did you mean" not in far


def test_a_server_warns_at_its_start_and_when_an_index_is_taken(tmp_path: Path) -> None:
    """A real process; the warning names the audience and no text."""
    folder = tmp_path / "x.idx"
    documents = [Document("d", (ADMIN,), "amdin"), Document("e", (PUBLIC,), "public")]
    build_index(documents, folder, BuildOptions(KEY))
    KeyStore(tmp_path / "sluicegate.sqlite").close()
    arguments = ["serve", "--index", str(folder), "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]
    environment = {"SLUICEGATE_INDEX_KEY": KEY}
    with running(*arguments, "--metrics-port", "0", cwd=tmp_path, **environment) as server:
        assert "did you mean 'admin'?" in server.wait_for("holds text for 'amdin'")
        url_of(server)
        build_index([Document("f", (STAFF,), "stuff")], folder, BuildOptions(KEY))
        assert "did you mean 'staff'?" in server.wait_for("holds text for 'stuff'")
    said = server.errors.read_text("utf-8")
    assert "vault console" not in said and "Stockroom" not in said
