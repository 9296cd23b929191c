"""Battery codes: published ones decode, make and parse are inverse, wrong ones are placed and mended."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.errors import InputError
from packbench.trace.codes import Code, UniqueId, echelon_of, explain, make, parse, parse_battery, to_dict
from packbench.trace.codes.code import ALPHANUMERIC, FORMS, faults_of, read
from packbench.trace.codes.repair import diagnose
from packbench.trace.codes.scanning import Scan, ScanReader, ScanSettings, parse_scan
from packbench.trace.codes.tables import load_tables, tables

PUBLISHED = "001PB005000001D7B0500007"
TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("text", "made", "serial"),
    [(PUBLISHED, date(2023, 7, 11), "0500007"), ("001PB005000001E1R0500123", date(2024, 1, 24), "0500123")],
)
def test_published_codes_decode(text: str, made: date, serial: str) -> None:
    code = parse_battery(text)
    assert (code.type, code.made, code.serial) == ("pack", made, serial)
    fields = to_dict(code)
    assert fields["chemistry"] == "LFP"
    assert fields["made"] == made.isoformat()
    assert [fields["manufacturer"], fields["spec"], fields["trace"]] == ["001", "00", "5000001"]


def test_catena_x_sample_is_read_but_made_after_today() -> None:
    assert parse_battery("X12MCPM27KLPCLX2M2382320").type == "module"
    with pytest.raises(InputError, match="2040-02-21"):
        parse("X12MCPM27KLPCLX2M2382320", today=TODAY)


@given(
    st.text(ALPHANUMERIC, min_size=3, max_size=3),
    st.sampled_from(["pack", "module", "cell"]),
    st.sampled_from(["NiMH", "LFP", "LMO", "LCO", "NMC", "LTO", "other"]),
    st.text(ALPHANUMERIC, min_size=2, max_size=2),
    st.text(ALPHANUMERIC, min_size=7, max_size=7),
    st.dates(date(2011, 1, 1), date(2041, 12, 31)),
    st.from_regex(r"[0-9]{7}", fullmatch=True),
    st.sampled_from([None, 18, 19]),
)
def test_make_then_parse_is_the_identity(
    manufacturer: str, kind: str, chemistry: str, spec: str, trace: str, made: date, serial: str, echelon: int | None
) -> None:
    trace_or_none = trace if echelon is None else None
    fields: dict[str, Any] = {
        "manufacturer": manufacturer,
        "type": kind,
        "chemistry": chemistry,
        "spec": spec,
        "serial": serial,
    }
    code = make(**fields, made=made, trace=trace_or_none, echelon=echelon)
    assert parse(code.text) == code
    assert len(code.text) == (echelon or 24)
    assert {**to_dict(code), **fields} == to_dict(code)


def test_the_echelon_code_is_the_original_without_its_traceability() -> None:
    original = parse_battery(PUBLISHED)
    assert echelon_of(original).text == "001PB00D7B0500007R"
    long = echelon_of(original, length=19)
    assert long.text == "001PB00D7B0500007RP"
    assert [parse_battery(each).made for each in (echelon_of(original).text, long.text)] == [date(2023, 7, 11)] * 2
    assert long.is_echelon
    assert not original.is_echelon


@pytest.mark.parametrize(
    ("wrong", "position", "likely"),
    [
        ("001PB005000001D7BO500007", 18, PUBLISHED),
        ("001PB005000001D7B05OOOO7", 20, PUBLISHED),
        ("001P8005000001D7B0500007", 5, PUBLISHED),
        ("001pb005000001d7b0500007", 4, PUBLISHED),
        ("001PB005000001Ｄ7B0500007", 15, PUBLISHED),
        ("001PB-00-5000001-D7B-0500007", 6, PUBLISHED),
        ("00PB1005000001D7B0500007", 4, None),
        ("001BP005000001D7B0500007", 4, PUBLISHED),
        ("001PB005000001D2Y0500007", 17, None),
        ("001PB005000001DDB0500007", 16, "001PB005000001DBD0500007"),
        ("001PB005000001DIB0500007", 16, "001PB005000001D1B0500007"),
    ],
)
def test_a_typo_is_placed_and_mended(wrong: str, position: int, likely: str | None) -> None:
    diagnosis = diagnose(wrong, TODAY)
    assert position in [fault.position for fault in diagnosis.faults]
    assert diagnosis.likely == likely
    with pytest.raises(InputError) as refused:
        parse(wrong)
    if likely is not None:
        assert likely in str(refused.value)


def test_one_character_too_many_or_too_few_is_told() -> None:
    assert PUBLISHED in diagnose(PUBLISHED[:14] + "1" + PUBLISHED[14:], TODAY).repairs
    short = diagnose(PUBLISHED[:-1], TODAY)
    assert short.repairs == ()
    assert (short.faults[0].position, short.faults[0].found) == (24, "23 characters")


def test_a_repair_is_valid_and_never_the_wrong_text() -> None:
    dice = random.Random(7)
    for _ in range(3000):
        at = dice.randrange(24)
        wrong = PUBLISHED[:at] + dice.choice(ALPHANUMERIC + "oiq") + PUBLISHED[at + 1 :]
        diagnosis = diagnose(wrong, TODAY)
        if diagnosis.faults:
            assert all(read(each) is not None and each != wrong for each in diagnosis.repairs)


def test_random_strings_never_crash() -> None:
    """The long form is `make trace-fuzz`."""
    dice = random.Random(20260707)
    pool = ALPHANUMERIC * 3 + "abcIOQ-_ ()]é电池\x00\ud800"
    for number in range(20_000):
        text = "".join(dice.choices(pool, k=dice.choice((0, 1, 17, 18, 19, 20, 23, 24, 25, 50))))
        if number % 7 == 0:
            text = dice.choice(("25S", "(01)", "(8004)")) + text
        try:
            found = parse(text, today=TODAY)
        except InputError as error:
            assert error.problems
        else:
            assert isinstance(found, Code | UniqueId)
            assert found.text == text


def test_single_typos_are_caught_where_the_alphabet_allows() -> None:
    """Every wrong character of every place: what is not caught is another valid code."""
    caught = {field: [0, 0] for field in ("type", "battery", "year", "month", "day", "serial", "free")}
    names = ["free"] * 3 + ["type", "battery"] + ["free"] * 9 + ["year", "month", "day"] + ["serial"] * 7
    for at, name in enumerate(names):
        for character in ALPHANUMERIC:
            if character != PUBLISHED[at]:
                wrong = PUBLISHED[:at] + character + PUBLISHED[at + 1 :]
                caught[name][0] += bool(diagnose(wrong, TODAY).faults)
                caught[name][1] += 1
    assert caught["serial"] == [26 * 7, 35 * 7]
    assert caught["type"] == [33, 35]
    assert caught["free"] == [0, 35 * 12]
    # 2011 to 2026 are 16 of 31 years; 2026-07-11 is past.
    assert caught["year"] == [20, 35]


def test_the_calendar_is_held() -> None:
    assert [fault.position for fault in faults_of("001PB005000001D2X0500007")] == [17]
    assert faults_of("001PB005000001C2W0500007")  # 29 February 2022
    assert not faults_of("001PB005000001E2V0500007")  # 28 February 2024
    assert not faults_of("001PB005000001E2W0500007")  # 29 February 2024


def test_explaining_says_which_facts_are_configuration() -> None:
    by_field = {line["field"]: line for line in explain(parse_battery("001PG005000001D7B0500007"))}
    assert by_field["battery type"]["meaning"] == "lithium titanate"
    assert by_field["battery type"]["source_text"] == "from memory, configuration"
    assert by_field["month"]["source"] == "C"
    assert set(FORMS) == {18, 19, 24}


def test_a_table_of_ones_own_changes_the_meaning() -> None:
    text = """codes: mine
