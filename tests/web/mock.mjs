// SPDX-License-Identifier: Apache-2.0
// A collector of two plants for tests of the page: answers as collector/openapi.yaml says, with batches
// that are really signed, so that what the page verifies can be true or false.
// usage: node mock.mjs [PORT] [--web DIR]    log in as admin, ana or vic, password "bottling-line"
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const sha = (...parts) => parts.reduce((h, p) => h.update(p), createHash("sha256")).digest();
const b64 = (b) => Buffer.from(b).toString("base64url");
export const CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const root = fileURLToPath(new URL("../..", import.meta.url));

// The library of the tree, read by the program itself.
const library = {
	kept: new Map(),
	ask(...args) {
		const key = args.join(" ");
		if (!this.kept.has(key)) this.kept.set(key, JSON.parse(execFileSync(process.env.INTERLOCK ?? join(root, process.env.B ?? "build", "interlock"), ["library", ...args.slice(0, 1), "--json", ...args.slice(1)], { encoding: "utf8", maxBuffer: 1 << 24 })));
		return this.kept.get(key);
	},
	dir: join(root, "library"),
	show(id) {
		try {
			return this.ask("show", this.dir, id);
		} catch {
			throw [404, "not_found"];
		}
	},
	ids: (kind) => readdirSync(join(library.dir, kind)).filter((f) => !f.includes(".zh.")).map((f) => f.replace(/\..*/, "")),
	find(a) {
		const what = Object.entries({ signature: a.signature_id, op: a.op, access: a.access, reason: a.reason, proto: a.proto }).flatMap(([k, v]) => (v ? ["--" + k, String(v)] : []));
		try {
			const { playbooks, pages } = this.ask("find", ...what, this.dir);
			return { playbook: playbooks.length ? this.show(playbooks[0].id) : null, playbooks: playbooks.slice(1, 9), pages: pages.slice(0, 8) };
		} catch {
			return { playbook: null, playbooks: [], pages: [] }; // nothing fits
		}
	},
};
const head = ({ questions, never, references, steps, body, ...h }) => h;

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };

