// SPDX-License-Identifier: Apache-2.0
// The smallest collector a sender can be tried with, from docs/FORMATS.md alone: JWS by npm's jose, hashes and TLS
// by node; nothing of Interlock's code takes part.
//
// usage: node collector.mjs DIR [PORT]     prints "listening PORT"
//   DIR/server.crt server.key ca.crt       its certificate, and who signs clients'
//   DIR/sensor.pub                         keys that sign batches (JWK or JWK Set)
//   DIR/receipt.jwk                        its own key, with "d"
//   DIR/mode      read at each POST: "ok", or how to misbehave (below)
//   DIR/stored    what it has: one JSON object a line {epoch,batch,hash,jws,text}; may be removed
//   DIR/log       a line per request
// With ENROL=TOKEN it also enrols, once: openssl looks at the request and signs it with DIR/ca.key.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createHash, webcrypto } from "node:crypto";
import { execFileSync } from "node:child_process";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

globalThis.crypto ??= webcrypto; // node 18 of Debian 12 does not set it

const [dir, port = "0"] = process.argv.slice(2);
const { CompactSign, compactVerify, createLocalJWKSet, importJWK } = await import(
	pathToFileURL(createRequire(`${process.env.JOSE_DIR}/x.js`).resolve("jose")).href);
const file = (name) => `${dir}/${name}`;
const sha256 = (x) => createHash("sha256").update(x).digest("hex");
const jwk = JSON.parse(readFileSync(file("sensor.pub")));
const keys = createLocalJWKSet(jwk.keys ? jwk : { keys: [jwk] });
const own = JSON.parse(readFileSync(file("receipt.jwk")));


const stored = existsSync(file("stored"))
	? readFileSync(file("stored"), "utf8").split("\n").filter(Boolean).map((l) => JSON.parse(l)) : [];
const last = () => stored.at(-1) ?? { epoch: 0, batch: 0, hash: "0".repeat(64) };
const have = () => ({ epoch: last().epoch, batch: last().batch });
const mode = () => (existsSync(file("mode")) ? readFileSync(file("mode"), "utf8").trim() : "ok").split(" ");
const log = (text) => appendFileSync(file("log"), `${text}\n`);

async function receipt(b, sub, how) {
	const payload = { v: 1, iss: "test collector", sub, epoch: b.epoch, batch: b.batch, prev: b.hash,
		iat: Date.now() / 1000 };
	if (how === "receipt-batch") payload.batch++;
	if (how === "receipt-hash") payload.prev = sha256("another");
	if (how === "receipt-sensor") payload.sub = "another";
	const typ = how === "receipt-typ" ? "interlock-batch+jws" : "interlock-receipt+jws";
	const key = how === "receipt-key" ? JSON.parse(readFileSync(file("other.jwk"))) : own;
	const jws = await new CompactSign(Buffer.from(JSON.stringify(payload)))
		.setProtectedHeader({ alg: "EdDSA", typ, kid: own.kid }).sign(await importJWK(key, "EdDSA"));
	return how === "receipt-cut" ? jws.slice(0, -3) : jws;
}

async function take(body, statement) {
	let at = 0, n = 0, duplicate = 0, sub = "", b;
	while (at < body.length) {
		const nl = body.indexOf(10, at);
		if (nl < 0) throw [400, "no JWS"];
		const jws = body.toString("latin1", at, nl);
		const { payload, protectedHeader } = await compactVerify(jws, keys, { algorithms: ["Ed25519", "EdDSA"] })
			.catch((e) => { throw [422, e.message]; });
		const p = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
		if (protectedHeader.typ !== "interlock-batch+jws" || p.v !== 1) throw [422, "not a batch"];
		let end = nl + 1;
		for (let i = 0; i < p.n; i++) {
			end = body.indexOf(10, end) + 1;
			if (end === 0) throw [422, "lines are missing"];
		}
		const lines = body.subarray(nl + 1, end);
		if (sha256(lines) !== p.sha256) throw [422, "lines are not those that were signed"];
		b = { epoch: p.epoch, batch: p.batch, hash: sha256(jws), jws, text: lines.toString("latin1") };
		sub = p.iss;
		const known = stored.find((s) => s.epoch === p.epoch && s.batch === p.batch);
		const l = last();
		const removed = statement && statement.epoch === p.epoch && statement.oldest >= p.batch;
		if (known && known.hash !== b.hash) throw [409, "two batches with this number"];
		if (known) duplicate++;
		else if ((p.epoch === l.epoch && p.batch === l.batch + 1 && p.prev === l.hash) ||
			(p.epoch > l.epoch && (p.batch === 1 || removed)) || (p.epoch === l.epoch && removed)) {
			appendFileSync(file("stored"), `${JSON.stringify(b)}\n`);
			stored.push(b);
			n++;
		} else throw [409, `batch ${p.batch} does not follow batch ${l.batch}`];
		at = end;
	}
	return { n, duplicate, sub, b };
}

