"""The socket of a running test: who may speak, what is said, and what becomes of nonsense."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packbench.app import control_link
from packbench.app.control_link import LINE_MAX, SOCKET_NAME, ControlServer, NotHeard, ask, request_of
from packbench.core.errors import InputError, Problem, RequestRefused
from packbench.run.controls import Controls, Request


class Heard(Controls):
    """Takes every request, or says no."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.requests: list[Request] = []
        self.refusal = refusal

    async def carry_out(self, request: Request) -> dict[str, Any]:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        return {"step": "up", "number": 2, "cycle": 1}


def talk(controls: Controls, folder: Path, client: Callable[[], Any]) -> Any:
    """What a client in a thread got from a server in this loop."""

    async def main() -> Any:
        server = ControlServer(controls, folder)
        await server.start()
        try:
            return await asyncio.to_thread(client)
        finally:
            await server.close()

    return asyncio.run(main())


def raw(folder: Path, *sent: bytes) -> list[bytes]:
    """What comes back for bytes, line by line, until the other end hangs up or has answered all."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10.0)
        link.connect(str(folder / SOCKET_NAME))
        with link.makefile("rb") as file:
            found: list[bytes] = []
            for one in sent:
                try:
                    link.sendall(one)
                    found.append(file.readline())
                except (BrokenPipeError, ConnectionResetError):
                    found.append(b"")
            return found


def test_a_request_comes_whole_and_with_whose_it_is(tmp_path: Path) -> None:
    controls = Heard()
    done = talk(controls, tmp_path, lambda: ask(tmp_path, Request("jump", "王", "因为\n", "b")))
    assert done == {"step": "up", "number": 2, "cycle": 1}
    (request,) = controls.requests
    assert (request.kind, request.operator, request.why, request.step) == ("jump", "王", "因为\n", "b")
    assert request.peer["uid"] == os.geteuid()
    assert not (tmp_path / SOCKET_NAME).exists()


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (RequestRefused("the run has tripped: x"), RequestRefused),
        (InputError([Problem("a", file="p.yaml", line=3), Problem("b")]), InputError),
    ],
)
def test_a_refusal_comes_back_as_it_was_raised(tmp_path: Path, refusal: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        talk(Heard(refusal), tmp_path, lambda: ask(tmp_path, Request("pause", "Li")))
    assert str(raised.value) == str(refusal)
    if isinstance(raised.value, InputError) and isinstance(refusal, InputError):
        assert raised.value.problems == refusal.problems


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}\n", b"nonsense\n", b"[1]\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b'{"v": 1, "request": "fire"}\n',
        b'{"v": 2, "request": "pause", "operator": "Li"}\n', b'{"v": 1, "request": "pause", "operator": 5}\n',
        b'{"v": 1, "request": ["pause"], "operator": "Li"}\n', b'{"v": 1, "request": "edit", "profile": "x"}\n',
        b'{"v": {"a": 1}, "request": "pause"}\n',
    ],
)  # fmt: skip
def test_nonsense_is_answered_and_does_nothing(tmp_path: Path, line: bytes) -> None:
    controls = Heard()
    good = json.dumps({"v": 1, "request": "pause", "operator": "Li"}).encode() + b"\n"
    first, second = talk(controls, tmp_path, lambda: raw(tmp_path, line, good))
    assert (json.loads(first)["ok"], json.loads(first)["code"]) == (False, 2)
    assert json.loads(second)["ok"] is True
    assert len(controls.requests) == 1


def test_an_endless_line_is_cut_off(tmp_path: Path) -> None:
    controls = Heard()
    (answer,) = talk(controls, tmp_path, lambda: raw(tmp_path, b"x" * (LINE_MAX * 3)))
    assert answer == b"" or json.loads(answer)["code"] == 2
    assert not controls.requests


def test_another_user_is_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    controls = Heard()
    (answer,) = talk(controls, tmp_path, lambda: raw(tmp_path, b'{"v":1,"request":"abort","operator":"x"}\n'))
    assert answer == b""
    assert not controls.requests


def test_peers_that_say_nothing_are_shown_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_link, "IDLE_S", 0.2)

    def idle() -> bytes:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10.0)
            link.connect(str(tmp_path / SOCKET_NAME))
            return link.recv(100)

    assert talk(Heard(), tmp_path, idle) == b""


def test_nobody_and_a_stale_socket_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotHeard, match="not running"):
        ask(tmp_path, Request("abort", "Li"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
    with pytest.raises(NotHeard, match="controller is gone"):
        ask(tmp_path, Request("abort", "Li"))
    # A controller that comes after takes the place over.
    assert talk(Heard(), tmp_path, lambda: ask(tmp_path, Request("abort", "Li")))["step"] == "up"


def test_one_run_has_one_controller(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = ControlServer(Heard(), tmp_path), ControlServer(Heard(), tmp_path)
        await first.start()
        with pytest.raises(InputError, match="controlled already"):
            await second.start()
        await second.close()
        assert (tmp_path / SOCKET_NAME).is_socket(), "the second one has put the first one's socket away"
        await first.close()

    asyncio.run(main())


def test_a_path_that_is_too_long_for_a_socket_is_none(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200)
    deep.mkdir()
    assert talk(Heard(), deep, lambda: ask(deep, Request("abort", "Li")))["step"] == "up"
    with pytest.raises(NotHeard, match="not running"):
        ask(deep, Request("abort", "Li"))


def test_a_request_is_what_it_says() -> None:
    line = json.dumps({"v": 1, "request": "edit", "operator": "Li", "why": "w", "profile": {"name": "n"}}).encode()
    assert request_of(line, {"uid": 1}) == Request("edit", "Li", "w", "", {"name": "n"}, {"uid": 1})
