// SPDX-License-Identifier: Apache-2.0
// Talks to the collector: JSON in, JSON out, one kind of error, the session's CSRF token.
import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Me, Role } from "./types";

export const me = signal<Me | null | undefined>(undefined); // undefined: not asked yet

export class ApiError extends Error {
	constructor(
		readonly status: number, // 0: no answer at all
		readonly code: string,
		message: string,
		readonly retryAfter = 0, // seconds
	) {
		super(message);
	}
}

interface Init {
	method?: string;
	body?: unknown;
	signal?: AbortSignal;
}

// The bytes of an answer, as they came.
async function ask(path: string, init: Init): Promise<Response> {
	const headers: Record<string, string> = { accept: "application/json" };
	if (init.body !== undefined) headers["content-type"] = "application/json";
	if (init.method && init.method !== "GET" && me.value) headers["x-csrf-token"] = me.value.csrf;
	let res: Response;
	try {
		res = await fetch("/api/v1" + path, {
			method: init.method ?? "GET",
			headers,
			body: init.body === undefined ? undefined : JSON.stringify(init.body),
			credentials: "same-origin",
			signal: init.signal,
		});
	} catch (e) {
		if ((e as Error).name === "AbortError") throw e;
		throw new ApiError(0, "unreachable", "The collector does not answer");
	}
	if (res.ok) return res;
	const err = ((await res.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null)?.error;
	// The session is over: whatever page this is, log in again.
	if (res.status === 401 && path !== "/login") me.value = null;
	throw new ApiError(res.status, err?.code ?? "http_" + res.status, err?.message ?? res.statusText, Number(res.headers.get("retry-after")) || 0);
}

export async function call<T>(path: string, init: Init = {}): Promise<T> {
	const res = await ask(path, init), text = await res.text();
	try {
		return (text ? JSON.parse(text) : null) as T;
	} catch {
		throw new ApiError(res.status, "not_json", "The answer is not JSON");
	}
}

export const get = <T>(path: string, abort?: AbortSignal) => call<T>(path, { signal: abort });
export const bytes = async (path: string) => new Uint8Array(await (await ask(path, {})).arrayBuffer());
export const post = <T>(path: string, body: unknown = {}) => call<T>(path, { method: "POST", body });

export interface Resource<T> {
	data: T | undefined;
	error: ApiError | undefined;
	loading: boolean;
	reload: () => void;
	set(fn: (old: T) => T): void;
}

// The answer to GET path.  What was there stays on reload; another path begins anew.  null: ask nothing.
export function useResource<T>(path: string | null): Resource<T> {
	const [state, setState] = useState<{ path: string | null; data?: T; error?: ApiError; loading: boolean }>({ path, loading: path !== null });
	const [turn, setTurn] = useState(0);
	const last = useRef(path);
	useEffect(() => {
		if (path === null) return setState({ path, loading: false });
		const abort = new AbortController();
		const fresh = last.current !== path;
		last.current = path;
		setState((s) => (fresh ? { path, loading: true } : { ...s, loading: true }));
		get<T>(path, abort.signal).then(
			(data) => setState({ path, data, loading: false }),
			(error: unknown) => {
				if (!abort.signal.aborted)
					setState((s) => ({
						path,
						data: s.path === path ? s.data : undefined,
						error: error instanceof ApiError ? error : new ApiError(0, "bug", String(error)),
						loading: false,
					}));
			},
		);
		return () => abort.abort();
	}, [path, turn]);
	const reload = useCallback(() => setTurn((n) => n + 1), []);
	const set = useCallback((fn: (old: T) => T) => setState((s) => (s.data === undefined ? s : { ...s, data: fn(s.data) })), []);
	const fits = state.path === path;
	return { data: fits ? state.data : undefined, error: fits ? state.error : undefined, loading: state.loading || !fits, reload, set };
}

export const settled = (...all: Resource<unknown>[]) => all.every((r) => r.data !== undefined || r.error);

const rank: Record<Role, number> = { viewer: 0, analyst: 1, admin: 2 };
export const may = (role: Role) => !!me.value && rank[me.value.role] >= rank[role];

export function query(params: Record<string, string | number | null | undefined>): string {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(params)) if (v !== null && v !== undefined && v !== "") q.set(k, String(v));
	const s = q.toString();
	return s ? "?" + s : "";
}
