// SPDX-License-Identifier: Apache-2.0
// The page in a real browser, before the mock collector.
// usage: node page.test.mjs [PART-OF-A-NAME]
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { axe, inOrder, launch, ok, open, root, run, same, settled, test, visit, walk } from "./kit.mjs";
import { Mock } from "./mock.mjs";

const web = join(root, process.env.B ?? "build", "web");
const browser = await launch();
const pages = ["/", "/alerts", "/incidents", "/map", "/map?view=list", "/assets", "/attack", "/timeline", "/sensors", "/network", "/sharing", "/proposals", "/library", "/library/playbooks/plc-stop", "/library/pages/s7", "/users", "/audit", "/search?q=plc"];

// Tests that share a collector and a page, one after the other; whatever the page complained of fails the test.
const on = ({ plant = {}, prepare, ...options }) => {
	const add = inOrder();
	let mock, page;
	return (name, fn) => add(name, async () => {
		if (!page) {
			mock = new Mock({ web, ...plant });
			prepare?.(mock);
			page = await open(browser, await mock.listen(), options);
		}
		page.faults = [];
		page.answer = null;
		await fn(page, mock);
		same(page.faults, [], "complaints");
		same(page.answer, null, "a question that was expected, and was not asked");
	});
};
const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth + Math.max(0, (document.querySelector("main")?.scrollWidth ?? 0) - (document.querySelector("main")?.clientWidth ?? 0)));
const every = (mock) => [...pages, `/alerts/${mock.list[0].id}`, `/incidents/${mock.list[0].incident}`, "/nowhere"];
// What a phone lays out for itself; on the others it has the colours and the elements that a wide screen has.
const ownOnPhone = /^\/($|alerts|incidents|map|network|sharing)/;
// The longest first.  Every page is loaded once and walked to once; what dark changes are colours.
for (const [name, options, to, some] of [
	["phone", { width: 390, height: 844, phone: true }, walk, () => true],
	["light and dark", {}, visit, (_, i) => i % 2 === 0],
	["light and dark, the other pages", {}, visit, (_, i) => i % 2 === 1],
])
	on({ user: "admin", ...options })(`axe finds nothing, nothing shifts, nothing is wider than the screen: ${name}`, async (page, mock) => {
		for (const p of every(mock).filter(some)) {
			await to(page, p);
			same(await page.evaluate(() => window.__shifts), [], `layout shift on ${p}`);
			same(await wide(page), 0, `width on ${p}`);
			same(await axe(page, null, options.phone && !ownOnPhone.test(p) ? ["color-contrast"] : []), [], `axe on ${p}`);
			if (options.phone) continue;
			await page.emulateMedia({ colorScheme: "dark" });
			await page.waitForFunction(() => document.documentElement.dataset.theme === "dark" && !document.getAnimations().length);
			same(await axe(page, ["color-contrast"]), [], `axe on ${p}, dark`);
			await page.emulateMedia({ colorScheme: "light" });
		}
	});
const [ana, vic, admin, nobody] = [{ user: "ana" }, { user: "vic" }, { user: "admin" }, {}].map(on);
const text = (page, sel) => page.locator(sel).first().innerText();

nobody("log-in: refused with a word, then in; the session's end leads back", async (page, mock) => {
	await page.goto(page.base + "/alerts");
	await page.getByLabel("User name").fill("ana");
	await page.getByLabel("Password").fill("wrong");
	await page.keyboard.press("Enter");
	await page.getByText("User name or password is wrong.").waitFor();
	await page.getByLabel("Password").fill("bottling-line");
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { name: "Alerts" }).waitFor();
	same(new URL(page.url()).pathname, "/alerts", "where it was going");
	mock.sessions.clear();
	await page.keyboard.press("g");
	await page.keyboard.press("i");
	await page.getByRole("heading", { name: "Log in" }).waitFor();
});

ana("an alert appears in the list, is opened, proved, its evidence downloaded, a rule proposed", async (page, mock) => {
	await visit(page, "/alerts");
	await page.waitForFunction(() => document.querySelector(".live-live"));
	const t0 = Date.now(), [a] = mock.raise(1, 1);
	const row = page.locator(`a[href="/alerts/${a.id}"]`);
	await row.waitFor();
	console.log(`# it was there after ${Date.now() - t0} ms`);
	await row.click();
	await page.getByRole("heading", { name: "request_download OB1" }).waitFor();
	ok((await text(page, ".sentence")).includes("office-pc-17 tried to request_download OB1 on plc-caps"), "the sentence");
	await page.getByRole("button", { name: "Verify in this browser" }).click();
	await page.getByText("Proved: sensor gate-line2 signed exactly this alert").waitFor();
	same(await page.locator(".step-ok").count(), 5, "steps");
	const [proof] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download proof" }).click()]);
	same(JSON.parse(readFileSync(await proof.path(), "utf8")), JSON.parse(JSON.stringify(a.prove())), "proof");
	const link = page.getByRole("link", { name: "Download capture" });
	if (a.seq % 5) {
		const [d] = await Promise.all([page.waitForEvent("download"), link.click()]);
		same(readFileSync(await d.path()).readUInt32BE(0), 0x0a0d0d0a, "pcapng");
		ok(d.suggestedFilename().endsWith(".pcapng"), d.suggestedFilename());
	} else await page.getByText("No capture was kept").waitFor();
	await page.getByRole("button", { name: "Expected" }).click();
	await page.getByLabel("Why is it expected?").fill("Order 4711");
	await page.getByRole("button", { name: "Propose" }).click();
	await page.getByText("Proposed to gate-line2, disabled").waitFor();
	await page.getByRole("link", { name: "All proposals" }).click();
	await page.getByText("Order 4711").waitFor();
	ok((await text(page, ".diff")).includes("enabled: false"), "the diff");
	same(await page.evaluate(() => document.activeElement?.tagName), "H1", "focus after going to another page");
});

