"""Bytes of a text file as UTF-8, whatever wrote them."""

import codecs

SAMPLE = 1 << 16


def is_binary(content: bytes) -> bool:
    """Whether these bytes are no text in any encoding we read."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    sample = content[:SAMPLE]
    control = sum(sample.count(code) for code in range(32) if code not in b"\t\n\r\f\x1a\x1b\x1c\x1d\x1e\x1f")
    # A stray control character happens in scraped text; a thirtieth of them doesn't.
    return b"\0" in sample or control * 30 > len(sample)


def to_utf8(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """UTF-8 without a mark in front and with `\\n` (or `\\r\\n`) line ends, and notes on what was done.

    Windows-1252 stands in for Latin-1: where both write a letter, they write the same.
    """
    notes: tuple[str, ...] = ()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", errors="replace").encode()
        notes = ("read as UTF-16",)
    content = content.removeprefix(codecs.BOM_UTF8)
    if not _is_utf8(content):
        content, note = _from_mixed(content)
        notes = (note,)
    if b"\r" in content[:SAMPLE] and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return content, notes


def _is_utf8(content: bytes) -> bool:
    """Whether all of it is valid, found in pieces so that a large log isn't held twice."""
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    step = 1 << 24
    try:
        for start in range(0, len(content), step):
            decoder.decode(content[start : start + step], final=start + step >= len(content))
    except UnicodeDecodeError:
        return False
    return True


def _from_mixed(content: bytes) -> tuple[bytes, str]:
    """Text that isn't valid UTF-8: another encoding, or UTF-8 with damaged places."""
    text = content.decode("utf-8", errors="surrogateescape")
    high = sum(byte >= 0x80 for byte in content)
    damaged = sum("\udc80" <= letter <= "\udcff" for letter in text)
    if damaged * 2 < high:
        line = content[: _first_invalid(content)].count(b"\n") + 1
        whole = content.decode("utf-8", errors="replace").encode()
        return whole, f"{damaged} bytes are not UTF-8 (the first on line {line}); they became �"
    try:
        return content.decode("cp1252").encode(), "read as Windows-1252 (Latin-1), not UTF-8"
    except UnicodeDecodeError:
        return content.decode("latin-1").encode(), "read as Latin-1, not UTF-8"


def _first_invalid(content: bytes) -> int:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(content)
