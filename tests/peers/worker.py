"""Other people's libraries, answering over pipes. Runs in .venv-peers, not in ours.

One JSON object a line in, one out. Their cbor2 is older than ours, hence the environment of its
own. `tests.peers_support` is the other end.
"""

import base64
import json
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import base45
import cbor2
import cwt
from pycose.algorithms import EdDSA, Es256
from pycose.headers import KID, Algorithm
from pycose.keys import EC2Key, OKPKey
from pycose.keys.curves import P256, Ed25519
from pycose.messages import CoseMessage, Sign1Message
from token_status_list import BitArray

EXP, CTI, COLOUR = 4, 7, -65537
HCERT = -260
STATUS_LIST = 65533


def okp_key(public_key: bytes, seed: bytes = b"") -> OKPKey:
    return OKPKey(crv=Ed25519, x=public_key, d=seed)


def cwt_key(public_key: bytes, kid: bytes) -> cwt.COSEKey:
    return cwt.COSEKey.new({1: 1, -1: 6, -2: public_key, 3: -8, 2: kid})


def verify(request: dict[str, str]) -> dict[str, object]:
    """Verify a COSE_Sign1 with both libraries; the payload, and the protected header as read."""
    data, public_key = bytes.fromhex(request["data"]), bytes.fromhex(request["public_key"])
    message = CoseMessage.decode(data)
    message.key = okp_key(public_key)
    kid = message.phdr[KID]
    try:
        by_cwt = cwt.COSE.new().decode(data, cwt_key(public_key, kid)).hex()
    except cwt.VerifyError:
        by_cwt = "refused"
    return {
        "pycose": message.payload.hex() if message.verify_signature() else "refused",
        "cwt": by_cwt,
        "kid": kid.hex(),
        "claims": repr(cbor2.loads(message.payload)),
    }


def statuses(request: dict[str, str]) -> dict[str, object]:
    """A status list token, verified by pycose, and every entry as token-status-list reads it."""
    message = CoseMessage.decode(bytes.fromhex(request["data"]))
    message.key = okp_key(bytes.fromhex(request["public_key"]))
    if not message.verify_signature():
        return {"statuses": "refused"}
    members = cbor2.loads(message.payload)[STATUS_LIST]
    text = base64.urlsafe_b64encode(members["lst"]).rstrip(b"=").decode()  # their form is JSON's
    entries = BitArray.load({"bits": members["bits"], "lst": text})
    return {"statuses": bytes(entries[index] for index in range(entries.size)).hex()}


def sign(request: dict[str, Any]) -> dict[str, object]:
    """A paper code made by each library, with a key of ours."""
    seed, public_key = bytes.fromhex(request["seed"]), bytes.fromhex(request["public_key"])
    kid = bytes.fromhex(request["kid"])
    claims = {EXP: request["exp"], CTI: bytes.fromhex(request["cti"]), COLOUR: request["colour"]}
    payload = cbor2.dumps(claims)
    message = Sign1Message(phdr={Algorithm: EdDSA, KID: kid}, uhdr={}, payload=payload)
    message.key = okp_key(public_key, seed)
    key = cwt.COSEKey.new({1: 1, -1: 6, -2: public_key, -4: seed, 3: -8, 2: kid})
    by_cwt = cwt.COSE.new().encode_and_sign(payload, key, protected={1: -8, 4: kid})
    return {"pycose": message.encode().hex(), "cwt": by_cwt.hex()}


# --- contenders of the benchmark ------------------------------------------------------------------


def cwt_contender(request: dict[str, str]) -> Callable[[], object]:
    """The library `cwt`, from the text of a code to its verified claims."""
    text, kid = request["text"], bytes.fromhex(request["kid"])
    key = cwt_key(bytes.fromhex(request["public_key"]), kid)
    data = text.removeprefix("CE1:")
    return lambda: cwt.decode(base45.b45decode(data), key)


def eu_contender(request: dict[str, Any]) -> Callable[[], object]:
    """The recipe that the EU published as trivial, from the text of a certificate to its JSON."""
    key = EC2Key.generate_key(crv=P256)
    claims = {1: "AT", 4: request["exp"], 6: request["exp"] - 180 * 86_400}
    payload = cbor2.dumps({**claims, HCERT: {1: request["certificate"]}})
    message = Sign1Message(phdr={Algorithm: Es256, KID: b"12345678"}, uhdr={}, payload=payload)
    message.key = key
    text = "HC1:" + base45.b45encode(zlib.compress(message.encode(), 9)).decode()
    public = {b"12345678": EC2Key(crv=P256, x=key.x, y=key.y)}

    def check() -> object:
        data = zlib.decompress(base45.b45decode(text[4:]))
        received = CoseMessage.decode(data)
        received.key = public[received.phdr[KID]]
        if not received.verify_signature():
            raise ValueError("refused")
        return json.dumps(cbor2.loads(received.payload)[HCERT][1])

    return check


CONTENDERS = {"cwt": cwt_contender, "eu": eu_contender}


def main() -> None:
    prepared: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, object] = {}
        match request["do"]:
            case "verify":
                answer = verify(request)
            case "statuses":
                answer = statuses(request)
            case "sign":
                answer = sign(request)
            case "prepare":
                prepared[request["name"]] = CONTENDERS[request["name"]](request)
                prepared[request["name"]]()
            case "time":
                call, number = prepared[request["name"]], request["number"]
                start = time.perf_counter()
                for _ in range(number):
                    call()
                answer = {"seconds": time.perf_counter() - start}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
