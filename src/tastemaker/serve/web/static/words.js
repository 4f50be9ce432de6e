// Every word that people read, by where it stands. A translation is another file of the same shape.

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

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
  chart: { nothing: "nothing yet", table: "As a table", when: "at" },
  parts: {
    find: "Find a title",
    nothing: "No title is like that.",
    found: (n) => count(n, "title", "titles"),
    progress: (job) => job.state === "waiting" ? "Waits for other work to end …" : job.progress
      ? `${job.progress.stage}: ${number(job.progress.step)} of ${number(job.progress.steps)}` : "Begins …",
  },
};
