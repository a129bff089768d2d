"""One notice to another issuer over HTTP, and its receipt back. Shell: asyncio and sockets.

Nothing of the answer is trusted: whoever asked verifies the receipt. A carrier can be late or
silent, and it can send too much. TLS certificates are checked against the system's authorities,
or those that SSL_CERT_FILE names (docs/ops/regions.md).
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from issuer.between.envelope import MAX_RECEIPT_BYTES
from issuer.between.rows import Sent
from keys.trustlist import TrustList

__all__ = ["PATH", "inbox_of", "post_all"]

PATH: Final = "/api/v1/region-notices"
#: From the look-up of the name to the last byte of the answer; slow lines need 5 s a round trip.
DEADLINE_S: Final = 60.0
_MAX_ANSWER: Final = 4 * MAX_RECEIPT_BYTES


def inbox_of(trust: TrustList, region: str) -> str | None:
    """Where the issuer of *region* takes notices: on the host of its status lists.

    The trust list allows https there, and http to this very machine on a test list.
    """
    issuer = trust.issuer(region)
    if issuer is None:
        return None
    address = urlsplit(issuer.status_base)
    return f"{address.scheme}://{address.netloc}{PATH}"


async def post_all(
    notices: Mapping[str, Sequence[Sent]], trust: TrustList
) -> dict[bytes, bytes | None]:
    """Send to every region at once, to each one notice after the other; their receipts by id.

    None, unverified bytes or a missing id: there is no receipt. After the first notice without an
    answer a region is left alone: it is down, or behind a line that is.
    """
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(
        timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        answers = await asyncio.gather(
            *(
                _post_in_turn(session, inbox_of(trust, region), rows)
                for region, rows in notices.items()
            )
        )
    return {message_id: receipt for found in answers for message_id, receipt in found.items()}


async def _post_in_turn(
    session: aiohttp.ClientSession, inbox: str | None, rows: Sequence[Sent]
) -> dict[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    for row in rows:
        receipt = None if inbox is None else await _post(session, inbox, row.envelope or b"")
        found[row.message_id] = receipt
        if receipt is None:
            break
    return found


async def _post(session: aiohttp.ClientSession, inbox: str, envelope: bytes) -> bytes | None:
    body = json.dumps({"notice": base64.b64encode(envelope).decode()}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "celadon"}
    try:
        async with session.post(
            inbox, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != HTTPStatus.OK:
                return None
            # One byte more than is taken, so that what is too long is no JSON.
            return _receipt(await response.content.read(_MAX_ANSWER + 1))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _receipt(answer: bytes) -> bytes | None:
    try:
        match json.loads(answer):
            case {"receipt": str(text)}:
                return base64.b64decode(text, validate=True)
            case _:
                return None
    except (ValueError, RecursionError, binascii.Error):
        return None
