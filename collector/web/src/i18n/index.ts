// SPDX-License-Identifier: Apache-2.0
// Texts in two languages.  English says one and many by "one|many".
import { lang } from "../lib/prefs";
import { en as own } from "./en";
import { said } from "./said.en";
import { saidZh } from "./said.zh";
import { zh as ownZh } from "./zh";

const en = { ...own, ...said }, zh = { ...ownZh, ...saidZh };
export type Key = keyof typeof en;
const tables: Record<"en" | "zh", Record<Key, string>> = { en, zh };

export function t(key: Key, vars?: Record<string, string | number>): string {
	let s: string = tables[lang.value][key] ?? en[key] ?? key;
	const n = vars?.n;
	if (n !== undefined && s.includes("|")) s = s.split("|")[Number(n) === 1 ? 0 : 1];
	return vars ? s.replace(/\{(\w+)\}/g, (m, k: string) => (k in vars ? String(vars[k]) : m)) : s;
}

export const known = (key: string): key is Key => Object.hasOwn(en, key);

// A word of a fixed set that the collector sends; one that is not known here stays as it came.
export function word(set: string, value: string | null | undefined): string {
	if (value === null || value === undefined || value === "") return "";
	const key = `${set}.${value}`;
	return known(key) ? t(key) : value;
}
