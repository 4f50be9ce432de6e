from tastemaker.slate import Recommendation, Slate


def test_a_printed_slate_is_read_line_by_line():
    slate = Slate(
        (
            Recommendation("7", "Roma", 1.25, 1, "history", ("because of Gravity",)),
            Recommendation("9", "Babel", 0.5, 2, "popularity: it is empty"),
        ),
        notes=("not in the catalogue, left out: 'x'",),
    )
    assert str(slate).splitlines() == [
        "  1  Roma  1.250  because of Gravity",
        "  2  Babel  0.500  popularity: it is empty",
        "not in the catalogue, left out: 'x'",
    ]
    assert slate[0].title == "Roma"
    assert slate.to_polars()["reasons"].to_list() == [["because of Gravity"], []]
