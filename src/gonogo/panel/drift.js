/* The drift report: the chart, the change and its evidence, where and beside what it shows. */

const STATUS = table({
  stable: "stable", degraded: "degraded", improved: "improved", shifted: "shifted", insufficient_data: "not enough data",
});
const BUCKET = table({ hour: "Hour", day: "Day", week: "Week", month: "30 days" });
const METRIC = table({ outcome: "Outcome", error: "Error rate", golden: "Golden set" });

const metricName = (metric) => METRIC[metric] ?? metric;

function driftPoints(history) {
  const start = Date.parse(history.start);
  const size = history.bucket_s * 1000;
  const band = history.baseline?.band95;
  return history.at.map((at, i) => {
    const from = start + at * size;
    const point = { from, to: from + size, mean: history.mean[i], n: history.n[i] };
    if (history.low) Object.assign(point, { low: history.low[i], high: history.high[i] });
    point.odd = Boolean(band && (point.mean < band[0] || point.mean > band[1]) && from >= Date.parse(history.baseline.end));
    return point;
  });
}

/* The range of values worth drawing: points with few calls do not stretch it. */
function driftRange(points, history) {
  const sizes = points.map((p) => p.n).sort((a, b) => a - b);
  const full = points.filter((p) => p.n >= sizes[sizes.length >> 1] / 4);
  const values = full.flatMap((p) => (p.low === undefined ? [p.mean] : [p.low, p.high, p.mean]));
  if (history.baseline) values.push(history.baseline.mean, ...(history.baseline.band95 ?? []));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 0.05;
  const rate = RATES.has(history.metric);
  return [rate ? Math.max(low - room, 0) : low - room, rate ? Math.min(high + room, 1) : high + room];
}

const pointText = (p, history) => {
  const interval = p.low === undefined ? "" : ` (95% interval ${span([p.low, p.high], (v) => shown(history.metric, v))})`;
  const when = history.bucket === "hour" ? minute(p.from) : `${BUCKET[history.bucket] === "Day" ? "" : "from "}${day(p.from)}`;
  return `${when}: ${shown(history.metric, p.mean)}${interval}, n ${whole(p.n)}${p.odd ? ", outside the band" : ""}`;
};

function driftMarks(report, history, { x, width, height, times }) {
  const [top, bottom] = [PAD.top, height - PAD.bottom];
  const inside = (t) => Math.min(Math.max(t, times[0]), times[1]);
  const drawn = [];
  if (history.baseline) {
    const [from, to] = [inside(Date.parse(history.baseline.start)), inside(Date.parse(history.baseline.end))];
    if (to > from) {
      drawn.push(s("rect", { class: "base", x: x(from), y: top, width: x(to) - x(from), height: bottom - top }));
      if (x(to) - x(from) > 60) drawn.push(s("text", { x: x(from) + 5, y: bottom - 6 }, "baseline"));
    }
  }
  const onset = report.onset && Object.fromEntries(Object.entries(report.onset).map(([k, v]) => [k, Date.parse(v)]));
  const alarm = history.alarm && Date.parse(history.alarm);
  const when = history.bucket === "hour" ? minute : day;
  const marks = [];
  if (onset && onset.latest >= times[0]) {
    const [from, to] = [inside(onset.earliest), inside(onset.latest)];
    drawn.push(s("rect", { class: "doubt", x: x(from), y: top, width: Math.max(x(to) - x(from), 1), height: bottom - top }));
    if (onset.ts >= times[0]) drawn.push(s("line", { class: "onset", x1: x(onset.ts), x2: x(onset.ts), y1: top, y2: bottom }));
    marks.push({ text: `onset ${when(onset.ts)}`, at: x(inside(onset.ts)) });
  }
  if (alarm && alarm >= times[0]) {
    drawn.push(s("line", { class: "alarm", x1: x(alarm), x2: x(alarm), y1: top, y2: bottom }));
    drawn.push(s("path", { class: "flag", d: `M${x(alarm)} ${top}l8 4-8 4z` }));
    marks.push({ text: `alarm ${when(alarm)}`, at: x(alarm) });
  }
  const changes = (history.changes ?? []).map((change) => ({ text: change.text, at: x(inside(Date.parse(change.at))) }));
  drawn.push(changes.map(({ at }) => s("line", { class: "made", x1: at, x2: at, y1: top, y2: bottom })));
  // Above the word `baseline`; what people did has the foot of the chart, what was found its head.
  drawn.push(labels(changes, { width, y: (row) => bottom - 20 - LABEL.row * row }), labels(marks, { width }));
  return drawn;
}

