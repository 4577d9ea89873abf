// SPDX-License-Identifier: Apache-2.0
// The list of alerts: filters in the address, live, folded into incidents.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { ApiError, get, query } from "../lib/api";
import { full, num, when, who } from "../lib/format";
import { useLive } from "../lib/live";
import { Link, go, params, place, setParams } from "../lib/router";
import type { Alert, Page } from "../lib/types";
import { Action, Button, Empty, Failed, Head, Peer, Segments, Select, Sev, Skeleton, Typed, When, what } from "../ui/common";
import { Icon } from "../ui/icons";
import { Rows } from "../ui/rows";

const filters = ["severity", "action", "proto", "sensor", "site", "device", "rule", "technique", "incident", "from", "to", "since", "q"] as const;
const spans: Record<string, number> = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000 };

// What the collector is asked: `since` counts back from now, in steps of a minute so that addresses stay equal.
function asked(p: URLSearchParams): Record<string, string | null> {
	const q: Record<string, string | null> = { sort: "-time", limit: "100" };
	for (const f of filters) if (f !== "since") q[f] = p.get(f);
	const span = spans[p.get("since") ?? ""];
	if (span && !q.from) q.from = String(Math.floor((Date.now() - span) / 60_000) * 60_000);
	return q;
}

// Does a new alert belong into this list?  Text and devices only the collector knows to search.
export function fits(a: Alert, p: URLSearchParams): boolean {
	const is = (key: string, v: string | number | null) => !p.get(key) || p.get(key) === String(v);
	const device = p.get("device"), q = p.get("q")?.toLowerCase();
	return (
		is("severity", a.severity) && is("action", a.action) && is("proto", a.proto) && is("sensor", a.sensor) && is("site", a.site) &&
		is("rule", a.rule) && is("incident", a.incident) &&
		(!p.get("technique") || a.techniques.includes(p.get("technique")!)) &&
		(!device || [a.src?.name, a.src?.ip, a.dst?.name, a.dst?.ip].includes(device)) &&
		(!p.get("from") || a.time >= Number(p.get("from"))) && (!p.get("to") || a.time <= Number(p.get("to"))) &&
		(!q || [a.signature, a.op, a.object, a.rule, a.src?.name, a.dst?.name].some((s) => s?.toLowerCase().includes(q)))
	);
}

interface Line {
	a: Alert;
	more: number; // alerts of its incident that are folded into it
	child: boolean;
}

function fold(alerts: Alert[], open: Set<string>): Line[] {
	const groups = new Map<string, Alert[]>();
	for (const a of alerts) {
		const key = a.incident ?? a.id;
		const g = groups.get(key);
		if (g) g.push(a);
		else groups.set(key, [a]);
	}
	const lines: Line[] = [];
	for (const [key, g] of groups) {
		lines.push({ a: g[0], more: g.length - 1, child: false });
		if (open.has(key)) for (const a of g.slice(1)) lines.push({ a, more: 0, child: true });
	}
	return lines;
}

// What was there is there again after an alert was looked at.
interface Memory {
	key: string;
	alerts: Alert[];
	next: string | null;
	open: Set<string>;
	selected: string | null;
	scroll: { top: number };
}
let memory: Memory | null = null;
export const neighbours = (): string[] => memory?.alerts.map((a) => String(a.id)) ?? [];

function useNarrow(): boolean {
	const m = useMemo(() => matchMedia("(max-width: 760px)"), []);
	const [narrow, set] = useState(m.matches);
	useEffect(() => {
		const f = () => set(m.matches);
		m.addEventListener("change", f);
		return () => m.removeEventListener("change", f);
	}, []);
	return narrow;
}

