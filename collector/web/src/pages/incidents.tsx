// SPDX-License-Identifier: Apache-2.0
// Incidents: what belongs together, who takes care of it, what was done.
import { useEffect, useRef, useState } from "preact/hooks";
import { known, t, word } from "../i18n";
import { original, sentence } from "../i18n/sentences";
import { ApiError, get, may, me, post, query, useResource } from "../lib/api";
import { num } from "../lib/format";
import { useLive, useLiveReload } from "../lib/live";
import { Link, go, params, setParams } from "../lib/router";
import type { Incident, IncidentDetail, Page } from "../lib/types";
import { Button, Empty, Facts, Failed, Head, Load, Panel, Segments, Select, Sev, Skeleton, Tag, Technique, Typed, When, why } from "../ui/common";
import { Icon } from "../ui/icons";
import { GuidePanel } from "./guide";
import { AlertLine } from "./overview";
import { BulletinPanel, Export } from "./share";

// What the log says by itself has a key; what the collector wrote about a chain is a sentence as in titles; people's words stay.
const logText = (l: IncidentDetail["log"][number]) =>
	l.key && known(`log.${l.key}`) ? t(`log.${l.key}` as "log.assigned", { value: l.value }) : l.user === "collector" ? sentence(l.text) : l.text;

const stateTag = (s: Incident["state"]) => <Tag kind={s === "open" ? "bad" : s === "ack" ? "warn" : "off"}>{word("state", s)}</Tag>;

// A page of a list, more by cursor, asked again when something happened.
export function usePaged<T extends { id: string }>(path: string, args: Record<string, string | null>) {
	const key = path + query({ ...args, limit: 50 });
	const [state, setState] = useState<{ key: string; items?: T[]; next: string | null; error?: ApiError }>({ key, next: null });
	const [turn, setTurn] = useState(0);
	useEffect(() => {
		const abort = new AbortController();
		get<Page<T>>(key, abort.signal).then(
			(p) => setState({ key, items: p.items, next: p.next }),
			(e) => abort.signal.aborted || setState((s) => ({ ...(s.key === key ? s : { next: null }), key, error: e as ApiError })),
		);
		return () => abort.abort();
	}, [key, turn]);
	const fits = state.key === key;
	const more = async () => {
		const p = await get<Page<T>>(key + "&cursor=" + encodeURIComponent(state.next!));
		setState((s) => (s.key === key ? { ...s, items: [...(s.items ?? []), ...p.items.filter((i) => !s.items?.some((o) => o.id === i.id))], next: p.next } : s));
	};
	return {
		items: fits ? state.items : undefined,
		error: fits ? state.error : undefined,
		next: fits ? state.next : null,
		more,
		reload: () => setTurn((n) => n + 1),
		put: (item: T) => setState((s) => ({ ...s, items: s.items?.map((i) => (i.id === item.id ? item : i)) })),
	};
}