vic("evidence is what the link gives", async (page, mock) => {
	const a = mock.list.find((x) => x.seq % 5);
	await visit(page, `/alerts/${a.id}`);
	const [d] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download capture" }).click()]);
	same(readFileSync(await d.path()).length, 28, "bytes");
	same(await page.getByRole("button", { name: "Expected" }).count(), 0, "a viewer proposes nothing");
});

for (const [name, change, step] of [
	["another line", (p) => ({ ...p, line: p.line.replace('"severity":1', '"severity":3') }), "Its hash leads"],
	["another path", (p) => ({ ...p, path: [...p.path, "00".repeat(32)] }), "Its hash leads"],
	["a signature over something else", (p) => ({ ...p, jws: p.jws.replace(/\.[^.]{8}([^.]*)$/, ".AAAAAAAA$1") }), "Ed25519 signature"],
	["another key", (p, mock) => ({ ...p, key: { ...p.key, x: mock.signers[1].jwk.x } }), "The key is one"],
	["alg none", (p, mock) => ({ ...p, jws: `${Buffer.from('{"alg":"none","typ":"interlock-batch+jws","kid":"' + mock.signers[0].kid + '"}').toString("base64url")}.${p.jws.split(".")[1]}.` }), "The statement is"],
	["a proof of another alert", (_, mock) => mock.list.find((x) => x.severity === 2).prove(), "The signed line is"],
])
	ana(`forged: ${name} is not proved`, async (page, mock) => {
		const a = mock.list.find((x) => x.severity === 1 && x.prove().n > 1);
		mock.tamper = (p) => change(p, mock);
		await visit(page, `/alerts/${a.id}`);
		await page.getByRole("button", { name: "Verify in this browser" }).click();
		await page.getByText("The proof does not hold").waitFor();
		ok((await page.locator(".step-bad").allInnerTexts()).some((s) => s.includes(step)), `step: ${await page.locator(".steps").innerText()}`);
	});

on({ user: "ana" })("without Ed25519 it says so and claims nothing", async (page, mock) => {
	await page.addInitScript(() => {
		SubtleCrypto.prototype.importKey = () => Promise.reject(new DOMException("no", "NotSupportedError"));
	});
	await visit(page, `/alerts/${mock.list[0].id}`);
	await page.getByRole("button", { name: "Verify in this browser" }).click();
	await page.getByText("Hashes hold; the signature could not be checked here").waitFor();
	await page.getByText("interlock journal prove --check").waitFor();
});

vic("filters are in the address, and the address makes them", async (page, mock) => {
	await visit(page, "/alerts?severity=1&device=plc-caps");
	const want = new Set(mock.filter(new URLSearchParams("severity=1&device=plc-caps")).map((a) => a.incident)).size;
	same(await page.locator(".rows-box .row").count(), Math.min(want, 100), "rows, folded");
	await page.getByLabel("Protocol").selectOption("s7");
	await page.waitForURL(/proto=s7/);
	await page.getByLabel("Text in alerts").fill("OB1");
	await page.waitForURL(/q=OB1/);
	await settled(page);
	for (const s of await page.locator(".al-link").allInnerTexts()) ok(s.includes("OB1"), s);
	await page.getByRole("button", { name: "Remove filter Device: plc-caps" }).click();
	ok(!page.url().includes("device="), page.url());
	await page.getByLabel("Text in alerts").fill("no such thing");
	await page.getByText("No alert matches these filters").waitFor();
	await page.reload();
	await page.getByText("No alert matches these filters").waitFor();
});

vic("keys: j, k, x, Enter, n, Escape, /, ?, g; the list is where it was after coming back", async (page, mock) => {
	await visit(page, "/alerts");
	for (let i = 0; i < 3; i++) await page.keyboard.press("j");
	await page.keyboard.press("k");
	same(await page.locator('.row[aria-selected="true"]').getAttribute("aria-rowindex"), "3", "row");
	const id = await page.locator('.row[aria-selected="true"] .al-link').getAttribute("href");
	await page.keyboard.press("Enter");
	await page.waitForURL("**" + id);
	await settled(page);
	await page.keyboard.press("n");
	await page.waitForFunction((u) => location.pathname !== u, id);
	await page.keyboard.press("p");
	await page.waitForURL("**" + id);
	await settled(page);
	await page.keyboard.press("Escape");
	await page.waitForURL("**/alerts");
	await settled(page);
	same(await page.locator('.row[aria-selected="true"] .al-link').getAttribute("href"), id, "selected again");
	const before = await page.locator(".rows").getAttribute("aria-rowcount");
	await page.locator(".fold").first().click();
	ok((await page.locator(".child").count()) > 0, `unfolded, ${before}`);
	await page.keyboard.press("/");
	same(await page.evaluate(() => document.activeElement?.id), "search", "search has the keys");
	await page.keyboard.press("Escape");
	await page.keyboard.press("?");
	await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
	await page.keyboard.press("Escape");
	await page.keyboard.press("g");
	await page.keyboard.press("s");
	await page.getByRole("heading", { name: "Sensors" }).waitFor();
});

