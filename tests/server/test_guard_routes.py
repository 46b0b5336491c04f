"""The two guard APIs on the wire: their forms, who may ask, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.serving import Served, serving
from tests.training import ADMIN, NOBODY, PUBLIC, STAFF, SmallIndex, shared_units

LITELLM = "/beta/litellm_basic_guardrail_api"
MASK = "[REDACTED]"


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("guard")) as made:
        yield made


def guard(served: Served, role: str = "public", by: str = "gateway", **body: Any) -> httpx.Response:
    """As a gateway asks for a caller of ``role``, with the key of role ``by``."""
    return served.web.post("/v1/guard", json={"role": role} | body, headers=served.headers(by))


def litellm(served: Served, by: str = "gateway", **body: Any) -> httpx.Response:
    """As LiteLLM calls it: the key in x-api-key, and all its fields."""
    usual = {"input_type": "response", "request_data": {}, "litellm_version": "1.109.1", "images": None}
    return served.web.post(LITELLM, json=usual | body, headers={"x-api-key": served.key(by)})


# --- neutral ---------------------------------------------------------------------------------------


def test_a_whole_text(served: Served) -> None:
    """Clean text passes, a passage is redacted or blocked, by the role of the key."""
    assert guard(served, text=f"Hi. {PUBLIC}").json()["action"] == "pass"
    redacted = guard(served, text=f"Hi. {NOBODY} Bye.").json()
    assert (redacted["action"], redacted["text"].count(MASK), redacted["text"][-4:]) == ("redact", 1, "Bye.")
    blocked = guard(served, text=f"Hi. {ADMIN} Bye.").json()
    assert blocked["action"] == "block"
    assert shared_units(ADMIN, blocked["text"]) <= 12
    assert blocked["incident"] in blocked["refusal"]
    assert guard(served, "admin", text=ADMIN).json()["action"] == "pass"


def test_it_is_recorded(served: Served) -> None:
    """An answer stands in the trail once, under its incident, and is counted."""
    labels = {"endpoint": "/v1/guard", "role": "public", "outcome": "blocked"}
    before = served.metric("sluicegate_requests_total", **labels)
    answer = guard(served, text=ADMIN)
    line = served.trail()[-1]
    assert (line["incident"], line["path"], line["outcome"]) == (
        answer.json()["incident"],
        "/v1/guard",
        "blocked",
    )
    assert answer.headers["x-sluicegate-incident"] == line["incident"]
    assert served.metric("sluicegate_requests_total", **labels) == before + 1


def test_a_stream_of_texts(served: Served) -> None:
    """The text so far is sent again and again; what comes back only grows, and ends as the whole would."""
    whole = f"Look: {NOBODY} And {PUBLIC}"
    said, held = "", []
    for end in (*range(3, len(whole), 3), len(whole)):
        now = guard(served, text=whole[:end], stream="one", final=end == len(whole)).json()
        assert now["text"].startswith(said)
        said = now["text"]
        held.append(now["held"][0])
    assert said == guard(served, text=whole).json()["text"]
    assert max(held) > 0
    assert held[-1] == 0


def test_a_call_that_is_repeated(served: Served) -> None:
    """The same call has the same answer, before and after the end; another text is read anew."""
    first = guard(served, text="Hello", stream="again").json()
    assert guard(served, text="Hello", stream="again").json() == first
    ended = guard(served, text="Hello there", stream="again", final=True).json()
    assert ended["incident"] == first["incident"]
    assert guard(served, text="Hello there", stream="again", final=True).json() == ended
    assert guard(served, text=f"No: {ADMIN}", stream="again").json()["action"] == "block"


def test_messages(served: Served) -> None:
    """The assistant's last messages are guarded; what stands before them is the caller's own."""
    own = [{"role": "user", "content": f"Is this right? {ADMIN}"}]
    said = {"role": "assistant", "content": f"You wrote: {ADMIN}"}
    assert guard(served, messages=[*own, said]).json()["action"] == "pass"
    assert guard(served, messages=[{"role": "user", "content": "?"}, said]).json()["action"] == "block"
    assert guard(served, input=ADMIN, text=f"You wrote: {ADMIN}").json()["action"] == "pass"
    assert guard(served, texts=["Hello", f"Look: {NOBODY}"]).json()["texts"][0] == "Hello"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "text"), ({"text": "a", "texts": ["b"]}, "text"), ({"text": 7}, "text"),
        ({"texts": [7]}, "texts"),
        ({"messages": [{"role": "user", "content": "a"}]}, "messages"), ({"messages": "a"}, "messages"),
        ({"text": "a", "stream": ""}, "stream"), ({"text": "a", "final": 1}, "final"),
        ({"text": "a", "role": "nobody"}, "role"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused(served: Served, body: dict[str, Any], param: str) -> None:
    """In OpenAI's form, with the field."""
    answer = guard(served, **body)
    assert answer.status_code in (400, 403)
    assert answer.json()["error"]["param"] == param


def test_a_gateway_speaks_for_the_roles_of_its_policy(served: Served) -> None:
    """Each call is judged as the role it names; any other value is refused in the same words."""
    assert guard(served, "public", text=ADMIN).json()["action"] == "block"
    assert guard(served, "staff", text=STAFF).json()["action"] == "pass"
    assert guard(served, "admin", text=ADMIN).json()["action"] == "pass"
    wrong: list[Any] = ["gateway", "nobody", "Admin", "", " admin", "admin\x00", 7, ["admin"], {"a": 1}, True]
    for role in wrong:
        params = {"role": role}
        answers = [guard(served, role, text="a"), litellm(served, additional_provider_specific_params=params)]
        for answer in answers:
            assert answer.status_code == 403
            assert answer.json() == answers[0].json()
            assert answer.json()["error"]["code"] == "role_not_allowed"


