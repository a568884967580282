"""Resumable uploads, which volumes on Google Cloud take: one chunk after the other.

Owns the protocol with the storage (Google's "Perform resumable uploads"): it keeps what has arrived
and says how far that is, and bytes that it has already do no harm. Must not know the Files API.
"""

from __future__ import annotations

import re
from dataclasses import replace

from deployer.deployment.ports import Refused, Unavailable
from deployer.platforms.databricks.answers import CONFLICT, Answer
from deployer.platforms.databricks.parts import Source, Window
from deployer.platforms.databricks.presigned import Address, Storage

CHUNK = 16 * 1024 * 1024
"""Bytes of a chunk but the last; a multiple of 256 KiB."""
_MORE = 308  # "Resume Incomplete"
_PRECONDITION_FAILED, _UNAVAILABLE = 412, 503
_STANDSTILLS = 3
_RANGE = re.compile(r"bytes=0-(\d{1,18})")


def send_chunks(storage: Storage, address: Address, source: Source) -> Answer:
    """Send everything; the answer to the last chunk, a file in the way being a 409.

    Where the last chunk may have arrived although its answer did not, that answer is in doubt.

    Raises:
        Refused: the storage turned a chunk down.
        Unavailable: it does not answer, or takes nothing any more.
    """
    offset = standstills = 0
    while True:
        end = min(offset + CHUNK, source.size)
        what = f"PUT of bytes {offset} to {end - 1} of {source.size}"
        try:
            answer = storage.send(
                "PUT",
                address,
                what,
                content=Window(source, offset, end - offset),
                headers={"Content-Range": f"bytes {offset}-{end - 1}/{source.size}"},
            )
        except Unavailable as error:
            if end < source.size:
                raise
            return Answer(_UNAVAILABLE, message=str(error), doubtful=True)
        if answer.ok:
            return answer
        if answer.status == _PRECONDITION_FAILED:
            return replace(answer, status=CONFLICT, message="The file exists already.")
        if answer.status != _MORE and end == source.size and answer.doubtful:
            return answer
        if answer.status != _MORE:
            said = f"{answer.status} {answer.message}".rstrip()
            raise Refused(f"{what} was refused by the storage: {said}.")
        arrived = _arrived(answer)
        standstills = standstills + 1 if arrived <= offset else 0
        if standstills > _STANDSTILLS or arrived > end:
            raise Unavailable(f"The storage has {arrived} bytes where {end} were sent.")
        offset = arrived


def _arrived(answer: Answer) -> int:
    found = _RANGE.fullmatch(answer.headers.get("Range", ""))
    return int(found[1]) + 1 if found else 0
