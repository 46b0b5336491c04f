"""The errors a person gets to see. A leak is not an error; it is a verdict.

::

    ProxyError
    ├─ ConfigError             the operator must act; exit code 2; every fault in one message
    │  └─ IndexFormatError     built by another version, with another key, or cut short
    ├─ RequestError            the caller's fault; OpenAI's error envelope; carries the HTTP status
    │  └─ NotAuthorised        401
    └─ UpstreamError           502 or 504; never shows the upstream's own text

May import: the standard library only. The rule that must stay true: no message holds text of an
answer, of the training set, or a key.
"""

from __future__ import annotations

from collections.abc import Sequence


class ProxyError(Exception):
    """Any error that Sluicegate raises on purpose."""


class ConfigError(ProxyError):
    """The operator must act: a policy, a setting or a file is wrong. ``faults`` lists them all."""

    def __init__(self, *faults: str) -> None:
        self.faults: Sequence[str] = faults
        super().__init__("\n".join(faults))


class IndexFormatError(ConfigError):
    """An index that cannot be opened: missing, cut short, another version, or another key."""


class RequestError(ProxyError):
    """The caller's fault. ``status`` is the HTTP status, ``code`` and ``param`` OpenAI's fields."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param


class NotAuthorised(RequestError):
    """No key, or one that is unknown or revoked."""

    def __init__(self, message: str = "Incorrect API key provided.") -> None:
        super().__init__(message, status=401, code="invalid_api_key")


class UpstreamError(ProxyError):
    """The model server could not be reached or did not behave. The message is ours, never its."""

    def __init__(self, message: str, *, status: int = 502, where: str = "upstream") -> None:
        super().__init__(message)
        self.status = status
        self.where = where
