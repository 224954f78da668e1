"""Annotation formats: one file, one format; each sniffs, reads and writes as a stream."""

from teppr.formats.contract import FORMATS, Format, Reading, ReadOptions, WriteReport

__all__ = ["FORMATS", "Format", "ReadOptions", "Reading", "WriteReport"]
