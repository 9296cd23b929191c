"""Frames of real charging sessions, and what they mean.

TRACE: hybtalented/gbt27930, input.txt, commit 8053edb: a charger and an LFP pack, a 2015 session without its first
seconds (CHM, BHM). Instants are the trace's own stamps in 0.1 ms; three stretches, with the repetitions between
them left out. PACK_2: ru5t/gbt27930-CAN-parser, candump3.log: an NMC pack. PACK_2011: hybtalented, 222222.txt.
Bytes are facts read off the files; nothing else of them is here.
"""

from __future__ import annotations

from typing import NamedTuple

from packbench.wire.can.frame import CanFrame


class Heard(NamedTuple):
    t_ns: int
    frame: CanFrame


HANDSHAKE = """
2f9406 1801f456 00ffffffffffffff
2f946e 1cec56f4 10310007ff000200
2f94b5 1cecf456 110701ffff000200
2f9558 1ceb56f4 01010100033c004c
2f95bf 1ceb56f4 021dffffffffffff
2f9630 1ceb56f4 03ffffffffffffff
2f96a0 1ceb56f4 04ffffffffffffff
2f9710 1ceb56f4 05ffffffffffffff
2f9783 1ceb56f4 06ffffffffffffff
2f97f1 1ceb56f4 07ffffffffffffff
2f983a 1cecf456 13310007ff000200
2f9e11 1801f456 aaffffffffffffff
2f9e86 1cec56f4 100d0002ff000600
2f9ed3 1cecf456 110201ffff000600
2f9ef6 1ceb56f4 01f401f00ab00488
2f9f66 1ceb56f4 0213aa3200cc10ff
2f9fb7 1cecf456 130d0002ff000600
2fa81b 1801f456 aaffffffffffffff
2fa821 1808f456 8813d007f00a780f
2fb1b4 1807f456 ffffffffffffff
2fb225 1808f456 8813d007f00a780f
2fb5c6 1cec56f4 100d0002ff000600
2fb625 1cecf456 110201ffff000600
2fb637 1ceb56f4 01f401f00ab00488
2fb6a9 1ceb56f4 0213aa3200cc10ff
2fb707 1cecf456 130d0002ff000600
2fbc2f 1808f456 8813d007f00a780f
2fc0bc 100956f4 aa
2fc5bd 1807f456 ffffffffffffff
2fc63b 1808f456 8813d007f00a780f
2fc63e 100af456 00
2fc8de 100956f4 aa
2fd040 100af456 00
2fd30a 100956f4 aa
2fda4b 100af456 00
2fdd35 100956f4 aa
"""
CHARGING = """
3128b8 100956f4 aa
31316e 100af456 aa
3132e3 100956f4 aa
3134ee 181056f4 9411ac0d02
3136f6 181056f4 9411ac0d02
3138ff 181056f4 9411ac0d02
313b08 181056f4 9411ac0d02
313d12 1cec56f4 10090002ff001100
313d7d 1cecf456 110201ffff001100
313df4 1ceb56f4 01b710a00f727105
313e63 1ceb56f4 020a00ffffffffff
313e9f 1cecf456 13090002ff001100
313f19 181056f4 9411ac0d02
314114 1812f456 3a11a00f0000fc
314121 181056f4 9411ac0d02
31431a 1812f456 3a11a00f0000fc
31432a 181056f4 9411ac0d02
314529 1812f456 3a11a00f0000fc
314533 181356f4 015501530200d0
314539 1cec56f4 10090002ff001100
314635 1cecf456 110201ffff001100
314648 1ceb56f4 01b710a00f727105
3146ba 1ceb56f4 020a00ffffffffff
3146fb 1cecf456 13090002ff001100
31472f 1812f456 a811a00f0000fd
31473b 181056f4 9411ac0d02
31493b 1812f456 a811a00f0000fd
314944 181056f4 9411ac0d02
314b45 1812f456 a811a00f0000fd
314b4d 181056f4 9411ac0d02
314d55 181056f4 9411ac0d02
314d6e 1812f456 a811a00f0000fd
314f57 1812f456 a811a00f0000fd
314f5f 181356f4 015501530200d0
314f64 1cec56f4 10090002ff001100
314fc8 1cecf456 110201ffff001100
314ff0 1ceb56f4 01b710a00f727105
31505f 1ceb56f4 020a00ffffffffff
3150ab 1cecf456 13090002ff001100
315167 181056f4 9411ac0d02
"""
END = """
3290b6 181356f4 015501530200d0
3290bb 1cec56f4 10090002ff001100
3290ca 1cecf456 110201ffff001100
329108 1ceb56f4 019611a00f727106
329179 1ceb56f4 020a00ffffffffff
3291aa 1cecf456 13090002ff001100
3291e6 1812f456 a811a00f0000fd
3292bd 181056f4 9411ac0d02
3293f4 1812f456 a811a00f0000fd
3294c6 181056f4 9411ac0d02
3295fb 1812f456 a811a00f0000fd
3296ce 181056f4 9411ac0d02
329808 1812f456 a811a00f0000fd
329845 101af456 0400f0f0
32987c 101956f4 00000000
3298d7 181056f4 9411ac0d02
329924 101af456 0400f0f0
329995 101af456 0400f0f0
329a05 101af456 0400f0f0
329a76 101af456 0400f0f0
329ae0 181356f4 015501530200d0
329ae5 181c56f4 06f401d0073264
329ae9 101af456 0400f0f0
329aef 1cec56f4 10090002ff001100
329b56 101af456 0400f0f0
329b5c 1cecf456 110201ffff001100
32a362 181df456 00000000ffffffff
32a50b 181c56f4 06f401d0073264
32ad6d 181df456 00000000ffffffff
32af36 181c56f4 06f401d0073264
"""
PAUSE_NS = 50_000_000
"""Put between two stretches in place of what was left out."""


def heard(*stretches: str) -> list[Heard]:
    """The frames of some stretches in order, the first at instant 0."""
    found: list[Heard] = []
    for stretch in stretches:
        lines = [line.split() for line in stretch.split("\n") if line]
        first = int(lines[0][0], 16)
        start_ns = found[-1].t_ns + PAUSE_NS if found else 0
        for stamp, can_id, data in lines:
            frame = CanFrame(int(can_id, 16), bytes.fromhex(data))
            found.append(Heard(start_ns + (int(stamp, 16) - first) * 100_000, frame))
    return found


TRACE = heard(HANDSHAKE, CHARGING, END)
