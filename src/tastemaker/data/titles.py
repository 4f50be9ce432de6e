"""What a title says of itself: its halves, its series, its season, its year.

Pure functions on strings; nothing here knows a catalogue. Two habits of real catalogues are met:

    The Glory: Season 1 // 더 글로리: 시즌 1      an English and a native half (Netflix)
    Matrix, The (1999)                          an article at the end, and a year (MovieLens)
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_HALVES = re.compile(r"\s+//\s+|^//\s+|\s+//$")
_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$")
_ALIAS = re.compile(r"\(([^()]+)\)\s*$")
_KNOWN_AS = re.compile(r"^(?:a\.?k\.?a\.?|aka)[:\s]+", re.IGNORECASE)
_ARTICLE = re.compile(
    r"^(?P<rest>.+), (?P<article>the|an?|les?|la|l'|il|lo|i|gli|el|los|las|une?|der|die|das|ein|eine|det|den"
    r"|de|het|een|en|os?|as|um|uma|to)$",
    re.IGNORECASE,
)
_ACCENTS = re.compile("[\u0300-\u036f]")


def halves(title: str) -> tuple[str, ...]:
    """The parts of a title between its ` // `: English first, then native ones; at least one."""
    if "//" not in title:
        return (title.strip(),)
    parts = tuple(part.strip() for part in _HALVES.split(title) if part.strip())
    return parts or (title.strip(),)


def english_half(title: str) -> str:
    """What stands before the first ` // `; the whole title where there is none."""
    return halves(title)[0]


def native_half(title: str) -> str | None:
    """What stands after the first ` // `, or None."""
    return " // ".join(halves(title)[1:]) or None


def normalised(text: str) -> str:
    """What two spellings of one title share: case, width, Latin accents and punctuation are gone.

    `Pokémon: The Movie` → `pokemon the movie`. Vowel signs of Indic scripts and the like are part
    of the word and stay. Text without a letter or a digit (`???`) comes back as it is, but for case.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", plain)))
    return " ".join(plain.translate(_LETTERS).split()) or plain.strip()


