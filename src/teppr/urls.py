"""URLs of databases and queues as people may see them."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """A URL without its password, and without options, which may hold secrets as well."""
    return re.sub(r"^([^/]*//[^:@/]*):.*@", r"\1@", url.partition("?")[0])
