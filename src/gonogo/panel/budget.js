/* The budget: what was spent, what is held, and the fan of what the planned work may cost. */

const tint = (check) => (check.passed === undefined ? "unknown" : check.passed ? "go" : "no_go");

/* The work's cost as it goes on, against what remains: where the fan crosses the line, it no longer fits. */
function planChart(check, width) {
  const shows = inUnit(check);
  const [low, high] = check.projected_interval80_usd;
  const left = check.binding?.remaining_usd ?? check.remaining_usd;
  const height = 190;
  const right = width - PAD.right;
  // A budget that is overdrawn lies below zero, where no work fits.
  const [bottom, top] = [Math.min(left * 1.3, 0), Math.max(left, high) * 1.12 || 1];
  const x = scale([0, 1], [PAD.left, right]);
  const y = scale([bottom, top], [height - PAD.bottom, PAD.top]);
  const calls = check.planned_calls;
  const fits = calls && check.calls_that_would_pass < calls ? check.calls_that_would_pass : null;
  const drawn = [
    ticks(bottom, top, 3).map((v) => [s("line", { class: "axis", x1: PAD.left, x2: right, y1: y(v), y2: y(v) }), s("text", { x: PAD.left - 6, y: y(v) + 4, "text-anchor": "end" }, onAxis(check)(v))]),
    s("rect", { class: "over", x: PAD.left, y: PAD.top, width: right - PAD.left, height: y(left) - PAD.top }),
    s("g", { class: tint(check) },
      s("path", { class: "fan", d: `M${PAD.left} ${y(0)}L${right} ${y(high)}L${right} ${y(low)}Z` }),
      s("path", { class: "fan-mid", d: `M${PAD.left} ${y(0)}L${right} ${y(check.projected_usd)}` }),
      s("line", { class: "fan-end", x1: right, x2: right, y1: y(high), y2: y(low) })),
    s("line", { class: "limit", x1: PAD.left, x2: right, y1: y(left), y2: y(left) }),
    s("text", { class: "strong", x: PAD.left + 5, y: y(left) - 5 }, `remaining ${shows(left)}`),
    fits !== null && [s("line", { class: "cursor", x1: x(fits / calls), x2: x(fits / calls), y1: PAD.top, y2: height - PAD.bottom }), labels([{ text: `${whole(fits)} calls would pass`, at: x(fits / calls) }], { width })],
    s("text", { x: PAD.left, y: height - 6 }, "now"),
    s("text", { x: right, y: height - 6, "text-anchor": "end" }, calls ? `after ${whole(calls)} calls` : "after the work"),
  ];
  return figure({
    id: `plan-${check.budget}`, title: "Planned work against what remains", about: check.summary, width, height, drawn,
    legend: [
      key("median, 80% interval", s("g", { class: tint(check) }, s("path", { class: "fan", d: "M0 12L18 0V8z" }), s("path", { class: "fan-mid", d: "M0 12L18 4" }))),
      key("remaining", s("path", { class: "limit", d: "M0 6h18" })),
    ],
  });
}

function spendChart(check, history, width) {
  const shows = inUnit(check);
  const height = 190;
  const committed = check.spent_usd + check.held_usd;
  const start = Date.parse(history.start);
  const times = [start, Math.max(Date.parse(check.as_of), start + HOUR)];
  const { x, y, axes } = frame({ width, height, times, values: [0, Math.max(check.limit_usd, committed) * 1.12 || 1], show: onAxis(check) });
  const right = width - PAD.right;
  const spent = [[PAD.left, y(0)], ...history.at_s.map((at, i) => [x(start + at * 1000), y(history.spent_usd[i])])];
  const stops = history.at_s.map((at, i) => ({ x: spent[i + 1][0], text: `${minute(start + at * 1000)}: ${shows(history.spent_usd[i])} spent` }));
  const drawn = [
    axes,
    s("rect", { class: "over", x: PAD.left, y: PAD.top, width: right - PAD.left, height: Math.max(y(check.limit_usd) - PAD.top, 0) }),
    s("path", { class: "spent", d: `${line(spent)}L${spent.at(-1)[0]} ${y(0)}Z` }), s("path", { class: "curve", d: line(spent) }),
    check.held_usd > 0 && s("rect", { class: "held", x: right - 22, y: y(committed), width: 22, height: y(check.spent_usd) - y(committed) }),
    s("line", { class: "limit", x1: PAD.left, x2: right, y1: y(check.limit_usd), y2: y(check.limit_usd) }),
    s("text", { class: "strong", x: PAD.left + 5, y: y(check.limit_usd) - 5 }, `limit ${shows(check.limit_usd)}`),
  ];
  return figure({
    id: `spend-${check.budget}`, title: `Spent in the window (${check.window.kind})`,
    about: `${shows(check.spent_usd)} spent and ${shows(check.held_usd)} held of ${shows(check.limit_usd)}.`, width, height, drawn, stops,
    legend: [
      key("spent", s("rect", { class: "spent", width: 18, height: 12 }), s("path", { class: "curve", d: "M0 2h18" })),
      check.held_usd > 0 && key("held by reservations", s("rect", { class: "held", width: 18, height: 12 })),
      key("limit", s("path", { class: "limit", d: "M0 6h18" })),
    ],
    head: ["Until", "Spent"],
    rows: history.at_s.map((at, i) => [minute(start + at * 1000), shows(history.spent_usd[i])]),
  });
}

