// SPDX-License-Identifier: Apache-2.0
// The sensor's English sentences in the language that is read.  Lines are signed as they are; what a sentence says is found
// by the English parts it was made of.  One that is made of others stays as it came.
import { lang } from "../lib/prefs";
import { t, word, type Key } from ".";
import { said } from "./said.en";

const escape = (s: string) => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
// What a place in a sentence may hold: names and numbers have no spaces, what is done to what does.
const free = /^(rest|op|note|what)$/;
const place = (name: string) => `(?<${name}>${free.test(name) ? ".+?" : "(?!\\.\\.\\. )\\S+"})`;
const patterns = (set: string) => Object.entries(said)
	.filter(([k]) => k.startsWith(set))
	.map(([k, s]): [Key, RegExp] => [k as Key, new RegExp(`^${s.split(/(\{\w+\})/).map((p) => (p.startsWith("{") ? place(p.slice(1, -1)) : escape(p))).join("")}$`, "s")]);
const parts = patterns("msg."), notes = patterns("note.");
const [ends, subjects] = [false, true].map((who) => parts.filter(([k]) => k.startsWith("msg.who.") === who));
const facts = Object.entries(said).filter(([k]) => /^(event|detection)\./.test(k));

const MAX = 400; // longer ones stay as they are: the patterns look for every place to break

// null: nothing of it is known
function read(s: string): string | null {
	const fact = facts.find(([, text]) => s === text || s.startsWith(text + ": "));
	if (fact) {
		const rest = s.slice(fact[1].length + 2);
		return t(fact[0] as Key) + (rest ? "：" + (read(rest) ?? rest) : "");
	}
	const end = find(ends, s);
	if (end) return end;
	// The conduit, or the condition, and what happened there.
	const [, head, tail] = /^([^:]{1,100}): (.+)$/s.exec(s) ?? [];
	const rest = tail && read(tail);
	return rest ? `${word("cond", head)}：${rest}` : find(subjects, s);
}

function find(list: [Key, RegExp][], s: string): string | null {
	for (const [key, re] of list) {
		const hit = re.exec(s);
		if (!hit) continue;
		const m: Record<string, string> = hit.groups ?? {};
		const rest = m.rest && read(m.rest);
		if (rest === null && /^msg\.(guard|watch|detection)$/.test(key)) continue; // a conduit of that name
		return t(key, { ...m, ...(m.note && { note: noteText(m.note) }), ...(m.access && { access: word("access", m.access) }), ...(m.rest && { rest: rest ?? m.rest }), ...(m.how && { how: word("moved", m.how) }) });
	}
	return null;
}

// The sensor begins its sentences with its own name; here everything is from it.
const plainly = (s: string) => s.replace(/^Interlock:? /, "");

export function sentence(s: string): string {
	const plain = plainly(s);
	return lang.value === "en" || plain.length > MAX ? plain : (read(plain) ?? plain);
}
// What the sensor adds (il_note): numbers and names are its own, the words around them are looked up.
export function noteText(s: string): string {
	return lang.value === "en" || s.length > MAX ? s : (find(notes, s) ?? s);
}
// The words themselves, where another language is shown.
export const original = (s: string) => (lang.value === "en" ? undefined : s);
