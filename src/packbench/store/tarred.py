"""A backup as one .tar file: packed, unpacked, and read without unpacking it.

Owns that form. Only what the manifest lists is ever written or taken out.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.store.durable_files import CHUNK_BYTES, digest_of, write_file
from packbench.store.manifest import MANIFEST_NAME, FileEntry, Manifest, manifest_from_json

TAR_SUFFIX: Final = ".tar"


def named_files(manifest: Manifest) -> Iterator[tuple[str, FileEntry]]:
    """Every file of a backup but its manifest, by its name in the archive."""
    for run in manifest.runs:
        for entry in run.files:
            yield f"{run.folder}/{entry.path}", entry


def pack(folder: Path, packed: Path, manifest: Manifest) -> None:
    """Write `folder` as a durable .tar file. Raises OSError."""
    with packed.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in (MANIFEST_NAME, *(name for name, _ in named_files(manifest))):
                tar.add(folder / name, arcname=name, recursive=False, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())


def unpack(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    """Take out what its manifest lists.

    Raises InputError when it is no backup, VerificationFailed and KeyError when it is damaged.
    """
    names = [each.name for each in tar.getmembers()]
    if MANIFEST_NAME not in names:
        raise InputError(Problem("is no backup: it has no manifest.json", field="SOURCE", found=name))
    content = member(tar, MANIFEST_NAME)
    manifest = manifest_from_json(content, name)
    listed = {MANIFEST_NAME, *(path for path, _ in named_files(manifest))}
    strange = sorted(set(names) - listed) or sorted(each for each in names if names.count(each) > 1)
    if strange:
        raise VerificationFailed(f"{name}: {strange[0]} is not in its manifest, or is in it twice")
    write_file(folder / MANIFEST_NAME, content)
    for path, _ in named_files(manifest):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as out:
            for chunk in _member_chunks(tar, path):
                out.write(chunk)


def member(tar: tarfile.TarFile, name: str) -> bytes:
    """One small file. Raises KeyError, VerificationFailed."""
    return b"".join(_member_chunks(tar, name))


def member_digest(tar: tarfile.TarFile, name: str) -> tuple[int, str]:
    """Size and SHA-256 of one file. Raises KeyError, VerificationFailed."""
    return digest_of(_member_chunks(tar, name))


def _member_chunks(tar: tarfile.TarFile, name: str) -> Iterator[bytes]:
    file = tar.extractfile(tar.getmember(name))
    if file is None:
        raise VerificationFailed(f"{name} is no plain file")
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose files they were on this machine is nobody's business on another."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
