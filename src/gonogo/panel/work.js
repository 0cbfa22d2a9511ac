/* Preflight, routes, incidents, and what every answer has: its heading and its next steps. */

function heading(answer, title, words) {
  const stale = answer.data_age_s !== undefined && answer.data_age_s > 7 * 86400;
  return h("header", { class: "headline" }, badge(answer.verdict, { large: true }), h("h1", null, title),
    words && h("span", { class: "muted" }, words),
    h("span", { class: "aside" }, answer.data_age_s === undefined ? `asked ${minute(answer.as_of)}` : [stale && marked("caution"), `newest data ${age(answer.data_age_s)} old`]));
}

/* Reading tools can be asked from here; what acts is for the agent or a person to decide. */
const VIEW_OF = table({
  check_model_drift: "dependency", get_trust_score_health: "trust", check_budget_with_confidence: "budget",
  get_incidents: "incidents", preflight: "preflight", get_route: "route", list_dependencies: "list",
});
function nextSteps(answer, go) {
  if (!answer.next_actions?.length) return null;
  return h("div", null, h("h2", null, "Next"), h("ul", { class: "steps" }, answer.next_actions.map((step) => {
    const reads = step.tool in VIEW_OF && !step.arguments.reserve;
    return h("li", null, reads ? go.link(step.tool, { view: VIEW_OF[step.tool], ...step.arguments }) : h("code", null, step.tool),
      " ", h("span", { class: "muted" }, name(Object.entries(step.arguments).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join(", "))), ` ${DASH} ${step.reason}`);
  })));
}

/* A route to a primary that is ill is no better than it: `primary` is what the page says of it. */
function routeLine(route, go, primary = "go") {
  const away = route.target !== route.dependency;
  const verdict = away ? route.verdict : worst([route.verdict, primary]);
  const rest = 1 - route.share, kept = route.primary_share ?? 0, others = rest - kept;
  return h("section", { class: "card", "aria-label": "Route" },
    h("header", null, h("h2", null, "Route"), badge(verdict), h("span", { class: "aside" }, `epoch ${route.route_epoch}`)),
    h("p", { class: "route" },
      h("span", { class: `stop ${away ? "left" : "here"}` }, go.link(route.dependency, { view: "dependency", dependency: route.dependency })),
      away && [h("span", { class: "hop" }, `${percent(route.share)} \u2192`), h("span", { class: "stop here" }, name(route.target))],
      !away && h("span", { class: "hop" }, rest > 0 ? `keeps ${percent(route.share)}` : "gets every call"),
      away && kept > 0 && h("span", { class: "hop" }, `${percent(kept)} stays`),
      away && others > 1e-9 && h("span", { class: "hop" }, `${percent(others)} to others`)),
    h("p", { class: "muted small" }, name(route.why), route.expires_at && `; looked at again ${minute(route.expires_at)}`));
}

const INCIDENT = table({ open: "no_go", acknowledged: "no_go", mitigated: "caution", recovering: "caution", resolved: "go" });

const actor = (text) => text.replace(/^person:/, "");

/* When it began, and when it was noticed: not the same, and only the second is always known. */
const began = (incident) => incident.onset && [`since ${minute(incident.onset)}`, h("br")];
const noticed = (incident) => `noticed ${minute(incident.opened_at)}`;

const timeline = (incident) => h("ol", { class: "times", "aria-label": "Timeline" }, incident.timeline.map((event, i) =>
  h("li", { key: i }, h("p", { class: "muted small" }, h("time", { datetime: event.ts }, minute(event.ts)), " by ", name(actor(event.actor))), h("p", null, name(event.event)))));

function incidentRows(list, go) {
  if (!list.incidents.length) return h("p", { class: "empty" }, list.summary);
  return h("ul", { class: "rows" }, list.incidents.map((incident) => h("li", { key: incident.id }, mark(INCIDENT[incident.status]),
    h("span", { class: "grow" }, go.link(incident.dependency, { view: "incidents", incident_id: incident.id }), h("br"), h("span", { class: "muted small clamp" }, incident.cause ?? "")),
    h("span", { class: "muted small" }, incident.status, incident.owner && [", ", name(incident.owner)], h("br"), began(incident), noticed(incident),
      incident.silenced_until && [h("br"), `nobody is woken until ${minute(incident.silenced_until)}`]))));
}

/* What waits for a person's yes: the page cannot give it, so it says what to type. */
function waitingRows(list) {
  if (!list.waiting_plans?.length) return null;
  return h("ul", { class: "rows", "aria-label": "Plans that wait for a person" }, list.waiting_plans.map((plan) => h("li", { key: plan.plan_id }, mark("caution"),
    h("span", { class: "grow" }, name(plan.dependency), " to ", [...plan.to].sort((a, b) => b.share - a.share).map((to, i) => [i > 0 && " + ", name(to.target), ` ${percent(to.share)}`]), h("br"),
      h("code", null, name(plan.approve_command)), h("br"), h("span", { class: "muted small clamp" }, name(plan.reason))),
    h("span", { class: "muted small" }, "waits for a person", h("br"), `until ${minute(plan.expires_at)}`))));
}

