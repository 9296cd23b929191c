"""The way to a running test: a Unix socket in the run's folder, for the same user on the same machine.

Owns both ends: the controller's server and the command line's client, the words between them, and who may speak (the
kernel says whose process the peer is: `SO_PEERCRED`). Must not decide anything about a run: `run/controls` does. One
JSON object a line, each way, each with the version of the words. The socket carries no samples and no power: a run is
as safe without it, and goes on when nobody can be heard.

A path of a socket is at most 107 bytes long; a run's folder may be deeper than that. Then the folder is opened, and the
socket is named by way of the open folder (`/proc/self/fd`).
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import stat
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

from packbench.core.errors import InputError, PackbenchError, Problem, RequestRefused, StoreError
from packbench.run.controls import KINDS, Controls, Request

SOCKET_NAME: Final = "control.sock"
VERSION: Final = 1
LINE_MAX: Final = 1 << 20
"""A profile with its tables; nobody needs more, and the loop has a pack to watch."""
PEERS_MAX: Final = 8
IDLE_S: Final = 10.0
"""A peer that connects and says nothing is shown out."""
ANSWER_S: Final = 60.0
"""How long the client waits: an edit is compiled and checked beside a running test."""
PATH_MAX: Final = 107
_CREDENTIALS = struct.Struct("3i")
"""struct ucred: pid, uid, gid."""


class NotHeard(PackbenchError):
    """There is nobody at the other end."""


@contextmanager
def _address(path: Path) -> Generator[str]:
    """The socket's path, short enough for the system."""
    if len(os.fsencode(path)) <= PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """The controller's end. `start` it in the loop of the run; `close` it when the run is over."""

    def __init__(self, controls: Controls, folder: Path) -> None:
        self._controls = controls
        self._path = folder / SOCKET_NAME
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._peers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises InputError when another controller holds this run, OSError."""
        listening = self._listening()
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_MAX)

    async def close(self) -> None:
        """Say no more, and leave nothing behind."""
        if self._server is not None:
            self._server.close()
        with suppress(OSError):
            found = self._path.lstat()
            if self._inode == (found.st_dev, found.st_ino):
                self._path.unlink()
        for peer in list(self._peers):
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)

    def _listening(self) -> socket.socket:
        """A socket that only its owner can open. One that a dead controller left is put away."""
        if self._path.is_socket():
            if _answers(self._path):
                found = f"a controller that listens at {self._path}"
                raise InputError(Problem("this run is being controlled already", found=found, expected="none"))
            self._path.unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(self._path) as address:
                made.bind(address)
            # Before anybody can connect: nobody listens yet.
            self._path.chmod(stat.S_IRUSR | stat.S_IWUSR)
            found = self._path.lstat()
            self._inode = found.st_dev, found.st_ino
            made.setblocking(False)
        except BaseException:
            made.close()
            raise
        return made

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        try:
            peer = _peer_of(writer.get_extra_info("socket"))
            if peer is None or len(self._peers) > PEERS_MAX:
                # Not a word to somebody else; and nobody may hold the whole door.
                return
            await self._talk(reader, writer, peer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            # Whoever asked has gone away, or never spoke.
            return
        finally:
            self._peers.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: dict[str, Any]) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
            except ValueError:
                line = b""
                writer.write(_line(_failed(InputError(f"a request of more than {LINE_MAX} bytes"))))
            if not line.endswith(b"\n"):
                return
            writer.write(_line(await self._answer(line, peer)))
            async with asyncio.timeout(IDLE_S):
                await writer.drain()

    async def _answer(self, line: bytes, peer: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"v": VERSION, "ok": True, "done": await self._controls.carry_out(request_of(line, peer))}
        except (InputError, RequestRefused, StoreError) as error:
            return _failed(error)


def is_controlled(folder: Path) -> bool:
    """Whether a controller runs the test of that folder, on this machine."""
    path = folder / SOCKET_NAME
    return path.is_socket() and _answers(path)


def request_of(line: bytes, peer: Mapping[str, Any]) -> Request:
    """A request as it was sent. Raises InputError for anything else."""
    try:
        data: Any = json.loads(line)
        version, kind = data["v"], data["request"]
        words = {name: data.get(name, "") for name in ("operator", "why", "step")}
        profile: Any = data.get("profile") or {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"not a request: {type(error).__name__}") from error
    if version != VERSION:
        raise InputError(Problem("another program's words", field="v", found=repr(version), expected=str(VERSION)))
    if kind not in KINDS:
        raise InputError(Problem("", field="request", found=repr(kind), expected=f"one of {', '.join(KINDS)}"))
    if any(not isinstance(word, str) for word in words.values()) or not isinstance(profile, dict):
        raise InputError("not a request: operator, why and step are text, profile is an object")
    return Request(kind, **words, profile=cast("dict[str, Any]", profile), peer=peer)


def ask(folder: Path, request: Request) -> dict[str, Any]:
    """Have the controller of the run in `folder` carry out a request; what was done.

    Raises NotHeard when none runs, RequestRefused and InputError as the controller answers.
    """
    sent = {"v": VERSION, "request": request.kind, "operator": request.operator, "why": request.why}
    sent |= {"step": request.step, "profile": dict(request.profile)}
    line = _line(sent)
    if len(line) > LINE_MAX:
        raise InputError(f"the profile and its files have more than {LINE_MAX} bytes")
    try:
        with _address(folder / SOCKET_NAME) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWER_S)
            link.connect(address)
            link.sendall(line)
            with link.makefile("rb") as answers:
                answer = answers.readline()
    except FileNotFoundError as error:
        raise NotHeard("the run is not running: nothing was done") from error
    except ConnectionRefusedError as error:
        raise NotHeard(
            "the run's controller is gone (its socket is still there): nothing was done; "
            "`packbench runs resume` goes on with a run that was cut short"
        ) from error
    except PermissionError as error:
        raise NotHeard("the run belongs to another user: nothing was done") from error
    except TimeoutError as error:
        raise NotHeard(
            f"the run's controller did not answer within {ANSWER_S:g} s: nobody knows what was done"
        ) from error
    except OSError as error:
        raise NotHeard(f"the run's controller cannot be spoken to: {error.strerror or error}") from error
    return _done(answer)


def _done(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return dict(answer["done"])
        code, problems = int(answer["code"]), [Problem(**problem) for problem in answer["problems"]]
    except (ValueError, LookupError, TypeError) as error:
        raise NotHeard("the run's controller has gone away before it answered: look at the run") from error
    if code == InputError.exit_code:
        raise InputError(problems)
    raise RequestRefused("\n".join(str(problem) for problem in problems))


def _failed(error: PackbenchError) -> dict[str, Any]:
    told = error.problems if isinstance(error, InputError) else (Problem(str(error)),)
    problems = [
        {name: getattr(one, name) for name in ("message", "file", "line", "column", "field", "found", "expected")}
        for one in told
    ]
    return {"v": VERSION, "ok": False, "code": error.exit_code, "problems": problems}


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _peer_of(link: Any) -> dict[str, Any] | None:
    """Whose process speaks; None: another user's."""
    _, uid, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid != os.geteuid():
        return None
    try:
        account = pwd.getpwuid(uid).pw_name
    except KeyError:
        account = ""
    return {"uid": uid, "account": account}


def _answers(path: Path) -> bool:
    """Whether somebody listens there."""
    with _address(path) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(1.0)
        try:
            link.connect(address)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True
