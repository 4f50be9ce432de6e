import gzip
import json
import os

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.tables import as_text, parse_table, read_table
from tastemaker.errors import DataError

ROWS = [["1", "Heat, the film", "Crime"], ["2", 'He said "no"', None], ["3", "두 줄\n이야기", "Drama"]]
CSV = 'id,title,genre\n1,"Heat, the film",Crime\n2,"He said ""no""",\n3,"두 줄\n이야기",Drama\n'


def rows_of(table):
    return [list(row) for row in table.frame.rows()]


def test_a_row_knows_the_physical_line_it_begins_on():
    table = parse_table(f"{CSV}4,Alien,Horror\n".encode(), "f")
    assert rows_of(table) == [*ROWS, ["4", "Alien", "Horror"]]
    assert table.lines.to_list() == [2, 3, 4, 6]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_usual_delimiter_is_found(delimiter, line_end):
    lines = ["id", "title", "year"], ["1", "Heat", "1995"], ["02", "Blade: Trinity", "2004"]
    text = line_end.join(delimiter.join(line) for line in lines) + line_end
    table = parse_table(text.encode(), "f")
    assert table.frame.columns == ["id", "title", "year"]
    assert rows_of(table) == [["1", "Heat", "1995"], ["02", "Blade: Trinity", "2004"]]
    assert table.lines.to_list() == [2, 3]


def test_a_delimiter_inside_the_titles_of_a_single_column_splits_nothing():
    table = parse_table(b"Title\nHello, World\nYou; Me\n\nWe | Us\n", "f")
    assert rows_of(table) == [["Hello, World"], ["You; Me"], ["We | Us"]]
    assert table.lines.to_list() == [2, 3, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_marks_in_front_make_no_difference(encoding):
    assert rows_of(parse_table(CSV.encode(encoding), "f")) == ROWS


def test_latin_1_is_read_and_said():
    table = parse_table("id,title\n1,Amélie\n2,Señor\n".encode("latin-1"), "f")
    assert table.frame["title"].to_list() == ["Amélie", "Señor"]
    assert "Windows-1252" in table.notes[0]


def test_one_damaged_byte_does_not_turn_a_utf_8_file_into_latin_1():
    table = parse_table("id,title\n1,더 글로리\n2,Sen".encode() + b"\xf1or\n", "f")
    assert table.frame["title"].to_list() == ["더 글로리", "Sen�or"]
    assert "line 3" in table.notes[0]


def test_a_row_of_the_wrong_width_is_refused_by_line_and_the_rest_goes_on():
    table = parse_table(b'id,title,genre\n1,Heat,Crime\n2,Alien\n\n3,"a\nb",x,y\n4,Up,Kids\n', "f")
    assert rows_of(table) == [["1", "Heat", "Crime"], ["4", "Up", "Kids"]]
    assert table.lines.to_list() == [2, 7]
    assert table.rejected.rows() == [
        (3, "2 cells where the header has 3", "2,Alien"),
        (5, "4 cells where the header has 3", '3,"a\nb",x,y'),
    ]


@pytest.mark.parametrize("short", ["3,c", "3", '"3"', "3,c,c,c", '3,"c,c"'])
@pytest.mark.parametrize("at", [0, 1, 500, 1000])
def test_one_row_of_the_wrong_width_among_many_is_found(short, at):
    rows = [f'{n},b,"c, {n}"' for n in range(1000)]
    rows.insert(at, short)
    table = parse_table("\n".join(["id,x,y", *rows]).encode(), "f")
    assert table.rejected["line"].to_list() == [at + 2]
    assert table.frame["y"].to_list() == [f"c, {n}" for n in range(1000)]


def test_quotation_marks_inside_a_bare_cell_are_letters():
    table = parse_table(b'id,x,y\n1,say "a,b"\n2,5" nail,6" nail\n', "f")
    assert rows_of(table) == [["1", 'say "a', 'b"'], ["2", '5" nail', '6" nail']]


def test_a_quotation_mark_that_is_never_closed_costs_one_line():
    text = 'id,title\n1,"Heat\n2,Alien\n3,"Up, again"\n4,Jaws\n'
    table = parse_table(text.encode(), "f")
    assert rows_of(table) == [["2", "Alien"], ["3", "Up, again"], ["4", "Jaws"]]
    assert table.rejected.rows() == [(2, "a quotation mark is out of place or never closed", '1,"Heat')]


def test_quotation_marks_of_a_tab_file_that_are_letters_are_kept():
    table = parse_table(b'id\tname\n1\t"Weird Al" Yankovic\n2\tThe "K"\n3\tLee "Scratch" Perry\n', "f")
    assert table.frame["name"].to_list() == ['"Weird Al" Yankovic', 'The "K"', 'Lee "Scratch" Perry']
    assert table.rejected.is_empty()


def test_a_header_in_the_middle_of_two_joined_files_is_refused():
    table = parse_table(b"id,title\n1,Heat\nid,title\n2,Up\n", "f")
    assert rows_of(table) == [["1", "Heat"], ["2", "Up"]]
    assert table.rejected["line"].to_list() == [3]


def test_nothing_but_an_empty_cell_is_null():
    table = parse_table(b'id,title\nnull,NA\nNaN,""\n,None\n', "f")
    assert rows_of(table) == [["null", "NA"], ["NaN", None], [None, "None"]]


def test_lines_count_from_the_top_even_before_and_inside_the_header():
    table = parse_table(b'\n\n"item\nid",title\na,A\n"b",B\n', "f")
    assert table.frame.columns == ["item\nid", "title"]
    assert table.lines.to_list() == [5, 6]


def test_a_first_line_without_any_usual_name_is_taken_for_the_header_and_that_is_said():
    assert "taken for the header: Heat" in parse_table(b"Heat\nAlien\nUp\n", "f").notes[0]
    assert parse_table(b"Title\nAlien\nUp\n", "f").notes == ()


def test_unnamed_and_repeated_columns_are_told_apart():
    assert parse_table(b",id,id\n0,1,2\n1,3,4\n", "f").frame.columns == ["column 1", "id", "id (3)"]


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x1f", exclude_categories=["Cs", "Cc"]), min_size=1
)