// RFC 6962 2.1 and 2.1.1, written from the text: not the way the page does it
function rootOf(leaves) {
	if (leaves.length === 1) return sha(Buffer.of(0), leaves[0]);
	let k = 1;
	while (k * 2 < leaves.length) k *= 2;
	return sha(Buffer.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}
function path(m, leaves) {
	if (leaves.length === 1) return [];
	let k = 1;
	while (k * 2 < leaves.length) k *= 2;
	return m < k ? [...path(m, leaves.slice(0, k)), rootOf(leaves.slice(k))] : [...path(m - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

class Signer {
	constructor(name, site, epoch, batch) {
		Object.assign(this, { name, site, epoch, batch, seq: 4200 });
		const { publicKey, privateKey } = generateKeyPairSync("ed25519");
		this.key = privateKey;
		this.jwk = publicKey.export({ format: "jwk" });
		this.kid = b64(sha(`{"crv":"Ed25519","kty":"OKP","x":"${this.jwk.x}"}`));
		this.prev = "0".repeat(64);
	}
	seal(lines, first) {
		const r = rootOf(lines.map((l) => Buffer.from(l)));
		const head = b64(JSON.stringify({ alg: "Ed25519", typ: "interlock-batch+jws", kid: this.kid }));
		const body = b64(JSON.stringify({ v: 1, iss: this.name, epoch: this.epoch, batch: ++this.batch, first, last: first + lines.length - 1, n: lines.length,
			sha256: sha(lines.map((l) => l + "\n").join("")).toString("hex"), root: r.toString("hex"), prev: this.prev, iat: Date.now() / 1000 }));
		const jws = `${head}.${body}.${b64(sign(null, Buffer.from(`${head}.${body}`), this.key))}`;
		this.prev = sha(jws).toString("hex");
		return { jws, root: r.toString("hex"), batch: this.batch };
	}
}

// docs/POLICY.md's bottling line, and a smaller neighbour
const plant = [
	["office", "bottling-line-2", 4, [["erp", "10.1.0.12", "server"], ["office-pc-17", "10.1.0.87", "unknown"]]],
	["dmz", "bottling-line-2", 3, [["historian", "10.1.1.8", "historian"], ["jump-host", "10.1.1.5", "server"]]],
	["scada", "bottling-line-2", 2, [["hmi1", "10.1.2.5", "hmi"], ["hmi2", "10.1.2.6", "hmi"], ["eng1", "10.1.2.9", "engineering"], ["mes", "10.1.2.20", "historian"]]],
	["cell1", "bottling-line-2", 1, [["plc-filler", "10.1.2.130", "plc"], ["plc-caps", "10.1.2.131", "plc"], ["plc-labeler", "10.1.2.132", "plc"], ["plc-conveyor", "10.1.2.133", "plc"]]],
	["field1", "bottling-line-2", 0, [["drive-m1", "10.1.3.11", "io_device"], ["drive-m2", "10.1.3.12", "io_device"], ["io-filler", "10.1.3.20", "io_device"]]],
	["boiler-room", "boiler-house", 2, [["hmi2", "10.2.1.6", "hmi"]]],
	["utilities", "boiler-house", 1, [["plc-boiler", "10.2.2.130", "plc"], ["plc-cip", "10.2.2.131", "plc"]]],
];
const made = {
	plc: [["Siemens", "S7-1500 CPU 1515-2 PN", "V2.9.4"], ["Schneider Electric", "Modicon M340", "3.50"], ["Wago", "750-8212 PFC200", "04.02.01"]],
	hmi: [["Siemens", "TP1200 Comfort", "V17.0.0.6"]], engineering: [["Dell", "Precision 3660", ""]], historian: [["HPE", "ProLiant DL20", ""]],
	io_device: [["SEW-Eurodrive", "MOVIDRIVE modular", "9.0"], ["Beckhoff", "BK9105", "1.4"]], server: [["Lenovo", "SR250", ""]], unknown: [["HP", "EliteDesk 800", ""]],
};

// what is tried: severity, blocked, rule, conduit, reason, proto, op, access, object, src, dst, techniques, category, text, PDU
const scenes = [
	[1, true, "otherwise", "hmi-filler", "otherwise", "modbus", "write_multiple_registers", "write", "holding 100..119", "hmi1", "plc-filler", ["T0855", "T1692.001", "T0836"], "Unauthorized Command", "writes outside of the set points", { txn: 41207, unit: 1, write_addr: 100, write_count: 20, values: [1800, 75, 80, 65, 90, 70, 75, 80, 100, 85, 60, 55, 90, 100, 75, 65, 70, 80, 95, 1] }],
	[1, true, null, null, "default_deny", "s7", "request_download", "program", "OB1", "office-pc-17", "plc-caps", ["T0843", "T0848"], "Unauthorized Command", "asks to load a block into a controller", { rosctr: 1, pdu_ref: 7, code: 26, block: { type: "OB", number: 1 }, length: { load: 1412, code: 1218 } }],
	[1, true, "no-stop", "engineering", "window", "s7", "plc_stop", "control", "P_PROGRAM", "eng1", "plc-caps", ["T0855", "T1692.001", "T0858"], "Unauthorized Command", "stops a controller outside of its window", { rosctr: 1, pdu_ref: 512, code: 41, pi_service: "P_PROGRAM" }],
	[2, true, null, null, "default_deny", "modbus", "connect", "session", null, "office-pc-17", "plc-filler", ["T0848"], "Unauthorized Connection", "opens a connection that no conduit allows", null],
	[2, false, "poll", "mes", "security", "opcua", "CreateSession", "session", null, "mes", "plc-labeler", ["T0885"], "Weak Protection", "asks for security None where Sign is required", { msg: "MSG", channel: 14, request_id: 3, policy_uri: "http://opcfoundation.org/UA/SecurityPolicy#None", mode: "None", nodes: [] }],
	[3, false, "recipes", "hmi-filler", "rule", "modbus", "read_write_multiple_registers", "write", "holding 300..331", "hmi2", "plc-filler", ["T0836"], "Policy Notice", "changes a recipe, which is allowed and told", { txn: 9, unit: 1, addr: 300, count: 32, write_addr: 300, write_count: 32 }],
	[2, true, "recipe", "mes", "otherwise", "opcua", "Write", "write", "ns=2;s=Line.Speed", "mes", "plc-conveyor", ["T0855", "T1692.001", "T0836"], "Unauthorized Command", "writes a node that no rule names", { msg: "MSG", channel: 2, request_id: 811, mode: "Sign", nodes: ["ns=2;s=Line.Speed"], status: "Good" }],
	[1, true, null, null, "condition", "modbus", "overlap", "write", null, "office-pc-17", "plc-filler", ["T0856", "T1692.002"], "Evasion Suspected", "sends other bytes again for a segment that was judged", null],
];
const calm = [["hmi1", "plc-filler", "modbus", ["read_holding_registers", "write_multiple_registers"]], ["hmi2", "plc-filler", "modbus", ["read_holding_registers"]], ["hmi1", "plc-caps", "s7", ["read", "write"]], ["mes", "plc-caps", "opcua", ["Read", "Browse", "Publish"]],
	["mes", "plc-labeler", "opcua", ["Read", "Publish"]], ["historian", "mes", "opcua", ["Read"]], ["hmi2", "plc-conveyor", "s7", ["read"]], ["plc-filler", "io-filler", "modbus", ["read_input_registers"]], ["plc-conveyor", "drive-m1", "modbus", ["write_single_register"]],
	["plc-conveyor", "drive-m2", "modbus", ["write_single_register"]], ["jump-host", "eng1", "rdp", []], ["hmi2", "plc-boiler", "modbus", ["read_holding_registers"], "boiler-house"], ["hmi2", "plc-cip", "modbus", ["read_holding_registers"], "boiler-house"]];

const tactics = [["TA0108", "Initial Access"], ["TA0104", "Execution"], ["TA0110", "Persistence"], ["TA0111", "Privilege Escalation"], ["TA0103", "Evasion"], ["TA0102", "Discovery"], ["TA0109", "Lateral Movement"], ["TA0100", "Collection"], ["TA0101", "Command and Control"], ["TA0107", "Inhibit Response Function"], ["TA0106", "Impair Process Control"], ["TA0105", "Impact"]];
const techniques = [["T0848", null, "Rogue Master", ["TA0108"], 1], ["T0866", null, "Exploitation of Remote Services", ["TA0108", "TA0109"], 0], ["T0886", null, "Remote Services", ["TA0108", "TA0109"], 0], ["T0858", null, "Change Operating Mode", ["TA0104", "TA0103"], 1],
	["T0821", null, "Modify Controller Tasking", ["TA0104"], 0], ["T0834", null, "Native API", ["TA0104"], 0], ["T0889", null, "Modify Program", ["TA0110"], 1], ["T0843", null, "Program Download", ["TA0109"], 1], ["T0857", null, "System Firmware", ["TA0110", "TA0107"], 0],
	["T0890", null, "Exploitation for Privilege Escalation", ["TA0111"], 0], ["T1692.002", "T0856", "Spoof Reporting Message", ["TA0103", "TA0106"], 1], ["T0888", null, "Remote System Information Discovery", ["TA0102"], 1], ["T0846", null, "Remote System Discovery", ["TA0102"], 1], ["T0842", null, "Network Sniffing", ["TA0102"], 0],
	["T0801", null, "Monitor Process State", ["TA0100"], 1], ["T0845", null, "Program Upload", ["TA0100"], 1], ["T0861", null, "Point & Tag Identification", ["TA0100"], 1], ["T0885", null, "Commonly Used Port", ["TA0101"], 1], ["T0884", null, "Connection Proxy", ["TA0101"], 0],
	["T0814", null, "Denial of Service", ["TA0107"], 1], ["T0816", null, "Device Restart/Shutdown", ["TA0107"], 1], ["T0881", null, "Service Stop", ["TA0107"], 1], ["T0878", null, "Alarm Suppression", ["TA0107"], 0], ["T0836", null, "Modify Parameter", ["TA0106"], 1],
	["T1692.001", "T0855", "Unauthorized Command Message", ["TA0106"], 1], ["T0806", null, "Brute Force I/O", ["TA0106"], 0], ["T0831", null, "Manipulation of Control", ["TA0105"], 0], ["T0826", null, "Loss of Availability", ["TA0105"], 0], ["T0880", null, "Loss of Safety", ["TA0105"], 0]];

export class Mock {
	constructor({ web, alerts = 420, hostile = null, now = Date.now() } = {}) {
		Object.assign(this, { web, hostile, streams: new Set(), sessions: new Map(), list: [], byId: new Map(), incidents: new Map(), proposals: [], audit: [], log: [], tamper: null, fail: new Set() });
		this.users = [["admin", "admin"], ["ana", "analyst"], ["vic", "viewer"]].map(([name, role]) => ({ name, role, disabled: false, last_login: now - 3600e3 }));
		this.signers = [new Signer("gate-line2", "bottling-line-2", 1795900000, 88100), new Signer("span-boiler", "boiler-house", 1795800000, 12040)];
		this.sensors = this.signers.map((s, i) => ({ id: i + 1, name: s.name, site: s.site, state: "ok", epoch: s.epoch, batch: s.batch, seq: s.seq, last_seen: now - 1500, clock_skew_ms: i ? -2400 : 12, policy: "602eedbe1e7d121acb65a4cdacf03554", build: "04892812f7a26ef1", keys: [{ kid: s.kid, since: now - 40 * 864e5, state: "active" }], chain: i ? "gap" : "whole", gaps: i ? [{ epoch: s.epoch, from: 11801, to: 11840, signed_loss: 212 }] : [], lost: i ? 212 : 0, alerts_24h: 0 }));
		this.sensors.push({ ...this.sensors[0], id: 3, name: "gate-packaging", site: "packaging", state: "silent", last_seen: now - 1260e3, keys: [{ kid: b64(sha("a")), since: now - 9e9, state: "active" }], chain: "whole", gaps: [], lost: 0 });
		this.sensors.push({ ...this.sensors[2], id: 4, name: "gate-warehouse", site: "warehouse", state: "pending", last_seen: null, keys: [{ kid: b64(sha("b")), since: now - 6e6, state: "pending" }], policy: null, build: null });
		// Older ones become rarer; a burst half an hour ago.  The same every time.
		let seed = 7;
		const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
		const times = Array.from({ length: alerts }, (_, i) => now - 20e3 - (i < alerts / 3 ? random() * 3600e3 : i < alerts / 2 ? 1800e3 + random() * 240e3 : random() ** 1.6 * 7 * 864e5)).sort((a, b) => a - b);
		let batch = [];
		for (const time of times) {
			batch.push([Math.floor(time), scenes[Math.floor(random() ** 1.4 * scenes.length)], random() < 0.15 ? Math.floor(random() * 40) + 2 : 1]);
			if (batch.length >= 1 + Math.floor(random() * 9)) batch = void this.add(batch) ?? [];
		}
		if (batch.length) this.add(batch);
		for (const [action, object, ok] of [["login", "", true], ["proposal.create", "gate-line2", true], ["sensor.token", "gate-warehouse", true], ["login", "", false], ["incident.close", "3", true]]) this.note("admin", action, object, ok, now - this.audit.length * 1860e3);
		const quiet = [...this.incidents.values()].sort((a, b) => a.last - b.last);
		for (const i of quiet.slice(0, 2)) Object.assign(i, { state: "closed", assignee: "ana" });
		if (quiet[3]) Object.assign(quiet[3], { state: "ack", assignee: "ana" });
		this.incidents.set(900, { id: 900, title: "Sensor gate-packaging is silent", severity: 2, state: "open", site: "packaging", sensor: "gate-packaging", src: null, dst: null, rule: null, techniques: [], alerts: 0, first: now - 1200e3, last: now - 1200e3, assignee: null, kind: "sensor" });
		this.audit.reverse();
		const last = this.list.find((a) => a.rule === "recipes");
		if (last) this.propose(last, "ana", "Recipe change RC-2291, every Monday");
		this.dests = [["cert", "Plant operators' CERT", "", "green"], ["vendor", "Bottling Works Ltd", "names,objects", "amber+strict"]].map(([name, identity, keep, tlp]) => ({ name, identity: hostile ?? identity, keep, tlp, created: now - 9e8, account: name === "cert" ? "writes" : "none" }));
		this.indicators = { serial: 41, refused: { path: 3, expired: 1 }, items: [["address", "198.51.100.23"], ["address", "2001:db8:5::17"], ["mac", "02:00:5e:10:00:01"]].map(([kind, value], i) => ({ kind, value, id: `indicator--${i}c1a83fb-4c7b-4651-b2a3-1b0e4476df3a`, name: hostile ?? `Scanner of PLCs, wave ${i + 1}`, source: hostile ?? "cert", until: i ? now + 30 * 864e5 : 0, added: now - 864e5 })) };
		this.bulletins = [];
		this.ca = sha("ca").toString("hex");
		this.share = generateKeyPairSync("ed25519");
		this.pinned = new Map([["gate-packaging", { policy: "0123456789abcdef0123456789abcdef" }]]);
		const name = (s) => hostile ?? s;
		const sensors = (...l) => l.map(([n, stage, step, said = ""], i) => ({ id: i + 1, name: name(n), stage, step, time: now - 9e4, said: said && name(said) }));
		const none = { kind: "policy", permit: "", expires: 0, incident: 0, playbook: "", step: "" };
		this.prepared = [
			{ id: 11, time: now - 9e8, user: "ada", name: "no-programming", kind: "policy", file: name("no-programming.yaml"), policy: "5be0cd19137e21794c1f83d9abfb41bd", permit: "", signed: now - 9e8, expires: 0, sensors: ["gate-line2", "gate-packaging"] },
			{ id: 12, time: now - 3e6, user: "ada", name: "service", kind: "permit", file: "service.jws", policy: "", permit: "wTt3cGfx5q0K", signed: now - 3e6, expires: now + 36e5, sensors: ["gate-line2"] },
		];
		this.rollouts = [
			{ id: 2, ...none, time: now - 6e5, user: "ada", name: name("plant.yaml"), policy: "9f2c61d0a4b7e85813c2f6a09d4e7b31", state: "held", why: name("stage 1 of 2 is done"), stage: 1, stages: 2, trial_s: 600, soak_s: 120, automatic: false, sensors: sensors(["gate-line2", 1, "in_force"], ["span-boiler", 2, "waits"], ["gate-packaging", 2, "waits"]) },
			{ id: 1, ...none, time: now - 8e7, user: "ada", name: name("plant.yaml"), policy: "0123456789abcdef0123456789abcdef", state: "failed", why: name("roll-out 1 of plant.yaml ends: gate-line2 refuses it"), stage: 1, stages: 1, trial_s: 600, soak_s: 120, automatic: true, sensors: sensors(["gate-line2", 1, "refused", "is older than the last one in force"]) },
		];
		this.network = {
			name: "site-centre",
			upstream: { url: "https://region.example:8444", name: name("site-centre"), state: "sending", last_ok: now - 4000, last_error_time: now - 7e6, last_error: name("connection refused"), behind_sensors: 2, behind_batches: 14, batches: 88100, alerts: 4321, sensors: [{ name: name("gate-line2"), state: "active", epoch: 1, batch: 2 }, { name: name("gate-packaging"), state: "pending", epoch: 1, batch: 2 }] },
			relays: [["hall-north", "ok", true, 12], ["hall-south", "pending", false, 3]].map(([n, state, vouches, sensors], i) => ({ id: 70 + i, name: name(n), state, vouches, last_seen: now - 3000, sensors, kid: b64(sha(n)) })),
		};
	}

	// What was done of an incident.
	steps = (i) => ({ ticks: i.ticks ?? [], applied: this.rollouts.filter((r) => r.incident === i.id) });
	fleet() {
		const items = this.sensors.filter((s) => s.state !== "pending").map((s, i) => {
			const p = { build: "", policy: "", ...this.pinned.get(s.name) }, build = s.build ?? "", policy = i === 1 ? "9f2c61d0a4b7e85813c2f6a09d4e7b31" : (s.policy ?? "");
			return { id: s.id, name: this.hostile ?? s.name, site: s.site, path: i === 1 ? ["hall-north"] : [], build, policy, pinned_build: p.build, pinned_policy: p.policy, drift: ["build", "policy"].filter((k) => p[k] && p[k] !== { build, policy }[k]), clock_offset_ms: [12, -2400, null][i] ?? 3, time: [{ in_step: true, error_ms: 23 }, { in_step: false, error_ms: 16000 }, null][i] ?? { in_step: true, error_ms: 5 } };
		});
		const of = (k) => [...new Set(items.map((x) => x[k]))].map((value) => ({ value, sensors: items.filter((x) => x[k] === value).length }));
		return { builds: of("build"), policies: of("policy"), items, next: null };
	}
	// As the collector redacts: what a test looks for is whether the page shows it before it saves it.
	shared(i, dest) {
		const nym = (s) => `name-${sha(dest.name, s).toString("hex").slice(0, 10)}`;
		return { type: "bundle", id: `bundle--${i.id}`, objects: [{ type: "identity", name: dest.identity }, { type: "grouping", name: dest.keep.includes("notes") ? i.title : "incident" }, ...[i.src, i.dst].filter(Boolean).map((s) => ({ type: "observed-data", device: dest.keep.includes("names") ? s : nym(s) }))] };
	}
	bulletin(b) {
		const files = { "bulletin.html": `<!doctype html><title>Bulletin ${b.id}</title>`, "evidence.json": '{"alerts":[]}', ...(b.pdf && { "bulletin.pdf": "%PDF-1.7 mock" }) };
		const jwk = this.share.publicKey.export({ format: "jwk" }), kid = b64(sha(`{"crv":"Ed25519","kty":"OKP","x":"${jwk.x}"}`));
		const head = b64(JSON.stringify({ alg: "Ed25519", typ: "interlock-bulletin+jws", kid })), body = b64(JSON.stringify({ v: 1, files: Object.fromEntries(Object.entries(files).map(([n, v]) => [n, sha(v).toString("hex")])) }));
		const all = { ...files, "bulletin.jws": `${head}.${body}.${b64(sign(null, Buffer.from(`${head}.${body}`), this.share.privateKey))}`, "key.jwk": JSON.stringify({ ...jwk, kid }), "key.pem": this.share.publicKey.export({ format: "pem", type: "spki" }) };
		return this.forge ? this.forge(all) : all;
	}

	device(name) {
		for (const [zone, site, level, devices] of plant) for (const [n, ip, role] of devices) if (n === name) return { zone, site, level, name, ip, role };
	}
	note(user, action, object, ok = true, time = Date.now()) {
		this.audit.unshift({ time, user, action, object, address: "10.1.1.5", ok, text: "" });
	}

	// One signed batch of what happened; the newest is first in the list.
	add(events, { signer = this.signers[0] } = {}) {
		const first = signer.seq + 1, all = [];
		const lines = events.map(([time, s, count], i) => {
			const [severity, blocked, rule, conduit, reason, proto, op, access, object, from, to, tech, category, text, pdu] = this.hostile ? s.map((v) => (typeof v === "string" && !["modbus"].includes(v) ? this.hostile : v)) : s;
			const src = this.device(s[9]), dst = this.device(s[10]), seq = signer.seq + 1 + i, port = { modbus: 502, s7: 102, opcua: 4840 }[s[5]];
			const meta = { il_seq: [String(seq)], il_reason: [reason], ...(rule && { il_rule: [rule] }), ...(conduit && { il_conduit: [conduit] }), il_verdict: [blocked ? "reject" : "alert"], il_src: [from], il_dst: [to], il_op: [op], il_access: [access], ...(object && { il_object: [object] }), ...(pdu && { il_pdu: [JSON.stringify(pdu)] }), ...(count > 1 && { il_count: [String(count)] }), mitre_technique_id: tech, il_site: [signer.site], il_policy: ["602eedbe1e7d121acb65a4cdacf03554"], il_build: ["04892812f7a26ef1"], il_evidence_sha256: [sha(String(seq)).toString("hex")] };
			const signature = this.hostile ?? `Interlock: ${from} ${text}: ${op}${object ? " " + object : ""} on ${to}`;
			const eve = { timestamp: new Date(time).toISOString().replace("Z", "000+0000"), event_type: "alert", src_ip: src.ip, src_port: 49000 + (seq % 900), dest_ip: dst.ip, dest_port: port, proto: "TCP", direction: "to_server", app_proto: proto, host: signer.name,
				alert: { action: blocked ? "blocked" : "allowed", gid: 62443, signature_id: rule ? 1000000000 + (sha(rule).readUInt32BE() % 999999999) : 3, rev: 1, signature, category, severity, metadata: meta } };
			const line = JSON.stringify(eve);
			all.push({ id: (signer === this.signers[0] ? 1 : 2) * 65536 * 65536 + seq, time, sensor: signer.name, site: signer.site, severity, action: eve.alert.action, verdict: meta.il_verdict[0], signature, signature_id: eve.alert.signature_id, category, rule, conduit, reason, proto, op, access, object,
				src: { ip: src.ip, port: eve.src_port, name: from }, dst: { ip: dst.ip, port, name: to }, direction: "to_server", count, techniques: tech, incident: null, event: null, eve: line, pdu, seq, from: s[9], to: s[10] });
			return line;
		});
		signer.seq += lines.length;
		const sealed = signer.seal(lines, first), leaves = lines.map((l) => Buffer.from(l));
		all.forEach((a, i) => {
			a.proof = { state: "verified", sensor: signer.name, epoch: signer.epoch, batch: sealed.batch, seq: a.seq, kid: signer.kid, root: sealed.root };
			a.prove = () => ({ v: 1, typ: "interlock-proof", seq: a.seq, index: i, n: lines.length, line: lines[i], path: path(i, leaves).map((p) => p.toString("hex")), jws: sealed.jws, key: { ...signer.jwk, kid: signer.kid, use: "sig" } });
			const fold = `${a.sensor} ${a.src.name} ${a.dst.name} ${a.rule} ${a.reason}`;
			let inc = [...this.incidents.values()].find((x) => x.fold === fold && x.state !== "closed");
			if (!inc) {
				inc = { fold, id: this.incidents.size + 1, title: a.signature.replace(/^Interlock: /, ""), severity: a.severity, state: "open", site: a.site, sensor: a.sensor, src: a.src.name, dst: a.dst.name, rule: a.rule, techniques: a.techniques, alerts: 0, first: a.time, last: a.time, assignee: null, kind: "policy", log: [] };
				this.incidents.set(inc.id, inc);
			}
			inc.alerts += a.count;
			inc.last = Math.max(inc.last, a.time);
			a.incident = inc.id;
			this.list.unshift(a);
			this.byId.set(a.id, a);
		});
		return all;
	}
	// A sensor's alert arrives now.
	raise(n = 1, scene = 0) {
		const all = this.add(Array.from({ length: n }, () => [Date.now(), scenes[scene], 1]));
		for (const a of all) this.tell("alert", this.short(a));
		return all;
	}
	tell(event, data) {
		for (const s of this.streams) s.write(`id: ${Date.now()}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
	}
	short({ eve, pdu, proof, prove, seq, from, to, ...a }) {
		return a;
	}
	filter(q) {
		const is = (k, ...v) => !q.get(k) || v.some((x) => String(x) === q.get(k));
		const text = q.get("q")?.toLowerCase();
		return this.list.filter((a) => is("sensor", a.sensor) && is("site", a.site) && is("rule", a.rule) && is("severity", a.severity) && is("action", a.action) && is("proto", a.proto) && is("incident", a.incident) && is("technique", ...a.techniques) && is("device", a.src.name, a.src.ip, a.dst.name, a.dst.ip)
			&& (!q.get("from") || a.time >= +q.get("from")) && (!q.get("to") || a.time <= +q.get("to")) && (!text || JSON.stringify(this.short(a)).toLowerCase().includes(text)));
	}
	incident({ fold, log, ticks, ...i }) {
		return i;
	}
	propose(a, user, note) {
		const name = `expected-${this.proposals.length + 1}`;
		const rule_yaml = `- name: ${name}\n  enabled: false        # proposed by ${user}, not approved\n  functions: [${a.op}]\n  ${a.object?.startsWith("holding") ? `holding: [${a.object.replace("holding ", "")}]` : `nodes: ["${a.object ?? "*"}"]`}\n`;
		const p = { id: this.proposals.length + 1, time: Date.now(), user, sensor: a.sensor, alert: a.id, rule_yaml, diff: `--- policy.yaml\n+++ policy.yaml\n@@ conduits: ${a.conduit ?? "new"} @@\n       allow:\n         - {name: poll, functions: read}\n${rule_yaml.trimEnd().split("\n").map((l) => "+        " + l).join("\n")}\n-      otherwise: alert\n       otherwise: reject`, state: "proposed", note };
		this.proposals.unshift(p);
		return p;
	}

	api(req, path, q, body, me) {
		const page = (items, n = +(q.get("limit") ?? 50), at = +(q.get("cursor") ?? 0)) => ({ items: items.slice(at, at + n), next: at + n < items.length ? String(at + n) : null });
		const need = (role) => {
			if ({ viewer: 0, analyst: 1, admin: 2 }[me.role] < { viewer: 0, analyst: 1, admin: 2 }[role]) throw [403, "forbidden"];
		};
		const now = Date.now(), day = this.list.filter((a) => a.time > now - 864e5), [, what, id, sub] = path.split("/"), post = req.method === "POST";
		const open = [...this.incidents.values()].filter((i) => i.state === "open").sort((a, b) => a.severity - b.severity || b.last - a.last);
		switch (what) {
		case "me": return id ? {} : me;
		case "overview": {
			const t0 = Math.floor(now / 60e3) * 60e3 - 59 * 60e3;
			const rate = Array.from({ length: 60 }, (_, i) => ({ t: t0 + i * 60e3, n: 0, blocked: 0 }));
			for (const a of this.list) {
				const r = rate[Math.floor((a.time - t0) / 60e3)];
				if (r) (r.n += a.count, a.action === "blocked" && (r.blocked += a.count));
			}
			const n = (s) => this.sensors.filter((x) => x.state === s).length;
			return { now, incidents: { open: { 1: open.filter((i) => i.severity === 1).length, 2: open.filter((i) => i.severity === 2).length, 3: open.filter((i) => i.severity === 3).length } }, alerts_24h: day.reduce((s, a) => s + a.count, 0), blocked_24h: day.reduce((s, a) => s + (a.action === "blocked" ? a.count : 0), 0), rate, sensors: { ok: n("ok"), silent: n("silent"), trouble: n("trouble") }, top: open.slice(0, 5).map(this.incident) };
		}
		case "alerts": {
			if (!id) return page(this.filter(q).map(this.short));
			const a = this.byId.get(Number(id));
			if (!a) throw [404, "not_found"];
			if (sub === "proof") {
				const p = a.prove();
				return this.tamper ? this.tamper(p) : p;
			}
			if (sub === "evidence") return { raw: Buffer.from("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000", "hex"), type: "application/x-pcapng" };
			if (sub === "expected") {
				need("analyst");
				this.note(me.user, "proposal.create", a.sensor);
				return { proposal: this.propose(a, me.user, body.note ?? "") };
			}
			return { ...this.short(a), eve: a.eve, pdu: a.pdu, proof: a.proof, evidence: a.seq % 5 !== 0, related: this.list.filter((x) => x.incident === a.incident && x !== a).slice(0, 20).map(this.short), ...library.find(a), ...this.steps(this.incidents.get(a.incident)) };
		}
		case "incidents": {
			if (!id) return page([...this.incidents.values()].filter((i) => ["state", "severity", "sensor"].every((k) => !q.get(k) || String(i[k]) === q.get(k)) && (!q.get("q") || JSON.stringify(i).toLowerCase().includes(q.get("q").toLowerCase()))).sort((a, b) => b.last - a.last).map(this.incident));
			const i = this.incidents.get(Number(id));
			if (!i) throw [404, "not_found"];
			if (sub === "steps") {
				need("analyst");
				const p = library.show(body.playbook), step = p.steps.find((x) => x.id === body.step);
				if (!step) throw [404, "not_found"];
				i.ticks = (i.ticks ?? []).filter((x) => x.step !== step.id || x.playbook !== p.id);
				if (body.done) i.ticks.push({ playbook: p.id, step: step.id, version: p.version, user: me.user, time: now, note: body.note ?? "" });
				this.tell("incident", this.incident(i));
				return { ticks: i.ticks };
			}
			if (sub === "apply") {
				need("admin");
				const p = this.prepared.find((x) => x.id === body.prepared);
				if (!p) throw [404, "not_found"];
				const r = { id: this.rollouts.length + 1, time: now, user: me.user, kind: p.kind, name: p.file, policy: p.policy, permit: p.permit, expires: p.expires, incident: i.id, playbook: body.playbook, step: body.step, state: "running", why: "", stage: 1, stages: 1, trial_s: body.trial_s, soak_s: body.soak_s, automatic: false, sensors: body.sensors.map((name, k) => ({ id: k + 1, name, stage: 1, step: "offered", time: now, said: "" })) };
				this.rollouts.unshift(r);
				this.note(me.user, "step.apply", id);
				return r;
			}
			if (sub === "export") {
				const d = this.dests.find((x) => x.name === q.get("to"));
				if (!d) throw [404, "not_found"];
				this.note(me.user, q.get("preview") === "1" ? "share.preview" : "share", id);
				return { raw: Buffer.from(JSON.stringify(this.shared(i, d))), type: "application/json" };
			}
			if (sub === "share") return need("analyst"), { objects: this.shared(i, this.dests.find((x) => x.name === body.to)).objects.length };
			if (sub === "bulletin") {
				need("analyst");
				if (body.pdf && this.noPdf) throw [501, "bulletin"];
				this.bulletins.unshift({ id: this.bulletins.length + 1, incident: i.id, to: body.to, lang: body.lang, time: now, user: me.user, pdf: !!body.pdf });
				return { id: this.bulletins[0].id };
			}
			if (post) {
				need("analyst");
				const said = (key, text, value = "") => ({ time: now, user: me.user, key, value, text });
				if (body.state) (i.log ??= []).unshift(said({ open: "opened", ack: "acknowledged", closed: "closed" }[body.state], body.state));
				if (body.assignee) (i.log ??= []).unshift(said("assigned", `assigned to ${body.assignee}`, body.assignee));
				if (body.note) (i.log ??= []).unshift(said("", body.note));
				Object.assign(i, { state: body.state ?? i.state, assignee: body.assignee ?? i.assignee });
				this.tell("incident", this.incident(i));
				return this.incident(i);
			}
			return { ...this.incident(i), alerts_newest: this.list.filter((a) => a.incident === Number(id)).slice(0, 50).map(this.short), log: i.log ?? [], ...library.find(this.list.find((a) => a.incident === Number(id)) ?? {}), ...this.steps(i) };
		}
		case "library": {
			const all = (kind) => (this.noLibrary ? [] : library.ids(kind).map((n) => head(library.show(n))));
			if (sub) return library.show(sub);
			if (post) need("admin");
			return { state: this.noLibrary ? "none" : "verified", refused: false, problems: [], version: 7, kid: this.signers[0].kid, signed: now - 9 * 864e5, playbooks: all("playbooks"), pages: all("knowledge") };
		}
		case "sensors":
			if (post) {
				need("admin");
				if (id === "tokens") return { token: "il1." + b64(sha(body.name)), expires: now + 3600e3, ingest_port: 8444, ca_fingerprint: this.ca };
				if (this.network.relays.some((r) => r.id === Number(id))) {
					const r = this.network.relays.find((x) => x.id === Number(id));
					r.state = body.action === "revoke" ? "revoked" : "ok";
					return r;
				}
				if (body.action === "rotate") return { token: "il1." + b64(sha("again")), expires: now + 3600e3, ingest_port: 8444, ca_fingerprint: this.ca };
				const s = this.sensors.find((x) => x.id === Number(id));
				s.state = body.action === "approve" ? "silent" : body.action === "revoke" ? "revoked" : s.state;
				return s;
			}
			return page(this.sensors.map((s) => ({ ...s, alerts_24h: day.filter((a) => a.sensor === s.name).length })));
		case "fleet":
			if (post) {
				need("admin");
				for (const n of body.sensors) {
					const s = this.sensors.find((x) => x.name === n);
					this.pinned.set(n, { build: body.build && s.build, policy: body.policy && s.policy });
				}
			}
			return this.fleet();
		case "rollouts": {
			const r = this.rollouts.find((x) => x.id === Number(id));
			if (!post) return page(this.rollouts);
			need("admin");
			if (!["running", "held"].includes(r.state)) throw [409, "conflict"];
			Object.assign(r, body.do === "stop" ? { state: "stopped", why: "" } : { state: "running", why: "", stage: r.stage + 1 });
			return r;
		}
		case "prepared": return page(this.prepared);
		case "network": return this.network;
		case "destinations":
			if (post) {
				need("admin");
				this.dests = [...this.dests.filter((d) => d.name !== body.name), { created: now, account: "none", ...body }].sort((a, b) => (a.name < b.name ? -1 : 1));
			}
			return page(this.dests);
		case "indicators":
			if (post && sub === "remove") {
				need("analyst");
				this.indicators.items = this.indicators.items.filter((x) => x.id !== decodeURIComponent(id));
				this.indicators.serial++;
			} else if (post) {
				need("analyst");
				if (!Array.isArray(body.objects)) throw [400, "bad_request"];
				const own = body.objects.map((o) => [o, /^\[ipv4-addr:value = '([\d.]+)'\]$/.exec(o.pattern ?? "")?.[1]]), good = own.filter(([, v]) => v);
				this.indicators.items.push(...good.map(([o, value]) => ({ kind: "address", value, id: o.id, name: o.name, source: me.user, until: 0, added: now })));
				return { taken: good.length, refused: own.length > good.length ? { path: own.length - good.length } : {} };
			}
			return { ...this.indicators, next: null };
		case "watch-list": return { list: "# watch list\n" + this.indicators.items.map((x) => x.value + "\n").join(""), minisig: "untrusted comment: mock\n" };
		case "bulletins": {
			need("analyst");
			if (!id) return page(this.bulletins);
			const text = this.bulletin(this.bulletins.find((b) => b.id === Number(id)))[sub];
			if (text === undefined) throw [404, "not_found"];
			return { raw: Buffer.from(text), type: "application/octet-stream" };
		}
		case "map": {
			const site = q.get("site");
			const zones = plant.filter((z) => !site || z[1] === site).map(([name, s, level, devices]) => ({ id: `${s}/${name}`, site: s, name: this.hostile ?? name, level, devices: devices.map(([n, ip, role], i) => {
				const own = day.filter((a) => a.to === n), [vendor, model] = made[role][i % made[role].length];
				return { name: n, ip, role, vendor: this.hostile ?? vendor, model, alerts_24h: own.length, severity: own.length ? Math.min(...own.map((a) => a.severity)) : null };
			}) }));
			const there = new Set(zones.flatMap((z) => z.devices.map((d) => d.name)));
			const edges = new Map(calm.map(([from, to, proto, ops, at]) => [`${from} ${to} ${proto}`, { site: at ?? this.device(from).site, from, to, proto, allowed: true, alerts: 0, blocked: 0, last: null, ops }]));
			for (const a of day) {
				const k = `${a.from} ${a.to} ${a.proto}${a.action === "blocked" ? " x" : ""}`;
				const e = edges.get(k) ?? { site: a.site, from: a.from, to: a.to, proto: a.proto, allowed: a.action !== "blocked", alerts: 0, blocked: 0, last: null, ops: [] };
				edges.set(k, { ...e, alerts: e.alerts + 1, blocked: e.blocked + (a.action === "blocked" ? 1 : 0), last: Math.max(e.last ?? 0, a.time), ops: [...new Set([...e.ops, a.op])] });
			}
			return { zones, edges: [...edges.values()].filter((e) => there.has(e.from) && there.has(e.to)) };
		}
		case "assets": {
			const all = plant.flatMap(([zone, site, level, devices], z) => devices.map(([name, ip, role], i) => {
				const [vendor, model, firmware] = made[role][i % made[role].length];
				return { id: `${z}-${i}`, site, sensor: "gate-line2", name: this.hostile ?? name, ips: [ip], macs: [`00:1b:1b:aa:${(z + 16).toString(16)}:${(i + 16).toString(16)}`], vendor: this.hostile ?? vendor, model: this.hostile ?? model, firmware: firmware || null, serial: role === "plc" ? `S C-${z}${i}X4571` : null, role, zone, level, first: now - 30 * 864e5, last: now - 60e3 * (z * 7 + i), confidence: "high", conflicts: name === "plc-labeler" ? ["firmware was V2.9.2 until 3 days ago"] : [] };
			}));
			return page(all.filter((a) => (!q.get("q") || JSON.stringify(a).toLowerCase().includes(q.get("q").toLowerCase())) && (!q.get("role") || a.role === q.get("role"))));
		}
		case "attack": return { version: "1 (v18, ids of v19)", tactics: tactics.map(([i, name]) => ({ id: i, name })), techniques: techniques.map(([tid, old_id, name, tac, covered]) => {
			const own = this.list.filter((a) => a.techniques.includes(tid));
			return { id: tid, old_id, name, tactics: tac, alerts: own.length, last: own[0]?.time ?? null, covered: !!covered };
		}) };
		case "timeline": {
			const step = +q.get("step"), from = Math.floor(+q.get("from") / step) * step, to = +q.get("to"), by = q.get("by");
			const buckets = [];
			for (let t = from; t < to; t += step) buckets.push({ t, n: 0, by: {} });
			for (const a of this.list) {
				const b = a.time >= from && a.time < to && buckets[Math.floor((a.time - from) / step)];
				if (!b) continue;
				const k = String({ severity: a.severity, sensor: a.sensor, rule: a.rule ?? "", device: a.dst.name }[by]);
				b.n += a.count;
				b.by[k] = (b.by[k] ?? 0) + a.count;
			}
			return { step, buckets: buckets.filter((b) => b.n) }; // as the collector does
		}
		case "search": {
			const qq = new URLSearchParams({ q: q.get("q") });
			const sub = (w) => this.api(req, w, qq, body, me).items;
			return { alerts: sub("/alerts").slice(0, 10), incidents: sub("/incidents").slice(0, 10), assets: sub("/assets").slice(0, 10), sensors: this.sensors.filter((s) => s.name.includes(q.get("q"))) };
		}
		case "proposals":
			if (post) {
				need("analyst");
				return Object.assign(this.proposals.find((p) => p.id === Number(id)), { state: body.state });
			}
			return page(this.proposals);
		case "users":
			need("admin");
			if (post) {
				if (!id) this.users.push({ name: body.name, role: body.role, disabled: false, last_login: null });
				else Object.assign(this.users.find((u) => u.name === id), body.role && { role: body.role }, body.disabled !== undefined && { disabled: body.disabled });
				return {};
			}
			return page(this.users);
		case "audit": need("admin"); return page(this.audit);
		case "export": return { raw: Buffer.from(this.filter(q).map((a) => a.eve + "\n").join("")), type: "application/x-ndjson" };
		case "health": return { ok: true, version: "0.1.0" };
		}
		throw [404, "not_found"];
	}

	async handle(req, res) {
		const url = new URL(req.url, "http://x");
		this.log.push(`${req.method} ${url.pathname}`);
		res.setHeader("content-security-policy", CSP);
		res.setHeader("x-content-type-options", "nosniff");
		const send = (status, v, headers = {}) => res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(v));
		const no = (status, code, headers) => send(status, { error: { code, message: code } }, headers);
		if (!url.pathname.startsWith("/api/")) {
			const wanted = normalize(url.pathname).replace(/^(\.\.[/\\])+/, "");
			const file = join(this.web, extname(wanted) ? wanted : "index.html");
			try {
				if (!statSync(file).isFile()) throw new Error();
				return res.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
			} catch {
				return res.writeHead(404).end();
			}
		}
		let text = "";
		for await (const part of req) text += part;
		const body = text ? JSON.parse(text) : {}, path = url.pathname.slice(7);
		if (path === "/login") {
			const u = this.users.find((x) => x.name === body.user);
			if (!u || u.disabled || body.password !== "bottling-line") return no(401, "unauthorized");
			const id = b64(sha(String(Math.random())));
			this.sessions.set(id, { user: u.name, role: u.role, csrf: b64(sha(id)), version: "0.1.0" });
			return send(200, this.sessions.get(id), { "set-cookie": `il_session=${id}; HttpOnly; SameSite=Strict; Path=/` });
		}
		const session = /il_session=([\w-]+)/.exec(req.headers.cookie ?? "")?.[1], me = this.sessions.get(session);
		if (!me && path !== "/health") return no(401, "unauthorized");
		if (req.method !== "GET" && req.headers["x-csrf-token"] !== me.csrf) return no(403, "csrf");
		if (path === "/logout") return this.sessions.delete(session), send(200, {});
		if (path === "/stream") {
			res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
			res.write('event: hello\ndata: {"version":"0.1.0","now":0,"missed":0}\n\n');
			this.streams.add(res);
			return res.on("close", () => this.streams.delete(res));
		}
		if (this.fail.has(path)) return no(503, "busy");
		try {
			const out = this.api(req, path, url.searchParams, body, me);
			if (out.raw) return res.writeHead(200, { "content-type": out.type, "content-disposition": "attachment" }).end(out.raw);
			return send(200, out);
		} catch (e) {
			if (Array.isArray(e)) return no(...e);
			throw e;
		}
	}

	listen(port = 0) {
		this.server = createServer((req, res) => this.handle(req, res).catch((e) => (console.error(e), res.destroy())));
		return new Promise((done) => this.server.listen(port, "127.0.0.1", () => done(`http://127.0.0.1:${this.server.address().port}`)));
	}
	close() {
		this.server.closeAllConnections();
		this.server.close();
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const at = process.argv.indexOf("--web");
	const mock = new Mock({ web: at > 0 ? process.argv[at + 1] : "build/web" });
	console.log(await mock.listen(Number(process.argv[2]) || 8090));
	setInterval(() => mock.raise(1, Math.floor(Math.random() * scenes.length)), 7000);
}
