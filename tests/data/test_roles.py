import io

import polars as pl
import pytest
from rich.console import Console

from tastemaker.data import read
from tastemaker.data.names import plain_name
from tastemaker.data.roles import infer
from tastemaker.data.tables import read_table
from tastemaker.errors import DataError
from tastemaker.recipe import ColumnChoice, DataRecipe, Role


def roles_of(frame, kind="items", choices=None, keys=None):
    columns = infer(read_table(pl.DataFrame(frame), kind), kind, choices or {}, keys)
    return {column.name: str(column.role) for column in columns}


MANY = [f"The film with number {n}" for n in range(40)]


def test_the_columns_of_a_catalogue_are_known_by_name_and_by_value():
    frame = {
        "column 0": [str(n) for n in range(40)],
        "movieId": [f"{n:04}" for n in range(1, 41)],
        "name": MANY,
        "released": ["23-03-2023", "05-01-2023"] * 20,
        "Hours Viewed": ["81,21,00,000", "1,00,000"] * 20,
        "genres": ["Drama|Crime", "Comedy"] * 20,
        "Country": ["FR", "DE", "IN", None] * 10,
        "Laufzeit": ["90", "120"] * 20,
        "overview": ["Somebody does something for a long while, and then it is over again."] * 40,
        "poster": ["https://image.example/x.jpg"] * 40,
        "director": ["A. Varda, J. Demy", "J. Demy"] * 20,
        "nothing": [None] * 40,
    }
    assert roles_of(frame) == {
        "column 0": "ignored",
        "movieId": "id",
        "name": "title",
        "released": "date",
        "Hours Viewed": "popularity",
        "genres": "categories",
        "Country": "category",
        "Laufzeit": "number",
        "overview": "text",
        "poster": "ignored",
        "director": "categories",
        "nothing": "ignored",
    }


def test_how_a_column_is_read_is_part_of_it():
    frame = pl.DataFrame(
        {"title": ["a", "b"], "on": ["3/23/2023", "1/5/2023"], "price": ["1,5", "2"], "tags": ["x; y", "y"]}
    )
    columns = {column.name: column for column in infer(read_table(frame, "items"), "items", {})}
    assert columns["on"].date_order == "mdy"
    assert columns["price"].decimal == ","
    assert columns["tags"].separator == ";"


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        ("userId movieId rating timestamp", "user item weight time"),
        ("visitor product_id play_count date rating", "user item weight time ignored"),
        ("rating watch_time user_id item_id event", "ignored weight user item ignored"),
        ("//userID artistID weight", "user item weight"),
        ("User Title", "user item"),
        ("session_id id", "user item"),
        ("id user title", "ignored user item"),
        ("session_id user item position", "ignored user item ignored"),
    ],
)
def test_a_log_is_known_by_what_its_columns_are_usually_called(columns, roles):
    frame = {name: ["1", "2", "3"] for name in columns.split(" ")}
    assert list(roles_of(frame, "interactions").values()) == roles.split(" ")


def test_the_item_of_a_log_is_called_as_in_the_catalogue():
    frame = {"user": ["1", "2"], "SKU-Nr": ["1", "2"], "item": ["1", "2"]}
    assert roles_of(frame, "interactions", keys={"SKU-Nr": Role.ITEM}) == {
        "user": "user",
        "SKU-Nr": "item",
        "item": "ignored",
    }


def test_a_popularity_of_words_is_none():
    assert roles_of({"item_id": ["a", "b"], "votes": ["many", "few"]})["votes"] != "popularity"


def test_a_file_of_nothing_but_ids_is_fine():
    assert roles_of({"anything": ["x1", "x2"]}) == {"anything": "title"}
    assert roles_of({"nr": ["1", "2"]}) == {"nr": "id"}


def test_what_a_person_says_wins():
    frame = {"id": ["1", "2"], "code": ["a", "b"], "title": ["x", "y"], "year": ["1995", "1996"]}
    choices = {
        "code": ColumnChoice(role=Role.ID),
        "title": ColumnChoice(role=Role.TEXT),
        "year": ColumnChoice(role=Role.CATEGORY),
    }
    found = roles_of(frame, choices=choices)
    assert found == {"id": "ignored", "code": "id", "title": "text", "year": "category"}


def test_a_column_that_is_not_there_suggests_one_that_is(written):
    path = written("item_id,Release Date\na,2020-01-01\nb,2020-01-02\n")
    recipe = DataRecipe.model_validate({"columns": {"Release date": {"role": "date"}}})
    with pytest.raises(DataError, match="Did you mean 'Release Date'"):
        read(path, recipe=recipe)
    recipe = DataRecipe.model_validate({"columns": {"Release Date": {"role": "user"}}})
    with pytest.raises(DataError, match="can't have the role 'user'"):
        read(path, recipe=recipe)
    recipe = DataRecipe.model_validate(
        {"columns": {"Release Date": {"role": "id"}, "item_id": {"role": "id"}}}
    )
    with pytest.raises(DataError, match="to two columns"):
        read(path, recipe=recipe)


def test_a_log_without_a_user_says_how_to_name_one(written):
    with pytest.raises(DataError, match="no column that looks like the user") as refusal:
        read(interactions=written("who,item_id\na,1\nb,2\n"))
    assert """--set 'data.columns."who".role=user'""" in str(refusal.value)


def test_what_was_inferred_reads_the_same_file_the_same_way(written):
    items = written("movieId,title,timestamp,genres\n1,Heat,5,a|b\n2,Up,6,b\n", "items.csv")
    log = written("userId,movieId,title,timestamp\nx,1,Heat,1\nx,2,Up,2\n", "log.csv")
    users = written("userId,age\nx,30\n", "users.csv")
    first = read(items, log, users)
    stated = DataRecipe.model_validate({"columns": first.columns})
    again = read(items, log, users, stated)
    assert again.columns == first.columns
    assert again.report.as_json() == first.report.as_json()
    assert again.fingerprint == first.fingerprint


def test_the_roles_print_as_a_table(written):
    data = read(written("item_id,[genres]\na,x|y\nb,y|z\n"))
    out = io.StringIO()
    Console(file=out, width=100).print(data.report)
    assert "[genres]" in out.getvalue()
    assert "separated by '|'" in out.getvalue()


@pytest.mark.parametrize("name", ["userId", "User ID", "//userID", "user_id", "USER-ID"])
def test_one_name_in_many_spellings(name):
    assert plain_name(name) == "user_id"


@pytest.mark.parametrize("name", ["propensity", "propensity_score", "pscore", "p_score", "action_prob"])
def test_the_chance_that_something_was_shown_with_is_known_by_its_name(name):
    table = read_table(
        pl.DataFrame(
            {
                "user_id": ["u", "v"],
                "item_id": ["a", "b"],
                "timestamp": [1, 2],
                name: ["0,25", "0,5"],
                "click": [0, 1],
            }
        ),
        "impressions",
    )
    found = {column.name: column for column in infer(table, "impressions", {})}
    assert (found[name].role, found[name].decimal) == (Role.PROPENSITY, ",")
