// SPDX-License-Identifier: Apache-2.0
// Theme and language: chosen here, kept in this browser.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "dark" | "light";
export type Lang = "en" | "zh";

function stored(key: string): string | null {
	try {
		return localStorage.getItem(key);
	} catch {
		return null; // storage is refused
	}
}

function store(key: string, value: string): void {
	try {
		localStorage.setItem(key, value);
	} catch {
		// It holds until the page is left.
	}
}

const t = stored("il.theme");
export const theme = signal<Theme>(t === "dark" || t === "light" ? t : "system");
export const lang = signal<Lang>(document.documentElement.lang.startsWith("zh") ? "zh" : "en");
export const dark = signal(document.documentElement.dataset.theme === "dark"); // what is shown

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (e) => (systemDark.value = e.matches));

effect(() => {
	dark.value = theme.value === "system" ? systemDark.value : theme.value === "dark";
	document.documentElement.dataset.theme = dark.value ? "dark" : "light";
	store("il.theme", theme.value);
});
effect(() => {
	document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
});
export function setLang(l: Lang): void {
	lang.value = l;
	store("il.lang", l);
}