vic("a list that is read does not move: new ones wait behind a button", async (page, mock) => {
	await visit(page, "/alerts?fold=0");
	await page.waitForFunction(() => document.querySelector(".live-live"));
	await page.keyboard.press("j");
	const y = (await page.locator('.row[aria-selected="true"]').boundingBox()).y;
	const [a] = mock.raise(1, 3);
	await page.getByRole("button", { name: "1 new alert" }).waitFor();
	same((await page.locator('.row[aria-selected="true"]').boundingBox()).y, y, "place of the row");
	await page.getByRole("button", { name: "1 new alert" }).click();
	await page.locator(`a[href="/alerts/${a.id}"]`).waitFor();
});

vic("more than is in sight is loaded by scrolling; only what is in sight is in the page", async (page, mock) => {
	await visit(page, "/alerts?fold=0");
	for (let i = 0; i < 40 && !(await page.locator(`a[href="/alerts/${mock.list.at(-1).id}"]`).count()); i++) {
		await page.locator(".rows-box").evaluate((e) => (e.scrollTop = e.scrollHeight));
		await page.waitForTimeout(60);
	}
	ok(await page.locator(`a[href="/alerts/${mock.list.at(-1).id}"]`).count(), "the oldest alert");
	ok((await page.locator(".rows-box .row").count()) < 60, "rows in the page");
});

ana("incident: acknowledged, noted, closed, by an analyst", async (page, mock) => {
	const i = [...mock.incidents.values()].find((x) => x.state === "open" && x.kind === "policy");
	await visit(page, `/incidents/${i.id}`);
	await page.getByRole("button", { name: "Acknowledge" }).click();
	await page.locator(".tag", { hasText: "Acknowledged" }).waitFor();
	await page.getByLabel("Note").fill("Called hall 2");
	await page.getByRole("button", { name: "Add note" }).click();
	await page.getByText("Called hall 2").waitFor();
	await page.getByRole("button", { name: "Close incident" }).click();
	await page.getByRole("button", { name: "Reopen" }).waitFor();
	same(i.state, "closed", "state");
	await page.getByRole("button", { name: "中文" }).click();
	same(await page.locator(".log li > span:last-child").allInnerTexts(), ["已关闭", "Called hall 2", "已确认"], "what it says by itself is read in Chinese, people's words stay");
	await page.getByRole("button", { name: "English" }).click();
});

