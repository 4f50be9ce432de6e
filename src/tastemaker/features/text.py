"""Words and character n-grams of any script, hashed.

A text becomes two kinds of token. Its **words** are runs of letters, marks and digits; scripts that
write no blanks between words (Han, kana, Thai …) give pairs of letters instead, as Lucene's CJK
analyzer does. Its **n-grams** are cut from what stands between two blanks, with a blank on both sides
and the punctuation left in (scikit-learn's `char_wb`): " da" says where a word starts, "ay:" that a
name ends there. Scripts whose letters say most (Han, kana, Hangul) add pairs. Both are hashed by
arithmetic on code points alone: equal on every machine and in every process. All texts are cut at
once, as one array of code points.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.titles import franchise_name
from tastemaker.features.sounds import romanised, sounds
from tastemaker.recipe import FeatureRecipe, Role

_BLANK = 32
_PRIME = np.uint64(1099511628211)  # of FNV-1a

_UNSPACED = (  # first and last code point
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0x20000, 0x3FFFF),  # Han, later extensions
)
_DENSE = (*_UNSPACED[3:], (0xAC00, 0xD7A3))  # one letter is a syllable or more; the last is Hangul


class Tokens(NamedTuple):
    """Hashed tokens of many texts, in no particular order.

    Attributes:
        text: (T,) int64, which text each token stands in.
        hashes: (T,) uint64.
    """

    text: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]


class Pieces(NamedTuple):
    words: Tokens
    ngrams: Tokens


def cut(texts: Sequence[str | None], ngrams: tuple[int, int] = (3, 5)) -> Pieces:
    """Every word and n-gram of each text, repeats included. None and "" give nothing.

    Args:
        texts: as people write them; NFKC and casefold happen here.
        ngrams: shortest and longest, the blank at a word's edge counted.
    """
    codes, text = _code_points(texts)
    kinds, kind = np.unique(codes, return_inverse=True)
    is_letter = np.array([unicodedata.category(chr(code))[0] in "LMN" for code in kinds])[kind]
    return Pieces(_words(codes, text, ~is_letter), _ngrams(codes, text, codes == _BLANK, ngrams))


def _code_points(texts: Sequence[str | None]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """All texts on one line, with single blanks around every word; and which text each letter is of."""
    plain = [_folded(text) if text else "" for text in texts]
    codes = np.frombuffer(" ".join(["", *plain, ""]).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    sizes = [len(text) + 1 for text in plain]  # a text owns the blank behind it
    text = np.concatenate([[0], np.repeat(np.arange(len(plain)), sizes)])
    is_blank = codes == _BLANK
    keep = ~is_blank | np.append(True, ~is_blank[:-1])  # an empty text leaves two in a row
    return codes[keep].astype(np.uint64), text[keep]


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return " ".join(plain.split())


def _words(
    codes: npt.NDArray[np.uint64], text: npt.NDArray[np.int64], is_blank: npt.NDArray[np.bool_]
) -> Tokens:
    unspaced = _within(codes, _UNSPACED) & ~is_blank
    is_start = ~is_blank
    is_start[1:] &= is_blank[:-1] | (unspaced[1:] != unspaced[:-1])
    starts = np.flatnonzero(is_start)
    if not len(starts):
        return Tokens(np.zeros(0, np.int64), np.zeros(0, np.uint64))
    at = np.arange(len(codes))
    place = at - np.maximum.accumulate(np.where(is_start, at, 0))  # of a letter in its word
    powers = np.cumprod(np.full(int(place.max()) + 1, _PRIME))  # mod 2^64
    terms = np.where(is_blank, np.uint64(0), (codes + np.uint64(1)) * powers[place])
    whole = _mixed(np.add.reduceat(terms, starts))
    goes_on = np.append(unspaced[1:], False)
    is_word = ~unspaced[starts] | ~goes_on[starts]  # one letter alone is a word in any script
    pairs = np.flatnonzero(unspaced & goes_on)
    return Tokens(
        np.concatenate([text[starts[is_word]], text[pairs]]),
        np.concatenate([whole[is_word], _windows(codes, pairs, 2)]),
    )


def _ngrams(
    codes: npt.NDArray[np.uint64],
    text: npt.NDArray[np.int64],
    is_blank: npt.NDArray[np.bool_],
    lengths: tuple[int, int],
) -> Tokens:
    shortest, longest = lengths
    blanks = np.concatenate([[0], np.cumsum(is_blank)])  # blanks before each place
    places, hashes = [], []
    for n in range(shortest, longest + 1):
        starts = np.arange(max(0, len(codes) - n + 1))
        inside = blanks[starts + max(n - 1, 1)] - blanks[starts + (n > 1)]  # all but both ends
        starts = starts[inside == 0]
        places.append(starts + (n > 1))
        hashes.append(_windows(codes, starts, n))
    if shortest > 2:
        dense = _within(codes, _DENSE)
        pairs = np.flatnonzero(dense[:-1] & dense[1:])
        places.append(pairs)
        hashes.append(_windows(codes, pairs, 2))
    return Tokens(text[np.concatenate(places)], np.concatenate(hashes))


def _windows(codes: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.uint64]:
    """(len(starts),) the hash of `n` code points from each start."""
    hashes = np.full(len(starts), n, np.uint64)
    for step in range(n):
        hashes = (hashes ^ codes[starts + step]) * _PRIME
    return _mixed(hashes)


def _mixed(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every bit spread over all others: splitmix64's last step (Steele et al., OOPSLA 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _within(codes: npt.NDArray[np.uint64], ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(codes), np.bool_)
    for first, last in ranges:
        found |= (codes >= first) & (codes <= last)
    return found


class Counts(NamedTuple):
    """How often each token stands in each text, sorted by text, then token.

    Attributes:
        text: (C,) int64.
        token: (C,) int64, below the width they were counted in.
        times: (C,) int64, at least 1.
    """

    text: npt.NDArray[np.int64]
    token: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]


def count(text: npt.NDArray[np.int64], token: npt.NDArray[np.int64], width: int) -> Counts:
    """Fold equal tokens of one text together."""
    keys, counts = np.unique(text * width + token, return_counts=True)
    return Counts(keys // width, keys % width, counts)


def idf(document_counts: npt.ArrayLike, documents: int) -> npt.NDArray[np.float32]:
    """log((1 + documents) / (1 + those that have it)) + 1, as scikit-learn smooths it."""
    return (np.log((1 + documents) / (1 + np.asarray(document_counts, np.float64))) + 1).astype(np.float32)


def texts_of(catalogue: Catalogue, recipe: FeatureRecipe) -> list[str]:
    """(N,) title and free texts of each row, joined by a blank; then the title's name and how it sounds."""
    names = catalogue.by_role(Role.TITLE, Role.TEXT)
    columns = [
        catalogue.frame[name].fill_null("").to_list() for name in names if name in catalogue.frame.columns
    ]
    if catalogue.title_column in catalogue.frame.columns:
        titles = catalogue.frame[catalogue.title_column].fill_null("").to_list()
        readings = [franchise_name] * recipe.names + [romanised, sounds] * recipe.sounds
        columns += [[read(title) for title in titles] for read in readings]
    return [" ".join(parts) for parts in zip(*columns, strict=True)] if columns else [""] * catalogue.size
