import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.errors import ObjectiveError, RecipeError, TastemakerError
from tastemaker.rank.objective import Objective
from tastemaker.recipe import Recipe
from tastemaker.recipe.formula import DEEPEST, HEADS, LARGEST, LONGEST

VALUES = {
    "click": np.array([0.25, 0.5, 0.0, 1.0], "float32"),
    "watch_time": np.array([100.0, 0.0, 3.0, 1e30], "float32"),
    "dwell": np.array([400.0, 8.0, 0.0, 1e30], "float32"),
    "completion": np.array([0.5, 0.0, 0.75, 1.0], "float32"),
    "like": np.array([0.0, 0.0, 0.0, 0.125], "float32"),
}


def scores(text, heads=HEADS):
    return Objective.parse(text, heads)(VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("click", [0.25, 0.5, 0, 1]),
        ("click^0.5 * watch_time", [50, 0, 0, 1e30]),
        ("2 * click + .5", [1, 1.5, 0.5, 2.5]),
        ("1 - click * 2", [0.5, 0, 1, -1]),
        ("(1 - click) * 2", [1.5, 1, 2, 0]),
        ("8 - 2 - click", [5.75, 5.5, 6, 5]),
        ("8 / 2 / (1 + click)", [3.2, 4 / 1.5, 4, 2]),
        ("-click^2", [-0.0625, -0.25, 0, -1]),  # the power first
        ("(-click)^2", [0.0625, 0.25, 0, 1]),
        ("2^-click^2", [2**-0.0625, 2**-0.25, 1, 0.5]),
        ("2^2^(1 + click)", [2 ** (2**1.25), 2 ** (2**1.5), 4, 16]),  # to the right
        ("--click", [0.25, 0.5, 0, 1]),
        ("1e1*click", [2.5, 5, 0, 10]),
        ("log(click)", [math.log(1.25), math.log(1.5), 0, math.log(2)]),
        ("sqrt(click)", [0.5, math.sqrt(0.5), 0, 1]),
        ("min(click, completion)", [0.25, 0, 0, 1]),
        ("max(click, completion) - like", [0.5, 0.5, 0.75, 0.875]),
        ("\tclick\n+ like ", [0.25, 0.5, 0, 1.125]),
        # the edges: ±LARGEST is as far as it goes, and what has no value stands last
        ("1 / like", [LARGEST, LARGEST, LARGEST, 8]),
        ("-1 / like", [-LARGEST, -LARGEST, -LARGEST, -8]),
        ("1 / -like", [LARGEST, LARGEST, LARGEST, -8]),  # no 0 is less than another
        ("like / like", [-LARGEST, -LARGEST, -LARGEST, 1]),
        ("-(like / like)", [-LARGEST, -LARGEST, -LARGEST, -1]),
        ("like^-1", [LARGEST, LARGEST, LARGEST, 8]),
        ("like^0", [1, 1, 1, 1]),
        ("(like / like)^0", [-LARGEST, -LARGEST, -LARGEST, 1]),
        ("max(0, like / like)", [-LARGEST, -LARGEST, -LARGEST, 1]),
        ("watch_time * watch_time", [1e4, 0, 9, LARGEST]),
        ("watch_time * watch_time - dwell * dwell", [1e4 - 16e4, -64, 9, 0]),
        ("log(click - 2)", [-LARGEST] * 3 + [-LARGEST]),
        ("sqrt(click - 0.5)", [-LARGEST, 0, -LARGEST, math.sqrt(0.5)]),
        ("(click - 0.5)^0.5", [-LARGEST, 0, -LARGEST, math.sqrt(0.5)]),
        ("(click - 0.5)^3", [-1 / 64, 0, -0.125, 0.125]),
    ],
)
def test_what_comes_of_it(text, expected):
    found = scores(text)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected, "float32"), rtol=1e-6)


def test_a_head_that_is_unknown_of_an_item_puts_it_last():
    objective = Objective.parse("1 - click", ["click"])
    assert objective({"click": np.array([np.nan, 1.0, 0.0])}).tolist() == [np.float32(-LARGEST), 0, 1]
    assert objective({"click": np.zeros(0)}).shape == (0,)
    assert objective({"click": np.array([np.inf])}).tolist() == [np.float32(-LARGEST)]


