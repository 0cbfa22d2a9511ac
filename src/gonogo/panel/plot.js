/* Charts: scales, axes, and the figure that puts a chart, its reading aid and its table together. */

const scale = (from, to) => {
  const [low, high] = from[0] === from[1] ? [from[0] - 0.5, from[1] + 0.5] : from;
  return (value) => to[0] + ((value - low) / (high - low)) * (to[1] - to[0]);
};

/* Round steps of 1, 2 or 5 that cut a range into about `count` parts. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}

const HOUR = 3600e3;
const TIME_STEPS = [1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 4320, 8760].map((hours) => hours * HOUR);

function timeTicks(from, to, count) {
  const step = TIME_STEPS.find((size) => (to - from) / size <= count) ?? 2 * TIME_STEPS.at(-1);
  const show = step < 24 * HOUR ? HOURS : step >= 4320 * HOUR ? YEAR : DAY;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push({ at, text: show.format(at) });
  return found;
}

const PAD = { left: 54, right: 12, top: 38, bottom: 22 };

/* The frame of a chart of time: its two scales, and its axes as elements. */
function frame({ width, height, times, values, show }) {
  const x = scale(times, [PAD.left, width - PAD.right]);
  const y = scale(values, [height - PAD.bottom, PAD.top]);
  const rows = ticks(values[0], values[1], Math.max(2, Math.floor(height / 52)));
  const digits = rows.length > 1 ? rows[1] - rows[0] : 1;
  const axes = [
    rows.map((v) => [
      s("line", { class: "axis", x1: PAD.left, x2: width - PAD.right, y1: y(v), y2: y(v) }),
      s("text", { x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" }, show(v, digits)),
    ]),
    timeTicks(times[0], times[1], Math.max(2, Math.floor(width / 110))).filter(({ at }) => x(at) < width - 24).map(({ at, text }) =>
      s("text", { x: x(at), y: height - 6, "text-anchor": "middle" }, text),
    ),
  ];
  return { x, y, axes };
}

/* A percentage on an axis: as many digits as its step needs. */
const axisPercent = (value, step) => `${(100 * value).toFixed(step < 0.001 ? 2 : step < 0.01 ? 1 : 0)}%`;

const line = (points) => points.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");

const LABEL = { row: 14, letter: 6.6, gap: 8 };

/* Labels above a plot, inside the chart, and none over another: {text, at} each; what has no room
   beside those before it goes a row down. */
function labels(given, { width, y = (row) => LABEL.row * (row + 1) }) {
  const ends = [];
  const drawn = [...given].sort((a, b) => a.at - b.at).map(({ text, at }) => {
    const size = text.length * LABEL.letter;
    const left = Math.max(Math.min(at - size / 2, width - PAD.right - size), PAD.left);
    const row = [...ends, -Infinity].findIndex((end) => left >= end + LABEL.gap);
    ends[row] = left + size;
    return s("text", { class: "strong", x: left, y: y(row) }, text);
  });
  return drawn;
}

const key = (text, ...drawn) =>
  h("li", null, s("svg", { viewBox: "0 0 18 12", "aria-hidden": "true" }, drawn), text);

const dataTable = (caption, head, rows) =>
  h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${caption}: data` },
    h("table", null,
      h("thead", null, h("tr", null, head.map((text, i) => h("th", { scope: "col", class: i ? "num" : null }, text)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) => h(i ? "td" : "th", i ? { class: "num" } : { scope: "row" }, cell))))),
    ),
  );

/* Where a reader left the cursor of each chart. */
const cursors = new Map();

/* A chart with a name, a description, a cursor for pointer and keys, and its data as a table.
   `stops` are the points that the cursor visits: {x, text}. */
function figure({ id, title, about, width, height, drawn, legend, stops = [], head, rows }) {
  const at = Math.min(cursors.get(id) ?? stops.length - 1, stops.length - 1);
  const cursor = stops.length && s("line", { class: "cursor", x1: stops[at].x, x2: stops[at].x, y1: PAD.top, y2: height - PAD.bottom });
  const read = h("output", { for: `${id}-at` }, stops[at]?.text ?? "");
  const slider = h("input", {
    type: "range", id: `${id}-at`, min: 0, max: Math.max(stops.length - 1, 0), value: at,
    "aria-label": `Point of: ${title}`, "aria-valuetext": stops[at]?.text,
    oninput: (event) => show(event.currentTarget, Number(event.currentTarget.value)),
  });
  function show(near, index) {
    const whole = near.closest("figure");
    const [input, lineAt, output] = ["input", ".cursor", "output"].map((what) => whole.querySelector(what));
    cursors.set(id, index);
    input.value = index;
    input.setAttribute("aria-valuetext", clean(stops[index].text));
    lineAt.setAttribute("x1", stops[index].x);
    lineAt.setAttribute("x2", stops[index].x);
    output.textContent = clean(stops[index].text);
  }
  function hover(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * width;
    const nearest = stops.reduce((best, stop, i) => (Math.abs(stop.x - px) < Math.abs(stops[best].x - px) ? i : best), 0);
    show(event.currentTarget, nearest);
  }
  return h("figure", { class: "chart", key: id },
    h("figcaption", null, title),
    h("ul", { class: "legend", "aria-label": "Legend" }, legend),
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": `${id}-t ${id}-d`, onpointermove: stops.length ? hover : null },
      s("title", { id: `${id}-t` }, title), s("desc", { id: `${id}-d` }, about), drawn, cursor),
    stops.length > 0 && h("div", { class: "scrub" }, slider, read),
    rows?.length > 0 && h("details", null, h("summary", null, `Data as a table (${rows.length} rows)`), dataTable(title, head, rows)),
  );
}

/* A value with its interval on a fixed scale, beside the words that say the same. */
function strip(low, value, high, { from = 0, to = 1, tone = "", need = null, words }) {
  const x = scale([from, to], [5, 195]);
  const inside = (v) => Math.min(Math.max(v, from), to);
  return s("svg", { class: `strip ${tone}`, viewBox: "0 0 200 18", preserveAspectRatio: "none", role: "img", "aria-label": words },
    s("rect", { class: "track", x: 0, y: 7, width: 200, height: 4, rx: 2 }),
    s("rect", { class: "reach", x: x(inside(low)), y: 5, width: Math.max(x(inside(high)) - x(inside(low)), 1), height: 8, rx: 2 }),
    s("rect", { class: "point", x: x(inside(value)) - 2, y: 2, width: 4, height: 14, rx: 1 }),
    need !== null && s("line", { class: "need", x1: x(inside(need)), x2: x(inside(need)), y1: 1, y2: 17 }),
  );
}

/* The last weeks of one dependency in one line; a day without data is a gap. */
function spark(values, words) {
  const there = values.filter((v) => v !== null);
  if (there.length < 2) return h("span", { class: "muted small" }, "too few days");
  const low = Math.min(...there);
  const high = Math.max(...there);
  const x = scale([0, values.length - 1], [3, 97]);
  const y = scale([low, Math.max(high, low + 0.02)], [20, 4]);
  let open = false;
  const path = values.map((v, i) => {
    if (v === null) { open = false; return ""; }
    const step = `${open ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    open = true;
    return step;
  });
  const last = values.findLastIndex((v) => v !== null);
  return s("svg", { class: "spark", viewBox: "0 0 100 24", role: "img", "aria-label": words },
    s("path", { class: "curve", d: path.join("") }), s("circle", { class: "dot", cx: x(last), cy: y(values[last]), r: 2.4 }));
}
