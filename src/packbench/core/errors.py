"""The exception tree. Each branch says who can mend it; nothing else is raised on purpose.

    PackbenchError
    |-- InputError            the operator: a file, a line, a field, an argument (exit 2)
    |-- SafetyStop            the pack: a rule tripped, the latch names it (exit 3)
    |-- DeviceError           hardware: a device answered wrongly or not at all (exit 4)
    |   |-- LinkError             no connection, or it went away
    |   |-- ReplyTimeout          nothing came in time
    |   |-- BadReply              a reply came, and it is not the answer asked for
    |   `-- DeviceRefused         the device answered: no (its code is in the text)
    |-- RequestRefused        a running test: it says no to a request, and why (exit 1)
    |-- StoreError            the disk: nothing may be acknowledged any more (exit 1)
    `-- VerificationFailed    a record does not match its hashes (exit 5)

It exists so that the command line can turn every failure into one sentence and one exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as _field


class PackbenchError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input, in the shape of the command line contract (DESIGN 10)."""

    message: str
    file: str | None = None
    line: int | None = None
    """Counts from 1."""
    column: int | None = None
    """Counts from 1."""
    field: str | None = None
    found: str | None = None
    expected: str | None = None
    source_line: str | None = _field(default=None, compare=False, repr=False)
    """The line as it was read, for a person: the file may be another by the time it is shown, or gone."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        head = ": ".join(part for part in (place, self.field) if part)
        if self.found is not None and self.expected is not None:
            body = f"found {self.found}, expected {self.expected}"
            body = f"{self.message}: {body}" if self.message else body
        else:
            body = self.message
        return f"{head}: {body}" if head else body


class InputError(PackbenchError):
    """Bad input or usage. Carries every problem found, so that one look mends the whole file."""

    exit_code = 2

    def __init__(self, problems: Problem | list[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = [Problem(problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SafetyStop(PackbenchError):
    """A safety rule refused or stopped the run."""

    exit_code = 3


class DeviceError(PackbenchError):
    """A device or its link failed."""

    exit_code = 4


class LinkError(DeviceError):
    """The link could not be opened, or it went away."""


class ReplyTimeout(DeviceError):
    """No complete reply within the time allowed."""


class BadReply(DeviceError):
    """A reply that is not the answer to the request: wrong unit, function, length or checksum."""


class DeviceRefused(DeviceError):
    """The device understood and said no."""


class RequestRefused(PackbenchError):
    """A run, or the lack of one, does not allow what an operator asked for."""


class StoreError(PackbenchError):
    """The store cannot promise durability any more."""


class VerificationFailed(PackbenchError):
    """A stored record does not match its hashes."""

    exit_code = 5
