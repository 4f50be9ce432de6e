// Every word that people read, by where it stands. A translation is another file of the same shape.

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;
/** 1st, 2nd, 3rd, 11th, 1,022nd. */
const ordinal = (value) => {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" };
  return number(value) + ending[new Intl.PluralRules("en", { type: "ordinal" }).select(value)];
};

export const words = {
  app: {
    name: "Tastemaker",
    views: { explore: "Explore", map: "Map", person: "For a person", models: "Models", operate: "Operate", try: "Try a file" },
    nav: "Parts of the page",
    unreachable: "The service can't be reached.",
    failed: "That didn't work",
    loading: "Loading …",
    again: "Try again",
    notFound: "There is no such part of the page.",
    needsAdmin: "This takes a key with the role admin.",
    needsWorkshop: "This service makes nothing: it was started without a workshop.",
    facts: (model) => `${count(model.items, "item", "items")}${model.people ? `, ${count(model.people, "person", "people")}` : ", no people"}`,
    live: "live",
    looked: "only looked at",
    back: "Back to the live model",
    noAuth: "no key needed here",
    signOut: "Sign out",
    cancel: "Cancel",
    close: "Close",
  },
  signIn: {
    title: "Sign in",
    lead: "This service asks for an API key. It stays in this tab and is forgotten when the tab is closed.",
    label: "API key",
    go: "Sign in",
    wrong: "This key is unknown, wrong or revoked.",
    tooSmall: "This key may tell events, but not look at anything: it takes the role read or admin.",
    how: "An admin makes one with",
  },
  parts: {
    find: "Find a title",
    nothing: "No title is like that.",
    found: (n) => count(n, "title", "titles"),
    progress: (job) => job.state === "waiting" ? "Waits for other work to end …" : job.progress
      ? `${job.progress.stage}: ${number(job.progress.step)} of ${number(job.progress.steps)}` : "Begins …",
  },
  map: {
    title: "Map of the catalogue",
    making: "This map is made once for each model. It takes from a few seconds to two minutes.",
    fetching: "The map is being fetched …",
    failed: "The map could not be made.",
    signedOut: "The map is shown to who is signed in.",
    version: (name) => `Model ${name}`,
  },
  explore: {
    title: "Explore the catalogue",
    lead: (model) => `${count(model.items, "item", "items")}, seen by a model of ${model.people ? `what ${count(model.people, "person", "people")} chose` : "what the catalogue says of them"}.`,
    find: "Find a title",
    hint: (isTwo) => `${isTwo ? "Either language will do, and slips" : "Slips"} of the finger are forgiven. The key / comes back here.`,
    best: (counted) => `Most popular${counted ? ` by ${counted}` : ", by events in the log"}`,
    some: "Some to begin with",
    columns: "What is known of the items",
    more: (n) => `and ${number(n)} more`,
    range: ({ role, low, high, known }) => role === "date"
      ? `${words.explore.date(low)} to ${words.explore.date(high)}, known of ${number(known)}`
      : `${number(low, Number.isInteger(low) ? 0 : 2)} to ${number(high, Number.isInteger(high) ? 0 : 2)}, known of ${number(known)}`,
    onMap: "Show on the map",
    start: "Start a list with this",
    like: "Most like it",
    allSeasons: "Every season of a series",
    unknown: "not known",
    date: (iso) => new Date(`${iso}T00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }),
    short: (value) => value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }),
    rank: ({ name, rank, of, figure }) => figure > 0
      ? `${ordinal(rank)} of ${number(of)} by ${name || "events in the log"}`
      : `No ${name || "events in the log"}, as ${number(of - rank + 1)} of ${number(of)}`,
    spread: ({ name, figure, none }, own) => {
      const what = name || "events", rest = none ? `; ${number(none)} items have none` : "";
      return own ? `${number(figure)} ${what}. ${count(own.items, "item has", "items have")} about as much, ${words.explore.short(own.low)} to ${words.explore.short(own.high)}${rest}.`
        : `It has none${rest}.`;
    },
    score: "Score",
    alone: "Nothing is like it in the model's eyes.",
    further: "Show more",
    gone: (id) => `No item has the id “${id}”.`,
    found: (title, n) => `${title}: ${count(n, "item is", "items are")} like it`,
    whyNote: "Scores are the model's own. What stands below each title is what the two openly share, in brackets how many of all items have it too: it may be why the model holds them alike, and it is no proof of that.",
    /** What two items share, as a sentence. */
    why: (shared) => {
      if (!shared.length) return "Nothing that the catalogue tells: only the model holds them together";
      const of = (bond) => bond.have < 0.01 * bond.of ? `${number(bond.have)} of ${number(bond.of)}` : `${number(100 * bond.have / bond.of)}%`;
      const kind = (name) => shared.filter((bond) => bond.kind === name);
      const list = (bonds) => bonds.map((bond) => `${bond.text} (${of(bond)})`).join(", ");
      const said = [
        ...kind("series").map(() => "the same series"),
        ...kind("franchise").map(() => "the same franchise"),
        ...kind("people").map((bond) => `${number(bond.have)} of the ${count(bond.of, "person", "people")} who chose the one chose the other`),
      ];
      if (kind("word").length) said.push(`in both titles: ${kind("word").map((bond) => `“${bond.text}” (${of(bond)})`).join(", ")}`);
      if (kind("value").length) said.push(`both ${list(kind("value"))}`);
      said.push(...kind("year").map((bond) => `both of ${bond.text} (${of(bond)})`));
      const text = said.join(" · ");
      return text[0].toUpperCase() + text.slice(1);
    },
  },
};
