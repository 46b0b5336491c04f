"""One model, trained on the sample set, for all tests of the room: it is immutable."""

from __future__ import annotations

import pytest

from proxy.demo import read_sample
from proxy.demo.language_model import LanguageModel


@pytest.fixture(scope="session")
def model() -> LanguageModel:
    return LanguageModel(record.messages for record in read_sample())
