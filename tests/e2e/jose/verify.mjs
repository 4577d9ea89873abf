// SPDX-License-Identifier: Apache-2.0
// Verifies a journal from docs/FORMATS.md alone, with npm's jose and node's SHA-256:
// nothing of Interlock's code takes part.
// usage: node verify.mjs KEY.pub JOURNAL   prints "N batches, N alerts, final|open", or fails
import { compactVerify, createLocalJWKSet } from "jose";
import { createHash, webcrypto } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18 of Debian 12 does not set it

const [keyFile, dir] = process.argv.slice(2);
const jwk = JSON.parse(readFileSync(keyFile));
const keys = createLocalJWKSet(jwk.keys ? jwk : { keys: [jwk] });
const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash("sha256")).digest();

// RFC 6962 section 2.1
function root(leaves) {
	if (leaves.length === 0) return sha256(Buffer.alloc(0));
	if (leaves.length === 1) return sha256(Buffer.from([0]), leaves[0]);
	let k = 1;
	while (k * 2 < leaves.length) k *= 2;
	return sha256(Buffer.from([1]), root(leaves.slice(0, k)), root(leaves.slice(k)));
}

const check = (ok, what) => {
	if (!ok) throw new Error(what);
};
let prev = "0".repeat(64), batch = 0, alerts = 0, final = false;
for (const name of readdirSync(dir).filter((f) => f.endsWith(".jws")).sort()) {
	let eve = readFileSync(`${dir}/${name.replace(/jws$/, "eve")}`);
	for (const jws of readFileSync(`${dir}/${name}`, "latin1").trimEnd().split("\n")) {
		const { payload, protectedHeader } = await compactVerify(jws, keys, { algorithms: ["Ed25519", "EdDSA"] });
		const b = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
		check(protectedHeader.typ === "interlock-batch+jws" && b.v === 1, "not a batch of version 1");
		check(b.batch === ++batch && b.prev === prev, `batch ${b.batch} does not follow`);
		const lines = [];
		let end = 0;
		for (let i = 0; i < b.n; i++) {
			const nl = eve.indexOf(10, end);
			check(nl >= 0, `batch ${b.batch}: lines are missing`);
			lines.push(eve.subarray(end, nl));
			end = nl + 1;
		}
		check(sha256(eve.subarray(0, end)).toString("hex") === b.sha256, `batch ${b.batch}: sha256`);
		check(root(lines).toString("hex") === b.root, `batch ${b.batch}: root`);
		check(b.last - b.first + 1 === b.n, `batch ${b.batch}: first, last`);
		lines.forEach((l, i) =>
			check(JSON.parse(l).alert.metadata.il_seq[0] === String(b.first + i), `alert ${b.first + i}`));
		eve = eve.subarray(end);
		prev = sha256(jws).toString("hex");
		alerts += b.n;
		final = b.final === true;
	}
	check(eve.length === 0, `${name}: lines that nobody signed`);
}
console.log(`${batch} batches, ${alerts} alerts, ${final ? "final" : "open"}`);
