"""What columns are called in the wild, best name first, in the plain form of `plain_name`."""

import re


def plain_name(name: str) -> str:
    """`userId`, `User ID` and `//userID` are all `user_id`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ITEM_IDS = _names("""
    item_id movie_id content_id product_id video_id show_id track_id song_id artist_id book_id article_id
    news_id game_id anime_id business_id recipe_id parent_asin asin isbn sku id iid item movie product
    video track song artist book article
""")
USER_IDS = _names("""
    user_id user uid userid visitor_id visitorid visitor customer_id customer client_id account_id account
    member_id member profile_id reviewer_id viewer_id subscriber_id person_id username user_name session_id
    session
""")
TITLES = _names("""
    title name movie_title item_title item_name product_name product_title show_title video_title track_name
    song_title artist_name book_title original_title
""")
TIMES = _names("""
    timestamp time datetime date ts event_time event_timestamp event_date created_at created watched_at
    viewed_at rated_at played_at purchased_at order_date unix_review_time review_date
""")
# The first that is there counts: a strength as given, then time or plays, then stars.
WEIGHTS = _names("""
    weight watch_time watchtime watch_seconds watch_minutes watched_seconds watch_ratio play_count playcount
    plays listen_count listens count duration minutes seconds hours quantity rating ratings score stars
    overall
""")
POPULARITY = _names("""
    popularity hours_viewed views view_count watch_count total_views plays play_count playcount streams
    downloads sales sold num_ratings rating_count ratings_count vote_count votes num_votes listeners
    purchases hours
""")
TEXTS = _names("""
    description overview synopsis summary plot tagline abstract about body content text lyrics review
""")
LISTS = _names("""
    genres genre tags keywords cast categories actors actor directors director
    writers countries topics labels
""")
# Codes of kinds, even where they are written as numbers.
KINDS_OF = _names("""
    occupation gender sex country language type status category class brand color colour genre_id
""")
# Nothing a model could learn from, whatever the values look like.
NEVER = _names("""
    url link href image poster thumbnail homepage poster_path backdrop_path picture_url imdb_url website
""")
KNOWN = frozenset(
    (*ITEM_IDS, *USER_IDS, *TITLES, *TIMES, *WEIGHTS, *POPULARITY, *TEXTS, *LISTS, *KINDS_OF, *NEVER)
)
"""Every name above: a first line that has one of them is a header."""

# Beside what somebody was shown.
POSITIONS = _names("""
    position rank place slot pos item_position display_position shown_position
""")
RECOMMENDATIONS = _names("""
    recommendation_id request_id slate_id list_id page_view_id
""")
SOURCES = _names("""
    source stage candidate_source retrieval_source
""")
DEVICES = _names("""
    device device_type platform
""")
CLICKS = _names("""
    click clicked is_click is_clicked was_clicked clicks
""")
UNITS = {
    **dict.fromkeys(_names("s sec secs second seconds"), 1.0),
    **dict.fromkeys(_names("ms msec millis milliseconds"), 0.001),
    **dict.fromkeys(_names("min mins minute minutes m"), 60.0),
    **dict.fromkeys(_names("h hr hrs hour hours"), 3600.0),
}
"""Seconds in what may stand at the end of the name of a watch time."""
WATCH_TIMES = tuple(
    f"{stem}{unit}"
    for stem in _names("watch_time watchtime watch watched dwell_time dwelltime dwell viewing_time play_time")
    for unit in (*(f"_{unit}" for unit in UNITS), *([""] if "time" in stem or stem == "dwell" else []))
)
COMPLETIONS = _names("""
    completed completion finished is_completed is_complete is_finished
""")
LIKES = _names("""
    liked like likes thumbs_up is_like is_liked upvoted
""")
HIDDENS = _names("""
    hidden dismissed not_interested is_hidden is_dismissed
""")
RANDOMISED = _names("""
    randomised randomized is_random is_randomised is_randomized explored is_explored
""")
PROPENSITIES = _names("""
    propensity propensity_score propensities pscore p_score logging_probability action_prob
    action_probability
""")
OUTCOMES = _names("""
    click clicked clicks is_click is_clicked was_clicked chosen selected outcome conversion converted
    purchase purchased bought played watched watch_time watchtime event event_type rating reward
""")
"""Whether it was chosen, in columns that have none of the roles above. A file may have several."""
