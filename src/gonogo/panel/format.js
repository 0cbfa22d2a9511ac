/* Numbers, times and verdicts as words. Times are UTC, as everywhere in gonogo. */

const DASH = "\u2013";
const VERDICTS = table({ go: "Go", caution: "Caution", no_go: "No go", unknown: "Unknown" });
const SEVERITY = ["go", "caution", "unknown", "no_go"];

const format = (options) => new Intl.NumberFormat("en", options);
const WHOLE = format({ maximumFractionDigits: 0 });
const SHORT = format({ maximumSignificantDigits: 4 });
const POINT1 = format({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
const POINT4 = format({ minimumFractionDigits: 1, maximumFractionDigits: 4 });
const CENTS = format({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const COMPACT = format({ notation: "compact", maximumSignificantDigits: 3 });
const TINY = format({ maximumSignificantDigits: 2 });

/* Points of a hundred have the digits that they come with: only 100 is 100. */
const points = (value) => POINT4.format(value);
const whole = (value) => WHOLE.format(value);
/* A hundredfold without what a binary fraction adds: a fraction has four decimals. */
const hundredfold = (fraction) => Math.round(1e4 * fraction) / 100;
/* A tenth of a percent; more where that would read as none or all. */
const percent = (fraction) => {
  const near = (fraction > 0 && fraction < 0.001) || (fraction >= 0.9995 && fraction < 1);
  return `${(near ? SHORT : POINT1).format(hundredfold(fraction))}%`;
};
/* Money is kept to a millionth of a dollar: less is none. */
const usd = (value) => {
  const size = Math.abs(value) < 5e-7 ? 0 : Math.abs(value);
  return `${size && value < 0 ? "\u2212" : ""}$${size && size < 0.01 ? TINY.format(size) : CENTS.format(size)}`;
};
/* What a budget counts, with its noun; money where it states no unit. */
const inUnit = (check) => (value) => {
  if (!check.unit) return usd(value);
  const size = Math.abs(value);
  const shown = check.unit !== "minutes" ? whole(Math.round(value) + 0) : (size > 0 && size < 0.1 ? TINY : CENTS).format(value + 0).replace(/\.?0+$/, "").replace("-", "\u2212");
  return `${shown} ${shown === "1" ? check.unit.slice(0, -1) : check.unit}`;
};
/* On an axis there is room for the number alone; its unit stands beside the line that it measures. */
const onAxis = (check) => (value) => {
  if (Math.abs(value) < 1e4) return inUnit(check)(value).split(" ")[0];
  return `${value < 0 ? "\u2212" : ""}${check.unit ? "" : "$"}${COMPACT.format(Math.abs(value))}`;
};
/* What is shown as none has no sign. */
const signed = (text, value) => (!/[1-9]/.test(text) ? text.replace("-", "") : value > 0 ? `+${text}` : text.replace("-", "\u2212"));
const span = (pair, show) => `${show(pair[0])}${DASH}${show(pair[1])}`;

/* A metric's value: rates are shares, money is money, the rest is a plain number. */
const RATES = new Set(["outcome", "error", "golden", "confidence"]);
function shown(metric, value) {
  if (RATES.has(metric)) return percent(value);
  return metric.endsWith("_usd") ? usd(value) : SHORT.format(value);
}
const amount = (metric, value) => (RATES.has(metric) ? `${POINT1.format(hundredfold(value) + 0)} points` : shown(metric, value));
const moved = (metric, value) => signed(amount(metric, value), value);

/* An e-value has no upper end: beyond a million its exponent says more, and it is at least that much. */
const power = (exponent) => `10${[...String(Math.floor(exponent))].map((digit) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[digit] ?? "\u207b").join("")}`;
/* A value that was capped is at least what it says. */
const evidence = (value, log10 = Math.log10(value)) => (value >= 1e300 && log10 <= 300 ? "over " : "") + (Math.abs(log10) > 6 && Number.isFinite(log10) ? power(log10) : SHORT.format(value));

const clock = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const DAY = clock({ day: "numeric", month: "short" });
const YEAR = clock({ day: "numeric", month: "short", year: "numeric" });
const MINUTE = clock({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const HOURS = clock({ hour: "2-digit", minute: "2-digit" });
const SECONDS = clock({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = (when) => DAY.format(new Date(when));
const minute = (when) => `${MINUTE.format(new Date(when))} UTC`;

/* In the largest unit of which there are two, as the words have it. */
function age(seconds) {
  for (const [unit, length] of [["days", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${whole(Math.floor(seconds / length))} ${unit}`;
  }
  return `${whole(seconds)} s`;
}

/* A verdict has a shape of its own, so that colour is never needed to tell it. */
const MARKS = table({
  go: () => [s("circle", { class: "fill", cx: 8, cy: 8, r: 7 }), s("path", { class: "cut", d: "M4.8 8.3l2.2 2.2 4.2-4.6" })],
  caution: () => [s("path", { class: "fill", d: "M8 1.2 15.4 14.4H.6z" }), s("path", { class: "cut", d: "M8 6v4M8 12.2v.1" })],
  no_go: () => [s("path", { class: "fill", d: "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" }), s("path", { class: "cut", d: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" })],
  unknown: () => [s("circle", { class: "stroke", cx: 8, cy: 8, r: 6.6, "stroke-dasharray": "3 2.2" }), s("path", { class: "stroke", d: "M6.2 6.4c.2-2.6 4-2.3 3.8.1-.1 1.300-1.900 1.500-2 3M8 11.700v.300" })],
});
const known = (verdict) => (verdict in VERDICTS ? verdict : "unknown");
const mark = (verdict) =>
  s("svg", { class: `mark ${known(verdict)}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, MARKS[known(verdict)]());
const badge = (verdict, { large = false } = {}) =>
  h("span", { class: `badge ${known(verdict)}${large ? " large" : ""}` }, mark(verdict), VERDICTS[known(verdict)]);
const marked = (verdict) => [mark(verdict), h("span", { class: "unseen" }, `${VERDICTS[known(verdict)]}: `)];
const worst = (verdicts) =>
  verdicts.reduce((a, b) => (SEVERITY.indexOf(known(b)) > SEVERITY.indexOf(known(a)) ? b : a), "go");