let token = process.env.ENROL;
async function enrol(res, body) {
	const o = JSON.parse(body);
	log("enrol");
	if (!token || o.token !== token) throw [403, "the token is not known, was used, or is too old"];
	const { payload, protectedHeader } = await compactVerify(o.proof, createLocalJWKSet(o.jwks), { algorithms: ["Ed25519", "EdDSA"] })
		.catch((e) => { throw [422, e.message]; });
	if (protectedHeader.typ !== "interlock-enrol+jws" || JSON.parse(Buffer.from(payload)).token !== token) throw [422, "no proof"];
	writeFileSync(file("csr"), o.csr);
	execFileSync("openssl", ["req", "-verify", "-noout", "-in", file("csr")], { stdio: "pipe" });
	const certificate = execFileSync("openssl", ["x509", "-req", "-in", file("csr"), "-CA", file("ca.crt"), "-CAkey", file("ca.key"),
		"-CAcreateserial", "-days", "2"], { stdio: "pipe" }).toString();
	token = undefined;
	writeFileSync(file("sensor.pub"), JSON.stringify(o.jwks)); // for the next start
	const { kty, crv, x, kid } = own;
	answer(res, 200, { certificate, ca: readFileSync(file("ca.crt"), "utf8"), receipt_jwks: { keys: [{ kty, crv, x, kid }] },
		sensor: o.name, state: "active" });
}

function answer(res, status, o, headers = {}) {
	res.writeHead(status, { "content-type": "application/json", ...headers });
	res.end(typeof o === "string" ? o : JSON.stringify(o));
}

async function post(req, res, body) {
	const [how, arg] = mode();
	log(`POST ${how} ${body.length}`);
	if (how === "busy") return answer(res, 503, { error: { code: "busy", message: "later" } }, { "retry-after": arg });
	if (how === "error") return answer(res, Number(arg), { error: { code: "x", message: "no \u001b[31mreason" } });
	if (how === "large" && body.length > Number(arg)) return answer(res, 413, { error: { code: "large" } });
	if (how === "conflict") return answer(res, 409, { error: { code: "gap" }, have: have() });
	if (how === "html") return answer(res, 200, "<html>hello</html>");
	if (how === "long") return answer(res, 200, "x".repeat(200000));
	if (how === "redirect") return answer(res, 307, "", { location: `https://127.0.0.1:${arg}/` });
	if (how === "drop-before") return req.socket.destroy();
	if (how === "slow") await new Promise((r) => setTimeout(r, Number(arg)));
	let statement = null;
	if (req.headers["interlock-statement"]) {
		const { payload } = await compactVerify(req.headers["interlock-statement"], keys);
		statement = JSON.parse(Buffer.from(payload));
		log(`statement oldest ${statement.oldest}`);
	}
	try {
		const { n, duplicate, sub, b } = await take(body, statement);
		if (how === "drop-after") return req.socket.destroy(); // stored, and the sender is not told
		answer(res, 200, { receipt: await receipt(b, sub, how), stored: n, duplicate });
	} catch (e) {
		if (!Array.isArray(e)) throw e;
		answer(res, e[0], { error: { code: String(e[0]), message: e[1] }, ...(e[0] === 409 ? { have: have() } : {}) });
	}
}

const server = createServer({ cert: readFileSync(file("server.crt")), key: readFileSync(file("server.key")),
	ca: readFileSync(file("ca.crt")), requestCert: true, rejectUnauthorized: token === undefined,
	minVersion: process.env.TLS_MIN ?? "TLSv1.3", maxVersion: process.env.TLS_MAX ?? "TLSv1.3" }, (req, res) => {
	const parts = [];
	req.on("data", (d) => parts.push(d));
	req.on("end", () => {
		const body = Buffer.concat(parts);
		if (!existsSync(file("stored"))) stored.length = 0; // whoever removes it begins anew
		if (req.method === "GET" && req.url === "/ingest/v1/position") {
			log("position");
			answer(res, 200, have());
		} else if (req.method === "POST" && req.url === "/ingest/v1/enrol") {
			enrol(res, body).catch((e) => Array.isArray(e) ? answer(res, e[0], { error: { message: e[1] } }) : answer(res, 500, { error: { message: e.stack } }));
		} else if (!req.socket.authorized) {
			answer(res, 401, { error: { message: "a certificate is needed" } });
		} else if (req.method === "POST" && req.url === "/ingest/v1/batches") {
			post(req, res, body).catch((e) => { log(`failed ${e.stack}`); answer(res, 500, {}); });
		} else if (req.method === "PUT") {
			log(`PUT ${req.url} ${body.length} ${sha256(body)}`);
			const [how, arg] = mode();
			answer(res, how === "error" ? Number(arg) : 200, {});
		} else answer(res, 404, { error: { code: "not_found" } });
	});
});
server.listen(Number(port), "127.0.0.1", () => {
	writeFileSync(file("port"), String(server.address().port));
	console.log(`listening ${server.address().port}`);
});
