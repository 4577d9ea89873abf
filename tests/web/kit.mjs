// SPDX-License-Identifier: Apache-2.0
// What the tests of the page share: a browser, a log-in, TAP, and what no page may do.
import { accessSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const root = fileURLToPath(new URL("../..", import.meta.url));

export function browserPath() {
	// The shell is the same engine without the windows around it: half the processor time.
	for (const p of [process.env.CHROMIUM, "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].filter(Boolean))
		try {
			accessSync(p);
			return p;
		} catch {
			// the next one
		}
	return null;
}

export const launch = () => chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"] });

// A page that counts layout shifts, complaints of the console and requests to anywhere else.
export async function open(browser, base, { width = 1366, height = 768, dark = false, lang = "en-GB", user = null, password = "bottling-line", phone = false, scale = 1 } = {}) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", locale: lang, acceptDownloads: true, hasTouch: phone, isMobile: phone, deviceScaleFactor: scale, reducedMotion: "reduce", ignoreHTTPSErrors: base.startsWith("https:") });
	const page = await context.newPage();
	page.faults = [];
	page.on("console", (m) => m.type() === "error" && !/status of (401|403|404|501|503)/.test(m.text()) && page.faults.push(`console: ${m.text()}`));
	page.on("pageerror", (e) => page.faults.push(`error: ${e.message}`));
	// A question that nobody of the test expects is a fault: page.answer = (text) => BOOLEAN expects one.
	page.on("dialog", (d) => {
		const answer = page.answer;
		page.answer = null;
		if (answer) return answer(d.message()) ? d.accept() : d.dismiss();
		page.faults.push(`dialog: ${d.message()}`);
		return d.dismiss();
	});
	page.on("request", (r) => new RegExp(`^(${base}/|blob:|data:)`).test(r.url()) || page.faults.push(`request: ${r.url()}`));
	await page.addInitScript(() => {
		window.__shift = 0;
		window.__shifts = [];
		new PerformanceObserver((list) => {
			for (const e of list.getEntries())
				if (!e.hadRecentInput) {
					window.__shift += e.value;
					window.__shifts.push(`${e.value.toFixed(4)} ${e.sources.map((s) => s.node?.className || s.node?.parentElement?.className || s.node?.nodeName).join(", ")}`);
				}
		}).observe({ type: "layout-shift", buffered: true });
	});
	page.base = base;
	if (user) {
		const r = await context.request.post(base + "/api/v1/login", { data: { user, password } });
		if (!r.ok()) throw new Error(`log-in: ${r.status()} ${await r.text()}`);
	}
	return page;
}

export async function settled(page) {
	await page.waitForFunction(() => document.querySelector("h1") && !document.querySelector(".skeleton"), null, { timeout: 15000 });
	await page.waitForTimeout(60);
}
// By loading it, like somebody who has the address.
export async function visit(page, path) {
	await page.goto(page.base + path);
	await settled(page);
}
// Inside of the page, as its links do it.
export async function walk(page, path) {
	if (!page.url().startsWith(page.base)) return visit(page, path);
	await page.evaluate((to) => {
		window.__shifts = []; // those of the page before: an age that became longer
		history.pushState(null, "", to);
		dispatchEvent(new PopStateEvent("popstate"));
	}, path);
	await settled(page);
}
// rules: only these; without: all but these.
export async function axe(page, rules = null, without = []) {
	// By the debugger's protocol, which the content security policy does not stop.
	if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource + ";0");
	const r = await page.evaluate(([only, off]) => window.axe.run(document, { resultTypes: ["violations"], rules: Object.fromEntries(off.map((r) => [r, { enabled: false }])), ...(only && { runOnly: { type: "rule", values: only } }) }), [rules, without]);
	return r.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ""}`).join(" | ")}`);
}

const lists = [];
// What is in one list happens one after the other: list(NAME, FUNCTION) adds to it.
export function inOrder() {
	const list = [];
	lists.push(list);
	return (name, fn) => list.push([name, fn]);
}
export const test = (name, fn) => inOrder()(name, fn);
export function ok(value, what) {
	if (!value) throw new Error(what);
}
export function same(a, b, what) {
	if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${what}: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`);
}
export async function run(lanes = 4) {
	const only = process.argv[2] ?? "";
	const todo = lists.map((list) => list.filter(([name]) => name.includes(only)));
	console.log(`1..${todo.flat().length}`);
	// Tests mostly wait: several at a time, each list with a collector and a page of its own.
	let bad = 0, n = 0, next = 0;
	const one = async (name, fn) => {
		const t0 = Date.now();
		try {
			await fn();
			console.log(`ok ${++n} - ${name} (${Date.now() - t0} ms)`);
		} catch (e) {
			bad++;
			console.log(`not ok ${++n} - ${name}\n${String(e.stack ?? e).split("\n").slice(0, 14).map((l) => "# " + l).join("\n")}`);
		}
	};
	const lane = async () => {
		while (next < todo.length) for (const [name, fn] of todo[next++]) await one(name, fn);
	};
	await Promise.all(Array.from({ length: lanes }, lane));
	return bad;
}