ana("playbook: steps are ticked, by whom is said, in the alert and its incident; taken back; pages are read", async (page, mock) => {
	mock.tamper = null;
	const a = mock.list.find((x) => x.op === "plc_stop" || x.op === "request_download"), i = mock.incidents.get(a.incident);
	await visit(page, `/alerts/${a.id}`);
	const box = page.locator(".gd-phase[open] input").first(), all = Number(/of (\d+)/.exec(await text(page, ".gd-count"))[1]);
	ok(all > 5, `${all} steps`);
	await box.click();
	await page.getByText(`1 of ${all} steps done`).waitFor();
	same(i.ticks.map((x) => [x.playbook === null, x.user]), [[false, "ana"]], "kept");
	await walk(page, `/incidents/${i.id}`);
	await page.locator(".gd-by").getByText("ana").waitFor({ state: "attached" }); // in a phase that is done, and closed
	mock.api({ method: "POST" }, `/incidents/${i.id}/steps`, new URLSearchParams(), { playbook: i.ticks[0].playbook, step: i.ticks[0].step, done: false }, { user: "bo", role: "analyst" });
	await page.getByText(`0 of ${all} steps done`).waitFor(); // told by the stream
	mock.fail.add(`/incidents/${i.id}/steps`);
	await page.locator(".gd-phase[open] input").first().click();
	await page.locator(".guide .form-error").waitFor();
	same(await page.locator(".gd-phase[open] input").first().isChecked(), false, "what was refused is not ticked");
	mock.fail.clear();
	await page.locator(".gd-more .gd-link").first().click();
	await page.waitForURL(/\/library\/pages\//);
	await page.locator(".prose h2").first().waitFor();
	ok((await page.locator(".prose .table").count()) > 0, "a table");
});

vic("playbook: a viewer reads it and ticks nothing; without a library that is said", async (page, mock) => {
	const a = mock.list.find((x) => x.proto === "s7");
	await visit(page, `/alerts/${a.id}`);
	await page.locator(".gd-step").first().waitFor();
	same(await page.locator(".gd-step input").count(), 0, "boxes");
	mock.noLibrary = true;
	await walk(page, "/library");
	await page.getByText("No library").waitFor();
	mock.noLibrary = false;
});

vic("map: drawn, a device says who it talks to, and the list says the same", async (page, mock) => {
	await visit(page, "/map?site=bottling-line-2");
	await page.waitForFunction(() => document.querySelectorAll(".canvas canvas").length > 0);
	const drawn = await page.evaluate(async () => {
		await new Promise((r) => setTimeout(r, 300));
		let n = 0;
		for (const c of document.querySelectorAll(".canvas canvas")) {
			const d = c.getContext("2d")?.getImageData(0, 0, c.width, c.height).data ?? [];
			for (let i = 3; i < d.length; i += 4 * 97) n += d[i] > 0;
		}
		return n;
	});
	ok(drawn > 500, `pixels: ${drawn}`);
	ok((await page.locator(".conv-denied").count()) > 0, "denied conversations");
	await page.getByRole("button", { name: "List" }).click();
	await page.waitForURL(/view=list/);
	const list = await page.locator(".maplist").innerText();
	for (const s of ["L2 Supervision", "plc-filler", "10.1.2.130", "Denied: ← office-pc-17"]) ok(list.includes(s), s);
	await walk(page, "/map?view=list");
	const twice = await page.locator(".ml-dev", { hasText: "hmi2" }).filter({ hasText: "10.2.1.6" }).innerText();
	ok(twice.includes("→ plc-boiler") && !twice.includes("plc-filler"), `another device of that name is another: ${twice}`);
});

vic("timeline: dragging chooses a range, also where nothing was; the way back", async (page, mock) => {
	const drag = async (from, to) => {
		await page.locator(".u-over").waitFor();
		const b = await page.locator(".u-over").boundingBox();
		await page.mouse.move(b.x + b.width * from, b.y + 50);
		await page.mouse.down();
		await page.mouse.move(b.x + b.width * to, b.y + 60, { steps: 4 });
		await page.mouse.up();
		await page.waitForURL(/from=\d+&to=\d+/);
		return Number(new URL(page.url()).searchParams.get("from"));
	};
	await visit(page, "/timeline?range=30d"); // the mock's alerts are of a week
	const days = (Date.now() - (await drag(0.1, 0.2))) / 864e5;
	ok(days > 26 && days < 28, `${days} days ago`);
	await visit(page, "/timeline");
	await drag(0.9, 0.98);
	await page.getByRole("button", { name: "Whole range" }).click();
	ok(!page.url().includes("from="), page.url());
});

admin("admin: token for a sensor, a pending one approved, a user made", async (page, mock) => {
	await visit(page, "/sensors");
	await page.getByRole("button", { name: "Enrol a sensor" }).click();
	await page.getByLabel("Name of the sensor").fill("gate-line3");
	await page.getByLabel("Site").fill("line-3");
	await page.getByRole("button", { name: "Make token" }).click();
	const token = await text(page, ".token output");
	ok(token.startsWith("il1."), "token");
	same(await axe(page), [], "axe, token");
	await page.getByLabel("Address at which it reaches this collector").fill("soc.example");
	const command = await page.locator(".cmd .code").first().innerText();
	for (const s of ["interlock send enrol --collector https://soc.example:8444", `--token ${token}`, "--ca-fingerprint " + mock.ca, "--name gate-line3"]) ok(command.includes(s), `${s} in ${command}`);
	await page.keyboard.press("Escape");
	await page.getByRole("button", { name: "Details of gate-packaging" }).click();
	await page.getByRole("button", { name: "Ask for a new key" }).click();
	ok((await page.locator(".cmd .code").first().innerText()).includes("--name gate-packaging"), "the command of a rotation");
	await page.keyboard.press("Escape");
	await page.getByRole("button", { name: "Details of gate-warehouse" }).click();
	await page.getByRole("button", { name: "Approve" }).click();
	await page.waitForFunction(() => !document.body.innerText.includes("Waits for approval"));
	await visit(page, "/users");
	await page.getByRole("button", { name: "New user" }).click();
	await page.getByLabel("Name").fill("kim");
	await page.getByLabel("New password").fill("long enough");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("kim").waitFor();
});

admin("network: a policy on its way goes on when an admin says so, and is stopped", async (page, mock) => {
	await visit(page, "/network");
	const now = page.locator(".ro-one");
	same(await now.count(), 1, "the one that is open");
	ok(/Waits for you.*stage 1 of 2 is done.*Stage 1 of 2.*1 of 1 in force.*Stage 2 of 2.*0 of 2 in force/s.test(await now.innerText()), await now.innerText());
	await page.getByRole("button", { name: "Go on: plant.yaml" }).click();
	await now.getByText("Running").waitFor();
	same([mock.rollouts[0].state, mock.rollouts[0].stage], ["running", 2], "gone on");
	page.answer = (text) => text.startsWith("Stop the roll-out of plant.yaml?");
	await page.getByRole("button", { name: "Stop: plant.yaml" }).click();
	await now.getByText("Stopped").waitFor();
	await page.getByRole("button", { name: "Earlier ones (1)" }).click();
	ok(/Failed.*refuses it.*Refused.*is older than/s.test(await now.last().innerText()), await now.last().innerText());
});

admin("network: what drifted, pinned as it runs; a relay approved; a site's token is a command", async (page, mock) => {
	await visit(page, "/network");
	await page.getByRole("button", { name: "Drifted 1" }).click();
	same(await page.locator(".panel .table tbody tr").count(), 1, "drifted");
	await page.getByLabel("Choose gate-packaging").check();
	await page.getByRole("button", { name: "Pin what they run now" }).click();
	await page.getByText("Every pinned sensor runs what it should").waitFor();
	same(mock.pinned.get("gate-packaging").policy, mock.sensors[2].policy, "pinned");
	await page.getByRole("button", { name: "Clear filters" }).click();
	await page.getByRole("button", { name: "Clock off 1" }).click();
	same(await page.locator(".panel .table tbody tr").allInnerTexts().then((l) => l.map((x) => /span-boiler.*hall-north.*−2.4 s/s.test(x))), [true], "who, by whom, how far");
	await page.getByRole("button", { name: "Approve" }).click();
	await page.waitForFunction(() => !document.querySelector("main").innerText.includes("Waits for approval"));
	same(mock.network.relays[1].state, "ok", "relay");
	await page.getByRole("button", { name: "Connect a site" }).click();
	await page.getByLabel("Name of its collector").fill("hall-west");
	await page.getByLabel("It vouches for its sensors").check();
	await page.getByRole("button", { name: "Make token" }).click();
	ok(/^interlock collect join .*--name hall-west$/s.test(await page.locator(".cmd .code").innerText()), "join");
});

ana("sharing: what would leave is shown first, and is what is saved; less than that for a viewer's role is said", async (page, mock) => {
	const i = [...mock.incidents.values()].find((x) => x.src && x.state === "open");
	await visit(page, `/incidents/${i.id}`);
	await page.getByRole("button", { name: "Export" }).click();
	same(await page.getByRole("button", { name: "Download this file" }).isDisabled(), true, "nothing is saved before it was shown");
	await page.locator(".modal").getByLabel("Destination").selectOption("vendor");
	same(await page.locator(".modal .sh-classes .kept").allInnerTexts().then((l) => l.map((x) => x.split("\n")[0])), ["Names", "Objects"], "what leaves");
	await page.getByRole("button", { name: "Show what would leave" }).click();
	const shown = JSON.parse(await page.locator(".sh-made .code").innerText());
	const [d] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download this file" }).click()]);
	const saved = readFileSync(await d.path(), "utf8");
	same(saved, JSON.stringify(mock.shared(i, mock.dests[1])), "the bytes of the collector");
	same(JSON.parse(saved), shown, "and what was shown");
	same(mock.audit.slice(0, 2).map((a) => [a.user, a.action]), [["ana", "share"], ["ana", "share.preview"]], "looking and taking are two things");
	await page.locator(".modal").getByLabel("Destination").selectOption("cert");
	same(await page.locator(".sh-made").count(), 0, "another destination begins anew");
	await page.getByRole("button", { name: "Show what would leave" }).click();
	await page.locator(".sh-made").waitFor();
	ok(!(await page.locator(".sh-made").innerText()).includes(i.src), "a pseudonym");
	same(await axe(page), [], "axe, export");
	await page.getByRole("button", { name: "Put it into its TAXII collection" }).click();
	await page.getByText("cert finds it by TAXII now: 4 new objects.").waitFor();
	await page.keyboard.press("Escape");
});

ana("bulletin: made, downloaded, verified here; a forged one is not", async (page, mock) => {
	const i = [...mock.incidents.values()].find((x) => x.src && x.state === "open");
	await visit(page, `/incidents/${i.id}`);
	await page.locator(".panel .segments").getByRole("button", { name: "Chinese" }).click();
	await page.getByLabel("PDF").check();
	mock.noPdf = true;
	await page.getByRole("button", { name: "Make bulletin" }).click();
	await page.getByText("This collector makes no PDF").waitFor();
	mock.noPdf = false;
	await page.getByRole("button", { name: "Make bulletin" }).click();
	await page.getByText("for cert").waitFor();
	same(mock.bulletins.map((b) => [b.incident, b.to, b.lang, b.pdf]), [[i.id, "cert", "zh", true]], "made");
	const [d] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "HTML" }).click()]);
	same([d.suggestedFilename(), readFileSync(await d.path(), "utf8")], ["bulletin.html", mock.bulletin(mock.bulletins[0])["bulletin.html"]], "download");
	await page.getByRole("button", { name: "Verify in this browser" }).click();
	await page.getByText("Signature and 3 files hold").waitFor();
	for (const forge of [
		(all) => ({ ...all, "bulletin.html": all["bulletin.html"] + " " }),
		(all) => ({ ...all, "bulletin.jws": all["bulletin.jws"].replace(/\.[^.]{8}([^.]*)$/, ".AAAAAAAA$1") }),
		(all) => ({ ...all, "key.jwk": JSON.stringify({ ...mock.signers[0].jwk, kid: "x" }) }),
	]) {
		mock.forge = forge;
		await page.reload();
		await page.getByRole("button", { name: "Verify in this browser" }).click();
		await page.getByText("It does not hold").waitFor();
	}
	mock.forge = null;
});

