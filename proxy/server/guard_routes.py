"""Two ways to use the guards for answers that others relay: LiteLLM's guardrail API, and a neutral one.

``POST /beta/litellm_basic_guardrail_api`` speaks as litellm 1.109 does (its ``generic_guardrail_api``): all
texts of an answer as they are by now, in each call. It gets back what may leave, with what would follow if
the answer ended there, of which ``stream_holdback_chars`` says how much must wait.

``POST /v1/guard`` takes ``text``, ``texts`` or ``messages`` and gives back what may leave.

Whoever chooses the text that is judged, and sees what is held back, can ask the index piece by piece: both
answer only keys of a role that guards for others, and judge each call as a role that such a key may name.

May import: every room and this door. The invariants: what a call sends comes back only as guards have let it
go; a text that cannot be redacted where it stands is blocked; every call is counted by how it ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from proxy.dialects import asking
from proxy.dialects.asking import wrong
from proxy.dialects.shapes import refusal
from proxy.errors import RequestError
from proxy.server.admission import Overload
from proxy.server.answering import read_body, unless_gone
from proxy.server.guard_right import Asking
from proxy.server.guard_work import MOST_CALLS, MOST_TEXTS, Work
from proxy.server.guarding import Session, Words
from proxy.server.relay import REFUSAL, GuardFault
from proxy.server.responses import INCIDENT_HEADER, error_response, json_response
from proxy.server.state import House
from proxy.server.subjects import user_of
from proxy.types import Caller

LITELLM = "/beta/litellm_basic_guardrail_api"
NEUTRAL = "/v1/guard"
_LONGEST_NAME = 256


async def _litellm(house: House, http: Request, caller: Caller) -> Response:
    return await _guarded(house, http, caller, _answer_litellm)


async def _neutral(house: House, http: Request, caller: Caller) -> Response:
    return await _guarded(house, http, caller, _answer_neutral)


GUARD_PATHS: Mapping[str, Callable[[House, Request, Caller], Awaitable[Response]]] = {
    LITELLM: _litellm,
    NEUTRAL: _neutral,
}

_Answered = tuple[str, str, dict[str, Any]]
"""How a call ended, the incident of its answer ("" for none), and the body to send."""

_Answering = Callable[[House, Mapping[str, Any], Asking], Awaitable[_Answered]]


async def _guarded(house: House, http: Request, caller: Caller, answering: _Answering) -> Response:
    call, ended = Asking(house, caller), "stopped"
    try:
        call.check()
        body = asking.object_body(await read_body(http, house.settings))
        ended, incident, made = await unless_gone(http, answering(house, body, call))
        named = {INCIDENT_HEADER: incident} if incident else {}
        return json_response(made, headers={**named, **call.headers})
    except GuardFault:
        return error_response(
            "The text was stopped: it could not be checked.",
            status=500,
            kind="server_error",
            code="guard_fault",
        )
    except RequestError as error:
        ended = "forbidden" if error.status == 403 else "refused"
        raise
    except Overload:
        ended = "limited"
        raise
    except ClientDisconnect:
        ended = "gone"
        raise
    finally:
        house.metrics.guard_call(call.role, ended)
        await call.release()


# --- LiteLLM ---------------------------------------------------------------------------------------


async def _answer_litellm(house: House, body: Mapping[str, Any], call: Asking) -> _Answered:
    params = asking.mapping(body, "additional_provider_specific_params")
    caller = call.named(params.get("role"), _end_user(body))
    kind = body.get("input_type")
    if kind not in ("request", "response"):
        raise wrong("input_type", "must be 'request' or 'response'")
    texts = _texts(body.get("texts"), "texts")
    words = Words(
        _model(body), _own(house, caller, body.get("structured_messages"), texts if kind == "request" else ())
    )
    name = _name(body, "litellm_call_id")
    if kind == "request":  # it is remembered as the caller's own words, and comes back as it is
        house.guard_bounds.check((), words.own)
        if not name:
            return "passed", "", {"action": "NONE"}
        async with house.sessions.using(house, caller, name) as session:
            await session.begin(words)
            return "passed", session.exchange.incident, {"action": "NONE"}
    calls = _calls(body.get("tool_calls"))
    house.guard_bounds.check([*texts, *(part for pair in calls for part in pair)], words.own)
    work = Work(house.guard_bounds)
    async with house.sessions.using(house, caller, name) as session:
        await call.admit(session.new_texts(words, texts, calls))
        await session.begin(words)
        await session.read(texts, work)
        clean = session.blocked or await session.calls(calls, work)
        incident = session.exchange.incident
        if session.blocked or not clean:
            return "blocked", incident, {"action": "BLOCKED", "blocked_reason": refusal(REFUSAL, incident)}
        tails = await session.tails(texts, work)
        made = [text + tail for text, tail in zip(session.said(texts), tails, strict=True)]
        changed = made != texts
        answer = {
            "action": "GUARDRAIL_INTERVENED" if changed else "NONE",
            "texts": made,
            "stream_holdback_chars": [len(tail) for tail in tails],
        }
        return "redacted" if changed else "passed", incident, answer


def _end_user(body: Mapping[str, Any]) -> str | None:
    """The end user of LiteLLM's caller, where that caller named one."""
    name = asking.mapping(body, "request_data").get("user_api_key_end_user_id")
    return name if isinstance(name, str) else None


