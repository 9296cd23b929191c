"""Writes what docs/board.md shows of the board: the table of its pins, and the wiring as a drawing.

    python scripts/board_page.py [--check]

Owns the drawing and the form of the table; the pins themselves are in the port's pins.yaml. Both results are committed,
and a test tells when they are stale.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "firmware_bridge" / "firmware" / "boards" / "stm32f446" / "pins.yaml"
PAGE = ROOT / "docs" / "board.md"
FIGURE = ROOT / "docs" / "board-wiring.svg"
BEGIN, END = "<!-- pins: begin (scripts/board_page.py) -->", "<!-- pins: end -->"

WIDTH, HEIGHT = 1240, 900
STYLE = """
  text { font-family: 'DejaVu Sans', 'Liberation Sans', sans-serif; font-size: 13px; fill: #1b1f24; }
  .title { font-weight: bold; font-size: 14px; } .small { font-size: 12px; fill: #444c56; }
  .head { font-weight: bold; font-size: 20px; } .wire { fill: none; stroke: #1b1f24; stroke-width: 1.6; }
  .power { fill: none; stroke: #b3261e; stroke-width: 4; } .chain { fill: none; stroke: #b26a00; stroke-width: 2.6; }
  .box { fill: #ffffff; stroke: #1b1f24; stroke-width: 1.4; }
  .board { fill: #e8f1fb; stroke: #1f5fa8; stroke-width: 2; }
  .danger { fill: #fdeceb; stroke: #b3261e; stroke-width: 1.6; }
  .hard { fill: #fff3e0; stroke: #b26a00; stroke-width: 1.6; }
  .barrier { stroke: #6a737d; stroke-width: 2; stroke-dasharray: 9 6; }
"""


def pins() -> list[dict[str, Any]]:
    """The pins, in the file's order."""
    found: list[dict[str, Any]] = yaml.safe_load(PINS.read_text(encoding="utf-8"))["pins"]
    return found


def table() -> str:
    """The pins as a table."""
    rows = ["| signal | pin | connector | direction | safe level | wiring |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{pin['signal']}` | {pin['pin']} | {pin['connector']} | {pin['direction']} | {pin.get('safe', '')} |"
        f" {pin['note']} |"
        for pin in pins()
    ]
    return "\n".join(rows)


def box(x: int, y: int, width: int, height: int, title: str, lines: list[str], kind: str = "box") -> str:
    """A box with a title and lines below it."""
    out = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>']
    out += [f'<text class="title" x="{x + width // 2}" y="{y + 20}" text-anchor="middle">{escape(title)}</text>']
    for number, line in enumerate(lines):
        at = y + 39 + 16 * number
        out += [f'<text class="small" x="{x + width // 2}" y="{at}" text-anchor="middle">{escape(line)}</text>']
    return "\n".join(out)


def wire(points: str, kind: str = "wire", *, arrow: bool = False) -> str:
    """A line through points; `arrow`: with a head at its end."""
    head = ' marker-end="url(#head)"' if arrow else ""
    return f'<polyline class="{kind}" points="{points}"{head}/>'


def label(x: int, y: int, text: str, kind: str = "small", anchor: str = "start") -> str:
    """A text."""
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def pin_of(signal: str) -> str:
    """The pin of a signal."""
    return next(str(pin["pin"]) for pin in pins() if pin["signal"] == signal)


def power_path() -> list[str]:
    """Pack, shunt, contactor with precharge, cycler."""
    return [
        label(20, 62, "High voltage (touch only what has been measured dead)", "title"),
        box(20, 80, 170, 110, "Pack", ["own contactors", "HVIL plug", "BMS"], "danger"),
        wire("190,110 300,110", "power"),
        box(300, 84, 120, 52, "Shunt", ["0.4 mOhm"], "danger"),
        wire("420,110 560,110", "power"),
        box(560, 84, 170, 62, "Main contactor K1", ["with mirror contact"], "danger"),
        wire("730,110 900,110", "power"),
        box(1040, 80, 180, 110, "Cycler", ["bidirectional", "enable input"], "danger"),
        wire("900,110 1040,110", "power"),
        wire("190,170 1040,170", "power"),
        wire("520,110 520,215 560,215", "power"),
        box(560, 190, 170, 50, "Precharge", ["relay K2 and resistor"], "danger"),
        wire("730,215 800,215 800,110", "power"),
        label(450, 104, "+", "title"),
        label(450, 164, "−", "title"),
    ]


def measurement() -> list[str]:
    """Isolated amplifiers, and the barrier that they cross."""
    return [
        '<line class="barrier" x1="20" y1="330" x2="1220" y2="330"/>',
        label(640, 322, "isolation barrier: only these parts cross it", "small", "middle"),
        wire("250,110 250,290"),
        box(180, 290, 150, 60, "AMC1311B", ["500:1, pack side"]),
        wire("360,136 360,290"),
        box(345, 290, 150, 60, "AMC1302", ["across the shunt"]),
        wire("860,110 860,290"),
        box(785, 290, 150, 60, "AMC1311B", ["500:1, cycler side"]),
        box(950, 290, 160, 60, "Insulation monitor", ["pack to case"]),
        wire("1000,290 1000,170"),
        wire("255,350 255,520", arrow=True),
        wire("420,350 420,520", arrow=True),
        wire("860,350 860,520", arrow=True),
        label(262, 505, f"{pin_of('pack_p')}, {pin_of('pack_n')}"),
        label(427, 505, f"{pin_of('current_p')}, {pin_of('current_n')}"),
        label(868, 505, f"{pin_of('cycler_p')}, {pin_of('cycler_n')}"),
    ]


def chain() -> list[str]:
    """The coil's supply and the cycler's enable, through the same loops, without the board."""
    return [
        label(445, 384, "Hard-wired chain: works with the board halted, or gone", "title"),
        box(20, 400, 70, 44, "24 V", [], "hard"),
        wire("90,422 120,422", "chain"),
        box(120, 396, 130, 52, "E-stop", ["contacts 1, 2, 3"], "hard"),
        wire("250,422 280,422", "chain"),
        box(280, 396, 130, 52, "HVIL and door", ["contacts 1, 2, 3"], "hard"),
        wire("410,422 550,422", "chain"),
        label(415, 414, "contacts 1"),
        box(550, 396, 150, 52, "K1 coil", ["suppressed (TVS)"], "hard"),
        wire("700,422 750,422", "chain"),
        box(750, 396, 90, 52, "T1", ["low side"], "hard"),
        wire("795,520 795,448", arrow=True),
        label(788, 500, pin_of("contactor"), "small", "end"),
        wire("410,438 450,438 450,468 960,468 960,422 1000,422", "chain"),
        label(456, 484, "contacts 2: enable"),
        box(1000, 396, 200, 52, "Cycler enable", ["through T2"], "hard"),
        wire("1130,396 1130,190", "chain", arrow=True),
        wire("1060,520 1060,448", arrow=True),
        label(1066, 505, pin_of("cycler_enable")),
    ]


def the_board() -> list[str]:
    """The microcontroller's board and its low-voltage wires."""
    inputs = [
        ("estop_ok", "E-stop, contact 3"),
        ("hvil_ok", "HVIL and door, contact 3"),
        ("mirror", "Mirror contact of K1 (normally closed)"),
        ("gas_ok", "Gas or smoke detector, fault relay"),
        ("insulation_ok", "Insulation monitor's contact"),
        ("key_on", "Key switch"),
        ("bms_ok", "BMS is awake"),
        ("pack_closed", "Pack's own contactors are closed"),
        ("ntc_1", "NTC 1 to 4 on the pack"),
    ]
    outputs = [
        ("precharge", "Precharge relay K2, by T3"),
        ("alarm", "Alarm relay, sounder: needs no PC"),
        ("bms_wake", "Wake line of the BMS"),
        ("pack_request", "Request to the pack's own contactors"),
    ]
    out = [
        box(380, 520, 520, 330, "NUCLEO-F446RE with the interlock firmware", [], "board"),
        label(640, 562, "lease 500 ms, own limits, latch", "small", "middle"),
        label(640, 580, "hardware watchdog; every output has its own pull-down", "small", "middle"),
        wire("255,520 255,545 380,545"),
        wire("860,520 860,520"),
        wire("1060,520 1060,545 900,545"),
    ]
    for number, (signal, words) in enumerate(inputs):
        y = 610 + 26 * number
        out += [label(20, y + 4, words), wire(f"270,{y} 380,{y}", arrow=True), label(388, y + 4, pin_of(signal))]
    for number, (signal, words) in enumerate(outputs):
        y = 610 + 26 * number
        out += [wire(f"900,{y} 965,{y}", arrow=True), label(975, y + 4, words)]
        out += [label(892, y + 4, pin_of(signal), "small", "end")]
    out += [
        box(975, 730, 225, 62, "USB isolator", ["to the host's supervisor"]),
        wire("900,761 975,761"),
        label(892, 765, "ST-LINK USB", "small", "end"),
        label(20, 880, "Loops of 24 V come in through optocouplers. Earth (PE): case, shield, 0 V of both supplies."),
    ]
    return out


def figure() -> str:
    """The wiring."""
    head = (
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" markerHeight="11" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0,0 L10,5 L0,10 z" fill="#1b1f24"/></marker>'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<style>{STYLE}</style>",
        f"<defs>{head}</defs>",
        f'<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        label(20, 32, "Interlock board: wiring of one bench", "head"),
        *power_path(),
        *measurement(),
        *chain(),
        *the_board(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def page(text: str) -> str:
    """The page with its table as it must be."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> int:
    """Write both, or with --check say which is stale."""
    wanted = {FIGURE: figure(), PAGE: page(PAGE.read_text(encoding="utf-8"))}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        sys.stderr.write(f"{'stale' if '--check' in arguments else 'written'}: {path.name}\n")
        if "--check" not in arguments:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
