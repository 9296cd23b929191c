"""What an attacker, or an honest slip, was seen to get past the ledger, and does not any more."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_trace_ledger import KEY, NOW, PACK, begun, put

from packbench.app.auditing import audit
from packbench.app.ledgers import own_ledger, revoke_key, rotate_key, trusted_keys
from packbench.app.outputs import require_harmless
from packbench.core.errors import InputError, PackbenchError
from packbench.report.ledger_account import _csv, _document, write_account  # pyright: ignore[reportPrivateUsage]
from packbench.trace import keyring
from packbench.trace.keys import SigningKey
from packbench.trace.ledger.entries import entries_of
from packbench.trace.ledger.entry import NOTHING_BEFORE, make_entry
from packbench.trace.ledger.file import Ledger
from packbench.trace.ledger.home import REAL, ledger_path
from packbench.trace.ledger.period import account_for, period_to_dict
from packbench.trace.ledger.verify import verify_ledger


@pytest.mark.parametrize(
    ("action", "code", "body", "expected"),
    [
        # Kilograms out of nothing.
        (
            "dismantled",
            PACK,
            {"parts": [{"code": "M1", "level": "module", "mass_kg": 2000}]},
            "at most the whole's 310",
        ),
        ("dismantled", PACK, {"parts": [{"code": "M1", "level": "module"}], "residue_kg": 400}, "at most the whole's"),
        (
            "dismantled",
            "LOT",
            {"quantity": 2, "parts": [{"code": "C1", "level": "cell", "mass_kg": 50}]},
            "whole's 20 kg",
        ),
        # One type into another.
        ("dismantled", PACK, {"parts": [{"code": "M1", "level": "module", "chemistry": "NMC"}]}, "LFP, as the whole"),
        ("dismantled", PACK, {"parts": [{"code": "001ME005000001D7B0500007"}]}, "LFP, as the whole"),
        # A pack out of a cell, a cell out of a cell, a cell made of modules.
        ("dismantled", "CELL", {"parts": [{"code": "P9", "level": "pack"}]}, "a cell has no parts"),
        ("dismantled", "LOT", {"parts": [{"code": "M9", "level": "module"}]}, "one of cell"),
        ("regrouped", "BIG", {"parts": ["MOD"], "level": "cell"}, "one of pack, module"),
        ("regrouped", "BIG", {"parts": ["MOD"], "mass_kg": 1}, "at least its parts' 20 kg"),
        # What is not there.
        ("noted", PACK, {"note": "see there", "refers_to": 999}, "an entry before this one"),
        # What a terminal would carry out.
        ("moved", PACK, {"holder": "A\x1b]0;title\x07"}, "a printable text"),
        ("moved", PACK, {"note": "one\ntwo"}, "a printable text"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, action: str, code: str, body: dict[str, Any], expected: str) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", PACK, holder="R", mass_kg=310)
        put(ledger, "received", "CELL", holder="R", level="cell", mass_kg=0.5)
        put(ledger, "received", "LOT", holder="R", level="module", chemistry="LFP", mass_kg=10, quantity=5)
        put(ledger, "received", "MOD", holder="R", level="module", chemistry="LFP", mass_kg=20)
        put(ledger, "graded", "MOD", grade="A")
        with pytest.raises(InputError, match=expected):
            put(ledger, action, code, **body)


def test_weighing_twice_may_differ_a_little(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", PACK, holder="R", mass_kg=310)
        put(ledger, "dismantled", PACK, parts=[{"code": "M1", "level": "module", "mass_kg": 315}])


def test_a_lease_is_over_when_the_battery_is_back_and_not_by_word(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", "LOT", holder="R", level="module", quantity=10)
        put(ledger, "graded", "LOT", grade="A")
        for holder in ("A", "B"):
            use: dict[str, Any] = {
                "holder": holder,
                "application": "backup",
                "due": "2027-01-01",
                "from_": "graded",
                "quantity": 5,
            }
            put(ledger, "leased", "LOT", **use)
        with pytest.raises(InputError, match="A still leases it"):
            put(ledger, "fulfilled", "LOT", obligation="return")
        asset = ledger.index.get("LOT")
        assert asset is not None
        # Each lessee by themselves: A brings theirs back, B still owes.
        put(ledger, "returned", "LOT", from_="leased", holder="A")
        asset = ledger.index.get("LOT")
        assert asset is not None
        assert [(each.who, bool(each.fulfilled)) for each in asset.obligations] == [("A", True), ("B", False)]


def written(
    path: Path, bodies: list[dict[str, Any]], key: SigningKey, time: str = "2026-11-27T00:00:00.000000+00:00"
) -> None:
    """Entries past the book, as somebody with the key writes them."""
    with Ledger.open(path) as ledger:
        tail = ledger.tail
    seq, prev, data = tail.seq, tail.hash, path.read_bytes()
    for body in bodies:
        seq += 1
        entry = make_entry(tail.ledger, seq, time, prev, body, key)
        prev, data = entry.hash, data + entry.line + b"\n"
    path.write_bytes(data)


BAD: list[dict[str, Any]] = [
    {"action": "dismantled", "code": "NOPE", "parts": [{"code": "Z"}]},
    {"action": "received"},
    {"action": "run"},
    {"action": 7},
    {"action": "dismantled", "code": "C0", "parts": "x"},
    {"action": "received", "code": "M", "level": "cell", "holder": "A", "quantity": -3},
    {"action": "received", "code": "M2", "level": "cell", "holder": "A", "mass_kg": "heavy"},
]


@pytest.mark.parametrize("bad", BAD)
def test_an_entry_that_went_round_the_rules_with_the_key_is_found_and_located(
    tmp_path: Path, bad: dict[str, Any]
) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        put(ledger, "received", "C0", holder="R", level="cell")
    written(path, [bad], KEY)
    verdict = verify_ledger(path, [KEY.public])
    assert [each.seq for each in verdict.findings] == [3]
    assert "not legal" in verdict.findings[0].what
    period = account_for(entries_of(path), "2026-01-01", "2027-01-01")
    assert not period.balances
    assert sum(account.came_in for account in period.accounts.values()) == 1
    with Ledger.open(path) as ledger:
        assert len(ledger.index.conflicts()) == 1


def test_a_backdated_entry_is_told_and_counts_when_it_was_entered(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        put(ledger, "received", "C0", holder="R", level="cell")
        put(ledger, "received", "BACK", -525_600, holder="R", level="cell")
        put(ledger, "received", "C1", 2, holder="R", level="cell")
    verdict = verify_ledger(path, [KEY.public])
    assert verdict.holds
    assert [remark.split(" of ")[0] for remark in verdict.remarks] == ["entry 3"]
    this_year = account_for(entries_of(path), "2026-01-01", "2027-01-01")
    last_year = account_for(entries_of(path), "2025-01-01", "2026-01-01")
    assert this_year.accounts["cell", "unknown"].flows["received"] == 3
    assert len(this_year.backdated) == 1
    assert not last_year.accounts


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def own(*bodies: dict[str, Any], now: datetime = NOW) -> None:
    with own_ledger(REAL, now) as (ledger, key):
        ledger.add(list(bodies), key, now)


def received(code: str) -> dict[str, Any]:
    return {"action": "received", "code": code, "level": "cell", "holder": "R"}


def test_a_stolen_key_cannot_take_its_successors_word_under_another_history(home: Path, tmp_path: Path) -> None:
    own(received("C0"), received("C1"))
    stolen = keyring.bench_key(NOW)
    rotate_key(NOW, "stolen", revoke=True)
    new = keyring.bench_key(NOW)
    assert verify_ledger(ledger_path(REAL), [new.public]).holds
    prev, lines = NOTHING_BEFORE, list[bytes]()
    for text in ledger_path(REAL).read_bytes().splitlines():
        said = json.loads(text)
        if said["body"].get("code") == "C1":
            said["body"]["holder"] = "Thief"
        entry = make_entry(said["ledger"], said["seq"], said["time"], prev, said["body"], stolen)
        prev, lines = entry.hash, [*lines, entry.line]
    forged = tmp_path / "forged.jsonl"
    forged.write_bytes(b"\n".join(lines) + b"\n")
    whats = [each.what for each in verify_ledger(forged, [new.public]).findings]
    assert any("did not agree" in what for what in whats)
    assert any("not with a given key" in what for what in whats)


def test_a_key_that_was_rotated_while_somebody_waited_signs_nothing_any_more(home: Path) -> None:
    own(received("C0"))
    with own_ledger(REAL, NOW) as (ledger, old):
        rotate_key(NOW, "yearly", revoke=False)
        with pytest.raises(InputError, match="which signs here"):
            ledger.add([received("C1")], old, NOW)
    assert verify_ledger(ledger_path(REAL), trusted_keys([])).holds


@pytest.mark.parametrize("revoke", [False, True])
def test_a_rotation_that_was_cut_off_before_the_ledger_is_finished_by_the_next_entry(home: Path, revoke: bool) -> None:
    own(received("C0"))
    keyring.rotate(NOW, "yearly", revoke=revoke)  # and the power went
    own(received("C1"), now=NOW + timedelta(days=1))
    verdict = verify_ledger(ledger_path(REAL), trusted_keys([]))
    assert verdict.holds
    assert (verdict.entries, len(verdict.chains[0].keys)) == (4, 2)


def test_a_keyring_that_forgets_a_revocation_is_found_by_the_audit(home: Path) -> None:
    own(received("C0"))
    old = keyring.bench_key(NOW).key_id
    rotate_key(NOW, "yearly", revoke=False)
    revoke_key(old, NOW, "lost")
    assert not audit([], [], NOW).findings
    ring = home / "keys" / "keyring.json"
    ring.write_text(ring.read_text().replace('"revoked"', '"retired"'))
    assert [each.part for each in audit([], [], NOW).findings] == ["keys"]


def test_a_lost_keyring_makes_no_new_key(home: Path) -> None:
    own(received("C0"))
    (home / "keys" / "keyring.json").unlink()
    with pytest.raises(PackbenchError, match="put the keyring back"):
        keyring.bench_key(NOW)


def test_nothing_is_written_over_evidence(home: Path, tmp_path: Path) -> None:
    own(received("C0"))
    record = tmp_path / "odd-name"
    record.write_bytes(b"SQLite format 3\x00 and more")
    copy = tmp_path / "copy.txt"
    copy.write_bytes(ledger_path(REAL).read_bytes())
    link = tmp_path / "link.pem"
    link.symlink_to(next((home / "keys").glob("*.key.pem")))
    folder = tmp_path / "elsewhere"
    folder.symlink_to(home / "keys", target_is_directory=True)
    evidence = [
        record,
        copy,
        link,
        folder / "new.pem",
        home / "keys" / "new.pem",
        ledger_path(REAL),
        tmp_path / "run.db",
    ]
    for path in evidence:
        with pytest.raises(InputError, match="--out"):
            require_harmless(path)
    assert require_harmless(tmp_path / "passport.json") == tmp_path / "passport.json"


@pytest.mark.parametrize(
    ("cell", "is_formula"),
    [
        ("=1+1", True),
        ("-2+3+cmd|' /C calc'!A0", True),
        ("  =1+1", True),
        ("\r=1", True),
        ("＝1+1", True),
        ("@SUM(A1)", True),
        ("-3", False),
        ("-1.5", False),
        ("Recycler Ltd", False),
        ("EV 8123-2", False),
    ],
)
def test_a_cell_of_the_account_is_no_formula(cell: str, is_formula: bool) -> None:
    text = _csv(["head"], [[cell]]).decode("utf-8-sig").split("\r\n", 1)[1]
    assert ("'" + cell in text) is is_formula


def test_who_leases_a_battery_has_it_somewhere_else(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", "A1", holder="R", level="pack", location="Hall 2")
        put(ledger, "graded", "A1", grade="A")
        put(ledger, "moved", "A1", holder="R", location="Hall 3")
        put(ledger, "leased", "A1", holder="Tower", application="backup", due="2027-01-01")
        asset = ledger.index.get("A1")
        assert asset is not None
        assert [(each.holder, each.location) for each in asset.portions] == [("Tower", "")]


def test_an_account_tells_masses_by_flow_and_what_it_rests_on(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        put(ledger, "received", "LOT", holder="R", level="cell", chemistry="NMC", quantity=100, mass_kg=0.5)
        put(ledger, "received", "ODD", holder="R", level="cell", chemistry="NMC", quantity=7)
        put(ledger, "disposed", "LOT", quantity=30, by="Waste Ltd")
    written(path, [{"action": "stored", "code": "NOPE"}], KEY)
    period = account_for(entries_of(path), "2026-01-01", "2027-01-01")
    told = period_to_dict(period)
    (cells,) = told["types"]
    assert (cells["flows_kg"]["received"], cells["flows_without_mass"]["received"]) == (50.0, 7)
    assert (cells["flows_kg"]["disposed"], cells["flows_without_mass"]["disposed"]) == (15.0, 0)
    (last,) = told["last_entries"]
    assert (last["seq"], last["kid"]) == (5, KEY.key_id)
    assert last["hash"] == list(entries_of(path))[-1].hash
    assert account_for(entries_of(path), "2026-01-01", "2026-11-26").last == {}
    about = ("bench", "real", "2026-01-01", "2026-12-31")
    for lang, words in (("en", ("By type, in kilograms", "Not as it should be")), ("zh", ("按类型（千克）", "异常"))):
        document = _document(period, about, "zh" if lang == "zh" else "en")
        titles = [part["title"] for part in document["parts"]]
        assert set(words) <= set(titles)
        texts = json.dumps(document, ensure_ascii=False)
        assert last["hash"] in texts
        assert "NOPE" in texts
        paths = write_account(period, about, tmp_path / lang, "zh" if lang == "zh" else "en")
        text = Path(paths["account_csv"]).read_text("utf-8-sig")
        assert "50.0 (+7 ?)" in text
        assert Path(paths["account_pdf"]).read_bytes().startswith(b"%PDF")
