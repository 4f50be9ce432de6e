"""Each claim of a file is refused by the check that is meant for it, before anything believes it."""

import math

import numpy as np
import pytest

from tastemaker.door.files import content, parsed, read_array
from tastemaker.errors import BundleError
from tastemaker.features.tfidf import Tfidf


def array_file(path, descr, shape, behind=b"\0" * 48):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + behind)
    return path


def test_a_file_is_read_up_to_its_largest_and_no_further(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert content(tmp_path / "file", 5) == b"12345"
    with pytest.raises(BundleError, match="file is longer than 4 bytes"):
        content(tmp_path / "file", 4)


def test_an_array_of_just_the_bytes_that_it_claims_is_read(tmp_path):
    assert read_array(array_file(tmp_path / "a.npy", "<f8", (2, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    for shape in ((2, 4), (2, 2), (2**50,)):
        with pytest.raises(BundleError, match=r"a\.npy claims [\d,]+ bytes and has [\d,]+\."):
            read_array(array_file(tmp_path / "a.npy", "<f8", shape))


@pytest.mark.parametrize("descr", ["|O", "<U4", "|V8", "<M8[s]", "(3,)<f8", "<c16"])
def test_what_is_no_plain_number_is_refused(tmp_path, descr):
    with pytest.raises(BundleError, match=r"a\.npy is no array of numbers \(it holds "):
        read_array(array_file(tmp_path / "a.npy", descr, (2,)))


def test_a_header_longer_than_any_of_ours_is_refused_unread(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x02\x00" + (20_000).to_bytes(4, "little") + b" " * 20_000)
    with pytest.raises(BundleError, match="its header is too long"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1e999}', "1e999 is no finite number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": {"b": 1, "b": 2}}', "a key stands there twice"),
        (b"[" * 100_000, "nested too deep"),
        (b"\xff", "can't decode"),
    ],
)
def test_json_is_of_finite_numbers_and_says_everything_once(tmp_path, text, why):
    assert math.isclose(parsed(b'{"a": 1.5}', tmp_path)["a"], 1.5)
    with pytest.raises(BundleError, match=why):
        parsed(text, tmp_path / "a.json")


def test_n_grams_past_the_last_are_refused():
    arrays = Tfidf.fit(["alpha", "beta"]).arrays()
    Tfidf.from_arrays(arrays)
    with pytest.raises(ValueError, match="ind"):
        Tfidf.from_arrays(arrays | {"columns": np.asarray(arrays["columns"]) + 10**6})