def test_a_call_without_a_role_is_judged_by_the_default_role(served: Served) -> None:
    """The least one. Before, a gateway's key was judged by its own clearance, and nothing was stopped."""
    for body in ({"text": STAFF}, {"text": STAFF, "role": None}):
        answer = served.web.post("/v1/guard", json=body, headers=served.headers("gateway"))
        assert answer.json()["action"] == "block"
    assert litellm(served, texts=[STAFF]).json()["action"] == "BLOCKED"
    staff = {"role": "staff"}
    assert (
        litellm(served, texts=[STAFF], additional_provider_specific_params=staff).json()["action"] == "NONE"
    )
    assert served.trail()[-1]["role"] == "staff"


def test_who_has_no_key(served: Served) -> None:
    """Neither answers without one."""
    for path in ("/v1/guard", LITELLM):
        assert served.web.post(path, json={"text": "a"}).status_code == 401


# --- LiteLLM ---------------------------------------------------------------------------------------


def emitted(served: Served, text: str, call: str, cut: int = 4) -> str:
    """What LiteLLM would send on: it asks at each chunk, and once more at the end; then it holds nothing."""
    out = ""
    for end in (*range(cut, len(text) + cut, cut), len(text)):
        body = litellm(served, texts=[text[:end]], litellm_call_id=call).json()
        if body["action"] == "BLOCKED":
            return out + "!"
        said, held = body["texts"][0], body["stream_holdback_chars"][0]
        assert said.startswith(out), "what was sent cannot be taken back"
        out = said[: max(len(out), len(said) - held)]
    return body["texts"][0]


def test_clean_text_passes_through_litellm(served: Served) -> None:
    """Whatever is held at the end comes out: the last call is not told apart from the others."""
    text = f"Well then. {PUBLIC} And so on, to the last word of an unfinished sent"
    assert emitted(served, text, "clean") == text
    assert litellm(served, texts=[text]).json()["action"] == "NONE"


@pytest.mark.parametrize("cut", [1, 4, 50])
def test_a_redaction_through_litellm(served: Served, cut: int) -> None:
    """The client gets the mask in its place, whatever the chunks; the text after it is there."""
    if cut == 1:
        text = f"{NOBODY}"
    else:
        text = f"She wrote: {NOBODY} -- and I am sorry to hear it."
    said = emitted(served, text, f"redact-{cut}", cut)
    assert said.count(MASK) == 1
    assert shared_units(NOBODY, said) <= 12
    assert said == guard(served, text=text).json()["text"]


def test_a_block_through_litellm(served: Served) -> None:
    """The stream ends with our sentence; what was out before is within the budget."""
    said = emitted(served, f"Here: {ADMIN} Bye.", "block")
    assert said.endswith("!")
    assert shared_units(ADMIN, said) <= 12
    reason = litellm(served, texts=[f"Here: {ADMIN} Bye."], litellm_call_id="block").json()["blocked_reason"]
    assert "content policy" in reason
    assert shared_units(ADMIN, reason) <= 12


def test_calls_cannot_be_redacted_there(served: Served) -> None:
    """The form has no place for changed calls: one that holds something is blocked."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"q": "fine"}'}}
    assert litellm(served, texts=[], tool_calls=[call]).json()["action"] == "NONE"
    for secret in (ADMIN, NOBODY):
        call["function"] = {"name": "f", "arguments": f'{{"q": "{secret}"}}'}
        assert litellm(served, texts=[], tool_calls=[call]).json()["action"] == "BLOCKED"
    assert litellm(served, texts=[], tool_calls=[{"function": {"name": 7}}]).status_code == 400


def test_what_the_caller_sent_is_remembered(served: Served) -> None:
    """The request's call tells the caller's own words; the response's call for the same id counts them."""
    messages = [{"role": "user", "content": ADMIN}]
    request = {"input_type": "request", "structured_messages": messages, "texts": [ADMIN]}
    assert litellm(served, **request, litellm_call_id="own").json() == {"action": "NONE"}
    assert litellm(served, texts=[f"You wrote: {ADMIN}"], litellm_call_id="own").json()["action"] == "NONE"
    assert (
        litellm(served, texts=[f"You wrote: {ADMIN}"], litellm_call_id="other").json()["action"] == "BLOCKED"
    )
    assert litellm(served, **request).json() == {"action": "NONE"}


def test_several_choices(served: Served) -> None:
    """Texts keep their order and number; a choice that begins later may come first in the list."""
    first = litellm(served, texts=["second"], litellm_call_id="n").json()
    assert first["texts"] == ["second"]
    both = litellm(served, texts=["first", "second, and more"], litellm_call_id="n").json()
    assert both["texts"] == ["first", "second, and more"]
    assert len(both["stream_holdback_chars"]) == 2


@pytest.mark.parametrize(
    "body", [{"input_type": "other"}, {"texts": "a"}, {"texts": [1]}, {"litellm_call_id": 7}]
)
def test_another_form_is_refused(served: Served, body: dict[str, Any]) -> None:
    """LiteLLM fails closed on it."""
    assert litellm(served, **({"texts": ["a"]} | body)).status_code == 400
