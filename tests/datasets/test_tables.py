"""Oracle: json.loads of the whole file, and tokens looked up in a dictionary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lima.datasets.tables import TokenIndex, column, read_rows, text_array, tokens_from_strings
from tests.datasets.hand_made import token

ROWS = [
    {
        "token": token(number),
        "text": text,
        "numbers": [number, -0.5e-3],
        "next": "",
        "flag": number % 2 == 0,
        "deep": {},
    }
    for number, text in enumerate(("plain", '}, {"token": "no"}', "[{]", 'a "quote" \\', "Straße, 道路", "} ,\n{"))
]


@pytest.mark.parametrize("block_characters", [1, 7, 64, 1000, 1 << 20])
@pytest.mark.parametrize("indent", [None, 0, 4])
def test_rows_are_those_of_json(block_characters: int, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(ROWS, indent=indent, ensure_ascii=False), encoding="utf-8")
    blocks = list(read_rows(path, block_characters))
    assert [row for block in blocks for row in block] == ROWS
    assert all(blocks)
    if block_characters == 7:
        assert len(blocks) > 1  # it was read in pieces indeed


FLAT = [{"flag": number % 3 == 0, "token": token(number), "size": [number, 1.5]} for number in range(50)]
ODD = [
    pytest.param({"token": "a", "flag": True, "text": "}, {"}, id="braces in a text"),
    pytest.param({"token": "a", "flag": True, "text": '"flag": false'}, id="field in a text"),
    pytest.param({"token": "a", "flag": True, "deep": {"flag": False}}, id="field in a field"),
    pytest.param({"token": "a", "flag": True, "deep": {"x": "}"}, "flag2": False}, id="braces in a field"),
    pytest.param({"token": "a", "text": "no flag"}, id="without the field"),
    pytest.param({"token": "a", "flag": 1}, id="flag of another kind"),
]


@pytest.mark.parametrize("block_characters", [50, 1000, 1 << 20])
@pytest.mark.parametrize("indent", [None, 0, 4])
def test_rows_that_are_not_wanted_are_left_out(block_characters: int, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(FLAT, indent=indent))
    only = ("flag", lambda texts: [text == "true" for text in texts])
    rows = [row for block in read_rows(path, block_characters, only) for row in block]
    assert rows == [row for row in FLAT if row["flag"]]
    names = {f'"{token(7)}"', f'"{token(8)}"', f'"{token(99)}"'}
    only = ("token", lambda texts: [text in names for text in texts])
    assert [row for block in read_rows(path, block_characters, only) for row in block] == FLAT[7:9]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("block_characters", [50, 1 << 20])
def test_no_wanted_row_is_lost_where_the_text_misleads(odd: dict, block_characters: int, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps([*FLAT[:10], odd, *FLAT[10:]]))
    only = ("flag", lambda texts: [text == "true" for text in texts])
    rows = [row for block in read_rows(path, block_characters, only) for row in block]
    wanted = [*(row for row in FLAT[:10] if row["flag"]), odd, *(row for row in FLAT[10:] if row["flag"])]
    assert [row for row in rows if row.get("flag", True)] == wanted


@pytest.mark.parametrize("text", ["[]", "[\n]\n", " [ ] "])
def test_a_table_may_be_empty(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    assert list(read_rows(path)) == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, 2]", '[{"token": "a"}', '[{"token": "a"}, {"tok', '[{"name": "a"}]', "[}]"]
)
def test_anything_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"table\.json must be a JSON array of objects that each have a token"):
        list(read_rows(path))


def test_columns_name_the_row_that_lacks_a_field() -> None:
    rows = [{"token": "a", "x": 1}, {"token": "b"}]
    assert column(Path("t.json"), rows, "token") == ["a", "b"]
    with pytest.raises(ValueError, match=r"t\.json: row b has no field 'x'"):
        column(Path("t.json"), rows, "x")


def test_tokens_are_found_where_they_stand() -> None:
    rng = np.random.default_rng(0)
    names = [token(number) for number in range(500)] + ["car-17", "Straße", "0" * 32, "f" * 30 + "00", " " * 32]
    names = [names[place] for place in rng.permutation(len(names))]
    index = TokenIndex(Path("t.json"), names)
    place_of = {name: place for place, name in enumerate(names)}
    asked = [names[place] for place in rng.integers(0, len(names), 1000)] + ["", "nobody", token(501)]
    assert index.find(tokens_from_strings(asked)).tolist() == [place_of.get(name, -1) for name in asked]
    assert TokenIndex(Path("t.json"), []).find(tokens_from_strings(["a"])).tolist() == [-1]


def test_a_token_does_not_depend_on_its_neighbours() -> None:
    """Rows come in blocks: a name has to become the same 16 bytes whatever stands beside it."""
    genuine, other = token(1), "car-17"
    alone = [tokens_from_strings([name])[0] for name in (genuine, other)]
    assert tokens_from_strings([genuine, other]).tolist() == alone
    assert alone[0].ljust(16, b"\0").hex() == genuine


def test_references_have_to_lead_somewhere() -> None:
    index = TokenIndex(Path("there.json"), ["a", "b"])
    asked_by = Path("here.json")
    assert index.rows(["b", ""], asked_by, "next", ["x", "y"], may_be_empty=True).tolist() == [1, -1]
    with pytest.raises(ValueError, match=r"here\.json: row y has next '', which is not in there\.json"):
        index.rows(["b", ""], asked_by, "next", ["x", "y"])
    with pytest.raises(ValueError, match=r"there\.json: token a stands in more than one row"):
        TokenIndex(Path("there.json"), ["a", "b", "a"])


def test_texts_come_back() -> None:
    texts = ["a", "", "Straße", "道路"]
    assert [text.decode() for text in text_array(texts)] == texts
