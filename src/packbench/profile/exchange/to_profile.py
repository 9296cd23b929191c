"""Phases as a profile of ours, as text.

Owns what our language wants and a foreign protocol does not say: the way a held voltage charges or discharges and the
most that may flow then, the cells. What is added is conservative, stands in the text with a comment, and is told. Must
not know a foreign format's keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from packbench.config.document import Path
from packbench.config.fields import LIMIT_KEYS
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.checking.bounds import SLACK
from packbench.profile.exchange import wording as w
from packbench.profile.exchange.outline import Item, Level, Phase, Recording, Rounds, Sign, phases_of

Tell = Callable[[Path, str], None]
"""Tells what was added or done otherwise, and where the reason for it stands."""

GENTLE = Level(0.0, 1 / 3)
"""The most that may flow where nobody says: 1 I3, the charge of GB 38031-2025 7.1.1 [S]."""
TAPER_END = 0.05
"""Of the most that may flow: where a taper ends when nobody says, ours."""
COMMENT_MAX = 120
IMPORTED = "Imported: "
"""How an imported profile's title begins."""
_LABEL = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A profile's text, and what each of its lines came from."""

    text: str
    origins: dict[int, Path]
    """Line (from 1) to a place of the source."""


@dataclass(slots=True)
class ProfileWriter:
    """Writes one profile."""

    pack: PackSpec
    tell: Tell
    cells: str
    """Why cells are looked at, for the comment."""
    lines: list[str] = field(default_factory=list[str])
    origins: dict[int, Path] = field(default_factory=dict[int, Path])
    _labels: set[str] = field(default_factory=set[str])
    _temperature_c: float | None = None
    _is_set: bool = True
    """Whether the chamber's temperature is known at this place."""

    def write(
        self, *, name: str, title: str, about: list[str], items: tuple[Item, ...], limits: LimitSet, limits_at: Path
    ) -> Written:
        """The whole text; `about` are lines of comment before it."""
        rules = {phase.recording for phase in phases_of(items)}
        for line in about:
            self._line(f"# {line}".rstrip())
        if Recording() in rules:
            self._line("# Where nothing is said of recording, a sample is kept every 5 s: the language's own default.")
        self._line(f"profile: {name}")
        english, chinese = (json.dumps(f"{word}{title}", ensure_ascii=False) for word in (IMPORTED, "导入："))
        self._line(f"title: {{en: {english}, zh: {chinese}}}")
        stated = [(LIMIT_KEYS[name], w.limit(name, value)) for name in LIMIT_KEYS if (value := getattr(limits, name))]
        if stated:
            self._line(f"limits: {{{', '.join(f'{key}: {value}' for key, value in stated)}}}", origin=limits_at)
        shared = next(iter(rules)) if len(rules) == 1 else Recording()
        if shared != Recording():
            self._line(f"record: {w.recording(shared)}")
        self._line("steps:")
        self._items(items, 1, shared)
        return Written("\n".join(self.lines) + "\n", self.origins)

    def _line(self, text: str, *, indent: int = 0, comment: str = "", origin: Path | None = None) -> None:
        remark = w.one_line(comment, COMMENT_MAX)
        self.lines.append(f"{'  ' * indent}{text}{f'   # {remark}' if remark else ''}")
        if origin is not None:
            self.origins[len(self.lines)] = origin

    # --- order ----------------------------------------------------------------------------------

    def _items(self, items: tuple[Item, ...], indent: int, shared: Recording) -> None:
        at, before = 0, None
        while at < len(items):
            item = items[at]
            following = items[at + 1] if at + 1 < len(items) else None
            if isinstance(item, Rounds):
                self._loop(item, indent, shared)
                before = None
            elif following is not None and isinstance(following, Phase) and _is_one_step(item, following):
                self._chamber(item, indent)
                self._cccv(item, following, indent, shared)
                before, at = item, at + 1
            else:
                self._chamber(item, indent)
                self._phase(self._directed(item, before), indent, shared)
                before = item if item.sign else before
            at += 1

    def _loop(self, rounds: Rounds, indent: int, shared: Recording) -> None:
        inner = {phase.temperature_c for phase in phases_of(rounds.items)}
        if len(inner) == 1:
            self._chamber(next(phases_of(rounds.items)), indent)
        else:
            self._is_set = False  # the first round comes from elsewhere than the others
        self._line("- loop:", indent=indent, origin=rounds.origin)
        if label := self._label(rounds.label):
            self._line(f"label: {label}", indent=indent + 2)
        self._line(f"repeat: {rounds.repeat}", indent=indent + 2, origin=rounds.origin)
        self._line("steps:", indent=indent + 2)
        self._items(rounds.items, indent + 3, shared)

    def _chamber(self, phase: Phase, indent: int) -> None:
        if self._is_set and phase.temperature_c == self._temperature_c:
            return
        words = "{stop: true}" if phase.temperature_c is None else f"{{temperature: {w.celsius(phase.temperature_c)}}}"
        self._line(f"- chamber: {words}", indent=indent, origin=phase.origin)
        self._temperature_c, self._is_set = phase.temperature_c, True

    def _directed(self, phase: Phase, before: Phase | None) -> Phase:
        """A held voltage with its way and its most, taken from the step before or, failing that, gently."""
        if phase.hold != "voltage":
            return phase
        sign = phase.sign
        if sign == 0:
            sign = self._way(phase, before)
            word = "charges" if sign > 0 else "discharges"
            self.tell(phase.origin, f"added: this held voltage {word}; the source does not say which way")
        if phase.current is not None:
            return replace(phase, sign=sign)
        end_a = 0.0 if phase.falls_to is None else self._amperes(phase.falls_to)
        known = before.current if before is not None and before.sign == sign else None
        level = next((level for level in (known, GENTLE) if level and end_a < self._amperes(level)), Level(2 * end_a))
        self.tell(phase.origin, f"added: at most {w.current(level)} flows while this voltage is held")
        return replace(phase, sign=sign, current=level)

    def _way(self, phase: Phase, before: Phase | None) -> Sign:
        """From where the step before has left the voltage, as far as that is known; else what lies nearer."""
        full_v, empty_v = self.pack.series * self.pack.cell_full_v, self.pack.series * self.pack.cell_cutoff_v
        if before is not None and before.sign:
            bound = before.above_v if before.sign > 0 else before.below_v
            if bound is not None and abs(bound - phase.value) <= SLACK * phase.value:
                return before.sign
            if bound is not None and before.time_ns is None:
                return 1 if phase.value > bound else -1
            if bound is None and empty_v < phase.value < full_v:
                return before.sign
        return 1 if phase.value >= (full_v + empty_v) / 2 else -1

    def _amperes(self, level: Level) -> float:
        return level.per_hour * self.pack.rated_capacity_ah if level.per_hour is not None else level.current_a

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, kind: str, phase: Phase, keys: list[Key], indent: int, shared: Recording, said: str) -> None:
        label = self._label(phase.label)
        if label:
            keys.insert(0, Key("label", label))
        if phase.recording not in (shared, Recording()):
            keys.append(Key("record", w.recording(phase.recording)))
        if len(keys) <= 2 and not any(key.comment for key in keys):
            short = ", ".join(f"{key.name}: {key.value}" for key in keys)
            self._line(f"- {kind}: {{{short}}}", indent=indent, comment=said, origin=phase.origin)
            return
        self._line(f"- {kind}:", indent=indent, comment=said, origin=phase.origin)
        for key in keys:
            for number, part in enumerate(key.value.split("\n")):
                text = f"{key.name}: {part}" if number == 0 else f"  {part}"
                self._line(text, indent=indent + 2, comment=key.comment if number == 0 else "", origin=phase.origin)

    def _cccv(self, lead: Phase, held: Phase, indent: int, shared: Recording) -> None:
        assert lead.current is not None
        assert held.falls_to is not None
        way = "charge" if lead.sign > 0 else "discharge"
        keys = [
            Key("current", w.current(lead.current)),
            Key("voltage", w.volts(held.value)),
            Key("end_current", w.current(held.falls_to)),
        ]
        ends: list[str] = []
        watch = self._watch(replace(held, sign=lead.sign), ends, tapers=True)
        if ends:
            keys.append(Key("until", w.one_or_list(ends), self._because(ends)))
        keys += watch
        said = " + ".join(said for said in dict.fromkeys((lead.said, held.said)) if said)
        self._step(f"cccv_{way}", replace(lead, label=lead.label or held.label), keys, indent, shared, said)

    def _phase(self, phase: Phase, indent: int, shared: Recording) -> None:
        way = "charge" if phase.sign > 0 else "discharge"
        keys: list[Key] = []
        kind = "rest"
        match phase.hold:
            case "rest":
                pass
            case "current":
                assert phase.current is not None
                kind, keys = f"cc_{way}", [Key("current", w.current(phase.current))]
            case "voltage":
                assert phase.current is not None
                kind = f"cv_{way}"
                keys = [Key("voltage", w.volts(phase.value)), Key("current", w.current(phase.current))]
                if phase.falls_to is not None:
                    keys.append(Key("end_current", w.current(phase.falls_to)))
            case "power":
                kind, keys = f"cp_{way}", [Key("power", w.watts(phase.value))]
            case "resistance":
                kind, keys = "cr_discharge", [Key("resistance", w.ohms(phase.value))]
            case "current_table":
                kind, keys = "current_profile", [Key("points", w.points(phase.points, "A"))]
            case "power_table":
                kind, keys = "power_profile", [Key("points", w.points(phase.points, "W"))]
        ends = self._ends(phase)
        watch = self._watch(phase, ends, tapers=phase.hold == "voltage")
        if ends:
            keys.append(Key("until", w.one_or_list(ends), self._because(ends)))
        if phase.time_ns is not None:
            keys.append(Key("for", w.time(phase.time_ns)))
        self._step(kind, phase, keys + watch, indent, shared, phase.said)

    def _ends(self, phase: Phase) -> list[str]:
        ends: list[str] = []
        if phase.above_v is not None:
            ends.append(f"voltage >= {w.volts(phase.above_v)}")
        if phase.below_v is not None:
            ends.append(f"voltage <= {w.volts(phase.below_v)}")
        if phase.rises_to is not None:
            ends.append(f"current >= {w.current(phase.rises_to)}")
        if phase.falls_to is not None and phase.hold != "voltage":
            ends.append(f"current <= {w.current(phase.falls_to)}")
        return ends

    def _watch(self, phase: Phase, ends: list[str], *, tapers: bool) -> list[Key]:
        """A pack's cells, which the source does not know: the first that is full or empty counts."""
        if self.pack.series == 1 or phase.hold == "rest":
            return []
        both_ways = phase.hold in ("current_table", "power_table")
        if phase.sign < 0 or both_ways:
            ends.append("cell_min <= cell_cutoff")
        if both_ways:
            ends.append("cell_max >= cell_full")
        if phase.sign < 0 or both_ways:
            self.tell(phase.origin, f"added: until {' or '.join(ends[-(1 + both_ways) :])}")
            return []
        value = "{at: cell_full, action: end}"
        if tapers:
            end = phase.falls_to or _fraction(phase.current or GENTLE, TAPER_END)
            value = f"{{at: cell_full, action: taper, end_current: {w.current(end)}}}"
        self.tell(phase.origin, f"added: on_cell_limit {value}")
        return [Key("on_cell_limit", value, f"added: {self.cells}")]

    def _because(self, ends: list[str]) -> str:
        added = [end.partition(" ")[0] for end in ends if end.startswith("cell_")]
        return f"{' and '.join(added)} added: {self.cells}" if added else ""

    def _label(self, wanted: str) -> str:
        """A label as our language writes it; none, where it stands already or nothing is left of it."""
        label = _LABEL.sub("-", wanted.lower()).strip("-")[:64].strip("-")
        if not label or label in self._labels:
            return ""
        self._labels.add(label)
        return label


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a step."""

    name: str
    value: str
    comment: str = ""


def _fraction(level: Level, part: float) -> Level:
    per_hour = None if level.per_hour is None else level.per_hour * part
    return Level(level.current_a * part, per_hour)


def _is_one_step(lead: Phase, held: Phase) -> bool:
    """A current up to a voltage and then that voltage: one step of ours, when nothing else ends either."""
    bound = lead.above_v if lead.sign > 0 else lead.below_v
    other = (lead.below_v if lead.sign > 0 else lead.above_v, lead.falls_to, lead.rises_to, lead.time_ns)
    return (
        (lead.hold, held.hold) == ("current", "voltage")
        and bound is not None
        and abs(bound - held.value) <= SLACK * held.value
        and held.sign in (0, lead.sign)
        and held.falls_to is not None
        and lead.current is not None
        and held.falls_to.current_a < lead.current.current_a
        and lead.temperature_c == held.temperature_c
        and lead.recording == held.recording
        and all(end is None for end in (*other, held.above_v, held.below_v, held.rises_to, held.time_ns))
    )
