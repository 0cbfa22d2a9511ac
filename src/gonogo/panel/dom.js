/* Elements, and bringing a page up to date without losing focus, scroll or what is open. */

const SVG = document.querySelector("svg").namespaceURI;

/* Names come from outside. They only ever become text, and cannot turn the text around them. */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const clean = (text) => String(text).replace(TURNING, "\ufffd").replace(CONTROL, "\ufffd");

function filled(node, props, children) {
  node.handlers = {};
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "key") node.key = value;
    else if (name.startsWith("on")) node[name] = node.handlers[name] = value;
    else node.setAttribute(name, value === true ? "" : clean(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : clean(child));
  }
  return node;
}

const h = (tag, props, ...children) => filled(document.createElement(tag), props, children);
const s = (tag, props, ...children) => filled(document.createElementNS(SVG, tag), props, children);

/* Words by key. A key from outside ("constructor") finds nothing that is not in it. */
const table = (words) => Object.assign(Object.create(null), words);

/* A name from outside, kept apart from the direction of the text around it. */
const name = (text) => h("bdi", { title: text.length > 40 ? text : null }, text);

/* What a reader changed stays changed: open details, typed numbers. */
const KEPT = new Set(["open", "value"]);

function morph(old, next) {
  for (const { name: attribute } of [...old.attributes]) {
    if (!next.hasAttribute(attribute) && !KEPT.has(attribute)) old.removeAttribute(attribute);
  }
  for (const { name: attribute, value } of [...next.attributes]) {
    if (old.getAttribute(attribute) !== value && !(KEPT.has(attribute) && old.hasAttribute(attribute))) {
      old.setAttribute(attribute, value);
    }
  }
  for (const handler of Object.keys({ ...old.handlers, ...next.handlers })) {
    old[handler] = next.handlers?.[handler] ?? null;
  }
  old.handlers = next.handlers;
  morphChildren(old, [...next.childNodes]);
}

function morphChildren(parent, wanted) {
  const keyed = new Map([...parent.childNodes].filter((c) => c.key).map((c) => [c.key, c]));
  let at = parent.firstChild;
  for (const next of wanted) {
    const found = next.key ? keyed.get(next.key) : at && !at.key ? at : null;
    // A key that comes twice finds its node once.
    if (next.key) keyed.delete(next.key);
    if (found && found.nodeName === next.nodeName) {
      if (found === at) at = at.nextSibling;
      else parent.insertBefore(found, at);
      if (found.nodeType === Node.TEXT_NODE) {
        if (found.data !== next.data) found.data = next.data;
      } else morph(found, next);
    } else parent.insertBefore(next, at);
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

/* Say something to who cannot see it change. */
function speak(text) {
  document.getElementById("spoken").textContent = clean(text);
}
