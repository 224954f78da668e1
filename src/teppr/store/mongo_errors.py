"""What MongoDB and its driver say, as errors of ours that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from teppr.errors import BadInput, BadSettings, Corrupt, Missing, TepprError

_AUTHENTICATION_FAILED, _UNAUTHORIZED = 18, 13
_OUT_OF_DISK_SPACE, _WRITE_CONFLICT, _DOCUMENT_TOO_LARGE = 14031, 112, 10334


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise errors of ours in place of the driver's; `address` is the database's, without a password."""
    try:
        yield
    except PyMongoError as error:
        raise _translation(error, address) from error
    except (OverflowError, UnicodeEncodeError, BSONError) as error:
        # Numbers beyond 64 bits and half characters: JSON can say them, no database keeps them.
        raise BadInput(f"the annotation database cannot keep a value: {error}") from error


def _translation(error: PyMongoError, address: str) -> TepprError:
    if isinstance(error, ConnectionFailure):
        return _away(error, address)
    code, said = _said(error)
    if isinstance(error, DocumentTooLarge) or code == _DOCUMENT_TOO_LARGE:
        return BadInput(f"the annotation database cannot keep a value: one region may have 16 MB, {said}")
    if code == _AUTHENTICATION_FAILED:
        return BadSettings(f"the annotation database {address} does not accept this user and password ({said})")
    if code == _UNAUTHORIZED:
        return BadSettings(f"this user may not do that in the annotation database {address} ({said}); see readWrite")
    if code == _OUT_OF_DISK_SPACE:
        return Missing(f"the annotation database {address} cannot grow: its disk is full; make room and repeat")
    if code == _WRITE_CONFLICT:
        return Missing(f"the annotation database {address} is too busy with what others write; repeat it later")
    if isinstance(error, BulkWriteError | WriteError | WriteConcernError):
        return Missing(f"the annotation database {address} cannot be written ({said}); mend that and repeat")
    return Corrupt(f"the annotation database {address} does not answer as expected: {said}")


def _away(error: PyMongoError, address: str) -> Missing:
    """The server is not there: how it was looked for takes the driver a page to say, why is its first words."""
    why = str(error).partition(" (configured")[0].partition(", Timeout")[0]
    return Missing(f"the annotation database {address} does not answer ({why}); start it or check the URL, and repeat")


def _said(error: PyMongoError) -> tuple[int | None, str]:
    """The server's code and sentence."""
    if isinstance(error, BulkWriteError):
        first: dict[str, Any] = next(iter([*error.details["writeErrors"], *error.details["writeConcernErrors"]]), {})
        return first.get("code"), str(first.get("errmsg", error))
    if isinstance(error, OperationFailure):
        return error.code, str((error.details or {}).get("errmsg", error))
    return None, str(error)