def _calls(raw: object) -> list[tuple[str, str]]:
    """Name and arguments of each call. What has another shape cannot be checked."""
    found = []
    if len(asking.members(raw)) > MOST_CALLS:
        raise wrong("tool_calls", f"must be at most {MOST_CALLS} calls")
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


async def _answer_neutral(house: House, body: Mapping[str, Any], call: Asking) -> _Answered:
    caller = call.named(body.get("role"), _user(body))
    given = [name for name in ("text", "texts", "messages") if body.get(name) is not None]
    if len(given) != 1:
        raise RequestError("Give one of 'text', 'texts' and 'messages'.", param="text")
    before = body.get("messages") if given == ["messages"] else body.get("input")
    texts = _neutral_texts(body, given[0])
    name = _name(body, "stream")
    final = True if body.get("final") is None and not name else asking.flag(body, "final")
    words = Words(_model(body), _own(house, caller, before, [before] if isinstance(before, str) else ()))
    house.guard_bounds.check(texts, words.own)
    async with house.sessions.using(house, caller, name) as session:
        await call.admit(session.new_texts(words, texts, ()))
        await session.begin(words)
        await session.read(texts, Work(house.guard_bounds), final=final)
        if final:
            session.record()
        said, action = session.said(texts), _action(session)
        made: dict[str, Any] = {
            "incident": session.exchange.incident,
            "action": action,
            "texts": said,
            "held": [*session.held, *[0] * len(texts)][: len(texts)],
            "refusal": refusal(REFUSAL, session.exchange.incident) if session.blocked else None,
        }
        if given == ["text"]:
            made["text"] = said[0]
        held = action == "pass" and any(session.held)
        ended = {"block": "blocked", "redact": "redacted"}.get(action, "held" if held else "passed")
        return ended, session.exchange.incident, made


def _user(body: Mapping[str, Any]) -> str | None:
    """The end user that a call names; "" where it names one that says nothing, None where it names none."""
    for field in ("user", "safety_identifier"):
        if not isinstance(body.get(field), str | None):
            raise wrong(field, "must be a string")
    if all(body.get(field) is None for field in ("user", "safety_identifier")):
        return None
    return user_of(body) or ""


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
    if not isinstance(listed, list) or len(listed) > MOST_TEXTS:
        raise wrong(field, f"must be a list of at most {MOST_TEXTS} strings")
    if not all(isinstance(each, str) for each in listed):
        raise wrong(field, "must hold strings only")
    return listed


def _messages(raw: object, field: str) -> list[Mapping[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
        raise wrong(field, "must be a list of messages")
    return raw


def _own(house: House, caller: Caller, messages: object, texts: Sequence[str]) -> tuple[str, ...]:
    """The caller's own words, as far as the policy lets them count for the role."""
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
