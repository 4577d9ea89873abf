// SPDX-License-Identifier: Apache-2.0
// Times and numbers as people of either language write them.
import { signal } from "@preact/signals";
import { t } from "../i18n";
import { lang } from "./prefs";
import type { Endpoint } from "./types";

export const clock = signal(Date.now()); // for ages; once per 10 s
setInterval(() => (clock.value = Date.now()), 10_000);

const locale = () => (lang.value === "zh" ? "zh-CN" : "en-GB");
const cache = new Map<string, Intl.DateTimeFormat>();
function fmt(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
	const k = lang.value + key;
	let f = cache.get(k);
	if (!f) cache.set(k, (f = new Intl.DateTimeFormat(locale(), { hourCycle: "h23", ...options })));
	return f;
}

export const timeOnly = (ms: number) => fmt("t", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
export const hourMin = (ms: number) => fmt("h", { hour: "2-digit", minute: "2-digit" }).format(ms);
export const dateOnly = (ms: number) => fmt("d", { month: "short", day: "numeric" }).format(ms);
export const full = (ms: number) =>
	fmt("f", { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short" }).format(ms);

// Today: the time; before: the day too.
export function when(ms: number): string {
	const a = new Date(ms), b = new Date(clock.value);
	return a.toDateString() === b.toDateString() ? timeOnly(ms) : `${dateOnly(ms)} ${hourMin(ms)}`;
}

export function ago(ms: number | null | undefined): string {
	if (!ms) return t("time.never");
	const s = Math.max(0, Math.round((Math.max(clock.value, Date.now()) - ms) / 1000));
	if (s < 10) return t("time.now");
	if (s < 60) return t("time.s", { n: s });
	if (s < 3600) return t("time.m", { n: Math.floor(s / 60) });
	if (s < 86400) return t("time.h", { n: Math.floor(s / 3600) });
	return t("time.d", { n: Math.floor(s / 86400) });
}

export const num = (n: number) => new Intl.NumberFormat(locale()).format(n);
export const short = (n: number) => new Intl.NumberFormat(locale(), { notation: n >= 10_000 ? "compact" : "standard", maximumFractionDigits: 1 }).format(n);

export const who = (e: Endpoint | null | undefined) => (e ? e.name || e.ip || "-" : "-");
export const addr = (e: Endpoint | null | undefined) => (e ? (e.port ? (e.ip.includes(":") ? `[${e.ip}]:${e.port}` : `${e.ip}:${e.port}`) : e.ip) : "-");
