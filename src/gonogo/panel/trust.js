/* Trust: the fleet, worst first, and one dependency's score in its parts. */

const PARTS = table({ availability: "No error", quality: "Good outcome", latency_slo: "In time", consistency: "Consistent" });
const HEALTH = table({ healthy: "go", biased: "caution", miscalibrated: "caution", stale: "unknown", unknown: "unknown" });

const scoreText = (line) =>
  line.score === undefined ? "no score" : `${points(line.score)} of 100, 90% interval ${span(line.interval90, points)}`;

const scoreStrip = (line) =>
  line.score !== undefined && strip(line.interval90[0], line.score, line.interval90[1], { to: 100, tone: known(line.verdict), words: `trust ${scoreText(line)}` });

function sparkText(values, start) {
  const first = values.findIndex((v) => v !== null);
  const last = values.findLastIndex((v) => v !== null);
  return `from ${percent(values[first])} on ${day(Date.parse(start) + first * 24 * HOUR)} to ${percent(values[last])} on ${day(Date.parse(start) + last * 24 * HOUR)}`;
}

/* A dependency is as bad as its score or the incident it is in. */
function fleetTable(report, history, go, troubled) {
  const drawn = (line) => {
    const values = history && Object.hasOwn(history.lines, line.dependency) ? history.lines[line.dependency] : null;
    return values?.some((v) => v !== null) ? spark(values, sparkText(values, history.start)) : null;
  };
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Fleet, worst first" },
    h("table", { class: "fleet" },
      h("caption", { class: "unseen" }, "Dependencies, lowest trust first"),
      h("thead", null, h("tr", null,
        h("th", { scope: "col" }, "Dependency"), h("th", { scope: "col", class: "num" }, "Trust"),
        h("th", { scope: "col" }, "90% interval, 0 to 100"), history && h("th", { scope: "col", class: "wide" }, "Good, 3 weeks"),
        h("th", { scope: "col", class: "wide" }, "Since yesterday"))),
      h("tbody", null, report.fleet.map((line) => h("tr", { key: line.dependency },
        h("th", { scope: "row" }, h("span", { class: "name" }, marked(worst([line.verdict, ...(troubled.has(line.dependency) ? [INCIDENT[troubled.get(line.dependency)]] : [])])), go.link(line.dependency, { view: "dependency", dependency: line.dependency }), troubled.has(line.dependency) && h("span", { class: "chip" }, `incident ${troubled.get(line.dependency)}`))),
        h("td", { class: "num" }, line.score === undefined ? DASH : points(line.score)),
        h("td", null, scoreStrip(line), line.score === undefined && h("span", { class: "muted small" }, "never scored")),
        history && h("td", { class: "wide" }, drawn(line)),
        h("td", { class: "wide muted small" }, [line.changed, line.upstream].filter(Boolean).map((text, i) => [i > 0 && h("br"), name(text)]))))),
    ));
}

function health(found) {
  if (!found) return null;
  const numbers = [
    found.ece !== undefined && `calibration error ${SHORT.format(found.ece)}`,
    found.brier !== undefined && `Brier ${SHORT.format(found.brier)}`,
    found.coverage !== undefined && `intervals held ${percent(found.coverage)}`,
    `${whole(found.labels)} labels`,
  ].filter(Boolean);
  return h("div", null,
    h("p", null, marked(HEALTH[found.status] ?? "unknown"), " ", h("strong", null, `Scores are ${found.status}`), h("span", { class: "muted" }, `: ${numbers.join(", ")}.`)),
    found.note && h("p", { class: "muted" }, found.note),
    found.golden_page && h("p", { class: "note bad" }, `Golden set ${SHORT.format(found.golden_deviation_sd)} sd from its baseline. ${found.golden_warning ?? ""}`));
}

const suspected = (found, go) => found &&
  h("p", { class: "note bad" }, found.provider === "not declared" ? "A shared cause (no provider is declared)" : ["Provider ", name(found.provider)], " is suspected: ",
    found.dependencies.map((one, i) => [i ? ", " : "", go.link(one, { view: "dependency", dependency: one })]),
    found.provider === "not declared" ? " began to fail together, last at about " : " fail together since ", `${minute(found.since)} (evidence ${evidence(found.e_value)}).`);

function fleetCard(report, history, go, troubled = new Map()) {
  if (!report.fleet.length) {
    return h("section", { class: "card", "aria-label": "Fleet" }, h("h2", null, "Fleet"), h("p", { class: "empty" }, report.summary));
  }
  return h("section", { class: "card", "aria-label": "Fleet" },
    h("header", null, h("h2", null, "Fleet"), h("span", { class: "aside" }, `${report.fleet.length} shown, lowest lower bound first`)),
    suspected(report.provider_suspected, go), fleetTable(report, history, go, troubled), health(report.score_health));
}

function partsTable(parts) {
  return h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Part"), h("th", { scope: "col", class: "num" }, "Rate"), h("th", { scope: "col" }, "90% interval, 0 to 100%"), h("th", { scope: "col", class: "num" }, "n"))),
    h("tbody", null, Object.entries(parts).map(([part, found]) => h("tr", { key: part },
      h("th", { scope: "row" }, PARTS[part] ?? part), h("td", { class: "num" }, percent(found.rate)),
      h("td", null, strip(found.interval90[0], found.rate, found.interval90[1], { words: `90% interval ${span(found.interval90, percent)}` })),
      h("td", { class: "num" }, whole(found.n)))))));
}

function trustCard(report, go) {
  return h("section", { class: "card", "aria-label": "Trust" },
    heading(report, ["Trust in ", go.link(report.dependency, { view: "dependency", dependency: report.dependency })], report.score === undefined ? "no score" : `${points(report.score)} of 100`),
    scoreStrip(report),
    h("p", { class: "lead" }, report.summary),
    report.good_means && h("p", { class: "muted small" }, `Good means: ${report.good_means}`),
    suspected(report.provider_suspected, go),
    report.upstream?.length > 0 && h("ul", { class: "steps" }, report.upstream.map((text) => h("li", { class: "note" }, text))),
    report.parts && partsTable(report.parts), health(report.score_health), nextSteps(report, go));
}

function trustView({ answer, history, go }) {
  if (answer.fleet) return h("div", { class: "stack" }, h("section", { class: "card" }, heading(answer, "Fleet"), h("p", { class: "lead" }, answer.summary), nextSteps(answer, go)), fleetCard(answer, history, go));
  return h("div", { class: "stack" }, trustCard(answer, go));
}