/* From when to when, once where both read alike. */
const reach = (pair, show) => (show(pair[0]) === show(pair[1]) ? show(pair[0]) : span(pair, show));

const driftLegend = (history, report) => [
  key(`each ${BUCKET[history.bucket].toLowerCase()}`, s("path", { class: "curve", d: "M1 6h16" }), s("circle", { class: "dot", cx: 9, cy: 6, r: 2.6 })),
  history.baseline?.band95 && key("95% of points fall here while nothing changes", s("rect", { class: "band", width: 18, height: 12 }), s("path", { class: "mean", d: "M0 6h18" })),
  history.baseline?.band95 && key("point outside the band", s("path", { class: "odd", d: "M9 2l4 4-4 4-4-4z" })),
  report.onset && key("onset may lie here", s("rect", { class: "doubt", width: 18, height: 12 })),
  history.changes && key("recorded change", s("path", { class: "made", d: "M9 0v12" })),
  history.alarm && key("alarm", s("path", { class: "alarm", d: "M6 0v12" }), s("path", { class: "flag", d: "M6 1l8 3-8 3z" })),
];

function driftChart(report, history, width) {
  const points = driftPoints(history);
  const height = width < 480 ? 200 : 260;
  const times = [points[0].from, Math.max(points.at(-1).to, history.alarm ? Date.parse(history.alarm) : 0)];
  const values = driftRange(points, history);
  const rate = RATES.has(history.metric);
  const { x, y, axes } = frame({ width, height, times, values, show: rate ? axisPercent : (v) => shown(history.metric, v) });
  const inside = (v) => Math.min(Math.max(v, values[0]), values[1]);
  const middle = (p) => x((p.from + p.to) / 2);
  const spot = (p) => [middle(p), y(inside(p.mean))];
  const base = history.baseline;
  const drawn = [
    base?.band95 && s("rect", { class: "band", x: PAD.left, y: y(inside(base.band95[1])), width: width - PAD.left - PAD.right, height: y(inside(base.band95[0])) - y(inside(base.band95[1])) }),
    driftMarks(report, history, { x, width, height, times }),
    axes,
    base && s("line", { class: "mean", x1: PAD.left, x2: width - PAD.right, y1: y(base.mean), y2: y(base.mean) }),
    points.map((p) => p.low !== undefined && s("line", { class: "range", x1: middle(p), x2: middle(p), y1: y(inside(p.low)), y2: y(inside(p.high)) })),
    s("path", { class: "curve", d: line(points.map(spot)) }),
    points.map((p) => {
      const [px, py] = spot(p);
      return p.odd ? s("path", { class: "odd", d: `M${px} ${py - 4.6}l4.600 4.600-4.600 4.600-4.600-4.600z` }) : s("circle", { class: "dot", cx: px, cy: py, r: points.length > 60 ? 1.8 : 2.6 });
    }),
  ];
  const interval = points[0].low !== undefined;
  return figure({
    id: `drift-${report.dependency}-${report.metric}`,
    title: `${metricName(report.metric)} by ${BUCKET[history.bucket].toLowerCase()}`,
    about: `${report.summary} ${points.length} points from ${day(points[0].from)} to ${day(points.at(-1).from)}, ${points.filter((p) => p.odd).length} of them outside the baseline's band.`,
    width, height, drawn,
    legend: driftLegend(history, report),
    stops: points.map((p) => ({ x: middle(p), text: pointText(p, history) })),
    head: [BUCKET[history.bucket], metricName(report.metric), ...(interval ? ["95% interval"] : []), "n"],
    rows: points.map((p) => [
      history.bucket === "hour" ? minute(p.from) : YEAR.format(p.from),
      `${shown(report.metric, p.mean)}${p.odd ? " (outside)" : ""}`,
      ...(interval ? [span([p.low, p.high], (v) => shown(report.metric, v))] : []),
      whole(p.n),
    ]),
  });
}

