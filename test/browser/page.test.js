// The report in a real browser: it asks no network, breaks no policy of its
// own, is accessible in both themes and at three widths, works by keyboard and
// without script, prints in full, and nothing of it overlaps.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { drawings, pages, workloads } from "./pages.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const widths = [360, 820, 1440];
const schemes = ["light", "dark"];

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser.close());

// open shows a page in a blank profile and collects what it must not do.
async function open(page, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const tab = await context.newPage();
  const bad = [];
  tab.on("request", (r) => { if (r.url() !== page.url) bad.push("request " + r.url()); });
  tab.on("console", (m) => bad.push("console " + m.text()));
  tab.on("pageerror", (e) => bad.push("error " + e.message));
  tab.on("dialog", (d) => { bad.push("dialog " + d.message()); d.dismiss(); });
  if (options.javaScriptEnabled !== false) {
    await tab.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error("policy " + e.violatedDirective + " " + e.blockedURI)));
  }
  await tab.goto(page.url);
  return { tab, close: async () => { await context.close(); assert.deepEqual(bad, []); } };
}

const openAll = (tab) => tab.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));

// sideways are the elements that make a page wider than its window.
const sideways = (tab) => tab.evaluate(() => {
  const most = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= most) return [];
  return [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > most + 1 && !e.closest(".graph, pre"))
    .slice(0, 5).map((e) => e.outerHTML.slice(0, 120));
});

// clashes are texts of drawings that leave their drawing or their box, or
// stand on another text.
const clashes = (tab) => tab.evaluate(() => {
  const out = [];
  const outside = (a, b) => a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
  for (const svg of document.querySelectorAll("svg.drawing")) {
    if (svg.parentNode.closest?.("svg") || !svg.getBoundingClientRect().width) continue;
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text:not(.tip)")].map((el) => ({ el, r: el.getBoundingClientRect() }));
    for (const [i, { el, r }] of texts.entries()) {
      if (outside(r, frame)) out.push("leaves the drawing: " + el.textContent);
      const box = el.closest(".box")?.querySelector("rect");
      if (box && outside(r, box.getBoundingClientRect())) out.push("leaves its box: " + el.textContent);
      for (const o of texts.slice(i + 1)) {
        const w = Math.min(r.right, o.r.right) - Math.max(r.left, o.r.left), h = Math.min(r.bottom, o.r.bottom) - Math.max(r.top, o.r.top);
        if (w > 1 && h > 4) out.push("overlap: " + el.textContent + " | " + o.el.textContent);
      }
    }
  }
  return out;
});

for (const [name, page] of Object.entries(pages)) {
  describe(name, () => {
    test("is under 2 MB", () => assert.ok(page.size < 2_000_000, page.size + " bytes"));

    for (const width of widths) {
      test("fits " + width + " pixels", async () => {
        const { tab, close } = await open(page, { viewport: { width, height: 900 } });
        assert.deepEqual(await sideways(tab), []);
        assert.deepEqual(await clashes(tab), []);
        await openAll(tab);
        assert.deepEqual(await sideways(tab), []);
        await close();
      });
      for (const colorScheme of schemes) {
        test("is accessible at " + width + " pixels, " + colorScheme, async () => {
          const { tab, close } = await open(page, { viewport: { width, height: 900 }, colorScheme });
          if (name === "large") { // thousands of equal rows take minutes and tell no more
            await tab.evaluate(() => document.querySelectorAll("tbody").forEach((b) => [...b.rows].slice(40).forEach((r) => r.remove())));
          }
          await openAll(tab);
          await tab.evaluate(axe);
          const { violations, passes } = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
          assert.deepEqual(violations.map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(" ")), []);
          assert.ok(passes.length > 15, "only " + passes.length + " rules had something to judge");
          await close();
        });
      }
    }
  });
}

test("hostile names are text", async () => {
  const { tab, close } = await open(pages.hostile);
  assert.equal(await tab.evaluate(() => window.broken), undefined);
  assert.equal(await tab.evaluate(() => document.querySelectorAll("img, iframe, object, script:not(:last-of-type)").length), 0);
  assert.ok(await tab.getByText("<script>window.broken=1").count() > 0);
  await close();
});

// tabTo presses Tab until the focus matches.
async function tabTo(tab, selector) {
  for (let i = 0; i < 300; i++) {
    await tab.keyboard.press("Tab");
    if (await tab.evaluate((s) => document.activeElement.matches(s), selector)) return;
  }
  assert.fail("Tab never comes to " + selector);
}

const shownRows = (tab) => tab.evaluate(() => [...document.querySelectorAll("#rows tbody tr")].filter((r) => r.offsetHeight > 0).map((r) => r.textContent));

