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
  operate: {
    rate: "Requests", aSecond: "a second", latency: "Half are answered within", ofTwenty: (time) => `19 of 20 within ${time}`, quiet: "nobody asks just now",
    model: "Model", two: "Workers disagree on the model.", workers: (n) => count(n, "worker answers from it", "workers answer from it"),
    store: "Store", up: "up", down: "down",
    waits: (waiting, lag, dropped) => `${number(waiting)} waiting${waiting ? `, ${lag}` : ""}${dropped ? `, ${count(dropped, "answer", "answers")} not written down` : ""}`,
    cold: "Cold share", answers: (n) => `of ${count(n, "list", "lists")}`, memory: "Memory",
    rateChart: "Requests a second", good: "answered", refused: "refused (4xx)", failed: "failed (5xx)",
    latencyChart: "Time of an answer", half: "half within", most: "19 of 20 within", stageChart: "Time of a stage, half within",
    stages: { store: "store", retrieve: "retrieve", rank: "rank", rerank: "re-rank", explain: "explain" },
    estimated: "Read every two seconds while this page is looked at; times are estimated from the buckets of histograms. Requests of this page are left out.",
    begins: "The first figures come in two seconds.",
    routes: "Requests by route", noRequests: "Nobody has asked yet.", sources: "Items by source", noItems: "Nothing was shown yet.",
    fallbacks: "Fallbacks, and stages left out", noFallbacks: "None.", why: { nothing_known: "nothing known of them", no_time: "no time to look for more" },
    leftOut: { explain: "explain left out", rerank: "re-rank left out", rank: "ranker left out", retrieve: "index left out", store: "store was down" },
    refusals: "Refused", noRefusals: "None.", reasons: { overload: "too much at once", rate: "a key asks too often", auth: "no or wrong key", size: "too large" },
    events: "Events", noEvents: "None came yet.", kinds: { accepted: "accepted", duplicate: "known already", rejected: "rejected" },
    swaps: "Changes of the model", swapped: (ok, refused) => `${number(ok)} taken, ${number(refused)} refused.`,
    drift: {
      title: "Drift", lead: "Whether what people have done since the model was made is still what it has learnt from.",
      go: "Look into it", again: "Look again", when: (at) => `Looked into on ${at}.`,
      head: ["", "before", "after", "distance", "limit", "by chance"],
    },
  },
  try: {
    title: "Try a file",
    lead: "Drop a table of titles, and walk through what a model makes of it. Nobody else sees it, and the live model stays as it is.",
    drop: "Drop a file here, or choose one", choose: "Choose a file",
    limits: "CSV, TSV or JSON Lines, with a header line; up to 64 MB, 200,000 rows and 200 columns.",
    sending: (share) => `Sending … ${number(100 * share)} %`,
    noTraining: "Training takes TensorFlow, which this service doesn't have: pip install 'tastemaker[train]' where it runs.",
    earlier: "Tried before", none: "Nothing was tried yet.",
    states: {
      reading: "being read", unreadable: "can't be read", read: "read", waiting: "waits for its turn", training: "in training", stopped: "stopped",
      failed: "training failed", ready: "ready",
    },
    size: (bytes) => bytes < 1e6 ? `${number(bytes / 1e3, 1)} kB` : `${number(bytes / 1e6, 1)} MB`,
    open: "Open", drop_: "Delete", dropLabel: (name) => `Delete ${name}`, dropTitle: (name) => `Delete ${name}?`,
    dropText: "The file and all that was made of it go for good.",
    reading: "The file is being read …",
    found: "What was found",
    rows: (rows) => [
      `${count(rows.read, "row", "rows")} read`, `${number(rows.kept)} kept`, rows.merged ? `${number(rows.merged)} merged into another with the same key` : "",
      rows.duplicates ? `${number(rows.duplicates)} dropped as duplicates` : "", rows.rejected ? `${number(rows.rejected)} refused` : "",
    ].filter(Boolean).join(", "),
    column: "Column", role: "Taken for", example: "For example", as: "Read as",
    roles: {
      title: "title – what people read", id: "id – what programs call it", category: "category – one value each", categories: "categories – several values each",
      number: "number", date: "date", text: "text – a description", popularity: "popularity – how much it was watched", ignored: "left out",
    },
    orders: { ymd: "year first", dmy: "day first", mdy: "month first" },
    how: (column) => [words.try.orders[column.date_order] ?? "", column.decimal === "," ? "decimal comma" : "", column.separator ? (column.separator === "json" ? "a JSON list" : `separated by ${column.separator}`) : ""].filter(Boolean).join(", "),
    readAgain: "Read again", changed: "Roles were changed: read the file again before training.",
    findings: { repaired: "Repaired", suspicious: "Worth a look", rejected: "Refused" },
    finding: (each) => `${number(each.count)} × ${each.what}`,
    lines: (lines, more) => `${lines.length > 1 ? "lines" : "line"} ${lines.join(", ")}${more ? ", …" : ""}`,
    train: "Train a model", trainNote: "It takes a minute or a few, in the background; you may leave this page.",
    stop: "Stop", training: "Training", took: (seconds) => `${number(seconds)} s so far`,
    ready: "The model is ready", readyIn: (items, seconds) => `${count(items, "item", "items")}, made in ${number(seconds)} s.`,
    metric: "NDCG@10, with its 95 % interval", model: "this model", noExam: "No exam was held: there are too few series to ask about.",
    explore: "Explore it", list: "Make a list with it", again: "Train again", other: "Another file",
  },
  chart: { nothing: "nothing yet", table: "As a table", when: "at" },
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
  person: {
    title: "For a person",
    lead: "Pick somebody, or collect what they liked. The list follows at once.",
    who: "Whose list",
    findPerson: "Find a person by id",
    noPerson: "Nobody is called that.",
    events: (n) => count(n, "event", "events"),
    add: "Add a title they liked",
    history: "History, newest first",
    more: (n) => `and ${count(n, "older title", "older titles")}`,
    edited: (id) => `Titles of person ${id}, changed by hand: strengths and times count no more.`,
    known: (id, n) => `Person ${id} · ${count(n, "event", "events")}`,
    nobody: "Nothing is known of them yet: this is what everybody likes.",
    remove: (title) => `Remove ${title}`,
    clear: "Clear",
    again: (id) => `Back to person ${id}`,
    begin: "Begin with a taste",
    slate: "Their list",
    addTo: "Add",
    addLabel: (title) => `Add ${title} to the history`,
    explain: "Find out why",
    explainHint: "leaves out each title of the history in turn",
    took: (ms) => `${number(ms, 1)} ms`,
    stages: { retrieve: "found", rank: "ranked", rerank: "ruled", explain: "explained" },
    fresh: "new",
    up: (n) => `↑ ${n}`,
    down: (n) => `↓ ${n}`,
    upLabel: (n) => `up ${count(n, "place", "places")}`,
    downLabel: (n) => `down ${count(n, "place", "places")}`,
    move: (move) => `${move.before ?? "–"} → ${move.after}`,
    moveBy: (rule) => ({ popularity: "popularity", freshness: "freshness", calibration: "their own mix", diversity: "diversity", fairness: "fairness", exploration: "exploration" }[rule] ?? rule),
    chance: (value) => `chance ${number(100 * value, value < 0.1 ? 1 : 0)} %`,
    causes: {
      added: (title) => `After adding ${title}`,
      removed: (title) => `Without ${title}`,
      steered: (name) => `${name}`,
      person: (id) => `For person ${id}`,
    },
    changed: (fresh, moved) => `${fresh ? `${number(fresh)} new` : "none new"}, ${moved ? `${number(moved)} moved` : "none moved"}`,
    same: "nothing changed",
    gone: "Gone:",
    empty: "Nothing is left to show: the filter or the rules keep everything out.",
    ready: (n, text) => `${count(n, "title", "titles")}. ${text}`,
  },
  steer: {
    title: "Steer",
    placement: "Placement",
    asItIs: "As it is",
    recipe: (value) => `recipe ${value}`,
    names: { freshness: "Freshness", diversity: "Diversity", popularity: "Popularity", calibration: "Their own mix", fairness: "Fair shares", exploration: "Exploration", rules: "Rules of the business", filter: "Filter", objective: "Objective" },
    hints: { freshness: "what is new comes forward", diversity: "what is alike stands apart", popularity: "left: the unknown; right: what everybody likes", calibration: "as mixed as their history" },
    method: "How diversity is weighed", methods: { mmr: "each against the likest before it", dpp: "each against all before it" },
    noFairness: "nobody is held to shares", share: (group) => `Share of ${group}`, has: (share) => `${number(100 * share)} % of titles`,
    of: "By", tier: { popularity_tier: "popularity" },
    tooMuch: "Shares sum to more than 100 %.",
    exploration: { none: "none", epsilon: "some places at random", thompson: "places for new titles" },
    how: "How places are given to chance", epsilon: "Chance of each place", places: "Places for new titles",
    filterHint: 'language == "Korean" and not kids',
    objectiveHint: (heads) => `of ${heads.join(", ")}`,
    noRules: "The recipe has none.",
    save: "Save as a placement", name: "Name", go: "Save", nameHint: "small letters, digits, - and _",
    saved: (name) => `Saved. POST /v1/recommend {"placement": "${name}"} serves it now.`,
    replace: "Replace it?", replaceText: (told) => `${told} Everybody who asks for it gets these settings from then on.`, replaceGo: "Replace",
    drop: "Delete", dropLabel: (name) => `Delete the placement ${name}`, dropTitle: (name) => `Delete ${name}?`,
    dropText: (name) => `Whoever asks for ${name} is refused from then on, unless the recipe has a placement of that name.`,
    needsAdmin: "Saving takes a key with the role admin.",
  },
  tradeoff: {
    title: "What it costs, what it brings",
    names: { diversity: "diversity of a list", age_days: "age of what is shown, days", coverage: "share of the catalogue shown" },
    lost: (k) => `NDCG@${k} lost, %`,
    today: "now",
    rules: { popularity: "popularity", "against popularity": "against popularity", freshness: "freshness", calibration: "their own mix", mmr: "diversity (mmr)", dpp: "diversity (dpp)", fairness: "fairness" },
    label: (rule, gain) => `Trade-off of ${rule}: NDCG lost against ${gain}`,
    now: (strength, lost, gained) => `At ${strength}: ${lost} % of NDCG lost, ${gained}.`,
    measured: (curves) => `Measured while training on ${count(curves.people, "person", "people")} whose answers the model had not seen; lines are 95 % intervals.`,
    table: "As a table",
    columns: { strength: "strength", lost: "lost, %", interval: "95 % interval" },
    none: "This model has no measured trade-offs. They are measured while training, with evaluation.curve_people above 0.",
    untouched: "Move a slider to see what it costs.",
    without: (rule) => `Of ${rule} nothing was measured.`,
  },
};