export function Alerts() {
	const p = params();
	const folded = p.get("fold") !== "0";
	const key = filters.map((f) => p.get(f) ?? "").join("\n");
	const kept = memory?.key === key ? memory : null;
	const [alerts, setAlerts] = useState<Alert[] | null>(kept?.alerts ?? null);
	const [next, setNext] = useState<string | null>(kept?.next ?? null);
	const [error, setError] = useState<ApiError | null>(null);
	const [open, setOpen] = useState(kept?.open ?? new Set<string>());
	const [selected, setSelected] = useState<string | null>(kept?.selected ?? null);
	const [waiting, setWaiting] = useState<Alert[]>([]);
	const [lit, setLit] = useState(new Set<string>());
	const [more, setMore] = useState(false);
	const [show, setShow] = useState(false); // filters, on a phone
	const scroll = useRef(kept?.scroll ?? { top: 0 });
	const calm = useRef({ top: true, over: false });
	const loading = useRef(false);
	const narrow = useNarrow();

	const load = () => {
		const abort = new AbortController();
		setError(null);
		get<Page<Alert>>("/alerts" + query(asked(params())), abort.signal).then(
			(page) => (setAlerts(page.items), setNext(page.next), setWaiting([])),
			(e) => abort.signal.aborted || setError(e as ApiError),
		);
		return () => abort.abort();
	};
	const was = useRef(kept ? key : "");
	useEffect(() => {
		if (was.current === key) return load(); // it was there: look again, without losing the place
		was.current = key;
		setAlerts(null);
		setSelected(null);
		setOpen(new Set());
		scroll.current = { top: 0 };
		return load();
	}, [key]);
	useEffect(() => {
		if (alerts) memory = { key, alerts, next, open, selected, scroll: scroll.current };
	}, [key, alerts, next, open, selected]);

	const older = () => {
		if (!next || loading.current) return;
		loading.current = true;
		setMore(true);
		get<Page<Alert>>("/alerts" + query({ ...asked(params()), cursor: next }))
			.then((page) => {
				setAlerts((old) => {
					const there = new Set(old?.map((a) => a.id));
					return [...(old ?? []), ...page.items.filter((a) => !there.has(a.id))];
				});
				setNext(page.next);
			}, (e) => setError(e as ApiError))
			.finally(() => ((loading.current = false), setMore(false)));
	};

	// New ones go on top when nobody reads there; else they wait behind a button.  Nothing moves under a hand.
	const take = (list: Alert[]) => {
		setAlerts((old) => {
			const ids = new Set(list.map((a) => a.id));
			return [...list, ...(old ?? []).filter((a) => !ids.has(a.id))].slice(0, 5000);
		});
		setLit(new Set(list.map((a) => a.id)));
		setWaiting([]);
	};
	useLive("alert", (a) => {
		if (!alerts || !fits(a, params())) return;
		if (calm.current.top && !calm.current.over && !selected) take([a, ...waiting]);
		else setWaiting((w) => [a, ...w.filter((x) => x.id !== a.id)].slice(0, 500));
	});
	useLive("again", load);

	const lines = useMemo(() => (alerts ? (folded ? fold(alerts, open) : alerts.map((a) => ({ a, more: 0, child: false }))) : []), [alerts, open, folded]);
	const toggle = (a: Alert) =>
		setOpen((o) => {
			const k = a.incident ?? a.id, n = new Set(o);
			n.delete(k) || n.add(k);
			return n;
		});
	const set = (k: string) => (v: string) => setParams({ [k]: v || null });
	const chips = filters.filter((f) => p.get(f) && !["severity", "action", "proto", "since", "q"].includes(f));
	const any = filters.some((f) => p.get(f));
	const seen = useMemo(() => {
		const protos = new Set(["modbus", "s7", "opcua"]);
		for (const a of alerts ?? []) if (a.proto) protos.add(a.proto);
		return [...protos].sort();
	}, [alerts]);

	const row = ({ a, more, child }: Line) => {
		const unfold = more > 0 && (
			<button
				type="button"
				class="fold"
				tabIndex={-1}
				aria-expanded={open.has(a.incident ?? a.id)}
				aria-label={`${num(more + 1)}: ${t("al.unfold")}, ${t("al.folded", { n: more })}`}
				title={t("al.folded", { n: more })}
				onClick={() => toggle(a)}
			>
				<Icon name={open.has(a.incident ?? a.id) ? "down" : "right"} size={12} />
				<span class="mono">{num(more + 1)}</span>
			</button>
		);
		const text = (
			<Link to={`/alerts/${encodeURIComponent(a.id)}`} tabIndex={-1} class="al-link" title={a.signature} onClickCapture={() => setSelected(a.id)}>
				{what(a)}
			</Link>
		);
		if (narrow)
			return (
				<div role="gridcell" class="al-card">
					<div>
						<Sev s={a.severity} />
						{text}
						{unfold}
					</div>
					<div class="dim">
						{who(a.src) === "-" ? a.sensor : <>{who(a.src)} <Icon name="arrow" size={12} /> {who(a.dst)}</>}
					</div>
					<div class="dim">
						<When ms={a.time} />
						<Action a={a} />
						{a.count > 1 && <span class="mono">×{num(a.count)}</span>}
					</div>
				</div>
			);
		return (
			<>
				<span role="gridcell" class="c-sev">
					<Sev s={a.severity} />
				</span>
				<span role="gridcell" class="c-time mono">
					<When ms={a.time} />
				</span>
				<span role="gridcell" class={`c-what ${child ? "child" : ""}`}>
					{text}
					{a.count > 1 && (
						<span class="times mono" title={t("al.times", { n: a.count })}>
							×{num(a.count)}
						</span>
					)}
					{unfold}
				</span>
				<span role="gridcell" class="c-peer">
					{who(a.src) !== "-" ? <Peer e={a.src} /> : <span class="dim">{a.sensor}</span>}
				</span>
				<span role="gridcell" class="c-peer">
					{who(a.dst) !== "-" ? <Peer e={a.dst} /> : null}
				</span>
				<span role="gridcell" class="c-proto mono">{a.proto}</span>
				<span role="gridcell" class="c-rule" title={a.rule ?? ""}>
					{a.rule ?? <span class="dim">{word("category", a.category)}</span>}
				</span>
				<span role="gridcell" class="c-act">
					<Action a={a} />
				</span>
			</>
		);
	};

	const bar = (
		<div class={`filters ${show ? "open" : ""}`}>
			<Select label={t("sev.label")} value={p.get("severity") ?? ""} onChange={set("severity")} options={[["", t("app.all")], ["1", t("sev.1")], ["2", t("sev.2")], ["3", t("sev.3")]]} />
			<Select label={t("action.label")} value={p.get("action") ?? ""} onChange={set("action")} options={[["", t("app.all")], ["blocked", t("action.blocked")], ["allowed", t("action.allowed")]]} />
			<Select label={t("al.proto")} value={p.get("proto") ?? ""} onChange={set("proto")} options={[["", t("app.all")], ...seen.map((s): [string, string] => [s, s])]} />
			<Select
				label={t("al.since")}
				value={p.get("since") ?? ""}
				onChange={(v) => setParams({ since: v || null, from: null, to: null })}
				options={[["", t("al.since.any")], ["1h", t("al.since.1h")], ["24h", t("al.since.24h")], ["7d", t("al.since.7d")]]}
			/>
			<Typed label={t("al.q")} value={p.get("q") ?? ""} onChange={set("q")} />
			<Segments label={t("al.fold")} value={folded ? "1" : "0"} onChange={(v) => setParams({ fold: v === "0" ? "0" : null })} options={[["1", t("nav.incidents")], ["0", t("nav.alerts")]]} />
		</div>
	);

	return (
		<div class="page page-fill alerts">
			<Head title={t("al.title")}>
				<Button class="narrow-only" icon="search" aria-expanded={show} onClick={() => setShow(!show)}>
					{t("al.filters")}
				</Button>
				<span class="export wide-only">
					<Icon name="download" />
					<span class="dim">{t("al.export")}</span>
					{(["csv", "ndjson", "eve"] as const).map((f) => (
						<a key={f} href={"/api/v1/export" + query({ ...asked(p), sort: null, limit: null, format: f })} download>
							{t(`al.export.${f}`)}
						</a>
					))}
				</span>
			</Head>
			{bar}
			{(chips.length > 0 || any) && (
				<div class="chips">
					{chips.map((f) => {
						const v = p.get(f)!;
						const text = f === "from" || f === "to" ? `${t(f === "from" ? "al.from" : "al.to")}: ${Number(v) ? when(Number(v)) : v}` : `${t(`al.${f as "rule"}`)}: ${v}`;
						return (
							<button key={f} type="button" class="chip" onClick={() => setParams({ [f]: null })} aria-label={t("al.remove", { what: text })} title={Number(v) > 1e12 ? full(Number(v)) : v}>
								<span>{text}</span>
								<Icon name="close" size={12} />
							</button>
						);
					})}
					<Button look="quiet" onClick={() => go(place.value.path + (folded ? "" : "?fold=0"))}>
						{t("al.clear")}
					</Button>
				</div>
			)}
			<div
				class="panel list"
				onPointerEnter={() => (calm.current.over = true)}
				onPointerLeave={() => (calm.current.over = false)}
			>
				{waiting.length > 0 && (
					<button type="button" class="waiting" onClick={() => (take(waiting), document.querySelector(".rows-box")?.scrollTo(0, 0))}>
						<Icon name="up" size={14} />
						{t("al.new", { n: num(waiting.length) })}
					</button>
				)}
				{!alerts && error ? (
					<Failed error={error} retry={load} />
				) : !alerts ? (
					<Skeleton rows={14} />
				) : alerts.length === 0 ? (
					any ? (
						<Empty icon="search" title={t("al.none.filter")} text={t("al.none.filter.text")}>
							<Button onClick={() => go("/alerts")}>{t("al.clear")}</Button>
						</Empty>
					) : (
						<Empty icon="shield" title={t("al.none")} text={t("al.none.text")} />
					)
				) : (
					<Rows
						key={narrow ? "n" : "w"}
						items={lines}
						id={(l) => l.a.id}
						height={narrow ? 76 : 32}
						label={t("al.list")}
						columns={narrow ? 1 : 8}
						head={
							narrow ? undefined : (
								<>
									<span role="columnheader" class="c-sev"><span class="sr">{t("sev.label")}</span></span>
									<span role="columnheader" class="c-time">{t("time.label")}</span>
									<span role="columnheader" class="c-what">{t("al.what")}</span>
									<span role="columnheader" class="c-peer">{t("al.from")}</span>
									<span role="columnheader" class="c-peer">{t("al.to")}</span>
									<span role="columnheader" class="c-proto">{t("al.proto")}</span>
									<span role="columnheader" class="c-rule">{t("al.rule")}</span>
									<span role="columnheader" class="c-act">{t("action.label")}</span>
								</>
							)
						}
						selected={selected}
						onSelect={setSelected}
						onOpen={(l) => go(`/alerts/${encodeURIComponent(l.a.id)}`)}
						onKey={(e, l) => e.key === "x" && (l.more || l.child) && toggle(l.a)}
						onEnd={older}
						more={!!next}
						onTop={(top) => (calm.current.top = top)}
						memory={scroll.current}
						cls={(l) => `al sev-row-${l.a.severity} ${lit.has(l.a.id) ? "lit" : ""}`}
						row={row}
					/>
				)}
			</div>
			<p class="list-foot dim" role="status">
				{alerts ? (more ? t("app.loading") : t(next ? "al.count.more" : "al.count", { n: num(alerts.length) })) : ""}
			</p>
		</div>
	);
}
