"""Asking with the real OpenAI client, whole and streamed, and the secrets that must not come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.serving import QUESTION, Served
from tests.training import ADMIN, ADMIN_ZH, ADMIN_ZH_TRADITIONAL

MASK = "[REDACTED]"
BUDGET = 12
SECRETS = {
    "English": ADMIN,
    "English, shouted": ADMIN.upper(),
    "simplified Chinese": ADMIN_ZH,
    "traditional Chinese": ADMIN_ZH_TRADITIONAL,
}
secrets = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())


@contextmanager
def client(served: Served, role: str = "public", *, key: str | None = None) -> Iterator[OpenAI]:
    """The client as a program would make it."""
    with OpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key(role) if key is None else key,
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as made:
        yield made


def ask(served: Served, role: str = "public", **fields: Any) -> Any:
    """A whole answer."""
    with client(served, role) as made:
        return made.chat.completions.create(**{"model": "m", "messages": QUESTION} | fields)


def ask_streamed(served: Served, role: str = "public", **fields: Any) -> Any:
    """A streamed answer as the client's own helper puts it together."""
    with (
        client(served, role) as made,
        made.chat.completions.stream(**{"model": "m", "messages": QUESTION} | fields) as stream,
    ):
        for _ in stream:
            pass
        return stream.current_completion_snapshot


both = pytest.mark.parametrize("request_answer", [ask, ask_streamed], ids=["plain", "streamed"])
