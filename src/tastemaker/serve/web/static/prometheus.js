// What /metrics says, as numbers: two pages of it become rates, and histograms become quantiles.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = { n: "\n", '"': '"', "\\": "\\" };

/** Samples of a page: [{name, labels, value}]. */
export function parsed(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL)) labels[name] = value.replace(/\\(.)/g, (_, c) => ESCAPED[c] ?? c);
    samples.push({ name: found[1], labels, value: Number(found[3].replace("+Inf", "Infinity")) });
  }
  return samples;
}

/** The sum of a metric, of all samples or those that `claim(labels)` is true of. */
export function total(samples, name, claim = () => true) {
  return samples.reduce((sum, each) => (each.name === name && claim(each.labels) ? sum + each.value : sum), 0);
}

/** The sum by what a label says. */
export function by(samples, name, label) {
  const found = new Map();
  for (const each of samples)
    if (each.name === name) found.set(each.labels[label], (found.get(each.labels[label]) ?? 0) + each.value);
  return found;
}

/** How often a histogram's values were at most each bound: [[bound, count], …], lowest first. */
export function buckets(samples, name, claim = () => true) {
  const found = new Map();
  for (const each of samples) {
    if (each.name !== `${name}_bucket` || !claim(each.labels)) continue;
    const bound = each.labels.le === "+Inf" ? Infinity : Number(each.labels.le);
    found.set(bound, (found.get(bound) ?? 0) + each.value);
  }
  return [...found].sort((a, b) => a[0] - b[0]);
}

/** What came between two looks. A counter that fell began anew: a service was started. */
export function since(now, before) {
  const then = new Map(before);
  return now.map(([key, value]) => [key, value - (then.get(key) > value ? 0 : then.get(key) ?? 0)]);
}

/** The value that a share `q` of a histogram lies at or below, even within a bucket; null of an empty one. */
export function quantile(counts, q) {
  const all = counts.at(-1)?.[1] ?? 0;
  if (!all) return null;
  const wanted = q * all;
  let low = 0, under = 0;
  for (const [bound, count] of counts) {
    if (count >= wanted) return bound === Infinity ? low : low + (bound - low) * (wanted - under) / Math.max(count - under, 1e-12);
    [low, under] = [bound, count];
  }
  return low;
}