class _Letters(dict[int, str]):
    """A table for `str.translate`, filled as letters come by: all but words become blanks."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = letter if unicodedata.category(letter)[0] in "LMN" else " "
        return self[code]


_LETTERS = _Letters({ord(letter): "" for letter in "'’‘`´"} | {ord("&"): " and "})


def title_year(title: str) -> int | None:
    """The year in brackets that ends the English half, or stands before its season.

    `Toy Story (1995)` → 1995, `Friends (1994): Season 2` → 1994.
    """
    match = _YEAR.search(_without_season(english_half(title)).base)
    return int(match.group(1)) if match else None


def without_year(title: str) -> str:
    """`Toy Story (1995)` → `Toy Story`; anything else as it stands."""
    return (_YEAR.sub("", title) or title) if title.rstrip().endswith(")") else title


def uninverted(title: str) -> str:
    """`Matrix, The (1999)` → `The Matrix (1999)`; anything else as it stands."""
    if ", " not in title:
        return title
    year = _YEAR.search(title)
    name, tail = (title[: year.start()], title[year.start() :]) if year else (title, "")
    match = _ARTICLE.match(name)
    if not match:
        return title
    gap = "" if match["article"].endswith("'") else " "
    return match["article"] + gap + match["rest"] + tail


def names(title: str) -> list[str]:
    """Everything a person may call it, the most literal first, without repeats.

    The whole string, each half, the upright form of an inverted one, and what stands in brackets
    as an alias: `City of Lost Children, The (Cité des enfants perdus, La) (1995)`.
    """
    found = [title.strip()]
    for half in halves(title):
        found += [half, uninverted(half)]
        bare = without_year(half)
        while bare.endswith(")") and (alias := _ALIAS.search(bare)):
            bare = bare[: alias.start()].strip()
            if bare:
                found += [uninverted(bare), uninverted(_KNOWN_AS.sub("", alias.group(1)))]
    return list(dict.fromkeys(name for name in found if name))


class _Parted(NamedTuple):
    base: str
    number: int | None


# Endings that number the parts of one series. Titles are NFKC-normalised before, so these are too.
_DIGITS = r"\d+(?:\s*[-–~〜/&,]\s*\d+)?"
_SPELLED = r"[ivx]{1,4}|l{1,3}|one|two|three|four|five|six|seven|eight|nine|ten"
_HAN = "[0-9一二三四五六七八九十]+"
_BEFORE_NUMBER = (  # clear enough after a blank: "Kakegurui Season 2"
    r"seasons?|parts?|volumes?|vol\.?|temporada|parte|volumen|saison|partie|staffel|teil|stagione|sezona?"
    r"|sæson|säsong|sesong|seizoen|deel|kausi|musim|mùa|phần|сезон|часть|सीज़न|भाग|ซีซั่น|ภาค|الموسم|موسم|الجزء"
    r"|עונה|シーズン|シリーズ|パート|시즌|파트"
)
_AFTER_COLON = r"series|book|chapters?|collection|koleksiyon|act|episode"  # "The Jungle Book 2" is no season
_AFTER_NUMBER = r"season|temporada|sezona?|сезон|évad|série|řada|stagione"
_ORDINAL = r"\d+\s*(?:st|nd|rd|th|ª|a|º|\.|-й|e|ème)?|first|second|third|fourth|fifth|final"
_UNNUMBERED = (
    r"(?:a\s+)?limited (?:series|event)|mini[- ]?s[eé]ries?|minissérie|mini dizi|miniserie|serie limitada"
    r"|(?:the\s+)?(?:complete|final|last)\s+(?:season|series)|ファイナルシーズン|リミテッド・?シリーズ"
    r"|리미티드 시리즈|ลิมิเต็ดซีรีส์|लिमिटेड सीरीज़|مسلسل قصير|迷你(?:劇集|剧集)|限定劇集"
    r"|collection|コレクション|컬렉션"
)
_ENDING = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"(?:[\s:,(–—-](?:"
        rf"(?:the\s+)?(?:{_BEFORE_NUMBER})(?:\s*(?P<a>{_DIGITS})|\s+(?P<b>{_SPELLED}))"
        rf"|(?:the\s+)?(?P<c>{_ORDINAL})\s*(?:{_AFTER_NUMBER})"
        rf"|第\s*(?P<d>{_HAN})\s*(?:季|期|部分|部|シリーズ|シーズン|クール|章)"
        r"|(?P<e>\d+)\s*(?:기|季|期|シーズン)"
        rf")|[:,(–—-]\s*(?:(?:{_AFTER_COLON})\s+(?P<f>{_DIGITS}|{_SPELLED})|{_UNNUMBERED})"
        r"|:\s*(?:19|20)\d\d(?:\s*[-–~〜]\s*\d{2,4})?"
        r")\s*\)?\s*$",
    ),
    re.IGNORECASE,
)
_LONGEST_ENDING = 40
_WORDS = {
    word: n
    for n, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
    )
}
_WORDS |= {word: n for n, word in enumerate(["first", "second", "third", "fourth", "fifth"], 1)}
_WORDS |= {
    word: n
    for n, word in enumerate(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"], 1)
}
_WORDS |= {word: n for n, word in enumerate("一二三四五六七八九十", 1)} | {"l": 1, "ll": 2, "lll": 3}


@lru_cache(maxsize=1 << 16)
def _without_season(half: str) -> _Parted:
    """One half, NFKC, without its season, part, volume … endings, and the outermost number in them."""
    base, number = unicodedata.normalize("NFKC", half).strip(), None
    while match := _ENDING.search(base, max(0, len(base) - _LONGEST_ENDING)):
        shorter = base[: match.start()].rstrip(" :,(–—-")
        if not shorter:
            break
        spelled = next((group for group in match.groups() if group), None)
        base, number = shorter, _number(spelled) if spelled else number
    return _Parted(base, number)


def _number(spelled: str) -> int | None:
    digits = re.match(r"\d+", spelled)
    return int(digits.group()) if digits else _WORDS.get(spelled.casefold())


def without_season(half: str) -> str:
    """`The Glory: Season 1` → `The Glory`, `오징어 게임: 시즌 2` → `오징어 게임`; films as they stand."""
    return _without_season(half).base


def season_number(title: str) -> int | None:
    """The season (else part, volume …) that the English half names; None for films and limited series."""
    return _without_season(english_half(title)).number


def series_key(title: str) -> str:
    """Equal for the seasons, parts and volumes of one series: `Kingdom: Season 2 // …` → `kingdom`.

    Read from the English half, which is the one that all seasons write alike. A film is a series
    of its own. A year in brackets is kept: it tells a series from its remake.
    """
    return normalised(without_season(english_half(title)))


def franchise_key(title: str) -> str:
    """What stands before the first ":" of the English half: equal for a series, its films and spin-offs.

    `Money Heist: Korea: Part 1` → `money heist`; a title without a colon is a franchise of its own.
    """
    return normalised(franchise_name(title))


def franchise_name(title: str) -> str:
    """What `franchise_key` is made from, as it stands: `Money Heist: Korea: Part 1` → `Money Heist`."""
    name = without_season(english_half(title))
    return name.split(":")[0].strip() or name


def ending(title: str) -> str:
    """How the English half ends: `numbered` (Season 2), `unnumbered` (Limited Series), or `none`."""
    half = english_half(title)
    parted = _without_season(half)
    if parted.number is not None:
        return "numbered"
    return "none" if parted.base == unicodedata.normalize("NFKC", half).strip() else "unnumbered"


def script(text: str) -> str | None:
    """The script most of its letters belong to (`latin`, `hangul`, `han`, `kana` …); None without letters.

    Any kana makes it `kana`: Japanese mixes it with Han, Chinese never does.
    """
    counts: dict[str, int] = {}
    for letter in text:
        name = _script_of(letter)
        if name:
            counts[name] = counts.get(name, 0) + 1
    if "kana" in counts:
        return "kana"
    return max(counts, key=lambda name: (counts[name], name)) if counts else None


_SCRIPT_NAMES = {
    "cjk": "han",
    "hiragana": "kana",
    "katakana": "kana",
    "halfwidth": "kana",
    "fullwidth": "latin",
}


@lru_cache(maxsize=1 << 16)
def _script_of(letter: str) -> str | None:
    if not unicodedata.category(letter).startswith("L") or letter == "ー":  # a dash in either kana
        return None
    name = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0].casefold()
    return _SCRIPT_NAMES.get(name, name) or None
