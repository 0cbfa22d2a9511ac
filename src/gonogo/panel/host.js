/* In an MCP host: JSON-RPC over postMessage, as the MCP Apps extension has it (2026-01-26). */

const HISTORY = "gonogo/history";
const PROTOCOL = "2026-01-26";

function connection(peer, { onRequest, onNotification }) {
  const waiting = new Map();
  let last = 0;
  window.addEventListener("message", (event) => {
    const message = event.data;
    // Only the host may speak: any page can post to any window.
    if (event.source !== peer || message?.jsonrpc !== "2.0") return;
    if (message.method === undefined) {
      const { resolve, reject } = waiting.get(message.id) ?? {};
      waiting.delete(message.id);
      if (message.error) reject?.(new Error(message.error.message));
      else resolve?.(message.result);
    } else if (message.id === undefined) onNotification(message.method, message.params ?? {});
    else {
      const result = onRequest(message.method, message.params ?? {});
      const reply = result === undefined ? { error: { code: -32601, message: "Method not found" } } : { result };
      peer.postMessage({ jsonrpc: "2.0", id: message.id, ...reply }, "*");
    }
  });
  return {
    notify: (method, params = {}) => peer.postMessage({ jsonrpc: "2.0", method, params }, "*"),
    request: (method, params) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve, reject });
        peer.postMessage({ jsonrpc: "2.0", id: last, method, params }, "*");
      }),
  };
}

/* What a tool gave: its object, or the words of its error. */
function unpacked(result) {
  const words = (result.content ?? []).filter((part) => part.type === "text").map((part) => part.text).join("\n");
  if (result.isError) throw new Error(words || "The tool failed without saying why.");
  return { answer: result.structuredContent ?? null, history: result._meta?.[HISTORY] ?? null, words };
}

const TOOL_OF = table({
  dependency: "check_model_drift", trust: "get_trust_score_health", budget: "check_budget_with_confidence",
  incidents: "get_incidents", preflight: "preflight", route: "get_route", list: "list_dependencies",
});

function inHost(peer) {
  const root = document.getElementById("app");
  document.documentElement.classList.add("app");
  const seen = [];
  let context = {};
  let asks = false;
  let asked = {};
  let told = "Waiting for the answer.";
  let problem = null;

  const go = {
    get asks() { return asks; },
    link: (text, place) => (asks ? h("button", { type: "button", class: "link", onclick: () => go.to(place) }, name(text)) : name(text)),
    async to({ view, ...argumentsOf }) {
      const tool = TOOL_OF[view];
      root.setAttribute("aria-busy", "true");
      try {
        const full = ["dependency", "trust"].includes(view) ? { detail: "full" } : {};
        const found = unpacked(await host.request("tools/call", { name: tool, arguments: { ...argumentsOf, ...full } }));
        problem = null;
        seen.push({ ...found, asked: argumentsOf });
        speak(found.answer?.summary ?? found.words);
      } catch (error) {
        problem = error.message;
        speak(problem);
      }
      root.removeAttribute("aria-busy");
      render();
      root.querySelector("h1")?.scrollIntoView({ block: "nearest" });
    },
  };

  function render() {
    const now = seen.at(-1);
    const width = Math.max(root.clientWidth - 24, 280);
    morphChildren(root, [h("main", { class: "page" },
      seen.length > 1 && h("nav", { "aria-label": "Back" }, h("button", { type: "button", onclick: () => { seen.pop(); problem = null; render(); } }, "\u2190 Back")),
      problem && [!now && h("h1", null, "No answer"), h("p", { class: "note bad", role: "alert" }, problem)],
      now?.answer && viewOf(now.answer)({ ...now, go, width }),
      now && !now.answer && h("pre", null, now.words),
      !now && !problem && [h("h1", { class: "unseen" }, "gonogo"), h("p", { class: "empty", role: "status" }, told)])]);
  }

  function dress(changes) {
    context = { ...context, ...changes };
    if (context.theme) document.documentElement.dataset.theme = context.theme;
    for (const [variable, value] of Object.entries(context.styles?.variables ?? {})) {
      if (variable.startsWith("--") && value) document.documentElement.style.setProperty(variable, value);
    }
  }

  const heard = {
    "ui/notifications/tool-input": (params) => { asked = params.arguments ?? {}; },
    "ui/notifications/tool-result": (params) => {
      try {
        seen.splice(0, seen.length, { ...unpacked(params), asked });
        problem = null;
      } catch (error) { problem = error.message; }
      render();
    },
    "ui/notifications/tool-cancelled": (params) => { told = `Cancelled${params.reason ? `: ${params.reason}` : "."}`; render(); },
    "ui/notifications/host-context-changed": (params) => { dress(params); render(); },
  };
  const host = connection(peer, {
    onRequest: (method) => (["ping", "ui/resource-teardown"].includes(method) ? {} : undefined),
    onNotification: (method, params) => heard[method]?.(params),
  });

  async function start() {
    render();
    const hello = await host.request("ui/initialize", {
      appInfo: { name: "gonogo panel", version: "0.1.0" }, protocolVersion: PROTOCOL,
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    });
    asks = Boolean(hello.hostCapabilities?.serverTools);
    dress(hello.hostContext ?? {});
    render();
    host.notify("ui/notifications/initialized");
    let sent = "";
    new ResizeObserver(() => {
      const [width, height] = [document.documentElement.clientWidth, Math.ceil(root.getBoundingClientRect().height)];
      if (sent === `${width} ${height}`) return;
      if (!sent.startsWith(`${width} `)) render();
      sent = `${width} ${height}`;
      host.notify("ui/notifications/size-changed", { width, height });
    }).observe(root);
  }
  start();
}
