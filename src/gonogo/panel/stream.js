/* One stream of changes for every tab of a browser. Over HTTP/1.1 a browser opens six connections to
   a server: with a stream a tab, the seventh tab would wait for ever. Runs as a SharedWorker. */

const ports = [];
let live = null;

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function listen() {
  const events = new EventSource("api/changes");
  events.addEventListener("changed", () => { live = true; tell("changed"); });
  events.addEventListener("error", () => {
    live = false;
    tell("error");
    // Refused (a full server, an expired token): the browser would not ask again.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

addEventListener("connect", ({ ports: [port] }) => {
  ports.push(port);
  if (live === null && ports.length === 1) listen();
  // Who comes later hears at once how it stands.
  if (live !== null) port.postMessage(live ? "changed" : "error");
});
