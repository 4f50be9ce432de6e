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
  parts: {
    find: "Find a title",
    nothing: "No title is like that.",
    found: (n) => count(n, "title", "titles"),
    progress: (job) => job.state === "waiting" ? "Waits for other work to end …" : job.progress
      ? `${job.progress.stage}: ${number(job.progress.step)} of ${number(job.progress.steps)}` : "Begins …",
  },
};
