// SPDX-License-Identifier: Apache-2.0
// Server-sent events of the collector.  The browser reconnects by itself and says where it was
// (Last-Event-ID); pages hear what concerns them and are told to ask again after a break.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { me } from "./api";
import type { Alert, Incident, Sensor } from "./types";

export type LiveState = "off" | "connecting" | "live" | "lost";
export const live = signal<LiveState>("off");
export const unseen = signal(0); // high alerts since this tab was looked at

interface Events {
	alert: Alert;
	incident: Incident;
	sensor: Sensor;
	again: null; // there was a break: what is shown may be old
}
type Name = keyof Events;
const ears: { [K in Name]: Set<(e: Events[K]) => void> } = {
	alert: new Set(),
	incident: new Set(),
	sensor: new Set(),
	again: new Set(),
};

function tell<K extends Name>(name: K, data: Events[K]): void {
	for (const ear of [...ears[name]]) ear(data);
}

let source: EventSource | null = null;
let retry = 0;
let broken = false;

function open(): void {
	live.value = "connecting";
	source = new EventSource("/api/v1/stream");
	const up = () => {
		live.value = "live";
		if (broken) tell("again", null);
		broken = false;
	};
	source.onopen = up;
	source.addEventListener("hello", up);
	source.onerror = () => {
		live.value = "lost";
		broken = true;
		// A refused answer closes it for good; then try again, slower than the browser does.
		if (source?.readyState === EventSource.CLOSED && me.value) {
			clearTimeout(retry);
			retry = window.setTimeout(() => me.value && (source?.close(), open()), 4000 + Math.random() * 2000);
		}
	};
	source.addEventListener("more", () => tell("again", null)); // more at once than are told one by one
	for (const name of ["alert", "incident", "sensor"] as const)
		source.addEventListener(name, (e) => {
			try {
				tell(name, JSON.parse((e as MessageEvent<string>).data));
			} catch (err) {
				if (!(err instanceof SyntaxError)) throw err; // half an event is none
			}
		});
}

export function listen(): () => void {
	open();
	return () => {
		clearTimeout(retry);
		source?.close();
		source = null;
		live.value = "off";
	};
}

export function useLive<K extends Name>(name: K, fn: (e: Events[K]) => void): void {
	const now = useRef(fn);
	now.current = fn;
	useEffect(() => {
		const ear = (e: Events[K]) => now.current(e);
		ears[name].add(ear);
		return () => {
			ears[name].delete(ear);
		};
	}, [name]);
}

// Something that changed often: ask again, at most once per `ms`.
export function useLiveReload(names: Name[], reload: () => void, ms = 3000): void {
	const timer = useRef(0);
	const later = () => {
		if (!timer.current)
			timer.current = window.setTimeout(() => {
				timer.current = 0;
				reload();
			}, ms);
	};
	useEffect(() => () => clearTimeout(timer.current), []);
	useLive("alert", () => names.includes("alert") && later());
	useLive("incident", () => names.includes("incident") && later());
	useLive("sensor", () => names.includes("sensor") && later());
	useLive("again", reload);
}
