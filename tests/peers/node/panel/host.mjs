// An MCP host that shows Apps: node host.mjs CHROMIUM COMMAND ARGUMENTS as JSON
//
// The protocol's own bridge (ext-apps) and client stand between the page in its sandboxed frame and
// a real server. Messages cross from the frame to this process through the page around it.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { AppBridge } from "@modelcontextprotocol/ext-apps/app-bridge";
import { found, inChromium, overflow, picture } from "./browser.mjs";

const [, , executable, given] = process.argv;
const options = JSON.parse(given);
const MIME = "text/html;profile=mcp-app";
// What a host must enforce where a resource names no domain (MCP Apps 2026-01-26).
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:; connect-src 'none'";
const AROUND = `<!doctype html><html lang="en"><title>host</title><body style="margin:0">
<iframe title="elsewhere" sandbox="allow-scripts" hidden srcdoc="<script>
  const forged = { jsonrpc: '2.0', method: 'ui/notifications/tool-result', params: { content: [{ type: 'text', text: 'forged' }], isError: true } };
  addEventListener('message', () => parent.frames[1].postMessage(forged, '*'));
</script>"></iframe>
<iframe title="panel" src="http://app.test/" sandbox="allow-scripts" style="border:0;width:100%;height:2400px"></iframe>
<script>
  const frame = document.querySelectorAll("iframe")[1];
  addEventListener("message", (event) => event.source === frame.contentWindow && window.fromApp(event.data));
  window.toApp = (message) => frame.contentWindow.postMessage(message, "*");
</script>`;

class Crossing {
  constructor(page) { this.page = page; }
  async start() {}
  async send(message) { await this.page.evaluate((m) => window.toApp(m), message); }
  async close() {}
}

async function shown(open, client, html, call) {
  const page = await open({ scheme: call.scheme ?? "light", width: call.width ?? 760 });
  const crossing = new Crossing(page);
  await page.exposeFunction("fromApp", (message) => crossing.onmessage?.(message));
  const bridge = new AppBridge(call.deaf ? null : client, { name: "host", version: "1" }, call.deaf ? {} : { serverTools: {} }, {
    hostContext: { theme: call.scheme ?? "light", displayMode: "inline", styles: call.styles && { variables: call.styles } },
  });
  let size = null;
  bridge.onsizechange = (params) => { size = params; };
  const initialized = new Promise((resolve) => { bridge.oninitialized = resolve; });
  await bridge.connect(crossing);
  await page.route("http://app.test/", (route) => route.fulfill({ body: html, contentType: "text/html", headers: { "content-security-policy": POLICY } }));
  await page.route("http://host.test/", (route) => route.fulfill({ body: AROUND, contentType: "text/html" }));
  await page.goto("http://host.test/");
  await initialized;
  const frame = page.frames().find((one) => one.url() === "http://app.test/");
  await frame.waitForSelector("[role=status]");
  await bridge.sendToolInput({ arguments: call.arguments });
  const result = await client.callTool({ name: call.tool, arguments: call.arguments });
  await bridge.sendToolResult(call.strip ? { ...result, _meta: undefined } : result);
  await frame.waitForSelector("main h1:not(.unseen)");
  // A frame that is not the host says something too.
  await page.evaluate(() => document.querySelector("iframe").contentWindow.postMessage("now", "*"));
  await frame.waitForTimeout(150);
  const seen = { name: call.name, text: await frame.locator("main").innerText(), charts: await frame.locator("figure.chart").count(), links: await frame.locator("button.link").count(), axe: await found(frame), overflow: await overflow(frame), theme: await frame.evaluate(() => getComputedStyle(document.documentElement).colorScheme) };
  await picture(page, `app-${call.name}`);
  if (call.follow) {
    await frame.locator("button.link", { hasText: call.follow }).first().click();
    await frame.waitForSelector("nav button");
    seen.followed = await frame.locator("main").innerText();
    seen.followedCharts = await frame.locator("figure.chart").count();
    await picture(page, `app-${call.name}-followed`);
    await frame.locator("nav button").click();
    seen.back = (await frame.locator("main").innerText()) === seen.text;
  }
  await bridge.sendHostContextChange({ theme: "dark" });
  await frame.waitForFunction(() => getComputedStyle(document.documentElement).colorScheme === "dark");
  seen.torn = await bridge.teardownResource({});
  seen.size = size;
  seen.problems = page.problems;
  await page.close();
  return seen;
}

await inChromium(executable, async (open) => {
  const client = new Client({ name: "host", version: "1" }, { capabilities: { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [MIME] } } } });
  const [command, ...args] = options.server;
  await client.connect(new StdioClientTransport({ command, args, env: options.environ }));
  const { tools } = await client.listTools();
  const uri = tools.find((tool) => tool.name === "check_model_drift")._meta.ui.resourceUri;
  const { contents: [page] } = await client.readResource({ uri });
  const seen = [];
  for (const call of options.calls) seen.push(await shown(open, client, page.text, call));
  await client.close();
  return { mime: page.mimeType, seen };
});
