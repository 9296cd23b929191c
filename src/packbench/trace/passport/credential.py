"""A passport as a W3C Verifiable Credential 2.0 secured with JOSE: signed, and read back.

    header     alg EdDSA, typ vc+jwt, cty vc, kid: the key's thumbprint (RFC 7638)
    payload    the credential itself (Securing Verifiable Credentials using JOSE and COSE, 3.1)
    issuer     urn:ietf:params:oauth:jwk-thumbprint:sha-256:KID (RFC 9278): a name that only this key has

Owns these forms. Must not decide whether a passport may be signed (`app.passports` does) nor whose key is trusted.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

from packbench.core.errors import PackbenchError, VerificationFailed
from packbench.trace.keys import PublicKey, SigningKey, b64url, from_b64url
from packbench.trace.ledger.entry import canonical
from packbench.trace.passport import schema
from packbench.trace.passport.fill import Passport

TYP: Final = "vc+jwt"
CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
TYPE: Final = "BatteryPassportCredential"
_ISSUER: Final = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
_TERMS: Final = "urn:packbench:terms:"


def issuer_of(key_id: str) -> str:
    """The issuer's name: the key's thumbprint as a URI."""
    return f"{_ISSUER}{key_id}"


def credential(passport: Passport, key_id: str, issued_at: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The credential of a passport.

    Args:
        passport: A complete one.
        key_id: Of the key that will sign.
        issued_at: RFC 3339.
        evidence: What it rests on: run, hash of its record.
    """
    digest = hashlib.sha256(canonical(passport.payload)).digest()
    subject: dict[str, Any] = {
        "id": passport.identifier,
        "model": schema.NAMES[passport.kind],
        "kind": passport.kind,
        "passport": passport.payload,
        "passportSha256": b64url(digest),
        "origins": {path: origin.to_dict() for path, origin in passport.origins.items()},
    }
    if passport.predecessor is not None:
        subject["predecessor"] = passport.predecessor
    return {
        "@context": [CONTEXT, {"@vocab": _TERMS}],
        "id": f"{passport.identifier}#credential",
        "type": ["VerifiableCredential", TYPE],
        "issuer": issuer_of(key_id),
        "validFrom": issued_at,
        "credentialSubject": subject,
        "evidence": [{"type": "PackbenchRun", **evidence}],
    }


def sign(body: Mapping[str, Any], key: SigningKey) -> str:
    """The compact JWS. The same credential and key always give the same text."""
    jws, okp = _joserfc()
    header = {"alg": "EdDSA", "typ": TYP, "cty": "vc", "kid": key.key_id}
    with _eddsa_by_its_old_name():
        made = jws.serialize_compact(header, canonical(dict(body)), okp.import_key(key.as_jose()), algorithms=["EdDSA"])
    return str(made)


def verify(token: str, keys: Sequence[PublicKey], now: datetime) -> dict[str, Any]:
    """The credential of a token that one of the keys signed.

    Raises VerificationFailed that says what does not hold: form, key, signature, issuer, time, or the document itself.
    """
    text = token.strip()
    header = _header(text)
    expected = {"alg": "EdDSA", "typ": TYP}
    for name, value in expected.items():
        if header.get(name) != value:
            raise VerificationFailed(f"header {name}: found {header.get(name)!r}, expected {value!r}")
    if "crit" in header:
        raise VerificationFailed(f"header crit: found {header['crit']!r}, expected nothing")
    key = next((each for each in keys if each.key_id == header.get("kid")), None)
    if key is None:
        known = ", ".join(each.key_id for each in keys) or "none known here"
        raise VerificationFailed(f"header kid: found {header.get('kid')!r}, expected one of: {known}")
    body = _payload(text, key)
    _judge(body, key, now)
    return body


def _header(text: str) -> dict[str, Any]:
    parts = text.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("no three parts")
        for part in parts:
            from_b64url(part)
        header: Any = json.loads(from_b64url(parts[0]))
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(f"is no compact JWS: {error}") from error
    if not isinstance(header, dict):
        raise VerificationFailed("is no compact JWS: its header is no object")
    return cast("dict[str, Any]", header)


def _payload(text: str, key: PublicKey) -> dict[str, Any]:
    jws, okp = _joserfc()
    from joserfc.errors import JoseError

    try:
        with _eddsa_by_its_old_name():
            made: Any = jws.deserialize_compact(text, okp.import_key(key.jwk()), algorithms=["EdDSA"])
        body: Any = json.loads(made.payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise VerificationFailed(
            "the signature does not hold: the credential was changed, or another signed it"
        ) from error
    if not isinstance(body, dict):
        raise VerificationFailed("the payload is no credential")
    return cast("dict[str, Any]", body)


def _judge(body: Mapping[str, Any], key: PublicKey, now: datetime) -> None:
    issuer = body.get("issuer")
    if issuer != issuer_of(key.key_id):
        raise VerificationFailed(f"issuer: found {issuer!r}, expected {issuer_of(key.key_id)!r}")
    types: Any = body.get("type")
    if not isinstance(types, list) or TYPE not in types:
        raise VerificationFailed(f"type: found {types!r}, expected {TYPE}")
    try:
        begins = datetime.fromisoformat(str(body["validFrom"]))
        subject = body["credentialSubject"]
        kind: schema.Kind = subject["kind"]
        payload = subject["passport"]
        digest = b64url(hashlib.sha256(canonical(payload)).digest())
        holds = kind in schema.KINDS and digest == subject["passportSha256"]
        if begins > now:
            raise VerificationFailed(f"validFrom: found {begins.isoformat()}, expected a time that has come")
    except (LookupError, TypeError, ValueError) as error:
        raise VerificationFailed("the credential lacks what every passport's credential has") from error
    if not holds:
        raise VerificationFailed("the passport in the credential is not the one that its hash names")
    found = [*(each.path for each in schema.missing(kind, payload)), *map(str, schema.problems(kind, payload))]
    if found:
        raise VerificationFailed(f"the passport does not fit {schema.NAMES[kind]}: {found[0]}")


@contextmanager
def _eddsa_by_its_old_name() -> Generator[None]:
    """RFC 9864 renames EdDSA to Ed25519; readers of credentials know the old name, so it is written and read."""
    from joserfc.errors import SecurityWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def _joserfc() -> tuple[Any, Any]:
    try:
        from joserfc import jws
        from joserfc.jwk import OKPKey
    except ImportError as error:
        raise PackbenchError("credentials need the extra: pip install 'packbench[trace]'") from error
    return jws, OKPKey
