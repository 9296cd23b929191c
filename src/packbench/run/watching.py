"""Who is asked for readings and how often, and what is done when no answer comes.

Owns one poller for each source that is asked at its own period; the board is asked by its heartbeat. Must not judge a
reading: it is handed to the channel as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

from packbench.clock import Clock
from packbench.core.errors import DeviceError, LinkError
from packbench.core.samples import BmsSample, ChamberSample, CyclerSample, MeterSample
from packbench.core.specs import BenchSpec, DeviceSpec, Fitted
from packbench.run.channel import Channel
from packbench.run.devices import Devices
from packbench.run.poller import Poller


class Note(Protocol):
    """One line in the record."""

    def __call__(self, kind: str, **data: Any) -> None: ...


class Watching:
    """The pollers of one bench."""

    def __init__(self, clock: Clock, bench: BenchSpec, devices: Devices, channel: Channel, note: Note) -> None:
        self._clock, self._bench, self._devices = clock, bench, devices
        self._channel, self._note = channel, note
        self._pollers = self._made()

    @property
    def polls(self) -> int:
        """Answers received."""
        return sum(poller.polls for poller in self._pollers.values())

    def tasks(self, first_ns: int) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What polls each source for ever, first at an instant; by the source's name."""
        for name, poller in self._pollers.items():
            yield name, poller.run(first_ns)

    def pace(self, period_ns: int) -> None:
        """How often the cycler is asked from now on."""
        self._pollers["cycler"].set_period(period_ns)

    def failed(self, source: str) -> Callable[[DeviceError], None]:
        """What a failed poll does: a line in the log. A lost link stops the run at once, silence when it is stale."""

        def on_error(error: DeviceError) -> None:
            self._note("poll_failed", source=source, error=str(error))
            if isinstance(error, LinkError):
                self._channel.on_lost(source, str(error))

        return on_error

    def _made(self) -> dict[str, Poller[Any]]:
        clock, bench, devices = self._clock, self._bench, self._devices
        pollers: dict[str, Poller[Any]] = {
            "cycler": Poller[CyclerSample](
                clock, bench.cycler.poll_period_ns, devices.cycler.read, self._on_cycler, self.failed("cycler")
            ),
            "bms": Poller[BmsSample](
                clock, bench.bms.poll_period_ns, devices.bms.read, self._channel.on_bms, self.failed("bms")
            ),
        }
        for name, spec in bench.fitted.items():
            pollers[name] = self._fitted(name, spec)
        return pollers

    def _fitted(self, name: Fitted, spec: DeviceSpec) -> Poller[Any]:
        clock, channel, failed = self._clock, self._channel, self.failed(name)
        if name == "chamber":
            assert self._devices.chamber is not None
            read = self._devices.chamber.read
            return Poller[ChamberSample](clock, spec.poll_period_ns, read, channel.on_chamber, failed)
        assert self._devices.meter is not None
        return Poller[MeterSample](clock, spec.poll_period_ns, self._devices.meter.read, channel.on_meter, failed)

    def _on_cycler(self, sample: CyclerSample) -> None:
        self._channel.on_cycler(sample)
        if self._devices.told is not None:
            self._devices.told(sample)
