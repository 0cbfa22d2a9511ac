/* In a browser: pages by address, answers as JSON, brought up to date when the store changes. */

const RANGES = [["", "automatic"], ["1", "24 hours"], ["4", "4 days"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["3650", "all"]];
const BUDGETS_SHOWN = 8;

async function ask(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const response = await fetch(`api/${path}?${new URLSearchParams(given)}`).catch(() => {
    throw new Error("The dashboard's server does not answer.");
  });
  if (response.headers.get("content-type")?.startsWith("application/json")) return response.json();
  throw new Error(response.status === 500 ? "The dashboard's server failed; its log says why." : await response.text());
}
const tool = async (view, query) => unpacked(await ask(TOOL_OF[view], query));

/* A page is a view and its arguments, in the address after #. */
function placed() {
  const { view, ...rest } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  return { view: view ?? "fleet", ...rest };
}
const address = (place) => `#${new URLSearchParams(Object.entries(place).filter(([, v]) => v !== undefined && v !== null && v !== ""))}`;

/* Each page: what it asks, part by part. A part that fails does not take the others with it. */
const PAGES = {
  fleet: (about) => ({
    fleet: () => tool("trust", { detail: "full" }),
    incidents: () => tool("incidents"),
    ...Object.fromEntries(about.budgets.slice(0, BUDGETS_SHOWN).map(({ budget, planned_calls }) => [`budget ${budget}`, () => tool("budget", { budget, planned_calls })])),
  }),
  dependency: (about, { dependency, segment, metric, days, ...more }) => ({
    drift: () => tool("dependency", { dependency, segment, metric, days, ...more, detail: "full" }),
    ...(segment || metric ? {} : { trust: () => tool("trust", { dependency, detail: "full" }) }),
    route: () => tool("route", { dependency }),
    incidents: () => tool("incidents", { dependency }),
  }),
  trust: (about, { days, ...query }) => ({ whole: () => tool("trust", { ...query, detail: "full" }) }),
  budget: (about, { days, ...query }) => ({
    whole: () => tool("budget", { planned_calls: about.budgets.find(({ budget }) => budget === query.budget)?.planned_calls, ...query, detail: "full" }),
  }),
  incidents: (about, { days, ...query }) => ({ whole: () => tool("incidents", query) }),
  preflight: (about, { days, ...query }) => ({ whole: () => tool("preflight", query) }),
  route: (about, { days, ...query }) => ({ whole: () => tool("route", query) }),
  list: (about, { days, ...query }) => ({ whole: () => tool("list", query) }),
};

function inBrowser() {
  const root = document.getElementById("app");
  let about = null;
  let place = placed();
  let parts = {};
  let verdicts = null;
  let live = null;
  let updated = null;
  let turn = 0;
  let busy = false;
  let again = false;

  const go = {
    asks: true,
    to: (next) => { location.hash = address({ days: place.days, ...next }); },
    link: (text, next) => h("a", { href: address({ days: place.days, ...next }) }, name(text)),
  };

  async function load() {
    if (busy) { again = true; return; }
    busy = true;
    const mine = turn;
    try {
      about ??= await ask("about");
      const wanted = (PAGES[place.view] ?? PAGES.fleet)(about, withoutView(place));
      parts = Object.fromEntries(Object.keys(wanted).map((part) => [part, parts[part]]));
      await Promise.all(Object.entries(wanted).map(async ([part, get]) => {
        let found;
        try { found = { ...(await get()), problem: null }; }
        catch (error) { found = { ...parts[part], problem: error.message }; }
        if (mine !== turn) return;
        parts[part] = found;
        render();
      }));
      if (mine === turn) { updated = Date.now(); announce(); }
    } catch (error) {
      if (mine === turn) parts = { ...parts, site: { problem: error.message } };
    }
    busy = false;
    render();
    if (again || mine !== turn) { again = false; load(); }
  }

  const withoutView = ({ view, ...rest }) => rest;

  /* Who cannot see the page change hears which verdict did. */
  function announce() {
    const lines = parts.fleet?.answer?.fleet;
    if (!lines) return;
    const now = new Map(lines.map((line) => [line.dependency, line.verdict]));
    const changed = verdicts && [...now].filter(([one, verdict]) => verdicts.has(one) && verdicts.get(one) !== verdict);
    if (changed?.length) speak(changed.map(([one, verdict]) => `${one} is now ${VERDICTS[known(verdict)]}`).join(". "));
    verdicts = now;
  }

  /* What every part suffers from is said once, above them. */
  const shared = () => {
    const problems = new Set(Object.values(parts).map((part) => part?.problem));
    return problems.size === 1 && Object.keys(parts).length > 1 ? [...problems][0] : null;
  };
  const trouble = (part, { above = false } = {}) => part?.problem && (above || part.problem !== shared()) && h("p", { class: `note ${part.answer ? "stale" : "bad"}`, role: "alert" },
    part.answer ? `Not up to date: ${part.problem}` : part.problem, h("button", { type: "button", onclick: load }, "Try again"));
  const nothing = (part) => [h("h1", null, "No answer"), trouble(part, { above: true })];
  const drawn = (part, draw, label) => part && [trouble(part), part.answer && draw(part)];

  function crumbs() {
    const steps = [["Fleet", { view: "fleet" }]];
    if (place.dependency) steps.push([place.dependency, { view: "dependency", dependency: place.dependency }]);
    if (place.metric) steps.push([place.metric, { view: "dependency", dependency: place.dependency, metric: place.metric }]);
    if (place.segment) steps.push([place.segment, place]);
    if (place.budget) steps.push([place.budget, place]);
    if (place.view === "incidents") steps.push([place.incident_id ? "Incident" : "Incidents", place]);
    if (place.workload) steps.push([place.workload, place]);
    return h("nav", { "aria-label": "Where you are" }, h("ol", { class: "crumbs" }, steps.map(([text, to], i) =>
      h("li", null, i === steps.length - 1 ? h("span", { "aria-current": "page" }, name(text)) : go.link(text, to)))));
  }

  const top = () => h("header", { class: "top" },
    h("button", { type: "button", class: "skip", onclick: () => document.getElementById("main").focus() }, "Skip to content"),
    h("a", { class: "brand", href: "#" }, "gonogo"), crumbs(),
    h("div", { class: "tools" },
      place.view === "dependency" && h("label", null, "Range", h("select", { onchange: (event) => { location.hash = address({ ...place, days: event.currentTarget.value }); } },
        RANGES.map(([value, text]) => h("option", { value, selected: (place.days ?? "") === value }, text)))),
      h("span", { class: `live${live ? "" : " waiting"}` }, live ? "Live" : live === null ? "Connecting" : "Reconnecting", updated && `, ${SECONDS.format(updated)} UTC`)));

  function fleetPage(width) {
    const [left, right] = width > 820 ? [(width - 16) * 0.625, (width - 16) * 0.375] : [width, width];
    const report = parts.fleet?.answer;
    return [
      report && overall(report),
      h("div", { class: "columns" },
        h("div", { class: "stack" }, drawn(parts.fleet, ({ answer, history }) => fleetCard(answer, history, go, troubled())), workloads()),
        h("div", { class: "stack" }, drawn(parts.incidents, ({ answer }) => incidentCard(answer, go)),
          about.budgets.slice(0, BUDGETS_SHOWN).map(({ budget }) => drawn(parts[`budget ${budget}`], (part) => budgetSmall({ ...part, go, width: right }))),
          about.budgets.length > BUDGETS_SHOWN && h("p", { class: "muted" }, `And ${about.budgets.length - BUDGETS_SHOWN} more budgets: `, about.budgets.slice(BUDGETS_SHOWN).map(({ budget }) => [go.link(budget, { view: "budget", budget }), " "])))),
    ];
  }

  const troubled = () => new Map((parts.incidents?.answer?.incidents ?? []).filter((i) => i.status !== "resolved").map((i) => [i.dependency, i.status]));

  /* As bad as its worst part, and what each part says. */
  function overall(report) {
    const rest = Object.entries(parts).filter(([part, found]) => part !== "fleet" && found?.answer && known(found.answer.verdict) !== "go").map(([, found]) => found.answer);
    const verdict = worst([report.verdict, ...rest.map((answer) => answer.verdict)]);
    return h("section", { class: "card", key: "whole", "aria-label": "Overall" }, heading({ ...report, verdict }, "Now"),
      h("ul", { class: "steps lead" }, [report, ...rest].map((answer, i) => h("li", { key: i }, marked(answer.verdict), " ", answer.budget && [name(answer.budget), ": "], answer.summary))));
  }

  const budgetSmall = ({ answer: check, width }) => h("section", { class: "card", key: check.budget, "aria-label": `Budget ${check.budget}` },
    h("header", null, h("h2", null, "Budget ", go.link(check.budget, { view: "budget", budget: check.budget })), badge(check.verdict)),
    check.projected_interval80_usd ? planChart(check, width - 30) : spendBar(check), h("p", { class: "small" }, check.summary));

  const workloads = () => about.workloads.length > 0 && h("section", { class: "card", "aria-label": "Workloads" }, h("h2", null, "Workloads"),
    h("ul", { class: "rows" }, about.workloads.map((workload) => h("li", { key: workload }, h("span", { class: "grow" }, name(workload)), go.link("Preflight", { view: "preflight", workload })))));

  function dependencyPage(width) {
    if (parts.drift?.problem && !parts.drift.answer) return nothing(parts.drift);
    return [
      drawn(parts.drift, (part) => driftCard({ ...part, asked: place, go, width })),
      h("div", { class: "pair" }, drawn(parts.route, ({ answer }) => routeLine(answer, go, worst(["drift", "trust"].map((part) => parts[part]?.answer?.verdict ?? "go")))), drawn(parts.incidents, ({ answer }) => incidentCard(answer, go))),
      drawn(parts.drift && { ...parts.drift, problem: null }, ({ answer }) => besideDrift(answer, go)),
      drawn(parts.trust, ({ answer }) => trustCard(answer, go)),
    ];
  }

  function content(width) {
    if (parts.site?.problem) return nothing(parts.site);
    if (!about || Object.values(parts).every((part) => part === undefined)) return h("p", { class: "empty", role: "status" }, "Loading.");
    const all = shared() && trouble(Object.values(parts)[0], { above: true });
    return [all, pageOf(width)];
  }

  function pageOf(width) {
    if (place.view === "dependency") return dependencyPage(width);
    if (parts.whole) return !parts.whole.answer ? nothing(parts.whole) : drawn(parts.whole, (part) => viewOf(part.answer)({ ...part, asked: withoutView(place), go, width }));
    return fleetPage(width);
  }

  function render() {
    const width = Math.max(Math.min(root.clientWidth, 1180) - (root.clientWidth > 860 ? 40 : 24), 280);
    document.title = clean(`${place.dependency ?? place.budget ?? "Fleet"} \u00b7 gonogo`);
    morphChildren(root, [h("div", { class: "page" }, top(), h("main", { id: "main", tabindex: -1, class: "stack", key: location.hash, "aria-busy": busy ? "true" : null }, content(width)))]);
  }

  function turned() {
    turn += 1;
    place = placed();
    parts = {};
    updated = null;
    render();
    scrollTo(0, 0);
    load();
  }

  let due = null;
  const heard = {
    changed() {
      live = true;
      // A burst of writes is one look; a page that nobody sees looks when it is seen again.
      if (due === null) due = setTimeout(() => { due = null; if (!document.hidden) load(); }, updated === null ? 0 : 400);
    },
    error() { live = false; render(); },
  };

  /* All tabs share one stream; where a browser has no shared workers, a tab listens while it is seen. */
  function listen() {
    if ("SharedWorker" in window) {
      const { port } = new SharedWorker("stream.js");
      port.onmessage = ({ data }) => heard[data]?.();
    } else {
      let events = null;
      const own = () => {
        events?.close();
        events = document.hidden ? null : new EventSource("api/changes");
        for (const [what, hear] of Object.entries(heard)) events?.addEventListener(what, hear);
      };
      document.addEventListener("visibilitychange", own);
      own();
    }
    document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
  }

  addEventListener("hashchange", turned);
  new ResizeObserver(() => render()).observe(root);
  render();
  load();
  listen();
}
