// Visits the dashboard: node dashboard.mjs CHROMIUM ADDRESS VISIT [ARGUMENTS as JSON]

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { collisions, found, inChromium, overflow, picture } from "./browser.mjs";

const [, , executable, address, visit, given = "{}"] = process.argv;
const options = JSON.parse(given);
const run = promisify(execFile);
const loaded = (page) => page.waitForFunction(() => document.querySelector("main h1, main .note") && !document.querySelector("main[aria-busy]"));

async function go(page, hash) {
  await page.goto("about:blank");
  await page.goto(address + hash);
  await loaded(page);
}

const VISITS = {
  // Every page in light and dark, wide and narrow: complaints, what axe finds, what sticks out.
  async pages(open) {
    const seen = [];
    for (const [scheme, width] of [["light", 1280], ["dark", 720], ["light", 360]]) {
      const page = await open({ scheme, width });
      for (const [name, hash] of Object.entries(options.pages)) {
        await go(page, hash);
        for (const summary of await page.locator("details > summary").all()) await summary.click();
        await picture(page, `${name}-${scheme}-${width}`);
        seen.push({ name, scheme, width, axe: await found(page), overflow: await overflow(page), collisions: await collisions(page), problems: page.problems.splice(0), text: await page.locator("main").innerText(), charts: await page.locator("figure.chart > svg").allTextContents() });
      }
      await page.close();
    }
    return seen;
  },

  // Keys alone: from the top to a dependency, along its chart, to a slice, and back.
  async keyboard(open) {
    const page = await open({ motion: "reduce" });
    await go(page, "");
    const at = () => page.evaluate(() => {
      const active = document.activeElement;
      return { tag: active.tagName, text: active.innerText ?? "", outlined: getComputedStyle(active).outlineStyle !== "none" };
    });
    const tabTo = async (test) => {
      for (let i = 0; i < 60; i += 1) {
        await page.keyboard.press("Tab");
        const now = await at();
        steps.push(now);
        if (test(now)) return now;
      }
      throw new Error(`never reached; ${JSON.stringify(steps)}`);
    };
    const steps = [];
    const first = await tabTo(() => true);
    await page.keyboard.press("Enter");
    const skipped = await page.evaluate(() => document.activeElement.id);
    await tabTo((now) => now.text === options.dependency);
    await page.keyboard.press("Enter");
    await page.waitForFunction((name) => document.querySelector("main h1")?.innerText === name, options.dependency);
    await loaded(page);
    await tabTo((now) => now.tag === "INPUT");
    const read = () => page.locator("figure output").first().innerText();
    const before = await read();
    await page.keyboard.press("ArrowLeft");
    const after = await read();
    await tabTo((now) => now.tag === "SUMMARY");
    await page.keyboard.press("Enter");
    const rows = await page.locator("figure details[open] tbody tr").count();
    await tabTo((now) => now.text === options.slice);
    await page.keyboard.press("Enter");
    await page.waitForFunction((slice) => document.querySelector("main h1")?.innerText.includes(slice), options.slice);
    const animated = await page.evaluate(() => document.getAnimations().length);
    await page.goBack();
    await page.waitForFunction((name) => document.querySelector("main h1")?.innerText === name, options.dependency);
    return { first, skipped, before, after, rows, animated, outlined: steps.every((step) => step.outlined), problems: page.problems };
  },

  // Another process writes while the page is open: it is brought up to date where it stands.
  async live(open) {
    const page = await open();
    await go(page, options.hash);
    await page.waitForFunction(() => document.querySelector(".live")?.innerText.startsWith("Live"));
    await page.locator("figure input").first().focus();
    await page.keyboard.press("Home");
    await page.locator("figure details > summary").first().click();
    await page.locator("figure input").first().focus();
    const output = await page.locator("figure output").first().innerText();
    await page.evaluate((text) => { window.stays = document.querySelector("main"); window.gone = text; }, options.before);
    const [command, ...rest] = options.write;
    await run(command, rest, { env: { ...process.env, ...options.environ } });
    await page.waitForFunction((text) => document.querySelector("main").innerText.includes(text), options.after, { timeout: 15000 });
    await loaded(page);
    return {
      stayed: await page.evaluate(() => window.stays.isConnected && document.activeElement.type === "range"),
      open: await page.locator("figure details[open]").count(),
      output: (await page.locator("figure output").first().innerText()) === output,
      problems: page.problems,
    };
  },

  // More tabs than a browser opens connections to a server: each is live, and each follows a write.
  async tabs(open) {
    const pages = [];
    for (let i = 0; i < options.tabs; i += 1) {
      const page = await open();
      await go(page, options.hash);
      pages.push(page);
    }
    const all = (test, argument) => Promise.all(pages.map((page) => page.waitForFunction(test, argument, { timeout: 15000 })));
    await all(() => document.querySelector(".live")?.innerText.startsWith("Live"));
    await pages.shift().close();
    const [command, ...rest] = options.write;
    await run(command, rest, { env: { ...process.env, ...options.environ } });
    await all((text) => document.querySelector("main").innerText.includes(text), options.after);
    return { followed: pages.length, problems: pages.flatMap((page) => page.problems) };
  },

  // A browser without shared workers: a tab listens for itself.
  async alone(open) {
    const page = await open();
    await page.addInitScript(() => { delete window.SharedWorker; });
    await go(page, options.hash);
    await page.waitForFunction(() => document.querySelector(".live")?.innerText.startsWith("Live"));
    return { problems: page.problems };
  },

  // The server goes away: what is shown stays, and says that it is not up to date.
  async away(open) {
    const page = await open();
    await go(page, "");
    process.kill(options.pid, "SIGTERM");
    await page.waitForFunction(() => document.querySelector(".live").innerText.startsWith("Reconnecting"), null, { timeout: 15000 });
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.waitForSelector(".note.stale");
    await picture(page, "away");
    return { text: await page.locator("main").innerText(), axe: await found(page) };
  },
};

await inChromium(executable, VISITS[visit]);