/* Without a course of spending: what is spent, held and left, as one bar. */
function spendBar(check) {
  const shows = inUnit(check);
  const whole = Math.max(check.limit_usd, check.spent_usd + check.held_usd) || 1;
  const x = scale([0, whole], [0, 200]);
  const words = `${shows(check.spent_usd)} spent, ${shows(check.held_usd)} held, limit ${shows(check.limit_usd)}`;
  return h("div", null, s("svg", { class: "strip", viewBox: "0 0 200 18", preserveAspectRatio: "none", role: "img", "aria-label": words },
    s("rect", { class: "track", y: 4, width: 200, height: 10 }), s("rect", { class: "point", y: 4, width: x(check.spent_usd), height: 10 }),
    s("rect", { class: "held", x: x(check.spent_usd), y: 4, width: x(check.held_usd), height: 10 }),
    s("line", { class: "need", x1: x(check.limit_usd) - 1, x2: x(check.limit_usd) - 1, y1: 1, y2: 17 })), h("p", { class: "muted small" }, words));
}

function budgetCharts(check, history, width) {
  // As wide as the style sheet makes a pair, or one alone.
  const side = check.projected_interval80_usd && width >= 2 * 440 + 16 ? (width - 16) / 2 : width;
  return h("div", { class: "pair" }, history ? spendChart(check, history, side) : spendBar(check), check.projected_interval80_usd && planChart(check, side));
}

const budgetFacts = (check, shows = inUnit(check)) => h("dl", { class: "facts" },
  fact("Remaining", shows(check.remaining_usd), check.binding ? ["decided by ", name(check.binding.budget), `: ${shows(check.binding.remaining_usd)} left`] : `of ${shows(check.limit_usd)}`),
  check.projected_usd !== undefined && fact("Planned work", shows(check.projected_usd), `80% ${span(check.projected_interval80_usd, shows)}`),
  check.confidence !== undefined && fact("Fits with", percent(check.confidence), `${percent(check.required_confidence)} required`),
  check.calls_that_would_pass !== undefined && fact("Would pass", `${whole(check.calls_that_would_pass)} calls`, check.planned_calls && `${whole(check.planned_calls)} planned`),
  fact("Spent", shows(check.spent_usd), `window ${check.window.kind}${check.window.end ? `, until ${minute(check.window.end)}` : ""}`),
  fact("Held", shows(check.held_usd), check.others_hold ? `${check.others_hold.length} open` : null),
  h("div", { class: "whole" }, h("dt", null, "Rests on"), h("dd", null, `${whole(check.n)} calls${check.regime_start ? ` since ${day(check.regime_start)}` : check.method ? `: ${check.method}` : ""}`)));

const holds = (check, shows = inUnit(check)) => check.others_hold &&
  h("details", null, h("summary", null, `Open holds (${check.others_hold.length})`), dataTable("Open holds", ["Held", "Expires"], check.others_hold.map((hold) => [shows(hold.held_usd), minute(hold.expires_at)])));

/* Asking about another number of calls. */
function planForm(check, asked, go) {
  if (!go.asks) return null;
  return h("form", {
    class: "form",
    onsubmit: (event) => {
      event.preventDefault();
      const calls = Number(event.currentTarget.querySelector("input").value);
      if (Number.isInteger(calls) && calls > 0) go.to({ view: "budget", ...asked, budget: check.budget, planned_calls: calls });
    },
  }, h("label", null, "Planned calls", h("input", { type: "number", min: 1, max: 1000000, step: 1, required: true, value: check.planned_calls ?? 100 })), h("button", { type: "submit" }, "Check"));
}

function budgetCard({ answer: check, history, asked, go, width }) {
  return h("section", { class: "card", "aria-label": `Budget ${check.budget}` },
    heading(check, ["Budget ", go.link(check.budget, { view: "budget", budget: check.budget })], check.passed === undefined ? null : check.passed ? "passes" : "does not pass"),
    h("p", { class: "lead" }, check.summary),
    check.unpriced && h("p", { class: "note" }, check.unpriced.why),
    budgetCharts(check, history?.kind === "budget" ? history : null, width - 30),
    budgetFacts(check), holds(check), planForm(check, asked, go),
    check.calibration?.note && h("p", { class: "promise" }, check.calibration.note), nextSteps(check, go));
}

const budgetView = (seen) => h("div", { class: "stack" }, budgetCard(seen));
