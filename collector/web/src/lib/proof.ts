// SPDX-License-Identifier: Apache-2.0
// One alert proved in the browser (docs/FORMATS.md, sections 2 and 4): its line is the leaf of a Merkle
// path that leads to the root in a statement, which the sensor signed.  The collector is not trusted.
import { get } from "./api";
import type { AlertDetail, Page, Proof, Sensor } from "./types";

export type Step = "line" | "path" | "head" | "key" | "sig";
export interface Result {
	steps: { step: Step; ok: boolean | null; text: string }[]; // null: could not be checked here
	outcome: "proved" | "part" | "broken";
	payload: Record<string, unknown> | null;
	kid: string;
	proof: Proof;
}

export const utf8 = new TextEncoder();
export const strict = new TextDecoder("utf-8", { fatal: true });
export const hex = (b: Uint8Array) => Array.from(b, (v) => v.toString(16).padStart(2, "0")).join("");

function unhex(s: string): Uint8Array<ArrayBuffer> {
	if (!/^([0-9a-f]{2})*$/.test(s)) throw new Error("not hexadecimal");
	return Uint8Array.from(s.match(/../g) ?? [], (p) => parseInt(p, 16));
}

export function unb64(s: string): Uint8Array<ArrayBuffer> {
	if (!/^[A-Za-z0-9_-]*$/.test(s)) throw new Error("not base64url");
	return Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
}
const b64 = (b: Uint8Array) => btoa(String.fromCharCode(...b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

export async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
	const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		all.set(p, at);
		at += p.length;
	}
	return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

const leafMark = Uint8Array.of(0), nodeMark = Uint8Array.of(1);

// RFC 9162 2.1.3.2: the root that leaf `index` of `n` and its path lead to; null: the path does not fit.
export async function rootOf(line: Uint8Array, index: number, n: number, path: string[]): Promise<string | null> {
	if (!Number.isSafeInteger(index) || !Number.isSafeInteger(n) || index < 0 || index >= n || path.length > 32) return null;
	let h = await sha256(leafMark, line), fn = index, sn = n - 1;
	for (const hash of path) {
		if (sn === 0) return null;
		const p = unhex(hash);
		if (p.length !== 32) return null;
		if (fn % 2 === 1 || fn === sn) {
			h = await sha256(nodeMark, p, h);
			while (fn % 2 === 0 && fn !== 0) {
				fn = Math.floor(fn / 2);
				sn = Math.floor(sn / 2);
			}
		} else h = await sha256(nodeMark, h, p);
		fn = Math.floor(fn / 2);
		sn = Math.floor(sn / 2);
	}
	return sn === 0 ? hex(h) : null;
}

// RFC 7638: the name of a key is the hash of its members.
export async function thumbprint(x: string): Promise<string> {
	return b64(await sha256(utf8.encode(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)));
}

// null: this browser cannot say.
export async function signed(x: string, signature: string, data: string): Promise<boolean | null> {
	try {
		const key = await crypto.subtle.importKey("raw", unb64(x), { name: "Ed25519" }, false, ["verify"]);
		return await crypto.subtle.verify({ name: "Ed25519" }, key, unb64(signature), utf8.encode(data));
	} catch (e) {
		// NotSupportedError, or SyntaxError in browsers that do not know the name: no Ed25519 here.
		return /^(NotSupportedError|SyntaxError|TypeError)$/.test((e as Error).name) ? null : false;
	}
}

export const crypt = () => typeof crypto !== "undefined" && !!crypto.subtle;

// The first thing that differs between the signed line and what the page shows; null: nothing does.
function differs(line: string, a: AlertDetail): string | null {
	const e = JSON.parse(line) as { alert?: Record<string, unknown>; src_ip?: string; dest_ip?: string; host?: string };
	const al = e.alert ?? {};
	const meta = (al.metadata ?? {}) as Record<string, string[]>;
	const pairs: [string, unknown, unknown][] = [
		["eve", line, a.eve.replace(/\n$/, "")],
		["signature", al.signature, a.signature],
		["signature_id", al.signature_id, a.signature_id],
		["severity", al.severity, a.severity],
		["action", al.action, a.action],
		["host", e.host, a.sensor],
		["src_ip", e.src_ip ?? null, a.src?.ip || null],
		["dest_ip", e.dest_ip ?? null, a.dst?.ip || null],
		["il_rule", meta.il_rule?.[0] ?? null, a.rule || null],
		["il_op", meta.il_op?.[0] ?? null, a.op || null],
		["il_object", meta.il_object?.[0] ?? null, a.object || null],
	];
	return pairs.find(([, signed, shown]) => signed !== shown)?.[0] ?? null;
}

export async function verify(a: AlertDetail): Promise<Result> {
	const proof = await get<Proof>(`/alerts/${encodeURIComponent(a.id)}/proof`);
	const steps: Result["steps"] = [];
	const say = (step: Step, ok: boolean | null, text: string) => void steps.push({ step, ok, text });
	let payload: Record<string, unknown> | null = null, kid = "", x: string | null = null; // of the key, once its name fits
	const line = utf8.encode(proof.line);
	const [h, p, s, rest] = proof.jws.split(".");

	try {
		const diff = differs(proof.line, a);
		say("line", diff === null, diff ?? `${line.length} B`);
	} catch {
		say("line", false, "not JSON");
	}
	try {
		if (!h || !p || !s || rest !== undefined || proof.jws.length > 4096) throw new Error("not a JWS");
		const head = JSON.parse(strict.decode(unb64(h))) as Record<string, unknown>;
		payload = JSON.parse(strict.decode(unb64(p))) as Record<string, unknown>;
		kid = String(head.kid ?? "");
		const seq = Number(payload.first) + proof.index;
		const meta = (JSON.parse(proof.line) as { alert?: { metadata?: Record<string, string[]> } }).alert?.metadata;
		const bad =
			head.alg !== "Ed25519" && head.alg !== "EdDSA" ? "alg"
			: head.typ !== "interlock-batch+jws" ? "typ"
			: "crit" in head ? "crit"
			: Number(payload.v) !== 1 ? "v"
			: payload.iss !== a.sensor ? "iss"
			: payload.n !== proof.n ? "n"
			: seq !== proof.seq ? "seq"
			: meta?.il_seq?.[0] !== String(seq) ? "il_seq"
			: null;
		const root = crypt() ? await rootOf(line, proof.index, proof.n, proof.path) : undefined;
		say("path", root === undefined ? null : root === payload.root, root === undefined ? "" : root ?? "path");
		say("head", bad === null, bad ?? `${String(payload.iss)} · ${String(payload.epoch)} / ${String(payload.batch)}`);
	} catch (e) {
		say("head", false, (e as Error).message);
	}

	// The key in the proof is not trusted: its hash is the name under which the sensor enrolled it.
	try {
		const enrolled = (await get<Page<Sensor>>("/sensors")).items.find((v) => v.name === a.sensor)?.keys.some((k) => k.kid === kid);
		const given = proof.key?.x ?? null;
		const ok = !crypt() ? null : !!enrolled && !!given && (await thumbprint(given)) === kid;
		if (ok) x = given;
		say("key", ok, kid);
	} catch {
		say("key", null, kid);
	}

	if (!crypt() || !x) say("sig", null, "");
	else say("sig", await signed(x, s, `${h}.${p}`), "Ed25519");
	const outcome = steps.some((v) => v.ok === false) ? "broken" : steps.length === 5 && steps.every((v) => v.ok) ? "proved" : "part";
	return { steps, outcome, payload, kid, proof };
}

// In the form that `interlock journal prove --check` reads.
export const proofFile = (r: Result) => JSON.stringify(r.proof) + "\n";

export function save(name: string, text: BlobPart, type = "application/json"): void {
	const url = URL.createObjectURL(new Blob([text], { type }));
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
