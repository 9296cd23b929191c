"""Passports as Verifiable Credentials: signed here, read by an implementation that is not the one that signed them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jwcrypto import jwk, jws
from tests.unit.passport_parts import PREDECESSOR, asked, facts, measured

from packbench.core.errors import VerificationFailed
from packbench.trace.keys import SigningKey, b64url, from_b64url, test_key
from packbench.trace.passport.credential import credential, issuer_of, sign, verify
from packbench.trace.passport.fill import fill

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEY = test_key(8)
OTHER = test_key(9)


def body() -> dict[str, Any]:
    passport = fill(asked("catenax"), measured(), facts("catenax"))
    return credential(passport, KEY.key_id, NOW.isoformat(), {"id": "urn:packbench:run:run-1", "logSha256": "ab" * 32})


def resigned(changed: dict[str, Any], key: SigningKey = KEY, **header: Any) -> str:
    """The same, by the independent library: so that a wrong content comes with a right signature."""
    token = jws.JWS(json.dumps(changed).encode())
    whole = {"alg": "EdDSA", "typ": "vc+jwt", "kid": key.key_id, **header}
    token.add_signature(jwk.JWK(**key.as_jose()), None, json.dumps(whole))
    return str(token.serialize(compact=True))


def test_an_independent_library_reads_it() -> None:
    token = jws.JWS()
    token.deserialize(sign(body(), KEY))
    token.verify(jwk.JWK(**KEY.public.jwk()), alg="EdDSA")
    header = json.loads(token.objects["protected"])
    assert header == {"alg": "EdDSA", "typ": "vc+jwt", "cty": "vc", "kid": KEY.key_id}
    read = json.loads(token.payload)
    assert read["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert read["type"] == ["VerifiableCredential", "BatteryPassportCredential"]
    assert read["issuer"] == issuer_of(jwk.JWK(**KEY.public.jwk()).thumbprint())
    assert read["credentialSubject"]["predecessor"] == PREDECESSOR
    assert read["credentialSubject"]["passport"] == fill(asked("catenax"), measured(), facts("catenax")).payload
    assert "vc" not in read


def test_the_independent_library_refuses_another_key_and_a_changed_byte() -> None:
    text = sign(body(), KEY)
    for key, changed in ((OTHER, text), (KEY, text[:200] + ("A" if text[200] != "A" else "B") + text[201:])):
        token = jws.JWS()
        token.deserialize(changed)
        with pytest.raises(jws.InvalidJWSSignature):
            token.verify(jwk.JWK(**key.public.jwk()))


def test_it_is_read_back_and_the_same_credential_gives_the_same_text() -> None:
    assert verify(sign(body(), KEY), [OTHER.public, KEY.public], NOW) == body()
    assert sign(body(), KEY) == sign(body(), KEY)
    assert verify(resigned(body()), [KEY.public], NOW) == body()


def test_any_changed_character_is_found() -> None:
    text = sign(body(), KEY)
    places = [*range(0, 120), *range(120, len(text) - 90, 211), *range(len(text) - 90, len(text))]
    for at in places:
        changed = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
        with pytest.raises(VerificationFailed):
            verify(changed, [KEY.public], NOW)
    for cut in (text[:-1], text[1:], text + "A", text.rsplit(".", 1)[0] + ".", "", "a.b", "a.b.c", "." * 2):
        with pytest.raises(VerificationFailed):
            verify(cut, [KEY.public], NOW)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (lambda: resigned(body(), OTHER), "kid"),
        (lambda: resigned(body(), OTHER, kid=KEY.key_id), "does not hold"),
        (lambda: resigned(body(), typ="JWT"), "typ"),
        (lambda: resigned({**body(), "issuer": issuer_of(OTHER.key_id)}), "issuer"),
        (lambda: resigned({**body(), "type": ["VerifiableCredential"]}), "type"),
        (lambda: resigned({**body(), "validFrom": (NOW + timedelta(days=1)).isoformat()}), "validFrom"),
        (lambda: resigned({**body(), "validFrom": "soon"}), "lacks"),
        (lambda: resigned({**body(), "credentialSubject": {}}), "lacks"),
        (lambda: resigned(_with("sustainability", "status", "original")), "hash names"),
    ],
)
def test_a_well_signed_credential_that_says_something_else_is_refused(token: Any, said: str) -> None:
    with pytest.raises(VerificationFailed, match=said):
        verify(token(), [KEY.public], NOW)


def test_a_token_without_a_signature_is_none() -> None:
    header, payload, _ = sign(body(), KEY).split(".")
    none = b64url(json.dumps({**json.loads(from_b64url(header)), "alg": "none"}).encode())
    with pytest.raises(VerificationFailed, match="alg"):
        verify(f"{none}.{payload}.", [KEY.public], NOW)


def test_a_credential_of_an_incomplete_passport_is_refused_though_signed() -> None:
    passport = fill(asked("catenax"), measured(), facts("catenax")[1:])
    made = credential(passport, KEY.key_id, NOW.isoformat(), {})
    with pytest.raises(VerificationFailed, match="does not fit"):
        verify(sign(made, KEY), [KEY.public], NOW)


def _with(group: str, name: str, value: object) -> dict[str, Any]:
    changed = body()
    changed["credentialSubject"]["passport"][group][name] = value
    return changed
