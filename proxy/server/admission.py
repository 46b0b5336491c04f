"""Admit a request: take what it counts for from its subject and from its key, or refuse it.

The invariant: whatever ends a request, each place it took is given back once, and under the id it was taken
under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from proxy.policy import Role
from proxy.server.limits import Admission, Limit, Limits
from proxy.server.responses import error_response
from proxy.types import Caller


class Overload(Exception):
    """A subject or a key has asked more than it may."""

    def __init__(self, admission: Admission, cost: int = 1) -> None:
        super().__init__(admission.reason)
        self.admission = admission
        self.cost = cost

    def response(self) -> Response:
        """A 429 in OpenAI's form; the same words for a subject and for its key."""
        if self.admission.reason == "concurrent":
            message = "Rate limit reached: this key has had as many answers at the same time as it may."
        elif self.admission.limit is not None and self.cost > self.admission.limit:
            message = f"This call counts as {self.cost} requests, more than the limit of a minute."
        else:
            message = "Rate limit reached: this key has had as many requests a minute as it may."
        return error_response(
            f"{message} Please try again later.",
            status=429,
            kind="requests",
            code="rate_limit_exceeded",
            headers=self.admission.headers(),
        )


@dataclass(slots=True)
class Places:
    """The places that one request has taken, and the headers that tell what is left."""

    limits: Limits
    headers: Mapping[str, str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    async def take(self, counted: str, limit: Limit, cost: int = 1) -> None:
        """Take ``cost`` requests and one place. Raises Overload; then all places are given back."""
        if limit.unlimited:
            return
        admission = await self.limits.admit(counted, limit, cost)
        if not admission.allowed:
            await self.release()
            raise Overload(admission, cost)
        self.taken.append(counted)
        self.headers = self.headers or admission.headers()

    async def release(self) -> None:
        """Give every place back, once."""
        while self.taken:
            await self.limits.release(self.taken.pop())


async def admitted(limits: Limits, caller: Caller, role: Role) -> Places:
    """Admit one request of an endpoint that answers the caller itself. Raises Overload.

    The subject comes first: one that is at its limit takes nothing from the others of its key.
    """
    places = Places(limits)
    await places.take(counted_for(caller), Limit(role.requests_per_minute, role.concurrent))
    if role.subject != "key":
        await places.take(key_total(caller), Limit(role.key_requests_per_minute, role.key_concurrent))
    return places


def counted_for(caller: Caller) -> str:
    """The id that a subject's requests are counted under: limits are those of a role, so with the role."""
    return caller.key_id if caller.subject == caller.key_id else f"{caller.subject}:{caller.role}"


def key_total(caller: Caller) -> str:
    """The id that all subjects of a key are counted under together."""
    return f"{caller.key_id}:all"
