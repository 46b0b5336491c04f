"""Who asks: the forms in which clients send a key, and the one answer to every wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from proxy.errors import ConfigError, NotAuthorised
from proxy.keys import KeyStore
from proxy.server.auth import authenticate


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    store = KeyStore(tmp_path / "state.sqlite", fresh_seconds=0)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Authorization", "Bearer {}"),
        ("authorization", "bearer  {} "),
        ("AUTHORIZATION", "BEARER {}"),
        ("api-key", "{}"),
        ("Api-Key", " {} "),
    ],
)
def test_a_good_key_is_a_caller(keys: KeyStore, name: str, form: str) -> None:
    """OpenAI's header and Azure's, however they are written."""
    made = keys.create("staff")
    caller = authenticate(Headers({name: form.format(made.secret)}), keys)
    assert (caller.key_id, caller.role) == (made.key.id, "staff")


def test_a_bearer_key_goes_before_azures(keys: KeyStore) -> None:
    """Where both headers hold a key, the first one that is meant counts."""
    one, other = keys.create("public"), keys.create("admin")
    both = Headers({"authorization": f"Bearer {one.secret}", "api-key": other.secret})
    assert authenticate(both, keys).role == "public"
    basic = Headers({"authorization": "Basic eDp5", "api-key": other.secret})
    assert authenticate(basic, keys).role == "admin"


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"api-key": " "}]
)
def test_no_key(keys: KeyStore, headers: dict[str, str]) -> None:
    """Who sends no key is told where it belongs."""
    with pytest.raises(NotAuthorised, match="didn't provide an API key") as error:
        authenticate(Headers(headers), keys)
    assert (error.value.status, error.value.code) == (401, "invalid_api_key")


def test_wrong_keys_are_all_the_same(keys: KeyStore) -> None:
    """Unknown, revoked, malformed and endless keys get one answer, which repeats none of them."""
    revoked = keys.create("public")
    keys.revoke(revoked.key.id)
    said = set()
    for key in ("sk-sg-" + "A" * 43, revoked.secret, "sk-1", "x" * 100_000, "sk-sg-" + "é" * 43):
        with pytest.raises(NotAuthorised) as error:
            authenticate(Headers(raw=[(b"authorization", b"Bearer " + key.encode())]), keys)
        said.add(str(error.value))
        assert key not in str(error.value)
    assert said == {"Incorrect API key provided."}


def test_keys_that_cannot_be_read_let_nobody_in(keys: KeyStore) -> None:
    """A store that fails raises, and is no reason to let anyone pass."""
    made = keys.create("public")
    keys.close()
    with pytest.raises(ConfigError):
        authenticate(Headers({"authorization": f"Bearer {made.secret}"}), keys)
