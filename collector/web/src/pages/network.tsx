// SPDX-License-Identifier: Apache-2.0
// The network of collectors and sensors: where alerts come from and go to, what every sensor runs and should run, clocks.
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post, settled, useResource } from "../lib/api";
import { ago, full, num } from "../lib/format";
import { useLiveReload } from "../lib/live";
import { Link, params, setParams } from "../lib/router";
import type { Fleet, FleetItem, Network, Page, Relay, Rollout, Running, Token, Upstream } from "../lib/types";
import { Button, Empty, Facts, Head, Load, Panel, Segments, Skeleton, Tag, Typed, why } from "../ui/common";
import { Icon } from "../ui/icons";
import { Enrol } from "./enrol";
import { Rollouts } from "./rollouts";

export const CLOCK_MS = 1000; // further off is worth a look
const ROWS = 200; // at a time
const hash = (s: string) => (s ? <span class="mono" title={s}>{s.slice(0, 12)}</span> : <span class="dim">{t("app.unknown")}</span>);
const off = (f: FleetItem) => f.clock_offset_ms !== null && Math.abs(f.clock_offset_ms) >= CLOCK_MS;

export function offset(ms: number | null): string {
	if (ms === null) return t("nw.clock.none");
	const a = Math.abs(ms), sign = ms < 0 ? "−" : "+";
	return a < CLOCK_MS ? `${sign}${num(a)} ms` : `${sign}${num(Math.round(a / 100) / 10)} s`;
}

function Above({ u }: { u: Upstream }) {
	const told = u.sensors.filter((s) => s.state !== "active");
	return (
		<>
			<p class="nw-node">
				<Icon name="up" />
				<b>{u.url}</b>
				<Tag kind={u.state === "retrying" ? "bad" : u.state === "starting" ? "warn" : "ok"}>{word("nw.up", u.state)}</Tag>
			</p>
			<Facts
				rows={[
					[t("nw.known"), u.name],
					[t("nw.behind"), u.behind_batches ? t("nw.behind.n", { n: num(u.behind_batches), sensors: num(u.behind_sensors) }) : t("nw.behind.none")],
					[t("nw.passed"), t("nw.passed.n", { batches: num(u.batches), alerts: num(u.alerts) })],
					[t("nw.lastok"), ago(u.last_ok)],
					[t("nw.error"), u.last_error && u.last_error_time ? <span title={full(u.last_error_time)}>{u.last_error}</span> : null],
					[t("nw.refused"), told.length ? <span class="techs">{told.map((s) => <Tag key={s.name} kind="warn">{s.name}: {word("nw.fate", s.state)}</Tag>)}</span> : null],
				]}
			/>
		</>
	);
}

