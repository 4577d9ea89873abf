// SPDX-License-Identifier: Apache-2.0
// Pictures of the page for docs/img: of a collector that runs (COLLECTOR=URL USER= PASSWORD=), else of the mock.
// usage: node pictures.mjs [OUT [PART-OF-A-NAME]]
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { launch, open, root, visit } from "./kit.mjs";
import { Mock } from "./mock.mjs";

const out = process.argv[2] ?? join(root, "docs/img"), only = process.argv[3] ?? "";
mkdirSync(out, { recursive: true });
const mock = process.env.COLLECTOR ? null : new Mock({ web: join(root, process.env.B ?? "build", "web") });
const base = process.env.COLLECTOR ?? (await mock.listen());
const user = process.env.USER_NAME ?? "admin", password = process.env.PASSWORD ?? "bottling-line";
const browser = await launch();

const newest = async (page, query) => (await (await page.context().request.get(`${base}/api/v1/alerts?limit=1&${query}`)).json()).items[0]?.id;
const incident = async (page, query) => (await (await page.context().request.get(`${base}/api/v1/alerts?limit=1&${query}`)).json()).items[0]?.incident;
const wait = (ms) => new Promise((r) => setTimeout(r, ms));
const shots = [
	["overview-light", "/", {}],
	["overview-dark", "/", { dark: true }],
	["map-dark", "/map", { dark: true }, () => wait(900)],
	["map-light", "/map", {}, () => wait(900)],
	["alerts-light", "/alerts", {}, (page) => page.keyboard.press("j")],
	["alerts-dark", "/alerts", { dark: true }],
	["alert-light", async (page) => `/alerts/${await newest(page, "severity=1&proto=modbus&action=blocked&q=holding")}`, { height: 940 }, async (page) => {
		await page.locator(".proof .btn-main").click();
		await page.locator(".steps").waitFor();
		await page.mouse.move(0, 0);
	}],
	["alert-zh-dark", async (page) => `/alerts/${await newest(page, "severity=1&proto=s7")}`, { dark: true, lang: "zh-CN", height: 940 }],
	["playbook-light", async (page) => `/incidents/${await incident(page, "severity=1&proto=s7&q=stop")}`, { height: 940 }, async (page) => {
		await page.locator(".gd-phase[open] input").first().check();
		await wait(400);
		await page.locator(".gd-phase").nth(1).evaluate((e) => (e.open = true));
		await page.mouse.move(0, 0);
	}],
	["library-zh-dark", "/library/pages/s7", { dark: true, lang: "zh-CN" }],
	["attack-light", "/attack?seen=1", {}],
	["timeline-light", "/timeline?range=1h", {}, () => wait(600)],
	["sensors-light", "/sensors?id=2", {}],
	["incidents-dark", "/incidents", { dark: true }],
	["network-light", "/network", {}],
	["sharing-dark", "/sharing", { dark: true }],
	["export-light", async (page) => `/incidents/${await incident(page, "severity=1&proto=s7&q=stop")}`, {}, async (page) => {
		await page.locator(".ad-head .acts button").first().click();
		await page.locator(".modal .btn-main").click();
		await page.locator(".sh-made").waitFor();
		await page.mouse.move(0, 0);
	}],
	["proposals-light", "/proposals", {}],
	["overview-zh", "/", { lang: "zh-CN" }],
	["phone-overview", "/", { width: 390, height: 844, phone: true, scale: 2 }],
	["phone-alerts-dark", "/alerts", { width: 390, height: 844, phone: true, dark: true, scale: 2 }],
	["phone-map", "/map", { width: 390, height: 844, phone: true, scale: 2 }],
];
for (const [name, path, { anonymous, ...options }, act] of shots) {
	if (!name.includes(only)) continue;
	const page = await open(browser, base, { ...options, user: anonymous ? null : user, password });
	await visit(page, typeof path === "function" ? await path(page) : path);
	await act?.(page);
	await wait(250);
	const file = join(out, name + ".png");
	await page.screenshot({ path: file });
	console.log(`${name}.png ${Math.round(statSync(file).size / 1024)} KB ${page.faults.join("; ")}`);
	await page.context().close();
}
await browser.close();
mock?.close();
process.exit(0);
