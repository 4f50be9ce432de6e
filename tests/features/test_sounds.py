import pytest

from tastemaker.features.sounds import romanised, sounds


def letters(text: str) -> str:
    """The private alphabet in plain letters."""
    return "".join(chr(ord(code) - 0xE000 + ord("a")) if ord(code) >= 0xE000 else code for code in text)


@pytest.mark.parametrize(
    ("native", "latin"),
    [
        ("더 글로리", "deo geulloli"),
        ("छोटा भीम", "chota bhim"),
        ("Мастер", "master"),
        ("Charité", "charite"),
        ("ムジナ(狢)強盗団", "mujina"),  # Han beside kana is read in Japanese
        ("怪物", "guaiwu"),
        ("社内マリッジ", "mariji"),  # a long consonant is one
    ],
)
def test_a_word_of_another_script_gets_latin_letters(native, latin):
    assert romanised(native) == latin


def test_plain_words_are_left_as_they_are_so_not_said_twice():
    assert romanised("BORUTO ボルト NEXT") == "boruto"
    assert romanised("Dark: Season 1") == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("Bolt", "ボルト"), ("Chhota Bheem", "छोटा भीम"), ("Master", "Мастер"), ("Vela", "벨라")],
)
def test_a_name_sounds_alike_in_two_scripts(one, other):
    assert sounds(one) == sounds(other) != ""


def test_what_sounds_different_stays_different():
    assert len({sounds(name) for name in ("Master", "Bolt", "Dark", "Roma", "Gita")}) == 5


def test_words_are_also_heard_as_one():
    # Where the script changes a word seems to end: ドラ|えもん.
    assert letters(sounds("ドラえもん")) == "dr mn drmn"
    assert letters(sounds("doraemon")) == "drmn"


def test_sounds_are_never_taken_for_letters():
    assert not set(sounds("Season 12: brt")) & set("season 12: brt") - {" "}


@pytest.mark.parametrize("text", ["", " ", "???", "ー", "\ud800"])
def test_what_has_no_sound_gives_nothing(text):
    assert sounds(text).strip() == romanised(text).strip() == ""
