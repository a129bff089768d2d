"""The certificates that others put into QR codes, with the content of one vaccination each.

Made here for their size only: fictional people, random bytes where a signature stands.
"""

import base64
import hashlib
import json
import zlib
from typing import Final

import cbor2

from verifier import base45

__all__ = ["EU_VACCINATION", "eu_certificate", "nz_pass", "smart_health_card"]

_SIGNATURE: Final = hashlib.shake_128(b"stands for an ES256 signature").digest(64)

#: EU DCC schema 1.3, one vaccination.
EU_VACCINATION: Final = {
    "ver": "1.3.0",
    "nam": {"fn": "Königswasser", "fnt": "KOENIGSWASSER", "gn": "Adelheid", "gnt": "ADELHEID"},
    "dob": "1964-08-12",
    "v": [
        {
            "tg": "840539006",
            "vp": "1119349007",
            "mp": "EU/1/20/1528",
            "ma": "ORG-100030215",
            "dn": 2,
            "sd": 2,
            "dt": "2021-06-08",
            "co": "AT",
            "is": "Ministry of Health, Austria",
            "ci": "URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B",
        }
    ],
}


def _sign1(protected: dict[int, object], payload: object) -> bytes:
    parts = [cbor2.dumps(protected), {}, cbor2.dumps(payload), _SIGNATURE]
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def eu_certificate() -> str:
    """HC1: COSE_Sign1, zlib, base45; kid of 8 bytes."""
    payload = {1: "AT", 4: 1_654_646_400, 6: 1_623_110_400, -260: {1: EU_VACCINATION}}
    data = _sign1({1: -7, 4: _SIGNATURE[:8]}, payload)
    return "HC1:" + base45.encode(zlib.compress(data, 9))


def nz_pass() -> str:
    """NZCP:/1/: COSE_Sign1 over a verifiable credential, base32."""
    credential = {
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "https://nzcp.covid19.health.nz/contexts/v1",
        ],
        "version": "1.0.0",
        "type": ["VerifiableCredential", "PublicCovidPass"],
        "credentialSubject": {
            "givenName": "Adelheid",
            "familyName": "Konigswasser",
            "dob": "1964-08-12",
        },
    }
    payload: dict[int | str, object] = {
        1: "did:web:nzcp.identity.health.nz",
        5: 1_623_110_400,
        4: 1_654_646_400,
        "vc": credential,
        7: _SIGNATURE[:16],
    }
    data = _sign1({4: b"z12Kf7UQ", 1: -7}, payload)
    return "NZCP:/1/" + base64.b32encode(data).decode().rstrip("=")


def smart_health_card() -> str:
    """shc:/: a JWS over a deflated FHIR bundle, two digits a character."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": "resource:0",
                "resource": {
                    "resourceType": "Patient",
                    "name": [{"family": "Königswasser", "given": ["Adelheid"]}],
                    "birthDate": "1964-08-12",
                },
            },
            *(
                {
                    "fullUrl": f"resource:{dose}",
                    "resource": {
                        "resourceType": "Immunization",
                        "status": "completed",
                        "vaccineCode": {
                            "coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]
                        },
                        "patient": {"reference": "resource:0"},
                        "occurrenceDateTime": f"2021-0{4 + dose}-08",
                        "performer": [{"actor": {"display": "City General Hospital"}}],
                        "lotNumber": f"000000{dose}",
                    },
                }
                for dose in (1, 2)
            ),
        ],
    }
    payload = {
        "iss": "https://issuer.example/shc",
        "nbf": 1_623_110_400,
        "vc": {
            "type": [
                "https://smarthealth.cards#health-card",
                "https://smarthealth.cards#immunization",
                "https://smarthealth.cards#covid19",
            ],
            "credentialSubject": {"fhirVersion": "4.0.1", "fhirBundle": bundle},
        },
    }
    thumbprint = base64.urlsafe_b64encode(_SIGNATURE[:32]).decode().rstrip("=")
    header = {"zip": "DEF", "alg": "ES256", "kid": thumbprint}
    deflate = zlib.compressobj(9, wbits=-15)
    deflated = deflate.compress(_compact(payload)) + deflate.flush()
    parts = (_compact(header), deflated, _SIGNATURE)
    jws = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return "shc:/" + "".join(f"{ord(character) - 45:02d}" for character in jws)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
