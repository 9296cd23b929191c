"""Keys: private on disk, one id everywhere, rotated and revoked on the record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jwcrypto import jwk as independent

from packbench.core.errors import InputError, PackbenchError
from packbench.trace import keyring
from packbench.trace.keys import PublicKey, SigningKey, from_b64url, public_from_jwk, public_from_text, test_key

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_the_key_is_made_once_and_is_private(own_home: Path) -> None:
    key = keyring.bench_key(NOW)
    path = own_home / "keys" / f"{key.key_id}.key.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyring.bench_key(NOW).key_id == key.key_id
    assert keyring.public_keys() == {key.key_id: key.public}
    assert key.pem().splitlines()[1] not in repr(key)


def test_a_key_that_others_may_read_is_refused(own_home: Path) -> None:
    key = keyring.bench_key(NOW)
    (own_home / "keys" / f"{key.key_id}.key.pem").chmod(0o640)
    with pytest.raises(PackbenchError, match="mode 0640"):
        keyring.bench_key(NOW)
    old, new = keyring.rotate(NOW, "was readable", revoke=True)
    assert old.key_id == key.key_id
    assert keyring.bench_key(NOW).key_id == new.key_id


def test_another_keys_file_is_refused(own_home: Path) -> None:
    key = keyring.bench_key(NOW)
    path = own_home / "keys" / f"{key.key_id}.key.pem"
    path.write_text(SigningKey.new().pem())
    with pytest.raises(PackbenchError, match="holds the key"):
        keyring.bench_key(NOW)
    path.write_text("nonsense")
    with pytest.raises(InputError, match="private key"):
        keyring.bench_key(NOW)


def test_rotation_and_revocation_are_recorded() -> None:
    first = keyring.bench_key(NOW)
    with pytest.raises(InputError):
        keyring.revoke(first.key_id, NOW, "still signs")
    _, second = keyring.rotate(NOW, "yearly")
    assert [(each.key_id, each.state) for each in keyring.records()] == [
        (first.key_id, "retired"),
        (second.key_id, "active"),
    ]
    assert keyring.revoke(first.key_id, NOW, "lost").state == "revoked"
    assert keyring.records()[0].reason == "lost"
    assert set(keyring.public_keys()) == {first.key_id, second.key_id}


def test_pem_and_jwk_are_read_by_an_independent_library_under_the_same_id() -> None:
    key = SigningKey.new()
    other = independent.JWK.from_json(json.dumps(key.public.jwk()))
    assert other.thumbprint() == key.key_id
    assert independent.JWK.from_pem(key.public.pem().encode()).thumbprint() == key.key_id
    assert independent.JWK(**key.as_jose()).has_private
    assert public_from_text(key.public.pem(), "p") == key.public
    assert public_from_text(json.dumps(key.public.jwk()), "j") == key.public


def test_no_keys_id_looks_like_an_option() -> None:
    assert not any(SigningKey.new().key_id.startswith("-") for _ in range(400))


def test_signatures_hold_for_the_very_bytes() -> None:
    key = SigningKey.new()
    signature = key.sign(b"entry")
    assert key.public.verify(signature, b"entry")
    assert not key.public.verify(signature, b"entrz")
    assert not SigningKey.new().public.verify(signature, b"entry")
    assert not key.public.verify(bytes(64), b"entry")


def test_a_private_key_is_no_public_key() -> None:
    with pytest.raises(InputError, match="must not leave"):
        public_from_text(SigningKey.new().pem(), "f")
    with pytest.raises(ValueError, match="thumbprint"):
        public_from_jwk({**SigningKey.new().public.jwk(), "kid": "x"})
    with pytest.raises(ValueError, match="canonical"):
        from_b64url("AB")


def test_the_test_key_follows_from_the_seed() -> None:
    assert test_key(1).key_id == test_key(1).key_id != test_key(2).key_id
    assert isinstance(test_key(None).public, PublicKey)