title: {en: a, zh: b}
battery_types:
  B: {chemistry: LFMP, en: "manganese iron phosphate", zh: "磷酸锰铁锂", source: S}
echelon: {emit: 19, source: S}
issuing_agencies: {}
"""
    own = load_tables(text, "mine.yaml")
    code = parse_battery(PUBLISHED)
    assert to_dict(code, own)["chemistry"] == "LFMP"
    assert len(echelon_of(code, table=own).text) == 19
    assert to_dict(parse_battery("001PG005000001D7B0500007"), own)["chemistry"] == "other"


@pytest.mark.parametrize(
    ("text", "agency", "serial"),
    [
        ("25SUN123456789PACK0001", "Dun & Bradstreet (DUNS number)", "PACK0001"),
        ("(01)04012345123456(21)A-1", "GS1", "A-1"),
        ("(8004)4012345ABC", "GS1", "4012345ABC"),
    ],
)
def test_iso_15459(text: str, agency: str, serial: str) -> None:
    found = parse(text)
    assert isinstance(found, UniqueId)
    assert (found.agency_en, found.serial) == (agency, serial)
    assert to_dict(found)["kind"] == "identifier"


@pytest.mark.parametrize("text", ["25SUN12345", "25SXX1", "(01)04012345123457(21)A", "25S", "25Sé"])
def test_iso_15459_refuses(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_making_refuses_every_wrong_field_at_once() -> None:
    with pytest.raises(InputError) as refused:
        make(manufacturer="1", type="x", chemistry="x", spec="o", made=date(1999, 1, 1), serial="12", trace="1")
    assert len(refused.value.problems) == 7


@pytest.mark.parametrize(
    "line", [PUBLISHED, f"]d1{PUBLISHED}\r\n", f"]Q1{PUBLISHED}\t", f"\x02{PUBLISHED}\x03", f"  {PUBLISHED}  \n"]
)
def test_what_scanners_add_is_taken_off(line: str) -> None:
    assert parse_scan(line).text == PUBLISHED


def test_scans_come_in_pieces_and_stay_half() -> None:
    reader = ScanReader(ScanSettings(prefix="#", suffix="$"))
    raw = f"#]d1{PUBLISHED}$\r\n".encode()
    assert reader.feed(raw[:9], 0) == []
    assert reader.feed(raw[9:], 50_000_000) == [Scan(PUBLISHED, "Data Matrix")]
    assert reader.feed(raw[:12], 10**9) == []
    # A second scan after a silence: the half one before it is told as half, and spoils nothing.
    scans = reader.feed(raw, 3 * 10**9)
    assert [(scan.text, scan.half) for scan in scans] == [(raw[4:12].decode(), True), (PUBLISHED, False)]
    assert reader.feed(b"x" * 5000 + b"\r", 4 * 10**9) == []
    assert reader.feed(b"\x00\xff\xfe\r", 4 * 10**9)[0].text


def test_the_shipped_table_names_its_sources() -> None:
    facts = tables().battery_types
    assert {letter for letter, fact in facts.items() if fact.source == "C"} == {"B", "E"}