function RelayRow({ r, reload }: { r: Relay; reload: () => void }) {
	const [error, setError] = useState("");
	const [token, setToken] = useState<Token | null>(null);
	const act = async (action: string) => {
		if (action === "revoke" && !confirm(t("nw.revoke.sure", { name: r.name }))) return;
		setError("");
		try {
			const made = await post<unknown>(`/sensors/${r.id}`, { action });
			if (action === "rotate") setToken(made as Token);
			else reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<li>
			<p class="nw-node">
				<Icon name="down" />
				<b>{r.name}</b>
				<Tag kind={r.state === "ok" ? "ok" : r.state === "revoked" ? "off" : "warn"}>{word("se.state", r.state)}</Tag>
				{r.vouches && <Tag>{t("nw.vouches")}</Tag>}
				<span class="dim">{t("nw.behindit", { n: num(r.sensors) })} · {ago(r.last_seen)}</span>
				{may("admin") && (
					<span class="acts">
						{r.state === "pending" && <Button look="main" onClick={() => act("approve")}>{t("se.approve")}</Button>}
						{r.state !== "pending" && <Button look="quiet" onClick={() => act("rotate")} aria-label={`${t("se.rotate")}: ${r.name}`}>{t("se.rotate")}</Button>}
						{r.state !== "revoked" && <Button look="quiet" onClick={() => act("revoke")} aria-label={`${t("se.revoke")}: ${r.name}`}>{t("se.revoke")}</Button>}
					</span>
				)}
			</p>
			{r.kid && <p class="nw-kid dim">{t("pf.key")} <span class="mono">{r.kid}</span></p>}
			{error && <p class="form-error" role="alert">{error}</p>}
			{token && <Enrol kind="relay" name={r.name} made={token} onClose={() => (setToken(null), reload())} />}
		</li>
	);
}

function Collectors({ n, reload }: { n: Network; reload: () => void }) {
	return (
		<div class="nw-tree">
			{n.upstream ? <Above u={n.upstream} /> : <p class="pad dim">{t("nw.noup")}</p>}
			<p class="nw-node nw-self">
				<Icon name="network" />
				<b>{n.name}</b>
				<span class="dim">{t("nw.self")}</span>
			</p>
			{n.relays.length ? <ul class="plain nw-relays">{n.relays.map((r) => <RelayRow key={r.id} r={r} reload={reload} />)}</ul> : <p class="pad dim">{t("nw.norelays")}</p>}
		</div>
	);
}

// How many run what; a click shows who.
function Spread({ title, name, list }: { title: string; name: "build" | "policy"; list: Running[] }) {
	const all = list.reduce((s, x) => s + x.sensors, 0), chosen = params().get(name);
	return (
		<div class="nw-spread">
			<h3>{title}</h3>
			{list.length ? (
				<ul class="plain">
					{list.slice(0, 8).map((x) => (
						<li key={x.value}>
							<button type="button" class="nw-bar" aria-pressed={chosen === x.value} disabled={!x.value} title={x.value} onClick={() => setParams({ [name]: chosen === x.value ? null : x.value })}>
								<i aria-hidden="true" style={{ width: `${(100 * x.sensors) / all}%` }} />
								{hash(x.value)}
								<span>{t("nw.sensors", { n: num(x.sensors) })}</span>
							</button>
						</li>
					))}
					{list.length > 8 && <li class="dim">{t("nw.others", { n: num(list.length - 8) })}</li>}
				</ul>
			) : (
				<p class="dim">{t("app.none")}</p>
			)}
		</div>
	);
}

function Runs({ f, what }: { f: FleetItem; what: "build" | "policy" }) {
	const pinned = f[`pinned_${what}`], drifted = f.drift.includes(what);
	return (
		<>
			{hash(f[what])}
			{pinned && (
				<span class="block">
					{drifted ? (
						<>
							<Tag kind="bad">{t("nw.drift")}</Tag> <span class="dim">{t("nw.should")} {hash(pinned)}</span>
						</>
					) : (
						<Tag kind="ok">{t("nw.pinned")}</Tag>
					)}
				</span>
			)}
		</>
	);
}

function Rows({ list, chosen, choose }: { list: FleetItem[]; chosen: Set<string>; choose: (names: string[], on: boolean) => void }) {
	const [most, setMost] = useState(ROWS);
	const shown = list.slice(0, most);
	return (
		<>
			<table class="table">
				<thead>
					<tr>
						{may("admin") && (
							<th class="c-sev">
								<input type="checkbox" aria-label={t("nw.choose.all")} checked={list.length > 0 && list.every((f) => chosen.has(f.name))} onChange={(e) => choose(list.map((f) => f.name), e.currentTarget.checked)} />
							</th>
						)}
						<th>{t("al.sensor")}</th>
						<th>{t("se.policy")}</th>
						<th class="hide-s">{t("se.build")}</th>
						<th class="num">{t("se.skew")}</th>
					</tr>
				</thead>
				<tbody>
					{shown.map((f) => (
						<tr key={f.id}>
							{may("admin") && (
								<td class="c-sev">
									<input type="checkbox" aria-label={t("nw.choose", { name: f.name })} checked={chosen.has(f.name)} onChange={(e) => choose([f.name], e.currentTarget.checked)} />
								</td>
							)}
							<td class="wrap">
								<Link to={`/sensors?id=${f.id}`}>{f.name}</Link>
								<span class="dim block">
									{[f.site, ...f.path.map((p) => t("nw.via", { name: p }))].filter(Boolean).join(" · ")}
								</span>
							</td>
							<td><Runs f={f} what="policy" /></td>
							<td class="hide-s"><Runs f={f} what="build" /></td>
							<td class="num mono">
								{off(f) ? <Tag kind="warn">{offset(f.clock_offset_ms)}</Tag> : <span class={f.clock_offset_ms === null ? "dim" : ""}>{offset(f.clock_offset_ms)}</span>}
								{f.time && <span class="dim block">{f.time.in_step ? t("nw.kept", { ms: num(f.time.error_ms) }) : t("nw.free")}</span>}
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{list.length > most && (
				<div class="more">
					<Button onClick={() => setMost(most + ROWS)}>{t("app.more")}</Button>
				</div>
			)}
		</>
	);
}

function FleetPanel({ f, set }: { f: Fleet; set: (f: Fleet) => void }) {
	const p = params();
	const [chosen, setChosen] = useState(new Set<string>());
	const [error, setError] = useState("");
	const show = p.get("show") ?? "", q = (p.get("q") ?? "").toLowerCase();
	const drifted = f.items.filter((x) => x.drift.length), late = f.items.filter(off);
	const of = show === "drift" ? drifted : show === "clock" ? late : f.items;
	const list = of.filter((x) => (!p.get("build") || x.build === p.get("build")) && (!p.get("policy") || x.policy === p.get("policy")) && (!q || [x.name, x.site, ...x.path].some((s) => s.toLowerCase().includes(q))));
	const choose = (names: string[], on: boolean) => setChosen((old) => new Set(on ? [...old, ...names] : [...old].filter((n) => !names.includes(n))));
	const pin = async (value: "current" | "") => {
		setError("");
		try {
			set(await post<Fleet>("/fleet", { sensors: [...chosen], policy: value, build: value }));
			setChosen(new Set());
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<>
			<div class="filters open">
				<Segments label={t("nw.show")} value={show} onChange={(v) => setParams({ show: v || null })} options={[["", t("nw.show.all", { n: num(f.items.length) })], ["drift", t("nw.show.drift", { n: num(drifted.length) })], ["clock", t("nw.show.clock", { n: num(late.length) })]]} />
				<Typed label={t("nw.search")} value={p.get("q") ?? ""} onChange={(v) => setParams({ q: v || null })} />
			</div>
			<Panel
				id="nw-fleet"
				title={t("nw.fleet")}
				acts={
					may("admin") && chosen.size ? (
						<span class="acts">
							<span class="dim">{t("nw.chosen", { n: num(chosen.size) })}</span>
							<Button look="main" onClick={() => pin("current")}>{t("nw.pin")}</Button>
							<Button onClick={() => pin("")}>{t("nw.unpin")}</Button>
						</span>
					) : (
						<span class="dim hide-s">{t("nw.clock.text")}</span>
					)
				}
			>
				{error && <p class="form-error pad" role="alert">{error}</p>}
				{list.length ? (
					<Rows list={list} chosen={chosen} choose={choose} />
				) : f.items.length ? (
					<Empty icon={show === "drift" && !drifted.length ? "shield" : "search"} title={t(show === "drift" && !drifted.length ? "nw.nodrift" : show === "clock" && !late.length ? "nw.noclock" : "nw.nomatch")}>
						<Button onClick={() => setParams({ show: null, q: null, build: null, policy: null })}>{t("al.clear")}</Button>
					</Empty>
				) : (
					<Empty icon="sensors" title={t("se.none")} text={t("se.none.text")} />
				)}
			</Panel>
		</>
	);
}

export function NetworkPage() {
	const net = useResource<Network>("/network"), fleet = useResource<Fleet>("/fleet"), rollouts = useResource<Page<Rollout>>("/rollouts");
	const [relay, setRelay] = useState(false);
	useLiveReload(["sensor"], () => (net.reload(), fleet.reload(), rollouts.reload()), 10_000);
	return (
		<div class="page">
			<Head title={t("nw.title")} text={t("nw.text")}>
				{may("admin") && <Button icon="plus" onClick={() => setRelay(true)}>{t("en.relay.make")}</Button>}
			</Head>
			{!settled(net, fleet, rollouts) ? (
				<Skeleton rows={16} />
			) : (
				<>
					<div class="nw-in">
						<Panel id="nw-col" title={t("nw.collectors")}>
							<Load r={net} rows={8}>{(n) => <Collectors n={n} reload={net.reload} />}</Load>
						</Panel>
						<Panel id="nw-runs" title={t("nw.runs")}>
							<Load r={fleet} rows={8}>
								{(f) => (
									<div class="nw-spreads">
										<Spread title={t("se.policy")} name="policy" list={f.policies} />
										<Spread title={t("se.build")} name="build" list={f.builds} />
									</div>
								)}
							</Load>
						</Panel>
					</div>
					<Panel id="nw-rollouts" title={t("ro.title")}>
						<Load r={rollouts} rows={4}>{(l) => <Rollouts list={l.items} reload={rollouts.reload} />}</Load>
					</Panel>
					<Load r={fleet} rows={10}>{(f) => <FleetPanel f={f} set={(v) => fleet.set(() => v)} />}</Load>
				</>
			)}
			{relay && <Enrol kind="relay" onClose={() => (setRelay(false), net.reload())} />}
		</div>
	);
}
