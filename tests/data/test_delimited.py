from hypothesis import given, settings
from hypothesis import strategies as st

from tastemaker.data.delimited import _careful, _fast


@given(body=st.text('",;a \nb"', min_size=4, max_size=30).filter(str.strip))
@settings(max_examples=500)
def test_the_fast_reading_is_the_careful_one_or_none(body):
    content = f"x,y\n{body}".encode()
    fast = _fast(content, ",", ["x", "y"], 1)
    if fast is not None:
        frame, lines, rejected = _careful(content.decode().split("\n"), ",", ["x", "y"], 1)
        assert fast[0].rows() == frame.rows()
        assert fast[1].to_list() == lines.to_list()
        assert rejected.is_empty()
