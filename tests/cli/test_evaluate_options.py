"""What can't be asked of `evaluate` together, each in a line, before anything is read."""

import pytest

REFUSED = [
    ("--test x --impressions y", "are two questions"),
    ("--by a --impressions y", "--by and --exposure are of lists made anew"),
    ("--folding community --impressions y", "ask them alone"),
    ("--negatives --impressions y", "ask them alone"),
    ("--report out --impressions y", "--report is of lists made anew"),
    ("--interactions x", "give --test or --impressions too"),
    ("-k 3 --negatives", "-k asks a new question"),
    ("--by activity --exposure genre", "--by asks how people were served"),
    ("--metrics-as ranx --exposure genre", "--metrics-as asks a new question"),
    ("--objective click --folding community", "give --impressions"),
    ("--plot a.svg", "give --impressions"),
    ("--weight diversity=1 --negatives", "make lists anew"),
    ("--placement home", "make lists anew"),
    ("--rules r.toml --report out", "make lists anew"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_does_not_go_together_is_refused(tastemaker, tmp_path, options, said):
    done = tastemaker("evaluate", tmp_path / "no-bundle", *options.split())  # refused before it is looked for
    assert (done.status, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line


@pytest.mark.parametrize(
    "options",
    [
        "--test x --by a --exposure b --folding c --negatives --metrics-as ranx -k 3 --report out",
        "--impressions x --objective click --interactions y -k 3",
        "--exposure genre -k 3 --placement home",
        "--negatives --report out",
    ],
)
def test_what_goes_together_gets_as_far_as_the_bundle(tastemaker, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    done = tastemaker("evaluate", tmp_path / "no-bundle", *options.split())
    assert done.status == 2
    assert "no-bundle" in done.stderr
