"""The emulated BMS of GB/T 27930: against the real charger's trace, and its options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from tests.unit.gbt27930_bench import GBT, MS, Bench, S, pack, stated, with_bms
from tests.unit.gbt27930_trace import CHARGING, END, HANDSHAKE, heard
from tests.unit.wire_parts import PlainBms

from packbench.core.errors import InputError
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, unpack_id
from packbench.wire.can.j1939_transport import TransportSettings
from packbench.wire.can.slcan import HostReader, frame_line
from packbench.wire.gbt27930.frames import BMS, frame_of
from packbench.wire.gbt27930.layout import decode_message
from packbench.wire.gbt27930.messages import NOT_YET, READY, Bcl, Bcp, Bcs, Brm, Bsd, Bsm, Bst, Cml, Crm, GbtMessage
from packbench_sim.devices.gbt27930 import Gbt27930Device, play_gbt27930
from packbench_sim.playing import Playing

# -------------------------------------------------------------- against the real trace


class Replay:
    """The trace's charger against our BMS, which says what the trace's BMS says."""

    def __init__(self, *pinned: GbtMessage, **device: Any) -> None:
        self.device = Gbt27930Device(stated(), pack(), pinned=pinned, cells=False, **device)
        self.said: list[CanFrame] = []
        self.now_ns = 0
        self.device.on_bytes(0, b"S5\rO\r")

    def _take(self) -> None:
        reader = HostReader()
        self.said += [item for item in reader.feed(self.device.take_output()) if isinstance(item, CanFrame)]

    def until(self, t_ns: int) -> None:
        while True:
            wanted_ns = self.device.tick(self.now_ns)
            self._take()
            if wanted_ns is None or wanted_ns > t_ns:
                self.now_ns = t_ns
                return
            self.now_ns = max(wanted_ns, self.now_ns)

    def hear(self, frames: Iterable[tuple[int, CanFrame]]) -> None:
        for t_ns, frame in frames:
            self.until(t_ns)
            if unpack_id(frame.can_id).source != BMS:
                self.device.on_bytes(t_ns, frame_line(frame))
                self.device.tick(t_ns)
                self._take()

    def lines(self) -> list[str]:
        return [frame.describe() for frame in self.said]


PINNED = [
    decode_message(kind, bytes.fromhex(payload))
    for kind, payload in (
        (Brm, "010100033c004c1d" + "ff" * 41),
        (Bcp, "f401f00ab0048813aa3200cc10"),
        (Bcl, "9411ac0d02"),
        (Bcs, "b710a00f7271050a00"),
        (Bsm, "015501530200d0"),
        (Bst, "00000000"),
        (Bsd, "06f401d0073264"),
    )
]


def test_the_bms_answers_the_real_charger_byte_for_byte() -> None:
    """All of the charger's frames go in; what the real BMS said is what ours says."""
    trace = heard(HANDSHAKE, CHARGING, END)
    replay = Replay(*PINNED, ready_after_ns=0)
    replay.hear(trace)
    ours = list(dict.fromkeys(replay.lines()))
    theirs = list(dict.fromkeys(frame.describe() for _, frame in trace if unpack_id(frame.can_id).source == BMS))
    # SOC goes from 5 to 6 % and the voltage up in the trace; here the readings stand still.
    assert [line for line in theirs if line not in ours] == ["1CEB56F4#019611A00F727106"]
    assert [line for line in ours if line not in theirs] == []
    # BRM and BCP in their frames, BRO, BCL: in this order up to the messages that come at their own times.
    assert ours[:13] == theirs[:13]
    assert ours[12] == "181056F4#9411AC0D02"


def test_a_charger_that_never_clears_the_bms_to_send_is_given_three_requests_then_an_error() -> None:
    """candump2.log: RTS, abort, RTS, abort, RTS, abort, then BEM five times."""
    replay = Replay(transport_settings=TransportSettings(rts_limit=7))
    crm = CanFrame(0x1801F456, bytes.fromhex("0000000000554120"))
    replay.hear((n * 250 * MS, crm) for n in range(26))
    lines = [line for line in replay.lines() if not line.startswith("1CEC")]
    controls = [line for line in replay.lines() if line.startswith("1CEC")]
    assert controls[0] == "1CEC56F4#1031000707000200"
    assert {line[9:11] for line in controls} == {"10", "FF"}
    assert lines == ["081E56F4#F4F0F0FC"] * 5


