"""What one asks a Neware BTS 8 client: its commands, one frozen dataclass each, and their XML both ways.

Owns the requests. Must not know framing (`wire/neware/frames.py`) nor what is answered (`wire/neware/replies.py`).
Their text is that of aurora-neware 0.2.3 (`NewareAPI`), byte for byte: `list count = "1"` with its spaces
included. `continue`, `resetalarm` and `goto`, which that client lists but does not send, follow the form
of the rest, as other public clients of the BTSAPI send them. Read tolerantly: space anywhere, attributes
in any order, `true` inside an element or not, a stray quote after the list of `start` (aurora-neware
sends one).

Not spoken: `broadcaststop` (it stops channels of other people's tests), `chl_ctrl`, `parallel` and
`reset`, whose effects no source states.

Source: github.com/EmpaEconversion/aurora-neware, aurora_neware/neware.py (MIT).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, get_args

from packbench.wire.neware.xml import Element, attributes, content, maybe_whole, text_of, whole

Action = Literal["stop", "continue", "clearflag", "resetalarm", "light", "goto"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

MAX_ROWS: Final = 1000
"""The most rows that one `download` may ask for."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the system: device type (27: BTS 85), device, unit and channel numbers."""

    devtype: int
    devid: int
    subdevid: int
    chlid: int
    ip: str = "127.0.0.1"
    """The middle computer that drives it, as `getdevinfo` states it."""

    @property
    def pipeline(self) -> str:
        """Device, unit and channel, as people name one: `21-1-8`."""
        return f"{self.devid}-{self.subdevid}-{self.chlid}"

    def place(self, *, with_ip: bool = True) -> tuple[tuple[str, str | int], ...]:
        """Its attributes, in the order of the wire."""
        numbers: tuple[tuple[str, str | int], ...] = (
            ("devtype", self.devtype),
            ("devid", self.devid),
            ("subdevid", self.subdevid),
            ("chlid", self.chlid),
        )
        return (("ip", self.ip), *numbers) if with_ip else numbers


@dataclass(frozen=True, slots=True)
class Connect:
    """Log in. The defaults are what aurora-neware sends; the client does not check them."""

    username: str = "admin"
    password: str = "neware"
    kind: str = "bfgs"
    command: ClassVar[str] = "connect"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return "connect"


@dataclass(frozen=True, slots=True)
class GetDevices:
    """Which servers and channels there are."""

    command: ClassVar[str] = "getdevinfo"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return "getdevinfo"


@dataclass(frozen=True, slots=True)
class GetStatus:
    """The state of channels, one word each."""

    channels: tuple[Channel, ...]
    command: ClassVar[str] = "getchlstatus"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, self.channels)


@dataclass(frozen=True, slots=True)
class Inquire:
    """The newest measurement of channels. It may be 5 s old (BTSAPI: no better than that)."""

    channels: tuple[Channel, ...]
    aux: int = 0
    barcode: bool = True
    """Ask for the barcode as well."""
    command: ClassVar[str] = "inquire"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, self.channels)


@dataclass(frozen=True, slots=True)
class InquireData:
    """How many rows a test has; test 0 is the channel's latest."""

    channels: tuple[Channel, ...]
    test_id: int = 0
    command: ClassVar[str] = "inquiredf"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, self.channels)


@dataclass(frozen=True, slots=True)
class Job:
    """A step file to be started on a channel."""

    channel: Channel
    barcode: str
    path: str
    """Where the step file lies for the machine that runs the BTS client."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start tests; only from finish, stop or protect."""

    jobs: tuple[Job, ...]
    backup: tuple[tuple[str, str], ...] = ()
    """Attributes of `<backup>`, what the BTS client copies when a test ends; none: it copies nothing."""
    command: ClassVar[str] = "start"
    repeatable: ClassVar[bool] = False

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those of the jobs."""
        return tuple(job.channel for job in self.jobs)

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, self.channels)


@dataclass(frozen=True, slots=True)
class ChannelAction:
    """An order to channels, each acknowledged by itself."""

    command: Action
    channels: tuple[Channel, ...]
    on: bool = True
    """Of `light` alone: on or off."""
    step: int = 0
    """Of `goto` alone: the step's number, from 1."""
    repeatable: ClassVar[bool] = False

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, self.channels)


@dataclass(frozen=True, slots=True)
class Download:
    """Rows from `start` (from 1) on, `count` at most, of a test; test 0 is the latest.

    Start 0 and count 0 ask for no row: the reply then tells the test's number.
    """

    channel: Channel
    start: int
    count: int = MAX_ROWS
    test_id: int = 0
    aux: int = 0
    command: ClassVar[str] = "download"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return f"{_describe(self.command, (self.channel,))} from {self.start}"


@dataclass(frozen=True, slots=True)
class DownloadLog:
    """The events of a test; test 0 is the latest."""

    channel: Channel
    test_id: int = 0
    command: ClassVar[str] = "downloadlog"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, (self.channel,))


@dataclass(frozen=True, slots=True)
class DownloadSteps:
    """One summary a step that the channel's latest test has run."""

    channel: Channel
    command: ClassVar[str] = "downloadStepLayer"
    repeatable: ClassVar[bool] = True

    def describe(self) -> str:
        """For people."""
        return _describe(self.command, (self.channel,))


NewareRequest = (
    Connect
    | GetDevices
    | GetStatus
    | Inquire
    | InquireData
    | Start
    | ChannelAction
    | Download
    | DownloadLog
    | DownloadSteps
)


def _describe(command: str, channels: tuple[Channel, ...]) -> str:
    return f"{command} {', '.join(channel.pipeline for channel in channels)}"


# ----------------------------------------------------------------------- writing


