"""From the ``Authorization`` header to a caller.

May import: ``proxy.errors``, ``proxy.types`` and ``proxy.keys``. The rule that must stay true: no key is ever
repeated, in an answer or in a log.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.errors import NotAuthorised
from proxy.keys import Keys
from proxy.types import Caller

_MISSING = (
    "You didn't provide an API key. "
    "Send it in an Authorization header, as in 'Authorization: Bearer sk-sg-...'."
)
_LONGEST = 512


def authenticate(headers: Mapping[str, str], keys: Keys) -> Caller:
    """Who asks. Raises NotAuthorised, in the same words for an unknown and for a revoked key."""
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    presented = presented.strip()
    if scheme.lower() != "bearer" or not presented:
        # As Azure's clients send it, and as gateways do that use this server as their guardrail.
        presented = (headers.get("api-key") or headers.get("x-api-key") or "").strip()
    if not presented:
        raise NotAuthorised(_MISSING)
    caller = keys.authenticate(presented) if len(presented) <= _LONGEST else None
    if caller is None:
        raise NotAuthorised()
    return caller
