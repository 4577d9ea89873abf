// SPDX-License-Identifier: Apache-2.0
// The address is the state: paths name pages, the query holds filters.
import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";

const now = () => ({ path: location.pathname, search: location.search });
export const place = signal(now());

addEventListener("popstate", () => (place.value = now()));

export function go(to: string, replace = false): void {
	if (to === location.pathname + location.search) return;
	history[replace ? "replaceState" : "pushState"](null, "", to);
	place.value = now();
}

export const params = () => new URLSearchParams(place.value.search);

// Sets filters in the address; an empty value takes one out.
export function setParams(change: Record<string, string | null>, replace = true): void {
	const q = params();
	for (const [k, v] of Object.entries(change)) v ? q.set(k, v) : q.delete(k);
	const s = q.toString();
	go(place.value.path + (s ? "?" + s : ""), replace);
}

type LinkProps = Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href"> & { to: string; children?: ComponentChildren };

export function Link({ to, children, ...rest }: LinkProps) {
	const onClick = (e: JSX.TargetedMouseEvent<HTMLAnchorElement>) => {
		if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
		e.preventDefault();
		go(to);
	};
	return (
		<a {...rest} href={to} onClick={onClick}>
			{children}
		</a>
	);
}
