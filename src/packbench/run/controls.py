"""An operator's requests to a running test: hold, go on, jump, edit, abort.

Owns the order of word and deed, and what is written down of them. Must not know how a request came here (a socket, a
simulated operator, a signal), nor what the engine makes of it. Nothing is done without a name; what adds energy or
leads the test elsewhere is durable in the record, with who and why, before it acts; what takes energy away (hold,
abort) acts first and is recorded after. Requests are carried out one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, get_args

from packbench.clock import Clock
from packbench.core.errors import InputError, Problem, RequestRefused, StoreError
from packbench.core.limits import Limits
from packbench.profile.plan import Plan
from packbench.run.channel import Channel
from packbench.store.edits import EDITED, WITHDRAWN

Kind = Literal["pause", "continue", "jump", "edit", "abort"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
EVENTS: Final[Mapping[Kind, str]] = {
    "pause": "paused",
    "continue": "continued",
    "jump": "jumped",
    "edit": EDITED,
    "abort": "aborted",
}
"""What each is called in the record."""
REASONED: Final = frozenset({"jump", "edit"})
"""Requests that must say why."""
OFF_WITHIN_NS: Final = 2_000_000_000
"""How long the answer to a hold waits for the cycler to acknowledge its "off"."""
LOOK_NS: Final = 20_000_000
NAME_MAX: Final = 200
WHY_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for."""

    kind: Kind
    operator: str
    """Who answers for it; a request without is refused."""
    why: str = ""
    step: str = ""
    """Where a jump leads: the label of a step."""
    profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of an edit: {name, text, sources}, as `Drafts` reads it."""
    peer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What is known of where it came from, for the record: {uid, account}."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A changed profile, compiled and checked for the run's pack and bench."""

    plan: Plan
    limits: Limits
    told: Mapping[str, Any]
    """For the record: its name and text, and the files it is made of (app/edits.py)."""


Drafts = Callable[[Mapping[str, Any]], Awaitable[Draft]]
"""Compiles and checks a changed profile. Raises InputError with everything that is wrong with it."""


class Log(Protocol):
    """What of a record a request needs."""

    def event(self, kind: str, **data: Any) -> None:
        """Log something now."""
        ...

    async def durable(self) -> None:
        """Return when everything said so far is on disk. Raises StoreError."""
        ...

    def store_failed(self, error: StoreError) -> None:
        """Stop the run: what cannot be recorded must not happen."""
        ...


async def no_drafts(_profile: Mapping[str, Any]) -> Draft:
    """Of a run whose composition cannot compile a profile."""
    raise RequestRefused("this run's profile cannot be edited")


