"""The fold of a ledger: entry by entry, what every code's state is, and what of it is not legal.

Owns the meaning of entries: portions and quantities, parentage, leases. Must not read files: assets come from whoever
keeps them (`Assets`: a dictionary, or the index beside a ledger). `apply` changes nothing when it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from packbench.core.errors import InputError, Problem
from packbench.trace.codes.code import read
from packbench.trace.codes.tables import tables
from packbench.trace.ledger import states
from packbench.trace.ledger.assets import LEVELS, Asset, Obligation, Portion
from packbench.trace.ledger.bodies import require_shape

UNKNOWN: Final = "unknown"
RETURN: Final = "return"
"""The obligation of every lease."""
WEIGHING: Final = 0.02
"""House rule: by how much two weighings of the same thing may differ."""


class Assets(Protocol):
    """Where assets are kept."""

    def get(self, code: str) -> Asset | None:
        """A copy that may be changed; None: never heard of."""
        ...

    def put(self, asset: Asset) -> None:
        """Keep it."""
        ...


class Book:
    """What holds after the entries so far."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._touched: dict[str, Asset] = {}

    def apply(self, body: Mapping[str, Any], seq: int, time: str) -> tuple[str, ...]:
        """Take an entry in; returns the codes it concerns. Raises InputError when it is not legal.

        A run's is always taken: what happened must not get lost.
        """
        self._touched = {}
        require_shape(body)
        action = str(body.get("action"))
        if action in (states.OPENED, states.KEY_ROTATED, states.KEY_REVOKED):
            return ()
        if action == states.RUN:
            self._run(body, time)
        elif action == states.RECEIVED:
            self._receive(body, time)
        elif action == states.DISMANTLED:
            self._dismantle(body, time)
        elif action == states.REGROUPED:
            self._regroup(body, time)
        else:
            self._happen(action, body, seq, time)
        for asset in self._touched.values():
            asset.settle()
            self._assets.put(asset)
        return tuple(self._touched)

    def _asset(self, code: str) -> Asset | None:
        if code not in self._touched:
            found = self._assets.get(code)
            if found is None:
                return None
            self._touched[code] = found
        return self._touched[code]

    def _known(self, code: str) -> Asset:
        asset = self._asset(code)
        if asset is None:
            raise self._refused("code", repr(code), "a code that was received before")
        return asset

    def _new(self, code: str, body: Mapping[str, Any], how: str, place: Portion, parents: Sequence[str] = ()) -> Asset:
        parsed = read(code)
        level = str(body.get("level") or (parsed.type if parsed else ""))
        if level not in LEVELS:
            raise self._refused("level", "nothing", f"one of {', '.join(LEVELS)}: {code} does not say what it is")
        if parsed is not None and level != parsed.type:
            raise self._refused("level", repr(level), f"{parsed.type}, as {code} says")
        chemistry = str(body.get("chemistry") or (tables().chemistry(parsed.battery_type) if parsed else UNKNOWN))
        asset = Asset(
            code,
            level,
            chemistry,
            place.quantity,
            body.get("mass_kg"),
            str(body.get("origin", "")),
            how,
            [place],
            predecessor=str(body.get("predecessor", "")),
            parents=list(parents),
        )
        self._touched[code] = asset
        return asset

    def _receive(self, body: Mapping[str, Any], time: str) -> None:
        code = str(body["code"])
        place = Portion(
            states.RECEIVED, body.get("quantity", 1), str(body["holder"]), str(body.get("location", "")), "", time
        )
        asset = self._asset(code)
        if asset is None:
            self._new(code, body, states.RECEIVED, place)
            return
        came_back = {**body, "from": body.get("from", states.HANDED_OVER)}
        self._move(asset, states.RECEIVED, came_back, time)

    def _happen(self, action: str, body: Mapping[str, Any], seq: int, time: str) -> None:
        asset = self._known(str(body["code"]))
        if action == states.NOTED:
            if body.get("refers_to", 0) >= seq:
                raise self._refused("refers_to", str(body["refers_to"]), f"an entry before this one, up to {seq - 1}")
            return
        if action == states.FULFILLED:
            self._fulfil(asset, str(body["obligation"]), time)
            return
        self._move(asset, None if action == states.MOVED else action, body, time)
        if action == states.GRADED:
            asset.grade = str(body["grade"])
        if action == states.LEASED:
            holder = str(body["holder"])
            asset.obligations.append(Obligation(RETURN, holder, str(body["due"]), "return the battery", seq))
        if action == states.RETURNED:
            for each in asset.open_obligations:
                if each.name == RETURN and not self._is_leased_to(asset, each.who):
                    each.fulfilled = time
        for each in body.get("obligations", ()):
            who = str(each.get("who", body["holder"]))
            due, text = str(each.get("due", "")), str(each.get("text", each["name"]))
            asset.obligations.append(Obligation(str(each["name"]), who, due, text, seq))

    def _fulfil(self, asset: Asset, name: str, time: str) -> None:
        found = next((each for each in asset.open_obligations if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in asset.open_obligations) or "none: nothing is open"
            raise self._refused("obligation", repr(name), names)
        if name == RETURN and self._is_leased_to(asset, found.who):
            raise self._refused(
                "obligation", f"{name!r}, and {found.who} still leases it", "returned, which fulfils it"
            )
        found.fulfilled = time

    @staticmethod
    def _is_leased_to(asset: Asset, holder: str) -> bool:
        return any(each.state == states.LEASED and each.holder == holder and each.quantity for each in asset.portions)

    def _move(self, asset: Asset, after: str | None, body: Mapping[str, Any], time: str) -> None:
        """Bring a quantity of an asset into a state (None: the same one) and place."""
        source = self._source(asset, after, body)
        quantity = body.get("quantity", source.quantity)
        if quantity > source.quantity:
            expected = f"at most {source.quantity}, as many are {source.state}"
            raise self._refused("quantity", str(quantity), expected)
        if after is not None and not states.is_legal(source.state, after):
            found = f"{asset.code} is {source.state}"
            raise self._refused("action", f"{after!r}, and {found}", states.expected_after(source.state))
        if after in states.NEEDS_A_GRADE and not asset.grade:
            raise self._refused("action", repr(after), f"a grade of {asset.code} first (graded)")
        application = body.get("application", source.application if after in (None, states.TESTED) else "")
        in_field = source.state in states.USED and after == states.TESTED
        holder = str(body.get("holder", source.holder))
        # Where it stood at the one is not where it stands at the other.
        location = source.location if holder == source.holder else ""
        place = Portion(
            source.state if after is None or in_field else after,
            quantity,
            holder,
            str(body.get("location", location)),
            str(application),
            time,
        )
        source.quantity -= quantity
        asset.portions.append(place)

    def _source(self, asset: Asset, after: str | None, body: Mapping[str, Any]) -> Portion:
        """The portion that an entry is about: the only one, or the one that its `from` names."""
        named = body.get("from")
        open_ = [each for each in asset.portions if named is None or each.state == named]
        if named is None and len(open_) > 1 and after is not None:
            open_ = [each for each in open_ if states.is_legal(each.state, after)] or open_
        if len(open_) == 1:
            return open_[0]
        has = ", ".join(f"{count} {state}" for state, count in asset.states.items())
        if not open_:
            raise self._refused(
                "from" if named else "code", repr(named or asset.code), f"a state of {asset.code}: {has}"
            )
        # Several places of one state: the holder or the location tells which.
        near = [each for each in open_ if body.get("location") == each.location or body.get("holder") == each.holder]
        if len({each.state for each in open_}) == 1 and len(near) == 1:
            return near[0]
        raise self._refused("from", repr(named) if named else "nothing", f"which portion of {asset.code}: {has}")

    def _dismantle(self, body: Mapping[str, Any], time: str) -> None:
        whole = self._known(str(body["code"]))
        self._move(whole, states.DISMANTLED, body, time)
        place = whole.portions[-1]
        for part in body["parts"]:
            code = str(part["code"])
            if code == whole.code:
                raise self._refused("parts", repr(code), "another code than that of the whole")
            spot = Portion(states.RECEIVED, part.get("quantity", 1), place.holder, place.location, "", time)
            known = self._asset(code)
            if known is None:
                given = {"chemistry": whole.chemistry, "origin": whole.code, **part}
                made = self._new(code, given, "made", spot, (whole.code,))
                self._require_part_of(whole, made)
            elif whole.code in known.parents + known.children and known.states.get(states.REGROUPED):
                moved = {"from": states.REGROUPED, "holder": place.holder, "location": place.location}
                self._move(known, states.RECEIVED, moved, time)
            else:
                raise self._refused("parts", repr(code), f"a new code, or one that went into {whole.code}")
            if code not in whole.children:
                whole.children.append(code)
        self._weigh(whole, place.quantity, body)

    def _require_part_of(self, whole: Asset, part: Asset) -> None:
        """Of the same chemistry and of a lower level: by type, what goes in is what comes out."""
        parsed = read(part.code)
        said = {part.chemistry, *([tables().chemistry(parsed.battery_type)] if parsed is not None else [])}
        if whole.chemistry != UNKNOWN and said != {whole.chemistry}:
            raise self._refused(
                "parts", f"{part.code} of {', '.join(sorted(said))}", f"{whole.chemistry}, as the whole"
            )
        if LEVELS.index(part.level) <= LEVELS.index(whole.level):
            below = LEVELS[LEVELS.index(whole.level) + 1 :]
            expected = f"one of {', '.join(below)}" if below else "nothing: a cell has no parts (recycled, disposed)"
            raise self._refused("parts", f"{part.code}, a {part.level} out of a {whole.level}", expected)

    def _weigh(self, whole: Asset, quantity: int, body: Mapping[str, Any]) -> None:
        """Parts and residue weigh no more than what was taken apart; less may be, and is told by the account."""
        if whole.mass_kg is None:
            return
        parts = [(self._known(str(each["code"])), each) for each in body["parts"]]
        known_kg = sum((part.mass_kg or 0.0) * each.get("quantity", part.quantity) for part, each in parts)
        weighed_kg, most_kg = known_kg + float(body.get("residue_kg", 0.0)), whole.mass_kg * quantity
        if weighed_kg > most_kg * (1.0 + WEIGHING):
            raise self._refused("parts", f"{weighed_kg:g} kg with the residue", f"at most the whole's {most_kg:g} kg")

    def _regroup(self, body: Mapping[str, Any], time: str) -> None:
        code = str(body["code"])
        if self._asset(code) is not None:
            raise self._refused("code", repr(code), "a new code for the new pack")
        parts = [self._known(str(each)) for each in body["parts"]]
        holder = str(body.get("holder") or parts[0].portions[-1].holder)
        location = str(body.get("location") or parts[0].portions[-1].location)
        chemistries = sorted({each.chemistry for each in parts})
        if len(chemistries) > 1:
            raise self._refused("parts", ", ".join(chemistries), "parts of one chemistry")
        for part in parts:
            self._move(part, states.REGROUPED, {"holder": holder, "location": location}, time)
            part.children.append(code)
        masses = [None if each.mass_kg is None else each.mass_kg * each.quantity for each in parts]
        known_mass = sum(each or 0.0 for each in masses) if all(each is not None for each in masses) else None
        given = {"level": "pack", "chemistry": chemistries[0], "mass_kg": known_mass, "origin": "regrouped", **body}
        made = self._new(
            code, given, "made", Portion(states.STORED, 1, holder, location, "", time), list(body["parts"])
        )
        lowest = min(LEVELS.index(each.level) for each in parts)
        if LEVELS.index(made.level) > lowest:
            raise self._refused(
                "level", f"a {made.level} of a {LEVELS[lowest]}", f"one of {', '.join(LEVELS[: lowest + 1])}"
            )
        if known_mass is not None and (made.mass_kg or 0.0) < known_mass * (1.0 - WEIGHING):
            raise self._refused("mass_kg", f"{made.mass_kg:g} kg", f"at least its parts' {known_mass:g} kg")
        grades = {each.grade for each in parts}
        made.grade = grades.pop() if len(grades) == 1 else ""

    def _run(self, body: Mapping[str, Any], time: str) -> None:
        """A test that was run: the battery is tested, if its state allows; if it does not, the run is kept anyway."""
        code = str(body.get("code", ""))
        if not code:
            return
        asset = self._asset(code)
        if asset is None:
            # A serial number that is no battery code does not say what it stands on; whoever tests tests packs.
            given = body if read(code) is not None else {"level": "pack", **body}
            place = Portion(states.TESTED, 1, str(body.get("holder", "")), str(body.get("location", "")), "", time)
            asset = self._new(code, given, states.RUN, place)
        elif len(asset.portions) == 1 and states.is_legal(asset.portions[0].state, states.TESTED):
            self._move(asset, states.TESTED, {}, time)
        asset.runs.append(str(body["run_id"]))

    def _refused(self, field: str, found: str, expected: str) -> InputError:
        self._touched = {}
        return InputError(Problem("", field=field, found=found, expected=expected))
