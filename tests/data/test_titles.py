import pytest

from tastemaker.data.titles import (
    ending,
    english_half,
    franchise_key,
    franchise_name,
    halves,
    names,
    native_half,
    normalised,
    script,
    season_number,
    series_key,
    title_year,
    uninverted,
    without_season,
    without_year,
)

GLORY = "The Glory: Season 1 // 더 글로리: 시즌 1"


def test_a_bilingual_title_has_an_english_and_a_native_half():
    assert english_half(GLORY) == "The Glory: Season 1"
    assert native_half(GLORY) == "더 글로리: 시즌 1"


def test_two_native_writings_stay_together():
    title = "Warriors of Future // 明日戰記 // 明日战记"
    assert halves(title) == ("Warriors of Future", "明日戰記", "明日战记")
    assert native_half(title) == "明日戰記 // 明日战记"


@pytest.mark.parametrize("title", ["Wednesday: Season 1", "http://example.org", "Face/Off", ""])
def test_a_title_in_one_language_is_one_half(title):
    assert halves(title) == (title,)
    assert native_half(title) is None


@pytest.mark.parametrize(
    ("title", "series"),
    [
        (GLORY, "the glory"),
        ("Kakegurui Season 2", "kakegurui"),
        ("Attack on Titan: The Final Season Part 2 // 進撃の巨人", "attack on titan"),
        ("Ozark: Season 4: Part 2", "ozark"),
        ("Lupin: Season 2 (Part 1)", "lupin"),
        ("Money Heist: From Tokyo to Berlin: Volume 2", "money heist from tokyo to berlin"),
        ("Guardians of the Galaxy Vol. 2", "guardians of the galaxy"),
        ("Maid: Limited Series", "maid"),
        ("Fruits Basket: 2nd season", "fruits basket"),
        ("Monogatari: Second Season", "monogatari"),
        ("Jump like a Witch: 2022", "jump like a witch"),
        ("Friends (1994): Season 10", "friends 1994"),
    ],
)
def test_seasons_and_parts_share_the_key_of_their_series(title, series):
    assert series_key(title) == series


@pytest.mark.parametrize(
    "half",
    [
        "오징어 게임: 시즌 2",
        "오징어 게임: 리미티드 시리즈",
        "오징어 게임: シーズン2",
        "오징어 게임: Temporada 2",
        "오징어 게임: 2ª temporada",
        "오징어 게임: Staffel 2",
        "오징어 게임: Saison 2",
        "오징어 게임: 2. Sezon",
        "오징어 게임: 2 сезон",
        "오징어 게임: 第 2 季",
        "오징어 게임: 第二季",
        "오징어 게임: 第2期 パート1",
        "오징어 게임: सीज़न 2",
        "오징어 게임: ซีซั่น 2",
        "오징어 게임: موسم 2",
        "오징어 게임: Miniserie",
    ],
)
def test_endings_of_other_languages_come_off_too(half):
    assert without_season(half) == "오징어 게임"


@pytest.mark.parametrize(
    "film",
    [
        "The Jungle Book 2",
        "Blade Runner 2049",
        "Bibi & Tina: Voll verhext",
        "Season 1",
        "Ocean's Eleven",
        "Parti",
    ],
)
def test_a_film_is_not_cut_short(film):
    assert without_season(film) == film


def test_a_title_has_the_number_of_its_season_not_of_its_part():
    assert season_number("Ozark: Season 4: Part 2") == 4
    assert season_number("Gangs of Wasseypur: Part II") == 2
    assert season_number("Falling Into You: 第一季 // 因為我喜歡你") == 1
    assert season_number("Maid: Limited Series") is None
    assert season_number("Toy Story 2") is None


def test_a_franchise_is_what_stands_before_the_first_colon():
    korea = "Money Heist: Korea - Joint Economic Area: Season 1 // 종이의 집: 공동경제구역: 시즌 1"
    assert franchise_key(korea) == franchise_key("Money Heist: Part 1") == "money heist"
    assert franchise_key("Roma") == "roma"
    assert franchise_key(": oddly written") == "oddly written"
    assert franchise_name(korea) == "Money Heist"
    assert franchise_name("") == ""


def test_the_year_stands_at_the_end_or_before_the_season():
    assert title_year("Toy Story (1995)") == 1995
    assert title_year("Friends (1994): Season 2") == 1994
    assert title_year("2001: A Space Odyssey") is None
    assert without_year("Toy Story (1995)") == "Toy Story"
    assert without_year("(500) Days of Summer") == "(500) Days of Summer"


def test_an_article_goes_back_to_the_front():
    assert uninverted("Matrix, The (1999)") == "The Matrix (1999)"
    assert uninverted("Avventura, L' (1960)") == "L'Avventura (1960)"
    assert uninverted("Good, the Bad and the Ugly") == "Good, the Bad and the Ugly"


def test_all_names_of_a_title_the_literal_one_first():
    title = "City of Lost Children, The (Cité des enfants perdus, La) (1995)"
    found = names(title)
    assert found[0] == title
    assert {"The City of Lost Children", "La Cité des enfants perdus"} < set(found)
    assert "Se7en" in names("Seven (a.k.a. Se7en) (1995)")


def test_spellings_of_one_title_are_normalised_alike():
    assert normalised("Pokémon — The MOVIE!") == normalised("pokemon the movie")
    assert normalised("Grey’s  Anatomy") == normalised("Greys Anatomy")
    assert normalised("Fast & Furious") == "fast and furious"
    assert normalised("ﾜﾝﾋﾟｰｽ") == "ワンピース"


def test_vowel_signs_are_part_of_the_word():
    assert normalised("हिन्दी मीडियम") == "हिन्दी मीडियम"


def test_a_title_of_punctuation_keeps_its_name():
    assert normalised("???") == "???"


def test_scripts_and_endings_are_named():
    assert [script(text) for text in ("Dark", "킹덤", "銀魂", "銀魂ツ", "हक", "1899")] == [
        "latin", "hangul", "han", "kana", "devanagari", None,
    ]  # fmt: skip
    assert [ending(t) for t in ("Dark: Season 1", "Maid: Limited Series", "Roma")] == [
        "numbered", "unnumbered", "none",
    ]  # fmt: skip