def test_it_tells_what_it_was_made_of():
    objective = Objective.parse("like * click + min(2, like)", HEADS)
    assert objective.text == "like * click + min(2, like)"
    assert objective.heads == ("like", "click")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "In the objective, at character 1: it is empty. An objective reads like this: click^0.5"),
        ("clik * 2", "at character 1: there is no head 'clik'. Did you mean 'click'?"),
        ("2 * CLICK", "at character 5: there is no head 'CLICK'. Did you mean 'click'?"),
        ("click * zzz", "at character 9: there is no head 'zzz'. There are click, watch_time, dwell, "),
        ("click **2", "at character 7: '**' means nothing here. Did you mean '^'?"),
        ("click × like", "at character 7: '×' means nothing here. Did you mean '*'?"),
        ("click $", "'$' means nothing here."),
        ("click like", "at character 7: +, -, *, /, ^ or the end should stand here, not 'like'."),
        ("click)", "at character 6: +, -, *, /, ^ or the end should stand here, not ')'."),
        ("(click", "at character 7: ')' should stand here, not the end."),
        ("click *", "at character 8: a head or a number should stand here, not the end."),
        ("click + * 2", "at character 9: a head or a number should stand here, not '*'."),
        ("+click", "a head or a number should stand here, not '+'."),
        ("exp(click)", "there is no function 'exp'; there are log, sqrt, min and max."),
        ("click(2)", "there is no function 'click'"),
        ("log", "at character 4: '(' should stand here, not the end."),
        ("log(click, 2)", "at character 10: log takes one value: ')' should stand here, not ','."),
        ("min(click)", "at character 10: ',' should stand here, not ')'."),
        ("max(click, 1, 2)", "at character 13: max takes two values: ')' should stand here, not ','."),
        ("3x * click", "'3x' is no number."),
        ("1.2.3 * click", "'1.2.3' is no number."),
        ("٣ * click", "'٣' is no number."),
        ("1e39 * click", "'1e39' is more than 3.4e+38, the most there is."),
        ("9" * 400 + "*click", "is more than 3.4e+38"),
        ("1 + 2", "it speaks of no head, so it can't tell items apart."),
        ("__import__('os')", "'\\'' means nothing here."),
        ("__import__(click)", "there is no function '__import__'"),
        ("click.__class__", "'.__class__' is no number."),
        ("\ud800", "means nothing here."),
        ("(" * 60 + "click" + ")" * 60, f"more than {DEEPEST} deep"),
        ("-" * 60 + "click", f"more than {DEEPEST} deep"),
        ("click" + "^2" * 60, f"more than {DEEPEST} deep"),
        ("click" + " " * LONGEST, "The objective has 1,005 characters; 1,000 are the most."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line_with_its_place(text, told):
    with pytest.raises(ObjectiveError) as error:
        scores(text)
    message = str(error.value).replace('"\'"', "'\\''")
    assert told in message
    assert len(message.splitlines()) == 1
    assert len(message) < 300


def test_a_ranker_names_the_heads_it_has():
    with pytest.raises(
        ObjectiveError, match=r"9: this ranker has no head 'like'\. It has click and completion"
    ):
        scores("click * like", ["click", "completion"])
    with pytest.raises(ObjectiveError, match=r"this ranker has no head 'click'\. It has none\."):
        scores("click", [])


def test_a_recipe_is_refused_for_its_objective():
    assert Recipe.of({"ranking": {"objective": "click^0.5 * watch_time"}}).ranking.objective.endswith("time")
    with pytest.raises(RecipeError) as error:
        Recipe.of({"ranking": {"objective": "clik * {x}"}})
    assert str(error.value) == (
        "ranking.objective is 'clik * {x}': in the objective, at character 8: '{' means nothing here. "
        "Did you mean '('?"
    )
    with pytest.raises(RecipeError) as error:
        Recipe.of({"ranking": {"objective": "clik"}})
    assert "there is no head 'clik'. Did you mean 'click'?" in str(error.value)
    with pytest.raises(RecipeError) as error:
        Recipe.of({"ranking": {"objective": "(" * 5000}})
    assert len(str(error.value)) < 400
    assert len(str(error.value).splitlines()) == 1


# An oracle: Python reads the same text with its own precedences, and numbers of this class do the sums one by
# one. None is what has no value.
class Plain:
    def __init__(self, value):
        self.value = None if value is None or math.isnan(value) else max(-LARGEST, min(LARGEST, value)) + 0.0

    def with_(self, other, make):
        return Plain(None if self.value is None or other.value is None else make(self.value, other.value))

    def __neg__(self):
        return Plain(None if self.value is None else -self.value)

    def __add__(self, other):
        return self.with_(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self.with_(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self.with_(other, lambda a, b: a * b)

    def __truediv__(self, other):
        def make(a, b):
            if b == 0:
                return None if a == 0 else math.copysign(math.inf, a)
            return a / b

        return self.with_(other, make)

    def __pow__(self, other):
        def make(a, b):
            if a == 0 and b < 0:
                return math.inf
            if a < 0 and b != int(b):
                return None
            return one_by_one(np.power, a, b)

        return self.with_(other, make)


def one_by_one(sums, *amounts):
    """NumPy's own last digit, which `math` may round otherwise: a difference of two may magnify it."""
    with np.errstate(all="ignore"):
        return float(sums(*(np.array([amount]) for amount in amounts))[0])


def pick(which):
    return lambda a, b: a.with_(b, which)


WORDS = {
    "log": lambda a: Plain(None if a.value is None or a.value < -1 else one_by_one(np.log1p, a.value)),
    "sqrt": lambda a: Plain(None if a.value is None or a.value < 0 else math.sqrt(a.value)),
    "min": pick(min),
    "max": pick(max),
}  # fmt: skip
NUMBERS = ["0", "1", "2", "0.5", ".25", "3.", "1e3", "7e37", "1E-30"]
LEAVES = some.sampled_from([*HEADS, *NUMBERS])
TEXTS = some.recursive(
    LEAVES,
    lambda inner: (
        some.tuples(inner, some.sampled_from(["+", " - ", "*", " /", "^"]), inner).map("".join)
        | inner.map("({})".format)
        | inner.map("-{}".format)
        | some.tuples(some.sampled_from(["log", "sqrt"]), inner).map(lambda two: f"{two[0]}({two[1]})")
        | some.tuples(some.sampled_from(["min", "max"]), inner, inner).map("{0[0]}({0[1]}, {0[2]})".format)
    ),
    max_leaves=12,
).filter(lambda text: any(head in text for head in HEADS))  # fmt: skip
AMOUNTS = some.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0, 1800.0, 1e30, float("nan")]) | some.floats(0, 1e4)


@given(text=TEXTS, rows=some.lists(some.tuples(*[AMOUNTS] * len(HEADS)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_it_comes_out_as_python_reads_it(text, rows):
    values = {head: np.array([row[place] for row in rows]) for place, head in enumerate(HEADS)}
    found = Objective.parse(text, HEADS)(values)
    assert found.shape == (len(rows),)
    assert np.isfinite(found).all()
    code = compile(wrapped(text), "objective", "eval")
    for row, score in zip(rows, found, strict=True):
        names = {head: Plain(amount) for head, amount in zip(HEADS, row, strict=True)}
        expected = eval(code, {"__builtins__": {}}, {**WORDS, **names, "Plain": Plain}).value
        wanted = np.float32(-LARGEST if expected is None else expected)
        assert score == pytest.approx(wanted, rel=1e-5, abs=1e-30), text


def wrapped(text):
    """Python's form of a formula: ** for ^, and each number a Plain."""
    return re.sub(r"(?<![\w.])(\d+\.?\d*(?:[eE]-?\d+)?|\.\d+)", r"Plain(\1)", text).replace("^", "**")


BITS = some.sampled_from(
    [
        *HEADS,
        *NUMBERS,
        *"+-*/^(),",
        "log(",
        "min(",
        "sqrt",
        "**",
        "x",
        "é",
        "\n",
        "\x00",
        "'",
        "9" * 400,
        "1e999",
    ]
)


@given(text=some.text() | some.lists(BITS, max_size=14).map(" ".join) | some.lists(BITS).map("".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_objective_or_a_mistake_in_one_line(text):
    told = "one line"
    try:
        objective = Objective.parse(text, HEADS)
    except TastemakerError as error:
        told = str(error)
    else:
        assert np.isfinite(objective(VALUES)).all()
        assert set(objective.heads) <= set(HEADS)
    assert len(told.splitlines()) == 1
