"""Annotation formats: one file, one format; each sniffs, reads and writes as a stream."""

from teppr.formats.contract import FORMATS, Format, Reading, ReadOptions, WriteReport, format_of

__all__ = ["FORMATS", "Format", "ReadOptions", "Reading", "WriteReport", "format_of"]
