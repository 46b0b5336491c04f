"""The real models, opened once for all tests of this folder."""

from __future__ import annotations

import pytest

from proxy.recognizers import Recognizers, open_recognizers


@pytest.fixture(scope="session")
def recognizers() -> Recognizers:
    return open_recognizers(threads=1, gpu=False)
