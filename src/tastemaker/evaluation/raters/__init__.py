"""A small study with people: two models side by side, blind, and what a handful of raters makes of them.

`asking` draws questions and lists, `study` writes the page and the key, `answers` reads what raters sent
back, `reading` says what it came to.
"""
