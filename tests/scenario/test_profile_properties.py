"""Random profiles on random packs: what the worst case says holds, limits hold, and a run replays.

A stateful test: its rules write a profile, step by step; when there is nothing more to write it is checked, run in
virtual time on the production engine, rules and run, and held against what was said of it before.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.scenario.properties import examine
from tests.scenario.random_profiles import (
    EMPTY,
    FULL,
    SHORT,
    TIMES,
    Draft,
    Setting,
    chance,
    conditions,
    current_of,
    ends,
    settings_of,
)


class Writing(RuleBasedStateMachine):
    """A profile that is being written, and run when it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()
        self.setting: Setting | None = None

    @initialize(setting=settings_of(), first=st.sampled_from([(), (FULL,), (EMPTY,), (FULL, EMPTY), (EMPTY, FULL)]))
    def begin(self, setting: Setting, first: tuple[dict[str, Any], ...]) -> None:
        self.setting = setting
        for step in first:
            self.draft.bring(step)

    @rule(data=st.data(), seconds=TIMES)
    def rest(self, data: st.DataObject, seconds: str) -> None:
        until = data.draw(conditions(self.draft, "rest"))
        keys: dict[str, Any] = {"for": seconds}
        if until:
            keys["until"] = until
        self.draft.labels.append(self.draft.add("rest", **keys))

    @rule(data=st.data(), kind=st.sampled_from(["cc_charge", "cc_discharge"]))
    def constant_current(self, data: st.DataObject, kind: str) -> None:
        sign = 1 if kind == "cc_charge" else -1
        keys = {"current": data.draw(current_of(self.draft)), **data.draw(ends(self.draft, sign))}
        self._driven(kind, keys)

    @rule(data=st.data(), kind=st.sampled_from(["cccv_charge", "cv_charge", "cccv_discharge", "cv_discharge"]))
    def constant_voltage(self, data: st.DataObject, kind: str) -> None:
        sign = 1 if kind.endswith("_charge") else -1
        high, low = ["pack_full", "0.97 * pack_full"], ["1.05 * pack_cutoff", "1.15 * pack_cutoff"]
        keys = {
            "voltage": data.draw(st.sampled_from(high if sign > 0 else low)),
            "current": data.draw(current_of(self.draft)),
            "end_current": data.draw(st.sampled_from(["0.1C", "0.2C"])),
            **data.draw(ends(self.draft, sign)),
        }
        self._driven(kind, keys)

    @rule(data=st.data(), kind=st.sampled_from(["cp_charge", "cp_discharge", "cr_discharge"]))
    def followed(self, data: st.DataObject, kind: str) -> None:
        sign = 1 if kind == "cp_charge" else -1
        keys = data.draw(ends(self.draft, sign))
        if kind == "cr_discharge":
            keys["resistance"] = data.draw(st.sampled_from(["pack_full / 1C", "pack_full / 0.5C"]))
        else:
            keys["power"] = data.draw(st.sampled_from(["10 %Pmax", "25 %Pmax", "35 %Pmax"]))
            if keys.get("on_cell_limit", {}).get("action") == "taper":
                keys["on_cell_limit"] = {"at": "cell_full", "action": "end"}
        self._driven(kind, keys)

    def _driven(self, kind: str, keys: dict[str, Any]) -> None:
        label = self.draft.add(kind, **keys)
        self.draft.labels.append(label)
        self.draft.driven.append(label)

    @rule(data=st.data(), repeat=st.integers(1, 3), on_limit=st.sampled_from(["hold", "end"]))
    def pulse(self, data: st.DataObject, repeat: int, on_limit: str) -> None:
        pieces = []
        for _ in range(data.draw(st.integers(1, 4))):
            which = data.draw(st.sampled_from(["discharge", "charge", "rest"]))
            seconds = data.draw(SHORT)
            current = data.draw(st.sampled_from(["0.5C", "1C", "1.5C"]))
            pieces.append({"rest": seconds} if which == "rest" else {which: current, "for": seconds})
        if all("rest" in piece for piece in pieces):
            pieces.append({"discharge": "1C", "for": "5 s"})
        keys: dict[str, Any] = {"train": pieces, "repeat": repeat, "on_limit": on_limit}
        until = data.draw(conditions(self.draft, "wave"))
        if until:
            keys["until"] = until
        label = self.draft.add("pulse", **keys)
        self.draft.labels.append(label)
        self.draft.driven.append(label)

    @rule(
        kind=st.sampled_from(["current_profile", "power_profile"]),
        values=st.lists(st.integers(-10, 10), min_size=1, max_size=6).filter(any),
        repeat=st.integers(1, 4),
    )
    def profile_of_points(self, kind: str, values: list[int], repeat: int) -> None:
        unit = "A" if kind == "current_profile" else "W"
        points = [[f"{20 * at} s", f"{value} {unit}"] for at, value in enumerate(values)]
        points.append([f"{20 * len(values)} s", f"0 {unit}"])
        peak = "1C" if kind == "current_profile" else "30 %Pmax"
        keys: dict[str, Any] = {"points": points, "repeat": repeat, "peak": peak}
        self.draft.labels.append(self.draft.add(kind, **keys))

    @precondition(lambda self: len(self.draft.loops) < 2)
    @rule(
        repeat=st.integers(1, 4),
        each=chance(30),
        until=st.sampled_from(["", "", "cycle_ah >= 0.2 * rated", "cycle >= 3"]),
    )
    def open_loop(self, repeat: int, each: bool, until: str) -> None:
        keys: dict[str, Any] = {"repeat": 3 if "cycle >=" in until else repeat}
        if until:
            keys["until"] = until
        if each:
            name = f"i{self.draft.label()}"
            keys["each"] = {name: ["0.4C", "1C", "0.7C"]}
            del keys["repeat"]
            self.draft.rounds.append(name)
        self.draft.open(**keys)

    @precondition(lambda self: self.draft.loops)
    @rule()
    def close_loop(self) -> None:
        self.draft.close()

    @precondition(lambda self: self.draft.driven)
    @rule(data=st.data())
    def set_variable(self, data: st.DataObject) -> None:
        label = data.draw(st.sampled_from(self.draft.driven))
        amount = data.draw(
            st.sampled_from(
                [f"0.5 * ah({label})", f"max(0.2 * rated, ah({label}))", "rated / 3", f"1 A * time({label})"]
            )
        )
        name = f"q{self.draft.label()}"
        self.draft.blocks[-1].append({"set": {name: amount}})
        self.draft.variables.append(name)

    @rule(data=st.data())
    def jump(self, data: st.DataObject) -> None:
        when = data.draw(
            st.sampled_from(["voltage >= 0.9 * pack_full", "temperature_max >= 30 degC", "test_ah >= 0.3 * rated"])
        )
        target = self.draft.label()
        self.draft.waiting.append(target)
        self.draft.blocks[-1].append({"goto": {"to": target, "when": when}})

    @precondition(lambda self: self.draft.waiting and not self.draft.loops)
    @rule()
    def land(self) -> None:
        label = self.draft.waiting.pop()
        self.draft.labels.append(self.draft.add("rest", label=label, **{"for": "5 s"}))

    def teardown(self) -> None:
        if self.setting is not None:
            examine(self.draft.text(), self.setting)


TestWriting = Writing.TestCase
TestWriting.settings = settings(
    max_examples=60,
    stateful_step_count=9,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
