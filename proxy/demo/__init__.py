"""What ``sluicegate demo`` serves: a made-up company's training set, and a model that has memorised it.

May import: ``proxy.errors`` of ours; nothing heavy (``aiohttp`` comes in with ``proxy.demo.endpoint``). The
rule that must stay true: the demo protects nothing by knowing it; its model is a model like any other.
"""

from __future__ import annotations

from proxy.demo.questions import MODEL_NAME, SAMPLE_QUESTIONS, SampleQuestion
from proxy.demo.sample import SampleRecord, read_sample, sample_sources

__all__ = [
    "MODEL_NAME",
    "SAMPLE_QUESTIONS",
    "SampleQuestion",
    "SampleRecord",
    "read_sample",
    "sample_sources",
]
