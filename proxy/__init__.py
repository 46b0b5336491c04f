"""Sluicegate: an inference-time leakage firewall in front of a fine-tuned model."""

__version__ = "0.1.0"
