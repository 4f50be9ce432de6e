from pathlib import Path

import pytest

from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe, Role


def refused(*settings: str, path: Path | None = None) -> str:
    with pytest.raises(RecipeError) as error:
        Recipe.read(path, settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_empty_recipe_is_the_default(written):
    assert Recipe.read(None) == Recipe.read(written("", "r.toml")) == Recipe()


def test_a_recipe_comes_back_from_what_a_bundle_keeps():
    recipe = Recipe.of({"history": {"hidden": [1, 2]}, "data": {"columns": {"a b": {"role": "date"}}}})
    assert Recipe.of(recipe.model_dump(mode="json")) == recipe


# --- base -----------------------------------------------------------------------------------


def test_only_what_differs_from_the_base_is_written(written):
    written("seed = 4\n[history]\ndim = 8\nepochs = 3\n", "base.toml")
    recipe = Recipe.read(written('base = "base.toml"\nhistory = { epochs = 5 }\n', "r.toml"))
    assert (recipe.seed, recipe.history.dim, recipe.history.epochs) == (4, 8, 5)


def test_a_base_may_have_a_base(written):
    written("seed = 4\n[content]\ndim = 8\n", "first.toml")
    written('base = "first.toml"\nseed = 5\n', "second.toml")
    recipe = Recipe.read(written('base = "second.toml"\n', "r.toml"))
    assert (recipe.seed, recipe.content.dim) == (5, 8)


def test_a_list_is_replaced_not_joined(written):
    written("history = { hidden = [1, 2, 3] }", "base.toml")
    assert Recipe.read(written('base = "base.toml"\nhistory.hidden = [9]', "r.toml")).history.hidden == (9,)


def test_a_circle_of_bases_is_refused(written):
    written('base = "b.toml"', "a.toml")
    assert "names itself as its base" in refused(path=written('base = "a.toml"', "b.toml"))


def test_a_missing_base_is_named(written):
    assert "nowhere.toml" in refused(path=written('base = "nowhere.toml"', "r.toml"))


# --- paths ----------------------------------------------------------------------------------


def test_paths_are_taken_from_the_recipes_own_folder(written, tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.toml").write_text('[data]\nitems = "i.csv"\ninteractions = "/abs/l.csv"\n')
    (tmp_path / "deep" / "r.toml").write_text(
        'base = "../base.toml"\n[data]\nusers = "u.csv"\nimpressions = "s.csv"\n'
    )
    monkeypatch.chdir("/")
    data = Recipe.read(tmp_path / "deep" / "r.toml").data
    assert data.items is not None
    assert data.items.resolve() == tmp_path.resolve() / "i.csv"
    assert data.interactions == Path("/abs/l.csv")
    assert data.users == tmp_path / "deep" / "u.csv"
    assert data.impressions == tmp_path / "deep" / "s.csv"


def test_a_path_set_by_hand_is_taken_from_where_one_stands(written):
    recipe = Recipe.read(written("", "r.toml"), ["data.items=movies.csv"])
    assert recipe.data.items == Path("movies.csv")


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("history.epochs=7", lambda r: r.history.epochs == 7),
        ("history.learning_rate=1e-4", lambda r: r.history.learning_rate == 1e-4),
        ("history.item_features=false", lambda r: r.history.item_features is False),
        ("history.hidden=[8, 4]", lambda r: r.history.hidden == (8, 4)),
        ("history.hidden=[]", lambda r: r.history.hidden == ()),
        ("history={epochs = 2, dim = 4}", lambda r: (r.history.epochs, r.history.dim) == (2, 4)),
        ("preset=seed-softmax", lambda r: r.preset == "seed-softmax"),
        ('preset="seed-softmax"', lambda r: r.preset == "seed-softmax"),
        ("data.items=a b/c=d.csv", lambda r: r.data.items == Path("a b/c=d.csv")),
        ('data.columns."Release Date".role=date', lambda r: r.data.columns["Release Date"].role == Role.DATE),
        ('data.columns."a.b".separator=|', lambda r: r.data.columns["a.b"].separator == "|"),
        (" seed = 9 ", lambda r: r.seed == 9),
    ],
)
def test_a_setting_is_a_toml_value_or_a_plain_string(setting, value):
    assert value(Recipe.read(None, [setting]))