// eventually waits for what the browser does a little later.
async function eventually(tab, what, condition) {
  for (let i = 0; i < 100; i++) {
    if (await tab.evaluate(condition)) return;
    await tab.waitForTimeout(50);
  }
  assert.fail(what);
}

test("works by keyboard", async () => {
  const { tab, close } = await open(pages.shop);
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.className), "skip");
  await tab.keyboard.press("Enter");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "main");

  await tabTo(tab, "svg a.step");
  assert.equal(await tab.evaluate(() => getComputedStyle(document.activeElement.querySelector(".tip")).visibility), "visible");
  await tab.keyboard.press("Enter");
  await eventually(tab, "a step of the staircase doesn't lead to its action", () => document.querySelector("#step-1 details").open);

  await tabTo(tab, "#step-2 summary");
  assert.notEqual(await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
  await tab.keyboard.press("Enter");
  await eventually(tab, "Enter doesn't open an action", () => document.querySelector("#step-2 details").open);

  const all = await shownRows(tab);
  await tabTo(tab, "#f-severity");
  await tab.keyboard.type("high");
  await tabTo(tab, "#f-text");
  const high = await shownRows(tab);
  assert.ok(high.length > 0 && high.length < all.length && high.every((r) => r.startsWith("high")), high.length + " of " + all.length);
  await tab.keyboard.type("PRIVILEGED log-agent");
  const narrow = await shownRows(tab);
  assert.ok(narrow.length < high.length && narrow.every((r) => /privileged/i.test(r) && /log-agent/.test(r)), narrow.join("\n"));
  assert.equal(await tab.textContent("#f-count"), narrow.length + " of " + all.length + " shown");
  await close();
});

test("the colours can be chosen", async () => {
  const ground = (tab) => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const { tab, close } = await open(pages.shop, { colorScheme: "light" });
  const light = await ground(tab);
  await tab.click("#theme");
  const dark = await ground(tab);
  assert.notEqual(light, dark);
  assert.equal(await tab.textContent("#theme"), "Light");
  await tab.click("#theme");
  assert.equal(await ground(tab), light);
  await close();
});

test("filters thousands of findings at once", async () => {
  const { tab, close } = await open(pages.large);
  const rows = (await shownRows(tab)).length;
  assert.ok(rows > Math.min(workloads, 1000), rows + " rows");
  const took = await tab.evaluate(() => {
    const start = performance.now(), field = document.getElementById("f-text");
    field.value = "w17 ";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.offsetHeight;
    return performance.now() - start;
  });
  assert.ok((await shownRows(tab)).length < rows);
  assert.ok(took < 2000, took + " ms");
  await close();
});

test("needs no script", async () => {
  const { tab, close } = await open(pages.shop, { javaScriptEnabled: false });
  assert.ok(await tab.locator("h1").isVisible());
  assert.ok(await tab.locator("#step-1").isVisible());
  assert.equal(await tab.locator(".ladder > li").count(), 14);
  assert.ok(await tab.locator(".graph svg").first().isVisible());
  assert.ok(await tab.locator("#rows tbody tr").first().isVisible());
  assert.ok(!await tab.locator("#filter").isVisible() && !await tab.locator("#theme").isVisible(), "a control that does nothing is shown");
  await tab.locator("#step-1 summary").click();
  assert.ok(await tab.getByText("Evidence").first().isVisible());
  await close();
});

test("prints in full, black on white", async () => {
  const { tab, close } = await open(pages.shop, { colorScheme: "dark" });
  await tab.fill("#f-text", "nothing has this");
  await tab.emulateMedia({ media: "print", colorScheme: "dark" });
  const state = await tab.evaluate(() => ({
    folded: [...document.querySelectorAll("details .body")].filter((b) => !b.offsetHeight).length,
    controls: [...document.querySelectorAll("#filter, #theme, .toc")].filter((e) => e.offsetHeight).length,
    rows: [...document.querySelectorAll("#rows tbody tr")].filter((r) => !r.offsetHeight).length,
    ink: getComputedStyle(document.body).color, ground: getComputedStyle(document.body).backgroundColor,
  }));
  assert.deepEqual(state, { folded: 0, controls: 0, rows: 0, ink: "rgb(0, 0, 0)", ground: "rgb(255, 255, 255)" });
  const pdf = await tab.pdf({ format: "A4" });
  assert.ok(pdf.length > 50_000);
  await close();
});

for (const [name, drawing] of Object.entries(drawings)) {
  for (const colorScheme of schemes) {
    test("drawing of " + name + ", " + colorScheme, async () => {
      const { tab, close } = await open(drawing, { colorScheme });
      assert.deepEqual(await clashes(tab), []);
      assert.ok(await tab.evaluate(() => document.querySelectorAll("rect").length) > 3);
      await close();
    });
  }
}