def test_bem_of_the_trace_when_no_cml_comes() -> None:
    replay = Replay()
    ready = CanFrame(0x1801F456, bytes.fromhex("AA00000000554120"))
    replay.hear([(0, CanFrame(0x1801F456, bytes(8))), (250 * MS, ready)])
    replay.until(6 * S)
    assert "081E56F4#F0F1F0FC" in replay.lines()


def test_a_charger_s_error_ends_the_session() -> None:
    replay = Replay()
    replay.hear([(0, CanFrame(0x1801F456, bytes(8))), (10 * MS, CanFrame(0x081FF456, bytes.fromhex("fdf0c0fc")))])
    assert replay.device.phase == "idle"


def test_a_charger_that_begins_anew_is_followed() -> None:
    replay = Replay(ready_after_ns=0)
    replay.hear(heard(HANDSHAKE, CHARGING))
    assert replay.device.phase == "charging"
    at_ns = replay.now_ns
    replay.hear([(at_ns, CanFrame(0x1801F456, bytes(8)))])
    assert replay.device.phase == "identifying"
    replay.hear([(at_ns, CanFrame(0x1826F456, b"\x01\x01\x00"))])
    assert replay.device.phase == "greeting"


def test_a_charger_that_is_ready_before_the_battery_waits() -> None:
    replay = Replay(ready_after_ns=1 * S)
    ready = CanFrame(0x100AF456, b"\xaa")
    replay.hear([(0, frame_of(Crm(NOT_YET))), (MS, frame_of(Crm(READY))), (2 * MS, frame_of(Cml(500.0, 200.0, 120.0)))])
    replay.hear([(3 * MS, ready), (999 * MS, ready)])
    assert replay.device.phase == "preparing"
    replay.hear([(1010 * MS, ready)])
    assert replay.device.phase == "charging"


def test_long_messages_wait_for_each_other() -> None:
    async def use(bench: Bench) -> None:
        await bench.charging()
        await bench.wait(21.0)
        frames = [frame for _, frame in bench.heard if unpack_id(frame.can_id).pgn in (PGN_TP_CM, PGN_TP_DT)]
        groups = [frame.data[5:8].hex() for frame in frames if frame.data[0] == 0x10 and frame.can_id == 0x1CEC56F4]
        # BRM, BCP, then BCS four times a second, BMV and BMT every 10 s, and no two at once.
        assert groups[:2] == ["000200", "000600"]
        assert groups.count("001500") == groups.count("001600") == 3
        assert groups.count("001100") > 70
        assert bench.charger.statistics()["transport_aborted"] == 0
        assert len((await bench.charger.read()).cell_voltages_v) == 96

    with_bms(use, part=PlainBms(96, 12))


# ------------------------------------------------------------------- emulator options


def played(**options: str) -> Any:
    part = stated()
    return play_gbt27930.make(
        Playing(GBT, 0, "slcan", pack("lfp-16s"), None, part, options=options)  # type: ignore[arg-type]
    )


def test_options_of_the_emulator() -> None:
    device = played(brm_bytes="41", maker="AB", vin="X", cells="0", stop_soc="0.9", rts_limit="7", ready_after_s="2")
    brm = device._words.brm(stated().reading(0))
    assert (brm.length, brm.maker, brm.vin, brm.battery_type) == (41, "AB  ", "X".ljust(17), 3)
    assert set(play_gbt27930.options) == {
        "brm_bytes", "maker", "vin", "cells", "stop_soc", "rts_limit", "ready_after_s"
    }  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [("brm_bytes", "48"), ("maker", "toolong"), ("vin", "é"), ("cells", "no")])
def test_options_that_cannot_be(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name):
        played(**{name: text})


def test_what_a_pack_is_beyond_the_messages_is_cut_to_them() -> None:
    part = stated(current_a=900.0, soc=1.3, charge_limit_a=900.0, temperatures_c=np.array([-80.0, 300.0]))

    async def use(bench: Bench) -> None:
        sample = await bench.charging()
        # BCP's limit is the pack's 25 A.
        assert (sample.current_a, sample.soc, sample.charge_limit_a) == (400.0, 1.0, 40.0)
        assert sample.temperatures_c == (-50.0, 200.0)

    with_bms(use, part=part, spec="lmo-25ah")
