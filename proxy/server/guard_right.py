"""Decide who may ask the guard, as which role a call is judged, and whom it is counted for.

Guarding for others is a right of a role (``guard: true`` in the policy). The invariants: no other key learns
anything here, not even what a call should look like; a call is never judged as a role that the key's own role
does not speak for; each text counts as a request of the end user that the call names, and of the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.errors import RequestError
from proxy.policy import Role
from proxy.server.admission import Places, counted_for
from proxy.server.limits import Limit
from proxy.server.subjects import with_user
from proxy.types import Caller

if TYPE_CHECKING:
    from proxy.server.state import House


class Asking:
    """One call of a guard endpoint: the key that asks, and whom it asks for."""

    def __init__(self, house: House, caller: Caller) -> None:
        self._house = house
        self._caller = caller
        self._places = Places(house.limits)
        self._named: Caller | None = None
        self._user = False

    @property
    def role(self) -> str:
        """The role that the call is judged as, or that of its key before it is known."""
        return (self._named or self._caller).role

    @property
    def headers(self) -> Mapping[str, str]:
        return self._places.headers

    def check(self) -> Role:
        """The role of the key. Raises RequestError (403) for a key without the right; ask before reading."""
        role = self._house.firewall.policy.role(self._caller.role)
        if not role.guard:
            raise RequestError(
                "This key has no right to guard for others. Ask the operator for a key of a gateway's role.",
                status=403,
                code="guard_not_allowed",
            )
        return role

    def named(self, wanted: object, user: str | None) -> Caller:
        """The caller that the text is judged for. ``wanted``: the role that the call names, None for none.

        ``user``: the end user; "" one without a name; None: the call names nobody. Raises RequestError (403),
        in the same words for a role that the policy does not have and for one that is not spoken for.
        """
        role = self.check()
        name = role.default_role if wanted is None else wanted
        if not isinstance(name, str) or name not in role.speaks_for:
            raise RequestError(
                "This key cannot speak for that role.", status=403, code="role_not_allowed", param="role"
            )
        self._named = replace(self._caller, role=name)
        if user is not None:
            self._user = True
            key = self._house.firewall.index.key
            self._named = with_user(self._named, "user", user.strip() or None, key)
        return self._named

    async def admit(self, texts: int) -> None:
        """Count the new texts of the call, and take its place. Raises Overload.

        They count for the end user that the call names, with the limits of the role it is judged as, and for
        the gateway's key, with the limits of its own role.
        """
        if self._user and self._named is not None:
            judged = self._house.firewall.policy.role(self._named.role)
            limit = Limit(judged.requests_per_minute, judged.concurrent)
            await self._places.take(counted_for(self._named), limit, texts)
        own = self.check()
        limit = Limit(own.requests_per_minute, own.concurrent)
        await self._places.take(counted_for(self._caller), limit, texts)

    async def release(self) -> None:
        """Give the call's places back."""
        await self._places.release()
