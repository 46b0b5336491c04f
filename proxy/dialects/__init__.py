"""The dialects: each reads and writes one endpoint of the OpenAI API.

The table names the endpoint without ``/v1``. A dialect holds no policy, no guard and no I/O; the shapes
it offers are in ``shapes.py``. May import: the ground floor and this room.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.dialects import chat, completions, embeddings, responses
from proxy.dialects.shapes import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "/chat/completions": chat.request,
    "/completions": completions.request,
    "/responses": responses.request,
    "/embeddings": embeddings.request,
}
