"""Annotation formats: one file, one format; each sniffs, reads and writes as a stream."""

from teppr.formats.contract import (
    FORMATS,
    Format,
    Reading,
    ReadOptions,
    SplitOptions,
    SplitRecords,
    WriteReport,
    format_of,
)

__all__ = ["FORMATS", "Format", "ReadOptions", "Reading", "SplitOptions", "SplitRecords", "WriteReport", "format_of"]
