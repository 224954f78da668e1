"""The annotation database: one contract, a file for each back end, chosen by URL."""

from teppr.store.access import Access, AuditEntry
from teppr.store.contract import (
    Counts,
    FileSummary,
    FileWriter,
    FindingQuery,
    Fingerprint,
    GroupKey,
    ImageQuery,
    Store,
    StoredImage,
    StoreInfo,
    Withdrawal,
)
from teppr.store.open import open_store

__all__ = [
    "Access",
    "AuditEntry",
    "Counts",
    "FileSummary",
    "FileWriter",
    "FindingQuery",
    "Fingerprint",
    "GroupKey",
    "ImageQuery",
    "Store",
    "StoreInfo",
    "StoredImage",
    "Withdrawal",
    "open_store",
]
