// A real Chromium that lets a page do what a visitor can, and tells what went wrong on it.

import axe from "axe-core";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

// Runs `visit` with a function that opens pages, prints what it returns as JSON, and cleans up.
export async function inChromium(executablePath, visit) {
  const profile = await mkdtemp(join(tmpdir(), "panel-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
  try {
    const open = async ({ width = 1280, height = 900, scheme = "light", motion = "no-preference" } = {}) => {
      const page = await context.newPage();
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: motion });
      page.problems = [];
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.problems.push(message.text()));
      page.on("pageerror", (error) => page.problems.push(String(error)));
      page.on("dialog", (dialog) => { page.problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
      page.on("request", (request) => new URL(request.url()).hostname.match(/^(127\.0\.0\.1|localhost|\w+\.test)?$/) || page.problems.push(`asked ${request.url()}`));
      return page;
    };
    process.stdout.write(`${JSON.stringify(await visit(open))}\n`);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

// What axe finds in a frame: rule, element, advice. CSP does not bind what a debugger evaluates.
export async function found(frame) {
  await frame.evaluate(axe.source);
  const { violations } = await frame.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
}

export const overflow = (frame) =>
  frame.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// Words of a chart that stand over each other.
export const collisions = (frame) => frame.evaluate(() => [...document.querySelectorAll("figure.chart > svg")].flatMap((chart) => {
  const words = [...chart.querySelectorAll("text")].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  return words.flatMap((one, i) => words.slice(i + 1).filter((other) => over(one.box, other.box)).map((other) => `${one.text} | ${other.text}`));
}));

// Pictures to look at, where somebody asks for them.
export async function picture(page, name) {
  if (process.env.GONOGO_SHOTS) await page.screenshot({ path: join(process.env.GONOGO_SHOTS, `${name}.png`), fullPage: true });
}
