"""configs/codes/*.yaml: what letters of a battery code mean, with the source of each fact.

Owns the model of that file. Must not parse a code. A fact from memory (source M) is configuration, never a constant;
`Fact.source` is carried to whoever explains a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from packbench.config.document import load_document
from packbench.config.fields import Name
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel, validate
from packbench.files import find_config

DEFAULT: Final = "gbt34014"
Source = Literal["C", "S", "M"]
SOURCES_EN: Final[dict[str, str]] = {"C": "confirmed", "S": "secondary source", "M": "from memory, configuration"}
SOURCES_ZH: Final[dict[str, str]] = {"C": "已核对", "S": "二手来源", "M": "凭记忆，可配置"}
Letter = Annotated[str, StringConstraints(pattern=r"^[A-Z]$")]
Agency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,3}$")]


class BatteryTypeModel(StrictModel):
    """One battery type."""

    chemistry: str = Field(description="the short name, such as LFP")
    en: str = Field(description="a text")
    zh: str = Field(description="a text")
    source: Source = Field(description="C (confirmed), S (secondary) or M (from memory)")


class EchelonModel(StrictModel):
    """The form of echelon-use codes."""

    emit: Literal[18, 19] = Field(description="18 or 19: how many characters `code make --echelon` gives")
    source: Source = Field(description="C, S or M")


class AgencyModel(StrictModel):
    """An issuing agency of ISO/IEC 15459."""

    en: str = Field(description="a text")
    length: int = Field(ge=0, le=20, description="characters of its company number; 0: not fixed")
    source: Source = Field(description="C, S or M")


class CodesModel(StrictModel):
    """The file as a whole."""

    codes: Name = Field(description="the table's name")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    battery_types: dict[Letter, BatteryTypeModel] = Field(description="letter to battery type")
    echelon: EchelonModel = Field(description="a mapping {emit, source}")
    issuing_agencies: dict[Agency, AgencyModel] = Field(description="prefix to agency")


@dataclass(frozen=True, slots=True)
class Fact:
    """What a letter means, and how that is known."""

    chemistry: str
    en: str
    zh: str
    source: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """An agency, and how long its company numbers are (0: not fixed)."""

    en: str
    length: int
    source: str


@dataclass(frozen=True, slots=True)
class CodeTables:
    """The file, inside."""

    battery_types: dict[str, Fact]
    echelon_length: int
    echelon_source: str
    issuers: dict[str, Issuer]

    def chemistry(self, letter: str) -> str:
        """Short name of a battery type's letter; "other" for a letter that the table does not have."""
        fact = self.battery_types.get(letter)
        return "other" if fact is None else fact.chemistry

    def letter(self, chemistry: str) -> str | None:
        """The letter of a chemistry, however it is capitalised, or of a letter itself."""
        wanted = chemistry.casefold()
        for letter, fact in self.battery_types.items():
            if wanted in (fact.chemistry.casefold(), letter.casefold()):
                return letter
        return None


def load_tables(text: str, file: str) -> CodeTables:
    """Read a table file. Raises InputError with every problem of it."""
    model = validate(CodesModel, load_document(text, file))
    return CodeTables(
        {key: Fact(each.chemistry, each.en, each.zh, each.source) for key, each in model.battery_types.items()},
        model.echelon.emit,
        model.echelon.source,
        {key: Issuer(each.en, each.length, each.source) for key, each in model.issuing_agencies.items()},
    )


@lru_cache(maxsize=4)
def tables(name: str = DEFAULT) -> CodeTables:
    """The named table of the configuration. Raises InputError."""
    path = find_config("codes", name)
    return load_tables(path.read_text(encoding="utf-8"), str(path))
