// SPDX-License-Identifier: Apache-2.0
// A bulletin checked in the browser, as docs/SHARING.md says that everybody can: the signature over the list of hashes, and
// the hash of each file.
import { bytes } from "./api";
import { crypt, hex, sha256, signed, strict, thumbprint, unb64 } from "./proof";

export type Checked = { ok: boolean | null; kid: string; files: { name: string; ok: boolean }[] }; // null: not to be said here

export async function check(id: number): Promise<Checked> {
	const of = (name: string) => bytes(`/bulletins/${id}/${name}`), text = async (name: string) => strict.decode(await of(name));
	const [jws, jwk] = await Promise.all([text("bulletin.jws"), text("key.jwk")]);
	const [h, p, s, rest] = jws.trim().split("."), key = JSON.parse(jwk) as { x: string };
	if (!h || !p || !s || rest !== undefined) return { ok: false, kid: "", files: [] };
	const head = JSON.parse(strict.decode(unb64(h))) as Record<string, unknown>;
	if (!crypt()) return { ok: null, kid: String(head.kid), files: [] };
	const kid = await thumbprint(key.x);
	if (head.typ !== "interlock-bulletin+jws" || "crit" in head || head.kid !== kid) return { ok: false, kid, files: [] };
	const said = (JSON.parse(strict.decode(unb64(p))) as { files: Record<string, string> }).files;
	const files = await Promise.all(Object.entries(said).map(async ([name, sum]) => ({ name, ok: hex(await sha256(await of(name))) === sum })));
	const whole = files.length > 0 && files.every((f) => f.ok), sig = await signed(key.x, s, `${h}.${p}`);
	return { ok: whole ? sig : false, kid, files };
}
