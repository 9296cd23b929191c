"""The ledger: what may happen, what balances, and that nothing of it can be changed unseen."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.ledger_tampering import campaign

from packbench.core.errors import InputError, StoreError, VerificationFailed
from packbench.trace.keys import SigningKey
from packbench.trace.ledger import states
from packbench.trace.ledger.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from packbench.trace.ledger.entries import entries_of
from packbench.trace.ledger.entry import NotAnEntry, make_entry, read_entry
from packbench.trace.ledger.file import Ledger, rotation_body
from packbench.trace.ledger.merge import merge_ledgers
from packbench.trace.ledger.merkle import root_of
from packbench.trace.ledger.period import account_for, period_to_dict
from packbench.trace.ledger.query import history, obligations, of_holder
from packbench.trace.ledger.verify import verify_ledger

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PACK = "001PB005000001D7B0500007"
KEY = SigningKey.new()


def begun(path: Path, name: str = "bench", key: SigningKey = KEY) -> Ledger:
    return Ledger.create(path, "real", name, key, NOW)


def put(ledger: Ledger, action: str, code: str, minute: int = 1, key: SigningKey = KEY, **body: Any) -> None:
    words = {name.rstrip("_"): value for name, value in body.items()}
    ledger.add([{"action": action, "code": code, **words}], key, NOW + timedelta(minutes=minute))


def a_life(ledger: Ledger) -> None:
    """A pack that is dismantled, and half of whose modules live on in another one."""
    put(ledger, "received", PACK, holder="Recycler", mass_kg=310, origin="EV 8123", location="A1")
    put(ledger, "tested", PACK)
    put(ledger, "graded", PACK, grade="B")
    parts = [{"code": f"MOD-{number}", "level": "module", "mass_kg": 20} for number in range(12)]
    put(ledger, "dismantled", PACK, parts=parts, residue_kg=65)
    for number in range(4):
        put(ledger, "graded", f"MOD-{number}", grade="B")
    put(ledger, "regrouped", "NEW-1", parts=[f"MOD-{number}" for number in range(4)])
    duties = [{"name": "monthly report", "due": "2026-12-31"}]
    put(ledger, "leased", "NEW-1", 5, holder="Tower", application="backup", due="2027-03-01", obligations=duties)
    put(ledger, "recycled", "MOD-11", 6, by="Smelter", certificate="S-77")


def test_a_life_is_told_and_verifies(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        a_life(ledger)
        told = history(ledger, PACK)
        assert [entry["action"] for entry in told["entries"]] == ["received", "tested", "graded", "dismantled"]
        assert [each["code"] for each in told["became"]] == [f"MOD-{number}" for number in range(12)]
        assert told["became"][0]["children"][0]["states"] == {"leased": 1}
        assert history(ledger, "NEW-1")["came_from"][0]["parents"][0]["code"] == PACK
        assert [row["code"] for row in of_holder(ledger, "Tower")["assets"]] == ["NEW-1"]
        owed = obligations(ledger, "2027-01-01")["obligations"]
        assert [(each["name"], each["overdue"]) for each in owed] == [("monthly report", True), ("return", False)]
        put(ledger, "fulfilled", "NEW-1", 7, obligation="monthly report")
        put(ledger, "returned", "NEW-1", 8, holder="Recycler")
        assert obligations(ledger, "2027-01-01")["obligations"] == []
    verdict = verify_ledger(tmp_path / "l.jsonl", [KEY.public])
    assert verdict.holds
    assert (verdict.entries, verdict.remarks) == (14, ())


@pytest.mark.parametrize(
    ("action", "code", "body", "expected"),
    [
        ("stored", "NEVER", {}, "received before"),
        ("received", PACK, {"holder": "x"}, "a state of"),
        ("in_use", "MOD-5", {"holder": "x", "application": "y"}, "a grade of MOD-5"),
        ("stored", "MOD-0", {}, "MOD-0 is regrouped"),
        ("stored", PACK, {}, "this is the end"),
        ("stored", "MOD-11", {}, "this is the end"),
        ("stored", "MOD-5", {"quantity": 2}, "at most 1"),
        ("regrouped", "MOD-6", {"parts": ["MOD-5"]}, "a new code"),
        ("regrouped", "NEW-2", {"parts": ["MOD-5"]}, "a grade of MOD-5"),
        ("fulfilled", "NEW-1", {"obligation": "other"}, "monthly report"),
        ("received", "NO-LEVEL", {"holder": "x"}, "pack, module, cell"),
        ("received", "001MB005000001D7B0500007", {"holder": "x", "level": "pack"}, "module"),
        ("melted", "MOD-5", {}, "one of received"),
        ("stored", "MOD-5", {"colour": "red"}, "colour"),
        ("stored", "MOD-5", {"quantity": 0}, "whole number"),
        ("leased", "MOD-5", {"holder": "x", "application": "y", "due": "soon"}, "YYYY-MM-DD"),
        ("graded", "MOD-5", {}, "grade"),
        ("run", "MOD-5", {}, "one of received"),
    ],
)
def test_what_is_not_legal_is_refused_and_changes_nothing(
    tmp_path: Path, action: str, code: str, body: dict[str, Any], expected: str
) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        a_life(ledger)
        before = (tmp_path / "l.jsonl").read_bytes(), [str(each) for each in ledger.index.all_assets()]
        with pytest.raises(InputError, match=expected):
            put(ledger, action, code, **body)
        # All or none: a good entry before a bad one is not taken either.
        with pytest.raises(InputError):
            ledger.add([{"action": "stored", "code": "MOD-7"}, {"action": action, "code": code, **body}], KEY, NOW)
        assert before == ((tmp_path / "l.jsonl").read_bytes(), [str(each) for each in ledger.index.all_assets()])


def test_every_state_leads_only_where_the_table_says() -> None:
    assert set(states.NEXT) == set(states.STATES)
    assert not any(states.NEXT[state] for state in (states.DISMANTLED, states.RECYCLED, states.DISPOSED))
    assert states.NEXT[states.REGROUPED] == {states.RECEIVED}


def test_a_lot_is_split_by_quantity(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", "LOT", level="cell", quantity=100, holder="R", mass_kg=0.8, chemistry="NMC")
        put(ledger, "disposed", "LOT", quantity=7, by="Waste Ltd")
        put(ledger, "graded", "LOT", from_="received", quantity=60, grade="A")
        put(ledger, "in_use", "LOT", from_="graded", quantity=50, holder="S", application="lamps")
        asset = ledger.index.get("LOT")
        assert asset is not None
        assert asset.states == {"received": 33, "disposed": 7, "graded": 10, "in_use": 50}
        with pytest.raises(InputError, match="which portion"):
            put(ledger, "stored", "LOT")
        with pytest.raises(InputError, match="at most 10"):
            put(ledger, "stored", "LOT", from_="graded", quantity=11)
    period = account_for(entries_of(tmp_path / "l.jsonl"), "2026-11-26", "2026-11-27")
    (account,) = period_to_dict(period)["types"]
    assert (account["came_in"], account["stored"], account["used"], account["gone"]) == (100, 43, 50, 7)
    assert account["flows"]["disposed"] == 7
    assert account["stored_kg"] == pytest.approx(43 * 0.8)


def test_a_periods_account_balances_by_type_and_weighs_what_was_dismantled(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        a_life(ledger)
    period = account_for(entries_of(tmp_path / "l.jsonl"), "2026-11-26T00:00", "2026-11-27T00:00")
    assert period.balances
    modules, packs = period.accounts["module", "LFP"], period.accounts["pack", "LFP"]
    assert (modules.flows["made"], modules.stored, modules.made_into_others, modules.gone) == (12, 7, 4, 1)
    assert (packs.flows["received"], packs.flows["made"], packs.used, packs.made_into_others) == (1, 1, 1, 1)
    assert period.unexplained_kg == [(PACK, pytest.approx(310 - 12 * 20 - 65))]
    # The same life from later on: what was there before is the opening stock, and no flow.
    later = account_for(entries_of(tmp_path / "l.jsonl"), "2026-11-26T12:05", "2026-11-27")
    assert (later.accounts["module", "LFP"].opening, later.accounts["module", "LFP"].flows["made"]) == (8, 0)
    assert [line["flow"] for line in later.lines] == ["leased", "recycled"]


def test_a_new_pack_taken_apart_gives_its_modules_back(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        a_life(ledger)
        put(ledger, "returned", "NEW-1", 8, holder="Recycler")
        put(ledger, "dismantled", "NEW-1", 9, parts=[{"code": f"MOD-{number}"} for number in range(4)])
        asset = ledger.index.get("MOD-0")
        assert asset is not None
        assert asset.states == {"received": 1}
        assert history(ledger, "MOD-0")["became"][0]["code"] == "NEW-1"
    assert account_for(entries_of(tmp_path / "l.jsonl"), "2026-11-26", "2026-11-27").balances


def test_three_hundred_tamperings_are_found_where_they_were_done() -> None:
    """The long form is `make tamper`: 10,000 on 500 entries."""
    done, missed = campaign(size=60, count=300, seed=7)
    assert sum(done.values()) == 300
    assert missed == []


def test_a_truncated_ledger_needs_the_checkpoint_and_verify_says_so(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        a_life(ledger)
        leaves, tail = ledger.index.leaves(), ledger.tail
    note = sign_checkpoint(Checkpoint(tail.ledger, len(leaves), root_of(leaves), tail.time), KEY)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))
    alone = verify_ledger(path, [KEY.public])
    assert alone.holds
    assert alone.entries == len(lines) - 3
    (found,) = verify_ledger(path, [KEY.public], [("kept", note)]).findings
    assert (found.seq, found.byte) == (len(lines) - 2, path.stat().st_size)
    # An insider with the key writes another end: every signature holds, the checkpoint does not.
    with Ledger.open(path, write=True) as ledger:
        for number in range(3):
            put(ledger, "stored", f"MOD-{number + 5}", 6)
    assert verify_ledger(path, [KEY.public]).holds
    assert "written anew" in verify_ledger(path, [KEY.public], [("kept", note)]).findings[0].what
    with pytest.raises(InputError, match="has signed"):
        read_checkpoint(note, "kept", [SigningKey.new().public])
    with pytest.raises(InputError, match="has signed"):
        read_checkpoint(note.replace(f"\n{len(leaves)}\n", f"\n{len(leaves) - 1}\n"), "kept", [KEY.public])


def test_an_entry_of_a_fork_is_found_though_the_same_key_signed_it(tmp_path: Path) -> None:
    path, fork = tmp_path / "a.jsonl", tmp_path / "fork.jsonl"
    with begun(path) as ledger:
        put(ledger, "received", PACK, holder="A")
    fork.write_bytes(path.read_bytes())
    for each, place in ((path, "1"), (fork, "2")):
        with Ledger.open(each, write=True) as ledger:
            put(ledger, "stored", PACK, location=place)
            put(ledger, "graded", PACK, grade="B")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = fork.read_bytes().splitlines(keepends=True)[2]
    path.write_bytes(b"".join(lines))
    (found,) = verify_ledger(path, [KEY.public]).findings
    assert (found.line, found.what) == (4, "entry 4 does not follow the entry before it")


@pytest.mark.parametrize("spoil", [(b',"seq"', b', "seq"'), (b'"seq":1', b'"seq":1.0'), (b'"v":1}', b'"v":1,"v":1}')])
def test_an_entry_has_one_spelling(spoil: tuple[bytes, bytes]) -> None:
    entry = make_entry("L", 1, "2026-11-26T12:00:00+00:00", "0" * 64, {"action": "noted"}, KEY)
    assert read_entry(entry.line).is_signed_by(KEY.public)
    with pytest.raises(NotAnEntry, match="canonical"):
        read_entry(entry.line.replace(*spoil))


def test_another_key_does_not_verify(tmp_path: Path) -> None:
    begun(tmp_path / "l.jsonl").close()
    assert "not with a given key" in verify_ledger(tmp_path / "l.jsonl", [SigningKey.new().public]).findings[0].what


@pytest.mark.parametrize("torn", [b'{"body":{"action":"st', b"\x00" * 700, b"\xff"])
def test_a_torn_write_is_found_and_set_aside(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        a_life(ledger)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    (found,) = verify_ledger(path, [KEY.public]).findings
    assert (found.line, found.byte) == (whole.count(b"\n") + 1, len(whole))
    with Ledger.open(path, write=True) as ledger:
        assert history(ledger, "NEW-1")["asset"]["states"] == {"leased": 1}
        put(ledger, "stored", "MOD-9", 9)
        assert [aside.read_bytes() for aside in ledger.recovered] == [torn]
    assert path.read_bytes().startswith(whole)
    assert verify_ledger(path, [KEY.public]).holds


def _write(path: str, pem: str, worker: int) -> None:
    from packbench.trace.keys import private_from_pem

    key = private_from_pem(pem, "k")
    for number in range(25):
        with Ledger.open(Path(path), write=True) as ledger:
            put(ledger, "received", f"W{worker}-{number}", level="cell", holder="R", key=key)


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    begun(path).close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(str(path), KEY.pem(), number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    verdict = verify_ledger(path, [KEY.public])
    assert verdict.holds
    assert verdict.entries == 1 + 3 * 25


def test_a_writer_that_ignored_the_lock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        a_life(ledger)
        last = path.read_bytes().splitlines(keepends=True)[-1]
        with path.open("ab") as file:
            file.write(last)
        with pytest.raises(VerificationFailed, match="does not follow"):
            put(ledger, "stored", "MOD-9")
    assert "stands where" in verify_ledger(path, [KEY.public]).findings[0].what


def test_a_disk_that_takes_nothing_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        a_life(ledger)
        before = path.read_bytes()

        def full(_handle: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", full)
            with pytest.raises(StoreError, match="No space"):
                put(ledger, "stored", "MOD-9")
        assert path.read_bytes() == before
        put(ledger, "stored", "MOD-9")
    assert verify_ledger(path, [KEY.public]).holds


def test_the_index_can_be_lost_or_spoiled(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    with begun(path) as ledger:
        a_life(ledger)
    index = tmp_path / "l.jsonl.index"
    for spoil in (index.unlink, lambda: index.write_bytes(b"no database" * 900)):
        spoil()
        with Ledger.open(path) as ledger:
            assert history(ledger, "NEW-1")["asset"]["states"] == {"leased": 1}
    # Another ledger under the same name: what the index knows is not there any more.
    other = tmp_path / "other.jsonl"
    begun(other).close()
    other.replace(path)
    with Ledger.open(path) as ledger:
        assert ledger.tail.line == 1
        assert ledger.index.get(PACK) is None


def test_a_rotated_key_goes_on_and_the_old_one_does_not(tmp_path: Path) -> None:
    path, new = tmp_path / "l.jsonl", SigningKey.new()
    with begun(path) as ledger:
        a_life(ledger)
        with pytest.raises(InputError, match="which signs here"):
            put(ledger, "stored", "MOD-9", key=new)
        ledger.rotate(KEY, new, "yearly", NOW, revoked=True)
        put(ledger, "stored", "MOD-9", key=new)
        with pytest.raises(InputError, match="which signs here"):
            put(ledger, "stored", "MOD-9")
    for key in (KEY, new):
        verdict = verify_ledger(path, [key.public])
        assert verdict.holds
        assert any("revoked" in remark for remark in verdict.remarks)
    # A rotation that the new key never agreed to is none.
    forged = tmp_path / "f.jsonl"
    with begun(forged) as ledger:
        body = {
            **rotation_body(new, KEY.public, "x", ledger.tail.ledger, ledger.tail.hash, revoked=False),
            "proof": "00" * 64,
        }
        ledger.append([body], KEY, NOW)
    assert "did not agree" in verify_ledger(forged, [KEY.public]).findings[0].what


def test_ledgers_merge_in_any_order_and_verify(tmp_path: Path) -> None:
    other = SigningKey.new()
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with begun(a, "A") as ledger:
        put(ledger, "received", PACK, 1, holder="A")
        put(ledger, "handed_over", PACK, 3, holder="B")
    with begun(b, "B", other) as ledger:
        put(ledger, "received", "MOD-1", 2, other, holder="B", level="module")
        put(ledger, "received", PACK, 4, other, holder="B")
    keys = [KEY.public, other.public]
    merged = [tmp_path / "m1.jsonl", tmp_path / "m2.jsonl", tmp_path / "m3.jsonl"]
    merge_ledgers([a, b], merged[0], keys)
    merge_ledgers([b, a, a], merged[1], keys)
    merge_ledgers([merged[0], b], merged[2], keys)
    assert len({path.read_bytes() for path in merged}) == 1
    verdict = verify_ledger(merged[0], keys)
    assert verdict.holds
    assert sorted(len(chain.leaves) for chain in verdict.chains) == [3, 3]
    assert not verify_ledger(merged[0], [KEY.public]).holds
    with Ledger.open(merged[0], write=True) as ledger:
        told = [(each["action"], each["holder"]) for each in history(ledger, PACK)["entries"]]
        assert told == [("received", "A"), ("handed_over", "B"), ("received", "B")]
        assert ledger.index.conflicts() == []
        with pytest.raises(InputError, match="a merged ledger"):
            put(ledger, "stored", PACK)
    assert account_for(entries_of(merged[0]), "2026", "2027").balances
    lines = merged[0].read_bytes().splitlines(keepends=True)
    merged[0].write_bytes(b"".join(lines[:2] + lines[3:]))
    assert not verify_ledger(merged[0], keys).holds


def test_a_fork_and_a_double_receipt_are_told(tmp_path: Path) -> None:
    a, fork = tmp_path / "a.jsonl", tmp_path / "fork.jsonl"
    with begun(a) as ledger:
        put(ledger, "received", PACK, holder="A")
    fork.write_bytes(a.read_bytes())
    for path, place in ((a, "1"), (fork, "2")):
        with Ledger.open(path, write=True) as ledger:
            put(ledger, "stored", PACK, location=place)
    with pytest.raises(VerificationFailed, match="a fork"):
        merge_ledgers([a, fork], tmp_path / "m.jsonl", [KEY.public])
    other = SigningKey.new()
    with begun(tmp_path / "b.jsonl", "B", other) as ledger:
        put(ledger, "received", PACK, 5, other, holder="B")
    merge_ledgers([a, tmp_path / "b.jsonl"], tmp_path / "m.jsonl", [KEY.public, other.public])
    with Ledger.open(tmp_path / "m.jsonl") as ledger:
        assert len(ledger.index.conflicts()) == 1


def test_real_and_test_ledgers_do_not_mix(tmp_path: Path) -> None:
    begun(tmp_path / "a.jsonl").close()
    Ledger.create(tmp_path / "t.jsonl", "test", "bench", KEY, NOW).close()
    with pytest.raises(InputError, match="one purpose"):
        merge_ledgers([tmp_path / "a.jsonl", tmp_path / "t.jsonl"], tmp_path / "m.jsonl", [KEY.public])


def test_the_lines_are_what_anybody_can_read(tmp_path: Path) -> None:
    with begun(tmp_path / "l.jsonl") as ledger:
        put(ledger, "received", PACK, holder="回收商")
    entry = json.loads((tmp_path / "l.jsonl").read_text("utf-8").splitlines()[1])
    assert (entry["seq"], entry["body"]["holder"], entry["kid"]) == (2, "回收商", KEY.key_id)
