"""From any of the formats to any other: what `packbench convert` does, without a file.

Owns the way through our own language (whatever comes in becomes a profile first, and that profile must compile for the
pack), what is refused without --lossy, and what an imported profile says about itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from packbench.config.document import Document, Path, field_text
from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.exchange.outline import Account
from packbench.profile.exchange.pybamm_in import from_pybamm
from packbench.profile.exchange.pybamm_out import to_pybamm
from packbench.profile.exchange.sources import Source, recognise
from packbench.profile.exchange.to_profile import IMPORTED, ProfileWriter, Written
from packbench.profile.exchange.unicycler_in import from_unicycler
from packbench.profile.exchange.unicycler_out import to_unicycler
from packbench.profile.exchange.wording import one_line
from packbench.profile.language.compiler import compile_profile
from packbench.profile.language.loader import no_library
from packbench.profile.language.walk import Library
from packbench.profile.plan import Plan

Format = Literal["packbench", "pybamm", "unicycler"]
NAMES: dict[Format, str] = {
    "packbench": "packbench profile",
    "pybamm": "PyBaMM experiment",
    "unicycler": "aurora-unicycler protocol",
}
_STEM = re.compile(r"[^a-z0-9]+")
_TITLE_MAX = 80
_LINE_MAX = 300


@dataclass(frozen=True, slots=True)
class Converted:
    """What came out."""

    source: Format
    target: Format
    text: str
    experiment: Any
    """The same as data; None for a profile of ours."""
    account: Account


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to convert."""

    target: Format
    is_lossy: bool = False
    """Drop what cannot be carried; else it refuses the whole."""
    as_strings: bool = False
    """PyBaMM's sentences instead of its JSON."""
    sample_is_cell: bool = False
    """A unicycler protocol's voltages are one cell's."""
    parameters: tuple[tuple[str, str], ...] = ()
    """(name, value) of a profile's parameters; another format has none."""


def convert(text: str, file: str, pack: PackSpec, wishes: Wishes, library: Library = no_library) -> Converted:
    """Convert a text for a pack. Raises InputError for what is wrong with it, and for what would be lost unasked."""
    source = recognise(text, file)
    form = _format(source)
    if form == wishes.target:
        raise InputError(Problem("nothing to convert", file, field="--to", found=NAMES[form], expected=_others(form)))
    account = Account()
    if form == "packbench":
        profile = text
        plan = compile_profile(text, file, pack, library, dict(wishes.parameters))
    elif wishes.parameters:
        found = ", ".join(name for name, _ in wishes.parameters)
        raise InputError(Problem("", field="--with", found=found, expected=f"no parameters: a {NAMES[form]} has none"))
    else:
        profile, plan, account = _imported(source, form, file, pack, wishes)
    experiment: Any = None
    if wishes.target == "pybamm":
        out = to_pybamm(plan, pack, strings=wishes.as_strings)
        experiment, profile = out.experiment, out.text
        account.add(out.account)
    elif wishes.target == "unicycler":
        protocol = to_unicycler(plan, pack)
        experiment, profile = protocol.protocol, protocol.text
        account.add(protocol.account)
    account = Account(sort_problems(account.dropped), sort_problems(account.warnings))
    if account.dropped and not wishes.is_lossy:
        raise InputError(account.dropped)
    return Converted(form, wishes.target, profile, experiment, account)


def _format(source: Source) -> Format:
    match source.form:
        case "packbench" | "unicycler":
            return source.form
        case _:
            return "pybamm"


def _others(form: Format) -> str:
    return " or ".join(other for other in NAMES if other != form)


# --- imports ----------------------------------------------------------------------------------------


def _imported(source: Source, form: Format, file: str, pack: PackSpec, wishes: Wishes) -> tuple[str, Plan, Account]:
    """A foreign protocol as a profile of ours, compiled."""
    document = source.document
    stem = file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    name, limits = stem, LimitSet()
    if form == "unicycler":
        found = from_unicycler(source, pack, cells=pack.series if wishes.sample_is_cell else 1)
        items, account, limits = found.items, found.account, found.limits
        name = found.name or stem
        cells = f"the protocol knows no cells, the pack has {pack.series}"
        scale = f"a cell's times {pack.series}" if wishes.sample_is_cell else "the whole pack's"
        about = [f"Voltages are {scale}; C-rates are of the rated {pack.rated_capacity_ah:g} Ah."]
    else:
        items, account = from_pybamm(source, pack)
        own = document.at(("packbench", "title"))
        name = own.removeprefix(IMPORTED) if isinstance(own, str) else stem
        cells = f"the model is one cell, the pack has {pack.series}"
        about = [
            f"Voltages, powers and resistances are one cell's times {pack.series}; currents are the pack's; C-rates",
            f"are of the rated {pack.rated_capacity_ah:g} Ah. Positive currents discharged there and charge here.",
        ]
    if not items:
        raise InputError([*account.dropped, document.problem("nothing left", (), "no step", "a step")])

    def tell(path: Path, message: str) -> None:
        problem = replace(document.problem(message, path, "", ""), found=None, expected=None)
        account.warnings.append(problem)

    title = one_line(name, _TITLE_MAX) or "imported"
    head = [f"{title}: from {'an' if form == 'unicycler' else 'a'} {NAMES[form]}, for the pack {pack.name}.", *about]
    head += [f"Not carried: {one_line(str(problem), _LINE_MAX)}" for problem in sort_problems(account.dropped)]
    written = ProfileWriter(pack, tell, cells).write(
        name=_STEM.sub("-", stem.lower()).strip("-")[:64].strip("-") or "imported",
        title=title,
        about=head,
        items=items,
        limits=limits,
        limits_at=("safety",),
    )
    return written.text, _compiled(written, document, pack), account


def _compiled(written: Written, document: Document, pack: PackSpec) -> Plan:
    """The profile compiled; what is wrong with it is wrong with the source, and told where it stands there."""
    try:
        return compile_profile(written.text, f"{document.file} (imported)", pack)
    except InputError as error:
        problems: list[Problem] = []
        for problem in error.problems:
            path = written.origins.get(problem.line or 0, ())
            mark = document.mark(path)
            where = f"{field_text(path)} ({problem.field})" if path else problem.field
            place = replace(problem, file=document.file, line=mark.line, column=mark.column, field=where)
            problems.append(replace(place, source_line=document.line(mark)))
        raise InputError(sort_problems(problems)) from error