/* Without points: the two periods that were compared, which the report itself has. */
function twoPeriods(report) {
  const { baseline, current, metric } = report;
  if (baseline?.mean === undefined || current?.mean === undefined) return null;
  const now = current.interval95 ?? [current.mean, current.mean];
  const values = [baseline.mean, current.mean, ...now];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.3 || 0.05;
  const scaleOf = { from: low - room, to: high + room };
  const row = (word, text, ...bounds) =>
    h("tr", null, h("th", { scope: "row" }, word), h("td", null, strip(...bounds, { ...scaleOf, words: `${word} ${text}` })), h("td", { class: "num" }, text));
  return h("div", { class: "scroll" }, h("table", null, h("tbody", null,
    row("Baseline", shown(metric, baseline.mean), baseline.mean, baseline.mean, baseline.mean),
    row("Now", shown(metric, current.mean), now[0], current.mean, now[1]))));
}

const fact = (term, value, small) => value !== null && value !== undefined && h("div", null, h("dt", null, term), h("dd", null, value, small && h("small", null, small)));

function driftFacts(report) {
  const { baseline: base, current, change, evidence: e, onset, trend, metric } = report;
  const show = (v) => shown(metric, v);
  return h("dl", { class: "facts" },
    base?.mean !== undefined && fact("Baseline", show(base.mean), [base.version && ["version ", name(base.version), ", "], `${base.source}, n ${whole(base.n ?? 0)}`, base.start && `, ${day(base.start)}${DASH}${day(base.end)}`]),
    current?.mean !== undefined && fact("Now", show(current.mean), [current.interval95 && `${span(current.interval95, show)}, `, `n ${whole(current.n)}`, current.start && `, since ${day(current.start)}`]),
    change && fact("Change", moved(metric, change.absolute), [change.interval95 && `95% ${moved(metric, change.interval95[0])} to ${moved(metric, change.interval95[1])}`, change.in_baseline_sd !== undefined && `, ${signed(POINT1.format(change.in_baseline_sd), change.in_baseline_sd)} sd of a baseline day`]),
    e && fact("Evidence", [evidence(e.e_value, e.log10_e), h("small", null, strip(0, Math.max(e.log10_e, 0), Math.max(e.log10_e, 0), { to: 1.15 * Math.max(e.log10_e, Math.log10(e.needed)), need: Math.log10(e.needed), words: `evidence against what an alarm needs` }))], `alarm at ${evidence(e.needed)}`),
    onset && fact("Onset", minute(onset.ts), `${reach([onset.earliest, onset.latest], Date.parse(onset.latest) - Date.parse(onset.earliest) < 48 * HOUR ? minute : day)}${onset.shape ? `, a ${onset.shape}` : ""}`),
    trend && fact("Trend since", `${moved(metric, trend.per_day)} a day`, `95% ${moved(metric, trend.interval95[0])} to ${moved(metric, trend.interval95[1])}`),
    report.detectable_now !== undefined && fact("Would show now", `${amount(metric, report.detectable_now)} or more`, "smallest change that this much data reveals"),
    report.golden && fact("Golden set", `${report.golden.worse} worse, ${report.golden.better} better`, [`of ${report.golden.items} items`, report.golden.warning && `; ${report.golden.warning}`]),
    report.mix_shift && fact("Mix of traffic", `${moved(metric, report.mix_shift.within ?? 0)} within slices`, `${moved(metric, report.mix_shift.mix ?? 0)} by other shares of them`),
    report.estimate && fact("Without outcomes", percent(report.estimate.mean), `estimate for ${whole(report.estimate.n)} calls, 95% ${span(report.estimate.interval95, percent)}`),
    report.immature && fact("Still to come", `${whole(report.immature.n)} labels`, `of the last ${report.immature.hours} hours: not counted yet`),
  );
}

