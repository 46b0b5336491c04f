"""What is no HTTP at all is refused in OpenAI's form too: uvicorn alone would say so in plain text.

May import: ``responses``; uvicorn. The rule that must stay true: nothing of what was sent is said back.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from proxy.server.responses import error_response


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for its answer to what cannot be parsed."""

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong, and close the connection: where the next request would begin is not known."""
        refusal = error_response(
            f"{msg} The connection is closed; send the request again as HTTP/1.1 (RFC 9112).",
            status=400,
            kind="invalid_request_error",
            code="invalid_http",
        )
        headers = [*refusal.raw_headers, (b"connection", b"close")]
        lines = [b"%s: %s\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[400], *lines, b"\r\n", bytes(refusal.body)]))
        self.transport.close()