def request_body(request: NewareRequest) -> str:
    """What stands between `<bts>` and `</bts>`. Raises ValueError for text that XML cannot carry."""
    head = f"<cmd>{request.command}</cmd>"
    match request:
        case Connect():
            return (
                f"{head}<username>{content(request.username)}</username>"
                f"<password>{content(request.password)}</password><type>{content(request.kind)}</type>"
            )
        case GetDevices():
            return head
        case GetStatus(channels):
            return head + _list(f"<status{attributes(*each.place())}>true</status>" for each in channels)
        case Inquire(channels, aux, barcode):
            more = attributes(("aux", aux), ("barcode", int(barcode)))
            return head + _list(f"<inquire{attributes(*each.place())}{more}>true</inquire>" for each in channels)
        case InquireData(channels, test_id):
            more = attributes(("testid", test_id))
            return head + _list(f"<chl{attributes(*each.place(with_ip=False))}{more} />" for each in channels)
        case Start():
            return head + _start_list(request)
        case ChannelAction(command, channels, on, step):
            more = attributes(("step", step)) if command == "goto" else ""
            end = f"{more}>{'true' if on else 'false'}</{command}>"
            return head + _list(f"<{command}{attributes(*each.place())}{end}" for each in channels)
        case Download():
            more = attributes(
                ("auxid", request.aux),
                ("testid", request.test_id),
                ("startpos", request.start),
                ("count", request.count),
            )
            return f"{head}<download{attributes(*request.channel.place(with_ip=False))}{more}/>"
        case DownloadLog(channel, test_id):
            return f"{head}<download{attributes(*channel.place(with_ip=False), ('testid', test_id))}/>"
        case DownloadSteps(channel):
            return f"{head}<downloadStepLayer{attributes(*channel.place(with_ip=False))} />"


def _list(items: Iterable[str]) -> str:
    found = tuple(items)
    return f'<list count = "{len(found)}">{"".join(found)}</list>'


def _start_list(request: Start) -> str:
    items = "".join(
        f"<start{attributes(*job.channel.place(), ('barcode', job.barcode))}>{content(job.path)}</start>"
        for job in request.jobs
    )
    if request.backup:
        items += f"<backup{attributes(*request.backup)} />"
    return f'<list count = "{len(request.jobs)}">{items}</list>'


# ----------------------------------------------------------------------- reading


def request_from(root: Element) -> NewareRequest:
    """The request of a parsed message. Raises ValueError for a command that is not spoken here or lacks something."""
    command_element = root.find("cmd")
    if root.tag != "bts" or command_element is None:
        raise ValueError("it is no <bts> with a <cmd>")
    command = text_of(command_element)
    match command:
        case "connect":
            username, password, kind = (_child_text(root, name) for name in ("username", "password", "type"))
            return Connect(username, password, kind)
        case "getdevinfo":
            return GetDevices()
        case "getchlstatus":
            return GetStatus(tuple(channel_of(item) for item in _items(root, "status")))
        case "inquire":
            return _inquire(_items(root, "inquire"))
        case "inquiredf":
            items = _items(root, "chl")
            test_ids = {maybe_whole(item, "testid") or 0 for item in items} or {0}
            if len(test_ids) > 1:
                raise ValueError("it asks for several tests at once")
            return InquireData(tuple(channel_of(item) for item in items), test_ids.pop())
        case "start":
            backup = root.find("list/backup")
            jobs = tuple(
                Job(channel_of(item), item.get("barcode", ""), text_of(item)) for item in _items(root, "start")
            )
            return Start(jobs, () if backup is None else tuple(backup.attrib.items()))
        case "download":
            item = _only(root, "download")
            return Download(
                channel_of(item),
                whole(item, "startpos"),
                whole(item, "count"),
                maybe_whole(item, "testid") or 0,
                maybe_whole(item, "auxid") or 0,
            )
        case "downloadlog":
            item = _only(root, "download")
            return DownloadLog(channel_of(item), maybe_whole(item, "testid") or 0)
        case "downloadStepLayer":
            return DownloadSteps(channel_of(_only(root, "downloadStepLayer")))
        case _:
            return _action(root, command)


def channel_of(element: Element) -> Channel:
    """The channel that an element's attributes name. Raises ValueError."""
    return Channel(
        whole(element, "devtype"),
        whole(element, "devid"),
        whole(element, "subdevid"),
        whole(element, "chlid"),
        element.get("ip", "127.0.0.1"),
    )


def _action(root: Element, command: str) -> ChannelAction:
    if command not in ACTIONS:
        raise ValueError(f"the command {command[:40]!r} is not spoken here")
    items = _items(root, command)
    ons = {text_of(item) != "false" for item in items} or {True}
    steps = {whole(item, "step") for item in items} if command == "goto" else {0}
    if len(ons) != 1 or len(steps) != 1:
        raise ValueError(f"{command} asks different things of its channels")
    return ChannelAction(command, tuple(channel_of(item) for item in items), ons.pop(), steps.pop())


def _inquire(items: list[Element]) -> Inquire:
    wanted = {(maybe_whole(item, "aux") or 0, maybe_whole(item, "barcode") == 1) for item in items} or {(0, True)}
    if len(wanted) != 1:
        raise ValueError("inquire asks different things of its channels")
    aux, barcode = wanted.pop()
    return Inquire(tuple(channel_of(item) for item in items), aux, barcode)


def _items(root: Element, tag: str) -> list[Element]:
    return root.findall(f"list/{tag}")


def _only(root: Element, tag: str) -> Element:
    """An element that stands by itself, or alone in a list (as the vendor's own tester sends it)."""
    found = [*root.findall(tag), *root.findall(f"list/{tag}")]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} <{tag}>, not one")
    return found[0]


def _child_text(root: Element, tag: str) -> str:
    child = root.find(tag)
    return "" if child is None else text_of(child)