export function Incidents() {
	const p = params();
	const args = { state: p.get("state"), severity: p.get("severity"), sensor: p.get("sensor"), q: p.get("q") };
	const list = usePaged<Incident>("/incidents", args);
	const any = Object.values(args).some(Boolean);
	useLive("incident", (i) => list.put(i));
	useLiveReload(["incident"], list.reload, 4000);
	const open = (i: Incident) => go(`/incidents/${encodeURIComponent(i.id)}`);
	const [at, setAt] = useState(-1);
	const table = useRef<HTMLTableElement>(null);
	useEffect(() => {
		const key = (e: KeyboardEvent) => {
			if (e.ctrlKey || e.metaKey || e.altKey || !list.items?.length || document.querySelector("dialog[open]")) return;
			if (e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
			if (e.key !== "j" && e.key !== "k") return;
			const n = Math.max(0, Math.min(list.items.length - 1, at + (e.key === "j" ? 1 : -1)));
			setAt(n);
			table.current?.querySelectorAll<HTMLElement>("tbody a.row-link")[n]?.focus();
		};
		addEventListener("keydown", key);
		return () => removeEventListener("keydown", key);
	});
	return (
		<div class="page">
			<Head title={t("in.title")} />
			<div class="filters open">
				<Segments label={t("state.label")} value={p.get("state") ?? ""} onChange={(v) => setParams({ state: v || null })} options={[["", t("in.state.any")], ["open", t("state.open")], ["ack", t("state.ack")], ["closed", t("state.closed")]]} />
				<Select label={t("sev.label")} value={p.get("severity") ?? ""} onChange={(v) => setParams({ severity: v || null })} options={[["", t("app.all")], ["1", t("sev.1")], ["2", t("sev.2")], ["3", t("sev.3")]]} />
				<Typed label={t("in.search")} value={p.get("q") ?? ""} onChange={(v) => setParams({ q: v || null })} />
			</div>
			<div class="panel">
				{list.items ? (
					list.items.length ? (
						<table class="table rowlink" ref={table}>
							<thead>
								<tr>
									<th class="c-sev"><span class="sr">{t("sev.label")}</span></th>
									<th>{t("in.title.col")}</th>
									<th class="hide-s">{t("al.sensor")}</th>
									<th class="num">{t("in.alerts")}</th>
									<th class="hide-s">{t("in.first")}</th>
									<th class="hide-s">{t("in.last")}</th>
									<th class="hide-s">{t("in.assignee")}</th>
									<th>{t("state.label")}</th>
								</tr>
							</thead>
							<tbody>
								{list.items.map((i) => (
									<tr key={i.id} onClick={(e) => !(e.target as HTMLElement).closest("a") && open(i)}>
										<td class="c-sev"><Sev s={i.severity} /></td>
										<td class="wrap">
											<Link class="row-link" to={`/incidents/${encodeURIComponent(i.id)}`} title={original(i.title)}>{sentence(i.title)}</Link>
											<span class="dim block">
												{i.kind !== "policy" && <Tag kind="warn">{word("kind", i.kind)}</Tag>}
												{i.src && i.dst ? <> {i.src} <Icon name="arrow" size={12} /> {i.dst}</> : ""}
											</span>
										</td>
										<td class="hide-s">{i.sensor}</td>
										<td class="num mono">{num(i.alerts)}</td>
										<td class="hide-s"><When ms={i.first} /></td>
										<td class="hide-s"><When ms={i.last} rel /></td>
										<td class="hide-s">{i.assignee || <span class="dim">{t("in.nobody")}</span>}</td>
										<td>{stateTag(i.state)}</td>
									</tr>
								))}
							</tbody>
						</table>
					) : any ? (
						<Empty icon="search" title={t("al.none.filter")}>
							<Button onClick={() => go("/incidents")}>{t("al.clear")}</Button>
						</Empty>
					) : (
						<Empty icon="shield" title={t("in.none")} text={t("in.none.text")} />
					)
				) : list.error ? (
					<Failed error={list.error} retry={list.reload} />
				) : (
					<Skeleton rows={12} />
				)}
				{list.next && (
					<div class="more">
						<Button onClick={list.more}>{t("app.more")}</Button>
					</div>
				)}
			</div>
		</div>
	);
}

export function IncidentPage({ id }: { id: string }) {
	const r = useResource<IncidentDetail>(`/incidents/${encodeURIComponent(id)}`);
	const [error, setError] = useState("");
	const [out, setOut] = useState(false);
	useLive("incident", (i) => String(i.id) === id && r.reload());
	useLive("again", r.reload);
	const change = async (body: Record<string, string>) => {
		setError("");
		try {
			await post<Incident>(`/incidents/${encodeURIComponent(id)}`, body);
			r.reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<div class="page detail">
			<nav class="crumbs" aria-label={t("nav.incidents")}>
				<Link to="/incidents" class="btn btn-quiet">
					<Icon name="left" />
					<span>{t("in.back")}</span>
				</Link>
			</nav>
			{!r.data && <h1 class="sr" tabIndex={-1}>{t("in.title")}</h1>}
			<Load r={r} rows={12}>
				{(i) => {
					const alerts = i.alerts_newest;
					return (
						<>
							<header class="ad-head">
								<div class="ad-title">
									<p class="ad-tags">
										<Sev s={i.severity} text />
										{stateTag(i.state)}
										{i.kind !== "policy" && <Tag kind="warn">{word("kind", i.kind)}</Tag>}
									</p>
									<h1 tabIndex={-1} title={original(i.title)}>{sentence(i.title)}</h1>
									{i.src && i.dst && (
										<p class="sentence">
											<b>{i.src}</b> <Icon name="arrow" size={14} /> <b>{i.dst}</b>
										</p>
									)}
								</div>
								<div class="acts">
									<Button icon="share" onClick={() => setOut(true)}>{t("sh.export")}</Button>
									{may("analyst") && (
										<>
											{i.assignee !== me.value?.user && i.state !== "closed" && <Button icon="user" onClick={() => change({ assignee: me.value!.user })}>{t("in.take")}</Button>}
											{i.state === "open" && <Button icon="check" onClick={() => change({ state: "ack" })}>{t("in.ack")}</Button>}
											{i.state !== "closed" ? (
												<Button look="main" onClick={() => change({ state: "closed" })}>{t("in.close")}</Button>
											) : (
												<Button onClick={() => change({ state: "open" })}>{t("in.reopen")}</Button>
											)}
										</>
									)}
								</div>
							</header>
							{error && <p class="form-error" role="alert">{error}</p>}
							<div class="ad-grid">
								<div class="ad-main">
									<GuidePanel g={i} incident={String(i.id)} sensor={i.sensor} reload={r.reload} />
									<Panel id="in-alerts" title={t("in.alerts")} acts={<Link to={`/alerts?incident=${encodeURIComponent(i.id)}&fold=0`}>{t("in.all")}</Link>}>
										<div class="lines">{alerts.map((a) => <AlertLine key={a.id} a={a} />)}</div>
									</Panel>
								</div>
								<div class="ad-side">
									<Panel>
										<Facts
											rows={[
												[t("al.sensor"), i.sensor],
												[t("al.site"), i.site],
												[t("al.rule"), i.rule && <span class="mono">{i.rule}</span>],
												[t("in.first"), <When ms={i.first} />],
												[t("in.last"), <When ms={i.last} />],
												[t("in.assignee"), i.assignee || t("in.nobody")],
												[t("ad.technique"), i.techniques.length ? <span class="techs">{i.techniques.map((x) => <Technique key={x} id={x} />)}</span> : null],
											]}
										/>
									</Panel>
									<Panel id="in-log" title={t("in.log")}>
										{i.log.length ? (
											<ol class="log">
												{i.log.map((l, n) => (
													<li key={n}>
														<span class="dim"><When ms={l.time} /> · {l.user}</span>
														<span title={logText(l) === l.text ? undefined : original(l.text)}>{logText(l)}</span>
													</li>
												))}
											</ol>
										) : (
											<p class="pad dim">{t("in.log.none")}</p>
										)}
										{may("analyst") && (
											<form
												class="form pad"
												onSubmit={(e) => {
													e.preventDefault();
													const form = e.currentTarget;
													const note = String(new FormData(form).get("note") ?? "").trim();
													if (note) void change({ note }).then(() => form.reset());
												}}
											>
												<label>
													<span>{t("in.note")}</span>
													<textarea name="note" rows={2} maxLength={2000} />
												</label>
												<Button type="submit">{t("in.note.add")}</Button>
											</form>
										)}
									</Panel>
									{may("analyst") && <BulletinPanel incident={String(i.id)} />}
								</div>
							</div>
							{out && <Export incident={String(i.id)} onClose={() => setOut(false)} />}
						</>
					);
				}}
			</Load>
		</div>
	);
}
