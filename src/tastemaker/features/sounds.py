"""How a title sounds, roughly, whatever script it is written in.

A name keeps its sound when it crosses from one script to another, and nothing else: ボルト and "Boruto"
share no letter. Two steps bring them together:

    romanised   ボルト → boruto       letter by letter (anyascii)
    sounds      boruto → brt          what is left when vowels go, and letters that one language hears
                bolt   → brt          as the other's are taken for one

Pure functions on strings; they run in training and in serving.
"""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

_RUNS = re.compile(r"[a-z0-9]+")
_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")
_SCRIPTS = re.compile(  # what writes no blanks breaks where the script changes: 社内マリッジ, ムジナ(狢)
    "[\u3040-\u309f]+|[\u30a0-\u30ff]+|[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"
)
_SILENT = dict.fromkeys(map(ord, "ーッっ"))  # marks of length
_SOFT_C = re.compile("c(?=[eiy])")
_PAIRS = (("ch", "j"), ("sh", "s"), ("th", "s"), ("ph", "f"), ("c", "k"), ("x", "ks"))
_ALIKE = str.maketrans("lvfzq", "rbpsk", "aeiouhwy")
_REPEATED = re.compile(r"(.)\1+")
_PRIVATE = str.maketrans(
    {letter: chr(0xE000 + place) for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")}
)


def romanised(text: str) -> str:
    """Latin letters for the words that aren't plain ASCII; the others are left out, being so already.

    `ムジナ(狢)強盗団` → `mujina`: Han beside kana is read in Japanese, and how can't be known letter by
    letter, so it is left out. Han alone is read in Mandarin.
    """
    return " ".join(_romanised_words(" ".join(word for word in text.split() if not word.isascii())))


def sounds(text: str) -> str:
    """The consonants of every word, and of all words in one, in letters of a private alphabet.

    Private, so that an n-gram of sounds is never taken for one of letters. `Bolt` and `ボルト` give the same.
    Which letters go together was chosen by what finds English titles from native ones.
    """
    words = [_consonants(word) for word in _romanised_words(text)]
    return " ".join([*words, "".join(words)] if len(words) > 1 else words).translate(_PRIVATE)


def _romanised_words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text)
    if not plain.isascii():
        if _KANA.search(plain):
            plain = _HAN.sub(" ", plain.translate(_SILENT))
        plain = anyascii(_SCRIPTS.sub(r" \g<0> ", plain))
    words: list[str] = _RUNS.findall(plain.casefold().replace("'", ""))
    return words


@lru_cache(maxsize=1 << 16)
def _consonants(word: str) -> str:
    """`marriage` → `mrg`; a word of vowels alone gives ""."""
    word = _SOFT_C.sub("s", word)
    for pair, one in _PAIRS:
        word = word.replace(pair, one)
    return _REPEATED.sub(r"\1", word.translate(_ALIKE))
