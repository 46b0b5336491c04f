"""Two ways to use the guards for answers that others relay: LiteLLM's guardrail API, and a neutral one.

``POST /beta/litellm_basic_guardrail_api`` speaks as litellm 1.109 does (its ``generic_guardrail_api``): all
texts of an answer as they are by now, in each call. It gets back what may leave, with what would follow if
the answer ended there, of which ``stream_holdback_chars`` says how much must wait.

``POST /v1/guard`` takes ``text``, ``texts`` or ``messages`` and gives back what may leave.

May import: every room and this door. The rules that must stay true: what a call sends comes back only as
guards have let it go; a text that cannot be redacted where it stands is blocked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.dialects import asking
from proxy.dialects.asking import wrong
from proxy.dialects.shapes import refusal
from proxy.errors import RequestError
from proxy.server.admission import admitted
from proxy.server.answering import read_body
from proxy.server.guarding import Session, Words, lesser_role
from proxy.server.relay import REFUSAL, GuardFault
from proxy.server.responses import INCIDENT_HEADER, error_response, json_response
from proxy.server.state import House
from proxy.types import Caller

LITELLM = "/beta/litellm_basic_guardrail_api"
NEUTRAL = "/v1/guard"
_LONGEST_NAME = 256
_MOST_TEXTS = 2048


async def _litellm(house: House, http: Request, caller: Caller) -> Response:
    return await _guarded(house, http, caller, _answer_litellm)


async def _neutral(house: House, http: Request, caller: Caller) -> Response:
    return await _guarded(house, http, caller, _answer_neutral)


GUARD_PATHS: Mapping[str, Callable[[House, Request, Caller], Awaitable[Response]]] = {
    LITELLM: _litellm,
    NEUTRAL: _neutral,
}

_Answering = Callable[[House, Mapping[str, Any], Caller], Awaitable[tuple[Session | None, dict[str, Any]]]]


async def _guarded(house: House, http: Request, caller: Caller, answering: _Answering) -> Response:
    places = await admitted(house.limits, caller, house.firewall.policy.role(caller.role))
    try:
        body = asking.object_body(await read_body(http, house.settings))
        session, made = await answering(house, body, caller)
    except GuardFault:
        return error_response(
            "The text was stopped: it could not be checked.",
            status=500,
            kind="server_error",
            code="guard_fault",
        )
    finally:
        await places.release()
    named = {INCIDENT_HEADER: session.exchange.incident} if session is not None else {}
    return json_response(made, headers={**named, **places.headers})


# --- LiteLLM ---------------------------------------------------------------------------------------


async def _answer_litellm(
    house: House, body: Mapping[str, Any], caller: Caller
) -> tuple[Session | None, dict[str, Any]]:
    caller = lesser_role(house.firewall, caller, _params(body).get("role"))
    kind = body.get("input_type")
    if kind not in ("request", "response"):
        raise wrong("input_type", "must be 'request' or 'response'")
    texts = _texts(body.get("texts"), "texts")
    words = _words(house, caller, body.get("structured_messages"), texts if kind == "request" else ())
    name = _name(body, "litellm_call_id")
    if kind == "request":  # it is remembered as the caller's own words, and comes back as it is
        if name:
            session = await house.sessions.open(house, caller, name, Words(_model(body), words))
            return session, {"action": "NONE"}
        return None, {"action": "NONE"}
    session = await house.sessions.open(house, caller, name, Words(_model(body), words))
    async with session.turn:
        try:
            await session.read(texts)
            clean = session.blocked or await session.calls(_calls(body.get("tool_calls")))
            tails = await session.tails()
        finally:
            if not name:
                house.sessions.end(session)
        if session.blocked or not clean:
            reason = refusal(REFUSAL, session.exchange.incident)
            return session, {"action": "BLOCKED", "blocked_reason": reason}
        made = [text + tail for text, tail in zip(session.said, tails, strict=True)]
        changed = made != texts
        return session, {
            "action": "GUARDRAIL_INTERVENED" if changed else "NONE",
            "texts": made,
            "stream_holdback_chars": [len(tail) for tail in tails],
        }


def _params(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return asking.mapping(body, "additional_provider_specific_params")


def _calls(raw: object) -> list[tuple[str, str]]:
    """Name and arguments of each call. What has another shape cannot be checked."""
    found = []
    for each in asking.members(raw):
        function = each.get("function") if isinstance(each, dict) else None
        pair = (
            (function.get("name") or "", function.get("arguments") or "")
            if isinstance(function, dict)
            else (None, None)
        )
        if not all(isinstance(part, str) for part in pair):
            raise wrong("tool_calls", "must be calls of functions whose name and arguments are strings")
        found.append((str(pair[0]), str(pair[1])))
    return found


# --- neutral ---------------------------------------------------------------------------------------


async def _answer_neutral(
    house: House, body: Mapping[str, Any], caller: Caller
) -> tuple[Session | None, dict[str, Any]]:
    caller = lesser_role(house.firewall, caller, body.get("role"))
    given = [name for name in ("text", "texts", "messages") if body.get(name) is not None]
    if len(given) != 1:
        raise RequestError("Give one of 'text', 'texts' and 'messages'.", param="text")
    before = body.get("messages") if given == ["messages"] else body.get("input")
    texts = _neutral_texts(body, given[0])
    name = _name(body, "stream")
    final = True if body.get("final") is None and not name else asking.flag(body, "final")
    words = _words(house, caller, before, [before] if isinstance(before, str) else ())
    session = await house.sessions.open(house, caller, name, Words(_model(body), words))
    async with session.turn:
        try:
            await session.read(texts, final=final)
        finally:
            if final or not name:
                house.sessions.end(session)
        made: dict[str, Any] = {
            "incident": session.exchange.incident,
            "action": _action(session),
            "texts": session.said,
            "held": session.held,
            "refusal": refusal(REFUSAL, session.exchange.incident) if session.blocked else None,
        }
        if given == ["text"]:
            made["text"] = session.said[0]
        return session, made


def _action(session: Session) -> str:
    if session.blocked:
        return "block"
    return "redact" if session.exchange.guards.redacted else "pass"


def _neutral_texts(body: Mapping[str, Any], given: str) -> list[str]:
    if given == "text":
        return _texts([body["text"]], "text")
    if given == "texts":
        return _texts(body["texts"], "texts")
    texts: list[str] = []
    for message in reversed(_messages(body["messages"], "messages")):
        if message.get("role") != "assistant":
            break
        texts.insert(0, "".join(asking.parts(message.get("content"))))
    if not texts:
        raise wrong("messages", "must end with a message of the assistant: that is what is guarded")
    return texts


# --- both ------------------------------------------------------------------------------------------


def _texts(raw: object, field: str) -> list[str]:
    listed = [] if raw is None else raw
    if not isinstance(listed, list) or len(listed) > _MOST_TEXTS:
        raise wrong(field, f"must be a list of at most {_MOST_TEXTS} strings")
    if not all(isinstance(each, str) for each in listed):
        raise wrong(field, "must hold strings only")
    return listed


def _messages(raw: object, field: str) -> list[Mapping[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise wrong(field, "must be a list of messages")
    return raw


def _words(house: House, caller: Caller, messages: object, texts: Sequence[str]) -> tuple[str, ...]:
    """What the caller itself sent, as far as the policy lets it count for the role."""
    echo = house.firewall.policy.role(caller.role).echo
    found = list(texts) if "user" in echo else []
    for message in asking.members(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role in echo and role != "assistant":
            found += asking.parts(message.get("content"))
    return asking.with_decoded(found)


def _name(body: Mapping[str, Any], field: str) -> str:
    name = body.get(field)
    if name is None:
        return ""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise wrong(field, f"must be a string of 1 to {_LONGEST_NAME} characters")
    return name


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    return model if isinstance(model, str) else ""