class Controls:
    """Carries requests out, one at a time."""

    def __init__(self, clock: Clock, channel: Channel, log: Log) -> None:
        self.drafts: Drafts = no_drafts
        """Compiles what a profile is to be changed to; the composition of the run says how."""
        self.aborted = False
        """An operator's word has ended the run."""
        self.heard: Callable[[str], None] = _unheard
        """Told in words what was done, for a screen."""
        self._clock = clock
        self._channel = channel
        self._log = log
        self._turn = asyncio.Lock()

    async def carry_out(self, request: Request) -> dict[str, Any]:
        """Do it; what was done, as plain data.

        Raises InputError for a request that says too little or whose profile is wrong, RequestRefused with the reason
        when the run does not allow it, StoreError when it could not be recorded.
        """
        require_complete(request)
        if request.kind == "abort":
            # Waits for no other request: somebody may be writing a long edit to a slow disk.
            return await self._abort(request)
        async with self._turn:
            match request.kind:
                case "pause":
                    done = await self._pause(request)
                case "continue":
                    done = await self._after_the_word(request, self._channel.go_on)
                case "jump":
                    done = await self._after_the_word(request, _Jump(self._channel, request.step), to=request.step)
                case "edit":
                    done = await self._edit(request)
        self.heard(_in_words(request))
        return done

    def abort_now(self, operator: str, why: str, reason: str) -> None:
        """Stop safely; again and again changes nothing. `reason`: what the run ends with."""
        if not self.aborted and self._may_end() is None:
            self.aborted = True
            self._channel.abort(reason)
            self._log.event(EVENTS["abort"], **self._said(Request("abort", operator, why)))

    async def _abort(self, request: Request) -> dict[str, Any]:
        if (refused := self._may_end()) is not None:
            raise RequestRefused(refused)
        self.aborted = True
        why = f": {request.why}" if request.why else ""
        self._channel.abort(f"aborted by {request.operator}{why}")
        done = self._where()
        self._log.event(EVENTS["abort"], **self._said(request))
        self.heard(_in_words(request))
        await self._durable()
        return done

    async def _pause(self, request: Request) -> dict[str, Any]:
        self._channel.hold()
        self._log.event(EVENTS["pause"], **self._said(request))
        await self._durable()
        return {**self._where(), "output_off": await self._output_off()}

    async def _edit(self, request: Request) -> dict[str, Any]:
        draft = await self.drafts(request.profile)
        hashes = {"sha256_before": self._channel.plan.source_sha256, "sha256_after": draft.plan.source_sha256}

        def change(*, tried: bool = False) -> None:
            self._channel.edit(draft.plan, draft.limits, tried=tried)

        return {**await self._after_the_word(request, change, **hashes, **draft.told), **hashes}

    async def _after_the_word(self, request: Request, act: Deed, **told: Any) -> dict[str, Any]:
        """See that it may be done, have it on disk, do it. The run may have gone elsewhere meanwhile."""
        act(tried=True)
        self._log.event(EVENTS[request.kind], **self._said(request), **told)
        try:
            await self._durable()
            act()
        except (RequestRefused, StoreError, asyncio.CancelledError) as gone:
            reason = str(gone) or "the run was over before"
            self._log.event(WITHDRAWN, request=request.kind, operator=request.operator, reason=reason)
            raise
        return self._where()

    async def _durable(self) -> None:
        try:
            await self._log.durable()
        except StoreError as error:
            self._log.store_failed(error)
            raise

    async def _output_off(self) -> bool:
        """Whether the cycler has acknowledged its "off"; a trip is its own news."""
        deadline_ns = self._clock.now_ns() + OFF_WITHIN_NS
        while self._channel.expected.current_a is not None:
            if self._clock.now_ns() >= deadline_ns or self._channel.latched is not None:
                return False
            await self._clock.sleep_until(self._clock.now_ns() + LOOK_NS)
        return True

    def _may_end(self) -> str | None:
        """Why there is nothing to abort."""
        latched, engine = self._channel.latched, self._channel.engine
        if latched is not None:
            return f"the run has tripped and is being stopped: {latched.trip.text_en}"
        if self.aborted or (engine is not None and engine.step.finished):
            return "the run is being ended already"
        return None

    def _said(self, request: Request) -> dict[str, Any]:
        """Of any request: who, why, when by the wall's clock, and where the run stood."""
        wall = self._clock.wall().isoformat(timespec="microseconds")
        return {"operator": request.operator, "why": request.why, "wall": wall, **request.peer, "at": self._where()}

    def _where(self) -> dict[str, Any]:
        """The running step, as plain data; empty before the profile has begun."""
        engine = self._channel.engine
        if engine is None:
            return {}
        step = engine.step
        label = "" if step.running is None else step.running.label
        return {"number": step.number, "step": label, "cycle": step.cycle, "paused": step.hold is not None}


class Deed(Protocol):
    """A request's deed, or the trying of it. Raises RequestRefused."""

    def __call__(self, *, tried: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class _Jump:
    channel: Channel
    label: str

    def __call__(self, *, tried: bool = False) -> None:
        self.channel.jump(self.label, tried=tried)


def require_complete(request: Request) -> None:
    """Raises InputError with everything that a request leaves out."""
    problems: list[Problem] = []
    if not request.operator.strip() or len(request.operator) > NAME_MAX:
        found = "nothing" if not request.operator.strip() else f"{len(request.operator)} characters"
        problems.append(Problem("", field="--operator", found=found, expected="who answers for it"))
    if request.kind in REASONED and not request.why.strip():
        problems.append(Problem("", field="--why", found="nothing", expected="why, in a few words, for the record"))
    if len(request.why) > WHY_MAX:
        found = f"{len(request.why)} characters"
        problems.append(Problem("", field="--why", found=found, expected=f"at most {WHY_MAX}"))
    if request.kind == "jump" and not request.step.strip():
        problems.append(Problem("", field="--to", found="nothing", expected="the label of a step"))
    if request.kind == "edit" and not request.profile:
        problems.append(Problem("", field="--profile", found="nothing", expected="a profile file"))
    if problems:
        raise InputError(problems)


def _in_words(request: Request) -> str:
    what = f"jumped to {request.step}" if request.kind == "jump" else EVENTS[request.kind].replace("_", " ")
    return f"{what} by {request.operator}" + (f": {request.why}" if request.why else "")


def _unheard(_words: str) -> None:
    return None
