"""The line that a problem is about: the caret stands under the column, whatever is on the line before it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from packbench.cli.snippets import snippet
from packbench.config.document import load_document
from packbench.core.errors import InputError, Problem


def problem(line: str, column: int, **fields: str) -> Problem:
    known: dict[str, str] = {"message": "", "found": "x", "expected": "y", **fields}
    return Problem(file="f.yaml", line=7, column=column, field="a", source_line=line, **known)  # type: ignore[arg-type]


def drawn(about: Problem, width: int = 80) -> tuple[str, str]:
    """The two lines, without what is left of them."""
    shown = snippet(about, width, "red")
    assert shown is not None
    first, second = shown.plain.split("\n")
    assert first.startswith("   7 | ")
    assert second.startswith("     | ")
    assert max(cell_len(first), cell_len(second)) <= width
    return first[7:], second[7:]


def under(about: Problem, width: int = 80) -> str:
    """What of the shown line begins in the caret's cell."""
    line, caret = drawn(about, width)
    cells = caret.index("^")
    before = 0
    for index, character in enumerate(line):
        if before == cells:
            return line[index:]
        before += cell_len(character)
    assert before == cells, "the caret stands beyond the line's end"
    return ""


def test_the_caret_stands_under_the_column() -> None:
    line, caret = drawn(problem("  current: 1e-3", 12, found="1e-3", expected="0.001"))
    assert line == "  current: 1e-3"
    assert caret == "           ^~~~ expected 0.001"


@pytest.mark.parametrize(
    "line",
    [
        "  title: {zh: 剩余容量, en: WRONG}",
        "a:\tb: WRONG",
        "\t\tx\t剩\tWRONG",
        "e\u0301e\u0301: WRONG",
        "{zh: 退役电池包剩余容量试验（参照 GB/T 34015-2017，扩展至电池包）, en: WRONG}",
    ],
    ids=["cjk", "tab", "tabs and cjk", "combining", "cjk, long"],
)
@pytest.mark.parametrize("width", [48, 80, 120])
def test_wide_characters_and_tabs_before_the_caret(line: str, width: int) -> None:
    about = problem(line, line.index("WRONG") + 1, found="WRONG", expected="right")
    assert under(about, width).startswith("WRONG")


def test_a_wide_token_is_underlined_by_its_cells() -> None:
    _, caret = drawn(problem("name: 电池包 # x", 7, found="'电池包'", expected="a name"))
    assert caret == "      ^~~~~~ expected a name"


@pytest.mark.parametrize("column", [1, 2, 100, 400, 799, 800, 801])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_line_is_cut_around_the_caret(column: int, width: int) -> None:
    text = "".join(f"<{number:03d}>" for number in range(160))
    assert len(text) == 800
    about = problem(text, column)
    line, _ = drawn(about, width)
    assert under(about, width)[:3] == (text[column - 1 :] + "   ")[:3].rstrip()
    assert len(line) < 120
    if column != 100:
        assert line.startswith("…") == (column > 2)
    assert line.endswith("…") == (column < 780)


def test_room_is_made_for_what_is_said() -> None:
    text = "x" * 70 + " WRONG"
    _, caret = drawn(problem(text, 72, found="WRONG", expected="a rather long but helpful text"), 80)
    assert caret.endswith("^~~~~ expected a rather long but helpful text")


def test_what_a_terminal_would_obey_is_not_passed_on() -> None:
    line, _ = drawn(problem("a: \x1b[31mred\x07\u202ecba", 4))
    assert line == "a: \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}cba"


def test_the_suggestion_is_the_shortest_that_helps() -> None:
    near = problem("colour: 1", 1, found="'colour'", expected="one of color, current (did you mean 'color'?)")
    assert drawn(near)[1] == "^~~~~~ did you mean 'color'?"
    in_message = problem("use: nmc", 6, message="no pack of this name; did you mean nmc-96s?")
    assert drawn(in_message)[1] == "     ^ did you mean nmc-96s?"
    too_long = problem("colour: 1", 1, found="'colour'", expected="one of " + ", ".join(["current"] * 20))
    assert drawn(too_long)[1] == "^~~~~~", "the sentence above has it"
    assert drawn(replace(too_long, expected=None))[1] == "^~~~~~"


def test_without_a_line_there_is_nothing_to_show() -> None:
    full = problem("a: x", 4)
    assert snippet(full, 80, "red") is not None
    for missing in ({"source_line": None}, {"line": None}, {"column": None}):
        assert snippet(replace(full, **missing), 80, "red") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa: 1e-3\n",
        "# x\r\na: 1e-3\r\n",
        "# x\ra: 1e-3\r",
        "b: 'x\u2028 y'\na: 1e-3\n",
        "b: 'x\x85 y'\na: 1e-3\n",
        "# x\u2029a: 1e-3\n",
        "b: {zh: 中文}\na: 1e-3",
    ],
    ids=["byte order mark", "CRLF", "CR", "line separator", "next line", "paragraph separator", "cjk"],
)
def test_lines_are_counted_as_yaml_counts_them(text: str) -> None:
    (found,) = load_document(text, "f.yaml").problems
    assert found.source_line == "a: 1e-3"
    assert found.column == 4


def test_a_file_that_is_no_yaml_is_shown_too() -> None:
    with pytest.raises(InputError) as caught:
        load_document("a: [1, 2\nb: 3\n", "f.yaml")
    (found,) = caught.value.problems
    assert (found.line, found.source_line) == (2, "b: 3")
    with pytest.raises(InputError) as caught:
        load_document("a:\n \tb: 3\n", "f.yaml")
    (found,) = caught.value.problems
    assert under(replace(found, line=7)).endswith("b: 3")