@given(ids=st.lists(CELLS.filter(lambda text: text.strip()), min_size=2, max_size=8, unique=True))
def test_any_text_comes_back_from_csv_as_it_went_in(ids):
    content = pl.DataFrame({"item_id": ids, "n": ["x"] * len(ids)}).write_csv(quote_style="always").encode()
    assert parse_table(content, "f").frame["item_id"].to_list() == ids


def test_parquet_keeps_lists_and_writes_whole_numbers_plainly(tmp_path):
    path = tmp_path / "items.with-a-wrong-name.csv"
    pl.DataFrame(
        {"id": [7, 10**15], "rating": [4.0, None], "share": [0.5, 1.0], "genres": [["a", "b"], []]}
    ).write_parquet(path)
    table = read_table(path, "items")
    assert rows_of(table) == [["7", "4", "0.5", ["a", "b"]], ["1000000000000000", None, "1.0", []]]
    assert table.lines.to_list() == [1, 2]


def test_json_lines_are_read_by_content_and_a_broken_line_is_refused():
    lines = ['{"id": 1, "genres": ["a"], "ok": true}', "", '{"id": 2', "[3]", '{"id": "004", "year": 1995.0}']
    table = parse_table("\n".join(lines).encode(), "f")
    assert table.frame.to_dicts() == [
        {"id": "1", "genres": ["a"], "ok": "true", "year": None},
        {"id": "004", "genres": None, "ok": None, "year": "1995"},
    ]
    assert table.lines.to_list() == [1, 5]
    assert table.rejected["line"].to_list() == [3, 4]