const SLICE = [["Before", "num wide"], ["Now", "num"], ["Change", "num"], ["n", "num wide"], ["Evidence", "num wide"]];
/* A slice that went the way of the whole is not named, and not well. */
const fellToo = (part, { metric, onset, change }) => metric === "outcome" && onset && change?.absolute < 0 && part.change <= change.absolute / 2;
/* Slices are of outcomes, whatever metric was asked about. */
function slices(report, go) {
  if (!report.segments?.length) return null;
  return h("section", { class: "card", "aria-label": "Slices" }, h("header", null, h("h2", null, "Slices of the outcome"), h("span", { class: "aside" }, "worst first")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Slices, worst first" }, h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Slice"), SLICE.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))),
      h("tbody", null, report.segments.map((part) => h("tr", { key: part.segment },
        h("th", { scope: "row" }, h("span", { class: "name" }, marked(part.drifted ? "no_go" : fellToo(part, report) ? "caution" : "go"), go.link(part.segment, { view: "dependency", dependency: report.dependency, segment: part.segment }))),
        [shown("outcome", part.baseline_mean), shown("outcome", part.mean), moved("outcome", part.change), whole(part.n), evidence(part.e_value)].map((text, i) => h("td", { class: SLICE[i][1] }, text))))))));
}

const SIGNAL = table({ stable: "go", degraded: "no_go", shifted: "caution", improved: "go" });
const signalRow = (signal, report, go) => h("tr", { key: `${signal.metric} ${signal.kind} ${signal.segment ?? ""}` },
  h("th", { scope: "row" }, h("span", { class: "name" }, marked(SIGNAL[signal.status] ?? "unknown"),
    go.link(signal.metric, { view: "dependency", dependency: report.dependency, metric: signal.metric }), signal.segment && h("span", { class: "chip" }, name(signal.segment)))),
  h("td", { class: "small" }, `${signal.kind} ${STATUS[signal.status] ?? signal.status}`, signal.psi !== undefined && h("span", { class: "muted" }, `, PSI ${TINY.format(signal.psi)}`)),
  h("td", { class: "num" }, signal.change === undefined ? "" : moved(signal.metric, signal.change)),
  h("td", { class: "num wide" }, signal.e_value === undefined ? "" : evidence(signal.e_value)));

const signalTable = (rows, report, go, words) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words }, h("table", null,
  h("thead", null, h("tr", null, h("th", { scope: "col" }, "Metric"), h("th", { scope: "col" }, "Status"), h("th", { scope: "col", class: "num" }, "Change"), h("th", { scope: "col", class: "num wide" }, "Evidence"))),
  h("tbody", null, rows.map((signal) => signalRow(signal, report, go)))));

/* What moved first; what did not is there for who looks for it. */
function signals(report, go) {
  if (!report.signals?.length) return null;
  const still = report.signals.filter((signal) => SIGNAL[signal.status] === "go");
  const rest = report.signals.filter((signal) => SIGNAL[signal.status] !== "go");
  return h("section", { class: "card", "aria-label": "Other signals" }, h("header", null, h("h2", null, "Other signals")),
    rest.length > 0 && signalTable(rest, report, go, "Signals that moved"),
    still.length > 0 && (rest.length > 0 || still.length > 8
      ? h("details", null, h("summary", null, `Stable (${still.length})`), signalTable(still, report, go, "Stable signals"))
      : signalTable(still, report, go, "Stable signals")));
}

function driftCard({ answer: report, history, asked, go, width }) {
  return h("section", { class: "card", "aria-label": "Drift" },
      heading(report, [go.link(report.dependency, { view: "dependency", dependency: report.dependency }), asked.segment && [" ", name(asked.segment)]], `${metricName(report.metric)} ${STATUS[report.status] ?? report.status}`),
      h("p", { class: "lead" }, report.summary),
      report.missing && !report.summary.includes(report.missing) && h("p", { class: "note" }, report.missing),
      history?.kind === "drift" && history.at.length ? driftChart(report, history, width - 30) : twoPeriods(report),
      driftFacts(report),
      report.evidence && h("p", { class: "promise" }, report.evidence.guarantee),
      nextSteps(report, go));
}

const besideDrift = (report, go) => h("div", { class: "pair" }, slices(report, go), signals(report, go));
const driftView = (seen) => h("div", { class: "stack" }, driftCard(seen), besideDrift(seen.answer, seen.go));
