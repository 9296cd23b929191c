"""Ed25519 keys: signing, checking, and the names and forms in which a public key travels.

Owns the key types, the key id (the JWK thumbprint of RFC 7638: SHA-256 over the public key's canonical JWK, base64url)
and PEM and JWK in both directions. Must not read or write files (`trace.keyring` does). It exists so that ledger,
run signatures and passports name the same key by the same id.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from packbench.core.errors import InputError, Problem

RAW_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_TEST_KEY: Final = b"packbench test key, no secret: "


class PublicKey:
    """A public key and its id."""

    def __init__(self, raw: bytes) -> None:
        """`raw`: the 32 bytes of RFC 8032. Raises ValueError for another number of them."""
        self.raw: Final = raw
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    @cached_property
    def key_id(self) -> str:
        """RFC 7638 thumbprint, base64url without padding, 43 characters."""
        canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{b64url(self.raw)}"}}'
        return b64url(hashlib.sha256(canonical.encode()).digest())

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over exactly these bytes."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """RFC 8037 form, with kid, alg and use."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64url(self.raw),
            "kid": self.key_id,
            "alg": "EdDSA",
            "use": "sig",
        }

    def pem(self) -> str:
        """SubjectPublicKeyInfo."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class SigningKey:
    """A private key. Its text never goes anywhere but into its own file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: Final = PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh key from the system's randomness, whose id can be typed: "-..." would be an option."""
        while (key := cls(Ed25519PrivateKey.generate())).key_id.startswith("-"):
            pass
        return key

    @property
    def key_id(self) -> str:
        """Of its public key."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032); the same message always gives the same signature."""
        return self._key.sign(message)

    def pem(self, password: bytes | None = None) -> str:
        """PKCS 8, encrypted when there is a password."""
        how = BestAvailableEncryption(password) if password else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode("ascii")

    def as_jose(self) -> dict[str, str]:
        """The private JWK, for a JOSE library in this process; never to be stored or shown."""
        raw = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return {**self.public.jwk(), "d": b64url(raw)}

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def test_key(seed: int | None) -> SigningKey:
    """The key of a simulated run: it follows from the seed, so anybody can make it and it proves no origin."""
    raw = hashlib.sha256(_TEST_KEY + str(seed).encode()).digest()
    return SigningKey(Ed25519PrivateKey.from_private_bytes(raw))


test_key.__test__ = False  # type: ignore[attr-defined]  # pytest would take the name for a test's


def private_from_pem(text: str, file: str) -> SigningKey:
    """The private key of a PEM. Raises InputError."""
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(Problem("is no private key", file=file, found=str(error), expected="PEM, PKCS 8")) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(Problem("", file=file, found=type(key).__name__, expected="an Ed25519 private key"))
    return SigningKey(key)


def public_from_text(text: str, file: str) -> PublicKey:
    """The public key of a PEM or a JWK. Raises InputError."""
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            return public_from_jwk(json.loads(stripped))
        except (ValueError, TypeError) as error:
            raise InputError(Problem("", file=file, found=str(error), expected="a JWK of an Ed25519 key")) from error
    if "PRIVATE KEY" in stripped:
        raise InputError(
            Problem("this key must not leave its folder", file=file, found="a private key", expected="PUB")
        )
    try:
        key = load_pem_public_key(stripped.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(Problem("", file=file, found="no public key", expected="PEM or JWK, Ed25519")) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(Problem("", file=file, found=type(key).__name__, expected="an Ed25519 public key"))
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def public_from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """The public key of a JWK. Raises ValueError when it is none, or when its kid is not its thumbprint."""
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("x"), str):
        raise ValueError("no OKP key on Ed25519")
    key = PublicKey(from_b64url(jwk["x"]))
    if jwk.get("kid", key.key_id) != key.key_id:
        raise ValueError(f"kid {jwk['kid']} is not the key's thumbprint {key.key_id}")
    return key


def b64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_b64url(text: str) -> bytes:
    """Its inverse, strict: only the very text that `b64url` makes. Raises ValueError for any other."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("no base64url") from error
    if b64url(raw) != text:
        raise ValueError("no canonical base64url")
    return raw
