"""Signs the record of a run that ended, and says of a record whose signature it has.

    nothing was played     the bench's key
    anything was played    the test key of its seed: anybody can make it, so it proves that the record is whole, and
                           nothing about who made it

Owns the choice of the key and the statement. The bench's key never signs what nobody measured: a record says by its
seed whether anything in it was played.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from packbench.analysis.verdict import Signature
from packbench.app.places import DATA_NAME
from packbench.config.bench import load_bench
from packbench.core.errors import InputError, VerificationFailed
from packbench.core.specs import Instrument
from packbench.store.durable_files import digest
from packbench.store.meta import RunMeta
from packbench.store.reader import RunReader
from packbench.trace import keyring
from packbench.trace.keys import SigningKey, test_key
from packbench.trace.signatures import SIGNATURE_NAME, RunSignature, read_signature, sign_statement
from packbench_board.frames import FIRMWARE_HASH


def signing_key(seed: int | None, now: datetime) -> SigningKey:
    """The key for a run of this seed (None: everything is real). Raises PackbenchError when the bench's is unusable."""
    return keyring.bench_key(now) if seed is None else test_key(seed)


def sign_record(folder: Path, now: datetime, *, durable: bool) -> None:
    """Sign the record in a folder, as it stands. Raises InputError when there is none."""
    with RunReader.open(folder / DATA_NAME) as reader:
        meta = reader.meta
        statement = _statement(meta, reader, folder / DATA_NAME)
    text = sign_statement(statement, signing_key(meta.seed, now))
    with (folder / SIGNATURE_NAME).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def signature_in(folder: Path) -> RunSignature | None:
    """The signature beside a record. Raises VerificationFailed when it does not hold."""
    return read_signature(folder / SIGNATURE_NAME)


def judge_signature(folder: Path, meta: RunMeta, log_sha256: str) -> Signature:
    """What the signature of a record is worth."""
    try:
        found = signature_in(folder)
    except VerificationFailed as error:
        return Signature(problem_en=str(error), problem_zh=f"记录的签名无效：{SIGNATURE_NAME}")
    if found is None:
        return Signature(problem_en="the record is not signed", problem_zh="记录未签名")
    if (found.statement.get("run_id"), found.statement.get("log_sha256")) != (meta.run_id, log_sha256):
        return Signature(
            problem_en="the signature is of another record, or of another state of this one",
            problem_zh="签名属于另一份记录，或本记录的另一状态",
        )
    key_id = found.key.key_id
    if meta.seed is not None and key_id == test_key(meta.seed).key_id:
        return Signature(key_id)
    if key_id not in keyring.public_keys():
        return Signature(
            key_id,
            problem_en=f"the record is signed with the key {key_id}, which is not known here",
            problem_zh=f"记录由此处未知的密钥 {key_id} 签名",
        )
    revoked = {each.key_id for each in keyring.records() if each.state == keyring.REVOKED}
    if key_id in revoked:
        return Signature(
            key_id,
            problem_en=f"the record is signed with the key {key_id}, which was revoked",
            problem_zh=f"记录由已吊销的密钥 {key_id} 签名",
        )
    return Signature(key_id, by_bench=True)


def is_same_file(found: RunSignature, data: Path) -> bool:
    """Whether the data file is, byte for byte, the one that was signed; a backup's copy shares the chain alone."""
    stated: Any = found.statement.get("data")
    size_bytes, sha256 = digest(data)
    return isinstance(stated, dict) and stated == {"name": data.name, "bytes": size_bytes, "sha256": sha256}


def instruments_of(meta: RunMeta) -> tuple[Instrument, ...]:
    """The instruments of the bench file in a record; none when this version cannot read it."""
    try:
        return load_bench(meta.bench.text, meta.bench.name).instruments
    except InputError:
        return ()


def instrument_to_dict(instrument: Instrument) -> dict[str, str]:
    """An instrument's paper trail."""
    return {
        "name": instrument.name,
        "serial": instrument.serial,
        "certificate": instrument.certificate,
        "calibrated_on": instrument.calibrated_on,
        "due_on": instrument.due_on,
    }


def _statement(meta: RunMeta, reader: RunReader, data: Path) -> dict[str, Any]:
    size_bytes, sha256 = digest(data)
    identified = {
        str(event.data["device"]): {
            name: event.data[name] for name in ("model", "serial", "firmware") if name in event.data
        }
        for event in reader.events()
        if event.kind == "identified"
    }
    return {
        "run_id": meta.run_id,
        "serial": meta.serial,
        "provenance": str(meta.provenance),
        "seed": meta.seed,
        "operator": meta.operator,
        "started_at": meta.started_text,
        "log_sha256": reader.log_sha256,
        "data": {"name": data.name, "bytes": size_bytes, "sha256": sha256},
        "profile_sha256": meta.profile.sha256,
        "pack_sha256": meta.pack.sha256,
        "bench_sha256": meta.bench.sha256,
        "software_version": meta.software_version,
        # Of the interlock board: another one is refused when the host says hello.
        "firmware_hash": f"{FIRMWARE_HASH:08x}",
        "devices": identified,
        "instruments": [instrument_to_dict(each) for each in instruments_of(meta)],
    }