def test_a_setting_beats_the_file_and_the_last_beats_the_first(written):
    recipe = Recipe.read(written("seed = 2\n[history]\ndim = 4", "r.toml"), ["seed=3", "seed=4"])
    assert (recipe.seed, recipe.history.dim) == (4, 4)


@pytest.mark.parametrize("setting", ["", "seed", "[history]", "# seed", "=3", "a b=3", "history..dim=3"])
def test_what_is_no_setting_is_refused_with_an_example(setting):
    assert refused(setting) == (f"--set takes key=value, for example history.epochs=10; it got '{setting}'.")


# --- messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("history.epoch=3", "[history] has no key 'epoch'. Did you mean 'epochs'?"),
        ("histroy.epochs=3", "A recipe has no key 'histroy'. Did you mean 'history'?"),
        (
            "split.qqq=1",
            "[split] has no key 'qqq'. It knows strategy, test_share, gap_days, fold_in, cold_events.",
        ),
        (
            "negatives.count=-3",
            "negatives.count is -3: input should be 'all', 'auto' or a whole number from 0 up.",
        ),
        (
            "negatives.count=many",
            "negatives.count is 'many': input should be 'all', 'auto' or a whole number from 0 up.",
        ),
        (
            "retrieval.sources.nearest=0",
            "retrieval.sources is {'nearest': 0}: input should give one source at least a share above 0.",
        ),
        (
            "retrieval.sources.trendy=1",
            "[retrieval.sources] has no key 'trendy'. Did you mean 'trending'?",
        ),
        ("retrieval.norm_power=2", "retrieval.norm_power is 2: input should be less than or equal to 1."),
        ("history.epochs=0", "history.epochs is 0: input should be greater than or equal to 1."),
        ("history.dropout=1", "history.dropout is 1: input should be less than 1."),
        (
            "preset=seed",
            "preset is 'seed': input should be 'default', 'seed-content' or 'seed-softmax'.",
        ),
        (
            "split.strategy=newest",
            "split.strategy is 'newest': input should be 'auto', 'global_time', 'leave_one_out', 'random', "
            "'cold_item', 'user_holdout' or 'cold_user'.",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(setting, message):
    assert refused(setting) == message


def test_a_wrong_role_names_the_column():
    assert refused("data.columns.Year.role=dat").startswith("data.columns.Year.role is 'dat': ")
    assert "'rol'" in refused("data.columns.Year.rol=date")


def test_what_is_written_as_toml_reads_back_as_the_same_recipe(written):
    text = (
        'seed = 4\n[data]\nmax_rejected = 0.25\n[data.columns."Release \\"Date\\" é"]\nrole = "date"\n'
        '[data.columns.plain]\nseparator = "\\t|"\n[history]\nhidden = [64, 32]\nlearning_rate = 1e-05\n'
        'item_features = false\npairs = "none"\n'
    )
    recipe = Recipe.read(written(text, "before.toml"))
    again = Recipe.read(written(recipe.as_toml(), "after.toml"))
    assert again == recipe
    # What was left open stays open: the log decides it.
    assert again.history.model_fields_set == {"hidden", "learning_rate", "item_features", "pairs"}
    assert Recipe.read(written(Recipe().as_toml(), "empty.toml")) == Recipe()


def test_having_changes_what_it_names_and_refuses_as_a_file_does():
    recipe = Recipe.read(None, ["history.dim=32", "seed=2"])
    assert recipe.having({"history.heads": 4, "seed": 3}) == Recipe.of(
        {"history": {"dim": 32, "heads": 4}, "seed": 3}
    )
    with pytest.raises(RecipeError, match=r"\[history\] has no key 'dmi'. Did you mean 'dim'\?"):
        recipe.having({"history.dmi": 4})


def test_a_file_that_is_no_toml_is_refused_by_name_and_line(written):
    told = refused(path=written("seed = \n", "broken.toml"))
    assert "broken.toml is not valid TOML" in told
    assert "line 1" in told


def test_a_file_that_can_not_be_read_is_refused_by_name(tmp_path, written):
    assert str(tmp_path / "none.toml") in refused(path=tmp_path / "none.toml")
    assert str(tmp_path) in refused(path=tmp_path)
    assert "not UTF-8" in refused(path=written(b"seed = '\xff'", "latin.toml"))


def test_an_editor_gets_a_schema_with_every_knob_explained():
    schema = Recipe.model_json_schema()
    knobs = schema["$defs"]["HistoryRecipe"]["properties"]
    assert knobs["patience"]["description"].startswith("epochs without a better")