/* Versions on their way to all calls, and how the last ones ended. */
function promotionRows(list) {
  if (!list.promotions?.length) return null;
  return h("ul", { class: "rows", "aria-label": "Promotions" }, list.promotions.map((way) => h("li", { key: `${way.dependency}/${way.candidate}` }, mark(way.status === "back" ? "caution" : "go"),
    h("span", { class: "grow" }, name(way.dependency), " to ", name(way.candidate), ` ${percent(way.share)}`, h("br"), h("span", { class: "muted small clamp" }, way.why ? name(way.why) : `stage ${way.stage} of 5`)),
    h("span", { class: "muted small" }, way.status, h("br"), `since ${minute(way.since)}`))));
}

const incidentCard = (list, go) => h("section", { class: "card", "aria-label": "Incidents" },
  h("header", null, h("h2", null, "Incidents"), badge(list.verdict)), incidentRows(list, go), waitingRows(list), promotionRows(list));

function incidentsView({ answer: list, go }) {
  const [only] = list.incidents;
  return h("div", { class: "stack" }, h("section", { class: "card", "aria-label": "Incidents" },
    heading(list, list.incidents.length === 1 ? ["Incident of ", go.link(only.dependency, { view: "dependency", dependency: only.dependency })] : "Incidents", list.incidents.length === 1 ? only.status : null),
    h("p", { class: "lead" }, list.summary),
    list.incidents.length === 1
      ? [h("dl", { class: "facts" }, only.onset && fact("Since", minute(only.onset)), fact("Noticed", minute(only.opened_at)), fact("Id", h("code", null, only.id)), only.owner && fact("Owner", name(only.owner)), only.cause && h("div", { class: "whole" }, h("dt", null, "Cause"), h("dd", null, name(only.cause)))), timeline(only)]
      : incidentRows(list, go),
    waitingRows(list), promotionRows(list),
    nextSteps(list, go)));
}

function preflightView({ answer: report, history, asked, go, width }) {
  return h("div", { class: "stack" },
    h("section", { class: "card", "aria-label": "Preflight" },
      heading(report, ["Preflight", report.workload && [" of ", name(report.workload)]], report.p_success === undefined ? null : `one call of each part is good: ${percent(report.p_success)}`),
      h("p", { class: "lead" }, report.summary),
      report.blockers.length > 0 && h("div", null, h("h2", null, "Blockers"), h("ul", { class: "steps" }, report.blockers.map((text) => h("li", { class: "note bad" }, text)))),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What the work needs" }, h("table", null,
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Needs"), h("th", { scope: "col", class: "num" }, "Trust"), h("th", { scope: "col" }, "Drift"), h("th", { scope: "col", class: "wide" }, "Route"), h("th", { scope: "col" }, "Why"))),
        h("tbody", null, report.checks.map((check) => h("tr", { key: check.dependency },
          h("th", { scope: "row" }, h("span", { class: "name" }, marked(check.verdict), go.link(check.dependency, { view: "dependency", dependency: check.dependency }))),
          h("td", { class: "num" }, check.score === undefined ? DASH : points(check.score)),
          h("td", null, STATUS[check.drift_status] ?? DASH),
          h("td", { class: "wide target" }, check.route_target && check.route_target !== check.dependency ? [h("span", { class: "hop" }, "\u2192 "), name(check.route_target)] : "primary"),
          h("td", { class: "small" }, check.why)))))),
      report.p_success_note && h("p", { class: "promise" }, report.p_success_note),
      report.incidents.length > 0 && h("ul", { class: "rows" }, report.incidents.map((incident) => h("li", { key: incident.id }, mark(INCIDENT[incident.status]), h("span", { class: "grow" }, "Incident of ", go.link(incident.dependency, { view: "incidents", incident_id: incident.id })), h("span", { class: "muted" }, incident.status)))),
      nextSteps(report, go)),
    report.budget && budgetCard({ answer: report.budget, history, asked, go, width }));
}

const routeView = ({ answer, go }) => h("div", { class: "stack" }, h("section", { class: "card" }, heading(answer, ["Route of ", go.link(answer.dependency, { view: "dependency", dependency: answer.dependency })]), h("p", { class: "lead" }, answer.summary), nextSteps(answer, go)), routeLine(answer, go));

const listView = ({ answer, go }) => h("div", { class: "stack" }, h("section", { class: "card" }, heading(answer, "Dependencies"), h("p", { class: "lead" }, answer.summary),
  h("ul", { class: "rows" }, answer.dependencies.map((line) => h("li", { key: line.dependency }, mark(line.verdict), h("span", { class: "grow" }, go.link(line.dependency, { view: "dependency", dependency: line.dependency })), h("span", { class: "muted small" }, `${line.kind ?? ""} n ${whole(line.n)}${line.newest_ts ? `, ${minute(line.newest_ts)}` : ""}`)))), nextSteps(answer, go)));

/* Any other answer: what every one of them has. */
const plainView = ({ answer, go }) => h("div", { class: "stack" }, h("section", { class: "card" }, heading(answer, "Answer"), h("p", { class: "lead" }, answer.summary), nextSteps(answer, go)));

/* An answer says by its fields which tool gave it; a host need not. */
function viewOf(answer) {
  if ("metric" in answer && "status" in answer) return driftView;
  if ("limit_usd" in answer) return budgetView;
  if ("checks" in answer && "blockers" in answer) return preflightView;
  if ("fleet" in answer || "parts" in answer || "score_health" in answer || "good_means" in answer) return trustView;
  if ("incidents" in answer) return incidentsView;
  if ("route_epoch" in answer && "target" in answer) return routeView;
  if ("dependencies" in answer) return listView;
  return plainView;
}