admin("playbook: a change by hand is filled in, confirmed, noted with its step; nothing runs", async (page, mock) => {
	const i = mock.incidents.get(mock.list.find((a) => a.op === "plc_stop").incident);
	await visit(page, `/incidents/${i.id}`);
	await page.locator(".gd-phase").evaluateAll((l) => l.forEach((e) => (e.open = true)));
	await page.getByRole("button", { name: "Prepare and confirm" }).first().click();
	await page.locator(".modal .cmd .code").first().waitFor();
	same(await axe(page), [], "axe");
	const command = await page.locator(".modal .cmd .code").first().innerText();
	same(await page.getByRole("button", { name: "Note it and tick the step" }).isDisabled(), true, "not yet");
	await page.getByLabel("I have read what can go wrong").check();
	await page.getByRole("button", { name: "Note it and tick the step" }).click();
	await page.locator(".gd-by", { hasText: command }).waitFor();
	same(i.ticks.map((x) => [x.user, x.note]), [["admin", command]], "kept");
});

admin("playbook: what was prepared is offered to the sensors that are named, and is held, gone on with, refused", async (page, mock) => {
	const i = mock.incidents.get(mock.list.find((a) => a.op === "request_download" && a.sensor === "gate-line2").incident);
	await visit(page, `/incidents/${i.id}`);
	await page.locator(".gd-phase").evaluateAll((l) => l.forEach((e) => (e.open = true)));
	await page.locator(".gd-step", { hasText: "Put the prepared policy" }).getByRole("button", { name: "Prepare and confirm" }).click();
	await page.getByText("is offered to gate-line2. Each verifies").waitFor();
	same(await axe(page), [], "axe");
	const go = page.getByRole("button", { name: "Offer it now" }), sure = page.getByLabel("I have read what can go wrong");
	same(await go.isDisabled(), true, "not yet");
	await sure.check();
	await page.getByLabel("gate-packaging").check();
	same([await sure.isChecked(), await go.isDisabled()], [false, true], "another sensor is confirmed anew");
	await page.getByText("no-programming goes to gate-line2, gate-packaging").click();
	mock.fail.add(`/incidents/${i.id}/apply`);
	await go.click();
	await page.locator(".modal .form-error").waitFor();
	mock.fail.clear();
	await sure.check();
	await go.click();
	await page.locator(".gd-applied", { hasText: "Offered" }).waitFor();
	const r = mock.rollouts[0];
	same([r.kind, r.step, r.incident, r.sensors.map((s) => s.name)], ["policy", "no-programming", i.id, ["gate-line2", "gate-packaging"]], "begun");
	same(await page.locator(".gd-step", { hasText: "Put the prepared policy" }).getByRole("button", { name: "Prepare and confirm" }).count(), 0, "once");
	Object.assign(r, { state: "held", why: "gate-line2 has incident 7 since it runs that policy" });
	mock.tell("incident", mock.incident(i)); // told by the stream
	await page.getByText("gate-line2 has incident 7").waitFor();
	await page.getByRole("button", { name: "Go on: no-programming.yaml" }).click();
	same(await page.waitForFunction(() => !document.querySelector(".gd-applied .ro-why")).then(() => r.state), "running", "gone on");
	Object.assign(r, { state: "failed", why: "refused" });
	r.sensors[0] = { ...r.sensors[0], step: "refused", said: "signed by key number 7" };
	mock.tell("incident", mock.incident(i));
	await page.locator(".gd-applied").getByText("signed by key number 7").waitFor();
	await page.locator(".gd-step", { hasText: "Put the prepared policy" }).getByRole("button", { name: "Prepare and confirm" }).click();
	await page.getByRole("button", { name: "It is run at the guard by hand" }).click();
	await page.getByRole("button", { name: "Note it and tick the step" }).waitFor();
	await page.keyboard.press("Escape");
});

