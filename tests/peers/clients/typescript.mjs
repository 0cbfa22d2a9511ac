// The official TypeScript client, in the mode that is named first.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [mode, dependency, ...server] = process.argv.slice(2);
const negotiation = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
const asked = [];
const client = new Client(
  { name: "peer", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: negotiation } },
);
client.setRequestHandler("elicitation/create", async (request) => {
  asked.push(request.params.message);
  return { action: "accept", content: { approve: true } };
});
await client.connect(
  server[0].startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(server[0]))
    : new StdioClientTransport({ command: server[0], args: server.slice(1), env: process.env }),
);
const { tools } = await client.listTools();
const call = (name, args) => client.callTool({ name, arguments: args });
const listed = await call("list_dependencies", { query: dependency });
const plan = await call("trigger_fallback", { dependency, reason: "rehearsal" });
const done = await call("trigger_fallback", {
  dependency,
  plan_id: plan.structuredContent.plan_id,
});
console.log(
  JSON.stringify({
    tools: tools.length,
    words: listed.content[0].text,
    object: listed.structuredContent,
    asked,
    applied: done.structuredContent.applied,
    protocol: client.getNegotiatedProtocolVersion?.() ?? "",
  }),
);
await client.close();
