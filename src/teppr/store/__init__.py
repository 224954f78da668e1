"""The annotation database: one contract, a file for each back end, chosen by URL."""

from teppr.store.contract import (
    FileSummary,
    FileWriter,
    FindingQuery,
    GroupKey,
    ImageQuery,
    Store,
    StoredImage,
)
from teppr.store.open import open_store

__all__ = [
    "FileSummary",
    "FileWriter",
    "FindingQuery",
    "GroupKey",
    "ImageQuery",
    "Store",
    "StoredImage",
    "open_store",
]