admin("sharing: a destination made; a bundle imported, an address removed, the list saved", async (page, mock) => {
	await visit(page, "/sharing");
	await page.getByRole("button", { name: "New destination" }).click();
	await page.getByLabel("Name of the destination").fill("court");
	for (const c of ["Names", "Sentences"]) await page.getByLabel(c, { exact: false }).and(page.locator(".modal input")).check();
	same(await axe(page), [], "axe, destination");
	await page.getByRole("button", { name: "Save" }).click();
	await page.locator(".sh-dests").getByText("court", { exact: true }).waitFor();
	same([mock.dests[1].name, mock.dests[1].keep], ["court", "names,notes"], "made");
	const taxii = page.locator("section", { hasText: "what others read, and how" }), facts = await taxii.locator(".facts").innerText();
	ok(facts.includes(`${page.base}/taxii2/share/\n`) && /May read\s+cert\s+May write\s+cert/.test(facts), facts);
	ok((await taxii.innerText()).includes("interlock collect account DIR court"), "who has none yet");
	await page.locator(".sh-dests li", { hasText: "court" }).getByText("no account").waitFor();
	const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Import STIX" }).click()]);
	const objects = ["[ipv4-addr:value = '203.0.113.77']", "[file:name = 'x']"].map((pattern, n) => ({ type: "indicator", id: `indicator--${n}`, name: `Warning ${n}`, pattern }));
	await chooser.setFiles({ name: "bundle.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ objects })) });
	await page.getByText("1 taken. 1 × about something no sensor looks at").waitFor();
	await page.getByRole("button", { name: "Remove 198.51.100.23" }).click();
	await page.waitForFunction(() => !document.querySelector("main").innerText.includes("198.51.100.23"));
	const saved = [];
	page.on("download", (d) => saved.push(d.suggestedFilename()));
	await page.getByRole("button", { name: "Watch list, signed" }).click();
	for (let n = 0; n < 50 && saved.length < 2; n++) await page.waitForTimeout(20);
	same(saved.sort(), ["watch.txt", "watch.txt.minisig"], "saved");
});

vic("a viewer makes no bulletin, changes no destination, and shares nothing that is not redacted", async (page, mock) => {
	const i = [...mock.incidents.values()].find((x) => x.src);
	await visit(page, "/sharing");
	same(await page.getByRole("button", { name: /^(Change|New destination|Import|Remove)/ }).count(), 0, "buttons");
	await walk(page, `/incidents/${i.id}`);
	same(await page.getByText("Bulletins").count(), 0, "bulletins");
	await page.getByRole("button", { name: "Export" }).click();
	await page.locator(".modal").getByLabel("Destination").selectOption("vendor");
	same(await page.locator(".modal .sh-classes .kept").count(), 0, "what leaves");
	await page.getByText("As Viewer you share less").waitFor();
	same(await page.getByRole("button", { name: /TAXII/ }).count(), 0, "TAXII");
	await page.keyboard.press("Escape");
	await walk(page, "/network");
	same(await page.getByRole("button", { name: /Approve|Revoke|Connect|Pin|Go on|Stop/ }).count(), 0, "network");
});

vic("a viewer has no pages of administrators", async (page, mock) => {
	await visit(page, "/users");
	await page.getByRole("heading", { name: "There is no such page" }).waitFor();
	same(await page.locator('.side a[href="/audit"]').count(), 0, "audit log in the menu");
});

admin("language and theme: switched, kept over a reload, every text in Chinese", async (page, mock) => {
	await visit(page, "/");
	await page.getByRole("button", { name: "中文" }).click();
	await page.getByText("当前问题").waitFor();
	await page.reload();
	await settled(page);
	same(await page.evaluate(() => document.documentElement.lang), "zh-CN", "lang");
	// What is no name, number or word of the trade has to be Chinese.
	for (const p of pages) {
		await walk(page, p);
		const left = await page.evaluate(() => [...document.querySelectorAll("h1, h2, h3, th, dt, button, label, .nav-title, .status-text, .sub, .tag")].map((e) => e.innerText?.trim()).filter((s) => s && /\b(the|of|and|Sensor|Rule|Alerts?|Incidents?|Device|Time|State|Severity|Zone|Role|Level|Chain|Open|Closed)\b/.test(s) && !/[\u4e00-\u9fff]/.test(s)));
		same(left.filter((s) => !/Interlock|Techni|Prog|Cont|Rog|Spoof|Mod|Sys|Auto|Denial|Loss|Remote|Native|Exploit/.test(s)), [], `English on ${p}`);
	}
	await visit(page, "/");
	const paint = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const light = await paint();
	await page.locator('.bar button[title^="主题"]').click();
	same(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "theme");
	await page.waitForFunction((c) => getComputedStyle(document.body).backgroundColor !== c, light);
	await page.reload();
	await settled(page);
	same(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "kept");
});

test("lines of the map touch no device on their way, whatever stands in rows", async () => {
	const { transformSync } = createRequire(join(root, "collector/web/package.json"))("esbuild");
	const { code } = transformSync(readFileSync(join(root, "collector/web/src/lib/lanes.ts"), "utf8"), { loader: "ts", format: "esm" });
	const { GAP, crosses, round } = await import("data:text/javascript," + encodeURIComponent(code));
	let seed = 11, ways = 0, n = 0;
	const random = (most) => Math.floor(((seed = (seed * 16807) % 2147483647) / 2147483647) * most);
	for (let plants = 0; plants < 6; plants++) {
		const boxes = [];
		let y = 0;
		for (let band = 0; band < 5; band++, y += 90) {
			const shift = random(200), rows = 1 + random(2), columns = 1 + random(6);
			for (let r = 0; r < rows; r++, y += 62 + GAP) for (let c = 0; c < columns; c++) boxes.push({ x: shift + c * (148 + GAP), y, w: 148, h: 62 });
		}
		for (const s of boxes)
			for (const t of boxes) {
				if (s === t) continue;
				n++;
				const others = boxes.filter((b) => b !== s && b !== t), way = round(s, t, others, random(5) * 3 - 6);
				ways += way !== null;
				const points = [[s.x, s.y], ...(way ?? []), [t.x, t.y]];
				for (let i = 1; i < points.length; i++) for (const b of others) if (crosses(points[i - 1], points[i], b)) throw new Error(JSON.stringify([s, t, points, b]));
			}
	}
	ok(ways > 300 && ways < n, `${ways} of ${n} go round`);
});

test("both tables of texts have the same keys and the same places for values", async () => {
	const table = (l) => Object.fromEntries(["", "said."].flatMap((part) => [...readFileSync(join(root, `collector/web/src/i18n/${part}${l}.ts`), "utf8").matchAll(/^\t"([^"]+)": "(.*)",$/gm)]).map((m) => [m[1], m[2]]));
	const en = table("en"), zh = table("zh");
	ok(Object.keys(en).length > 300, "texts");
	same(Object.keys(zh).sort(), Object.keys(en).sort(), "keys");
	// What sensors say is found by their own words.
	const list = (file, re) => [...readFileSync(join(root, "alerts", file), "utf8").matchAll(re)].map((m) => [m[1], m[2]]);
	for (const [set, said] of [["event", list("guard_event.def", /^GUARD_EVENT\(\w+,\s*"([^"]+)",\s*\d,\s*"([^"]+)"/gm)], ["detection", list("detection.def", /^DETECTION\(\w+, "([^"]+)", \d, "[^"]+", \d, "[^"]+", "([^"]+)"/gm)]]) {
		ok(said.length > 25, `${set}: ${said.length}`);
		for (const [name, words] of said) same(en[`${set}.${name}`], words, `words of ${name} in collector/web/src/i18n/said.en.ts, and said.zh.ts`);
	}
	// What they add: every format of a detection and every note of the engine, with places for values.
	const shape = (s) => s.replace(/\{\w+\}/g, "%").replace(/%\.*\d*(llu|u|s)/g, "%").replace("%..%", "%");
	const notes = new Set(Object.entries(en).filter(([k]) => k.startsWith("note.")).map(([, s]) => shape(s)));
	const source = (dir, part) => readdirSync(join(root, dir)).filter((f) => f.startsWith(part) && f.endsWith(".c")).map((f) => readFileSync(join(root, dir, f), "utf8")).join("");
	const added = [...source("watch", "detect").matchAll(/detect_tell\([\w>.-]+,\s*&f,\s*"([^"]+)"/g), ...source("dataplane", "").matchAll(/->note = "([^"]+)"/g)].map((m) => m[1]).filter((s) => /[a-z]{3}/.test(s.replace(/%\w+/g, "")));
	ok(added.length > 30, `${added.length} notes`);
	for (const s of added) ok(notes.has(shape(s)) || notes.has(shape(s.replace(/%s$/, ""))), `no words for the note "${s}" in said.en.ts`);
	const keys = [...readFileSync(join(root, "collector/said.def"), "utf8").matchAll(/^SAID\(\w+, "([^"]+)", "([^"]+)"\)/gm)];
	ok(keys.length > 8, "said.def");
	for (const [, key, words] of keys) same(en[`log.${key}`], words.replace("%s", "{value}"), `log.${key}`);
	const places = (s) => [...new Set(s.match(/\{\w+\}/g) ?? [])].sort();
	for (const k of Object.keys(en)) {
		ok(zh[k], k);
		same(places(zh[k]), places(en[k]), k);
		ok(!zh[k].includes("|"), `${k}: Chinese has no plural`);
	}
});

nobody("axe finds nothing in the log-in and in dialogs", async (page, mock) => {
	await page.goto(page.base + "/");
	await page.getByRole("heading", { name: "Log in" }).waitFor();
	same(await axe(page), [], "log-in");
	await page.getByLabel("User name").fill("ana");
	await page.getByLabel("Password").fill("bottling-line");
	await page.keyboard.press("Enter");
	await page.getByText("What is wrong now").waitFor();
	await visit(page, `/alerts/${mock.list[0].id}`);
	await page.getByRole("button", { name: "Expected" }).click();
	same(await axe(page), [], "dialog");
	await page.keyboard.press("Escape");
	same(await page.evaluate(() => document.activeElement?.innerText), "Expected", "focus is back");
	await page.getByRole("button", { name: "Verify in this browser" }).click();
	await page.locator(".steps").waitFor();
	await page.getByRole("button", { name: "Verify again" }).waitFor(); // while it works it is pale, as what is disabled may be
	same(await axe(page), [], "proof");
});

admin("slow answers: skeletons first, and what comes shifts nothing", async (page, mock) => {
	await page.context().route("**/api/v1/**", async (route) => {
		if (/stream|\/me$/.test(route.request().url())) return route.continue();
		await new Promise((r) => setTimeout(r, 800));
		return route.continue().catch(() => undefined);
	});
	for (const p of ["/", "/alerts", "/sensors", "/timeline", `/alerts/${mock.list[0].id}`]) {
		await page.goto(page.base + p, { waitUntil: "commit" });
		await page.locator(".skeleton").first().waitFor();
		await settled(page);
		same(await page.evaluate(() => window.__shifts), [], `layout shift on ${p}`);
	}
});

vic("errors are said, and trying again works", async (page, mock) => {
	mock.fail.add("/overview").add("/alerts").add("/map");
	await visit(page, "/alerts");
	await page.getByText("This could not be loaded").waitFor();
	same(await axe(page), [], "axe");
	await visit(page, "/map");
	await page.getByText("This could not be loaded").waitFor();
	mock.fail.clear();
	await page.getByRole("button", { name: "Try again" }).click();
	await page.locator(".map-side").waitFor();
	await visit(page, "/alerts/no-such");
	await page.getByText("This does not exist").waitFor();
});

const evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}\u202e';
on({ user: "admin", plant: { alerts: 40, hostile: evil } })("hostile texts in every field stay texts", async (page, mock) => {
	for (const p of [...pages, `/alerts/${mock.list[0].id}`, `/alerts/${mock.list.find((a) => a.pdu).id}`, `/incidents/${mock.list[0].incident}`, "/search?q=" + encodeURIComponent(evil), "/alerts?device=" + encodeURIComponent(evil)]) {
		await walk(page, p);
		same(await page.evaluate(() => document.querySelectorAll("main img, main script, main iframe").length), 0, p);
	}
});

const empty = (mock) => {
	mock.sensors = [];
	mock.incidents.clear();
	Object.assign(mock, { rollouts: [], dests: [], bulletins: [], indicators: { serial: 0, refused: {}, items: [] }, network: { name: "site-centre", upstream: null, relays: [] } });
};
on({ user: "admin", plant: { alerts: 0 }, prepare: empty })("an empty collector says what to do", async (page) => {
	await visit(page, "/");
	for (const s of ["Nothing needs attention", "No open incident", "No sensor is enrolled yet", "No alert yet"]) await page.getByText(s).first().waitFor();
	for (const p of pages.filter((x) => !x.startsWith("/library"))) { // the library is as ever
		await walk(page, p);
		same(await axe(page), [], `axe on ${p}`);
	}
});

const bad = await run();
await browser.close();
process.exit(bad ? 1 : 0);