def test_gzip_is_seen_by_content(written):
    assert rows_of(read_table(written(gzip.compress(CSV.encode()), "x.csv"), "items")) == ROWS


def test_pandas_and_polars_frames_give_the_same_table():
    values = {"item_id": [1, 2, 3], "title": ["a", None, "c"], "year": [1995.0, None, 2001.0]}
    expected = [["1", "a", "1995"], ["2", None, None], ["3", "c", "2001"]]
    for frame in (pd.DataFrame(values), pl.DataFrame(values)):
        table = read_table(frame, "items")
        assert rows_of(table) == expected
        assert table.name == "the items frame"


def test_a_pandas_column_of_mixed_objects_is_read_value_by_value():
    frame = pd.DataFrame({"id": [1, "x2", None, 3.0], "tags": [["a"], None, ["b", "c"], []]})
    table = read_table(frame, "items")
    assert table.frame["id"].to_list() == ["1", "x2", None, "3"]
    assert table.frame["tags"].to_list() == [["a"], None, ["b", "c"], []]


def test_pandas_categories_moments_and_nullable_numbers_are_read():
    frame = pd.DataFrame(
        {
            "id": pd.array([1, None], dtype="Int64"),
            "kind": pd.Categorical(["a", "b"]),
            "on": pd.to_datetime(["2023-01-05", "2023-02-01"]),
        },
        index=[7, 9],
    )
    assert rows_of(read_table(frame, "items")) == [["1", "a", "2023-01-05"], [None, "b", "2023-02-01"]]


def test_dates_and_moments_become_iso_text():
    days = pl.Series(["2023-01-05", None]).str.to_date()
    assert as_text(days).to_list() == ["2023-01-05", None]
    assert as_text(days.cast(pl.Datetime)).to_list() == ["2023-01-05", None]
    moment = pl.Series(["2023-01-05 10:00:00"]).str.to_datetime(time_zone="Europe/Berlin")
    assert as_text(moment).to_list() == ["2023-01-05 09:00:00"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"id,title\n", "has a header line and no rows"),
        (b"id,title\n\n\n", "has a header line and no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is a binary file"),
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\x1f\x8bnot really", "can't be unpacked"),
        (b"PAR1 not really", "can't be read"),
        (b'[\n{"id": 1}\n]', "one object on each line"),
        (b"196,242,3,881250949\n186,302,3,891717742\n", "has no header"),
        (b"1,Toy Story (1995),Comedy\n2,Heat (1995),Crime\n", "has no header"),
        (b"u1,i1\nu1,i2\nu1,i3\nu2,i1\n", "has no header"),
        (b'Wednesday,Yes,2022-11-23,"50,77,00,000",English\nYou,Yes,,"1,00,000",English\n', "has no header"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(written, content, says):
    with pytest.raises(DataError, match=says) as refusal:
        read_table(written(content), "items")
    assert "\n" not in str(refusal.value)


def test_a_path_that_is_not_there_suggests_its_neighbour(written):
    path = written(CSV, "movies.csv")
    with pytest.raises(DataError, match=r"Did you mean .*movies.csv"):
        read_table(path.with_name("movie.csv"), "items")
    with pytest.raises(DataError, match="is a folder"):
        read_table(path.parent, "items")
    with pytest.raises(DataError, match="came as int"):
        read_table(42, "items")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to the superuser")
def test_a_file_without_permission_is_refused(written):
    path = written(CSV)
    path.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        read_table(path, "items")


def test_a_year_may_head_a_column():
    assert parse_table(b"Title,2022,2023\nHeat,5,6\nUp,7,8\n", "f").frame.columns == ["Title", "2022", "2023"]


def test_nested_json_stays_json():
    table = parse_table(b'{"id": "a", "about": {"name": "x"}}\n{"id": "b"}', "f")
    assert json.loads(table.frame["about"][0]) == {"name": "x"}
