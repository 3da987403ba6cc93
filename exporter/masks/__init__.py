"""Masks: every log line, page, error text and answer goes through `mask` before it leaves the process."""

from exporter.masks.masking import LIMIT, mask, mask_url, remember

__all__ = ["LIMIT", "mask", "mask_url", "remember"]
