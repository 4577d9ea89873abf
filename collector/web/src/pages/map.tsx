// SPDX-License-Identifier: Apache-2.0
// Zones and conduits by Purdue level, as a picture and as a list that says the same.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { useResource } from "../lib/api";
import { ago, num } from "../lib/format";
import { byLevel, levelName, levelTag, levelText } from "../lib/level";
import { useLive, useLiveReload } from "../lib/live";
import { Link, params, setParams } from "../lib/router";
import type { Edge, MapDevice, PlantMap, Zone } from "../lib/types";
import { Button, Empty, Facts, Head, Load, Panel, Segments, Select, Sev, Tag } from "../ui/common";
import { Icon } from "../ui/icons";
import type { Graph } from "./graph";

const edgeKey = (e: Edge) => `${e.site}|${e.from}|${e.to}|${e.proto}|${e.allowed ? 1 : 0}`;
// Both ways between two ends are one line in the picture.
export const pairKey = (e: Edge) => JSON.stringify([e.site, ...[e.from, e.to].sort()]);
// Two sites may have devices of one name.
export const devKey = (site: string, name: string) => JSON.stringify([site, name]);
const touches = (e: Edge, site: string, d: MapDevice) => e.site === site && (e.from === d.name || e.to === d.name);
export const denied = (e: Edge) => !e.allowed || e.blocked > 0;

// Who is in no zone of the policy is in one of the collector's.
export const zoneName = (z: Zone) => (z.name === "not in the policy" ? t("map.unlisted") : z.name);

export type Pick = { kind: "device" | "pair"; key: string } | null;

const worstFirst = (a: Edge, b: Edge) => Number(denied(b)) - Number(denied(a)) || (b.last ?? 0) - (a.last ?? 0);
function Conversation({ e, title }: { e: Edge; title: string }) {
	return (
		<div class={`conv ${denied(e) ? "conv-denied" : ""}`}>
			<p>
				<Icon name={denied(e) ? "stop" : "arrow"} size={14} />
				<b>{title}</b>
				<span class="mono dim">{e.proto}</span>
			</p>
			{e.ops.length > 0 && <p class="mono dim">{e.ops.slice(0, 6).join(", ")}{e.ops.length > 6 ? ", …" : ""}</p>}
			{e.alerts > 0 && (
				<p>
					{t("map.alerts", { n: num(e.alerts) })}
					{e.blocked > 0 && <> · <span class="bad">{t("map.blocked", { n: num(e.blocked) })}</span></>}
					{e.last ? <span class="dim"> · {ago(e.last)}</span> : null}
				</p>
			)}
		</div>
	);
}

function Picked({ m, pick }: { m: PlantMap; pick: Pick }) {
	if (pick?.kind === "pair") {
		const edges = m.edges.filter((e) => pairKey(e) === pick.key).sort(worstFirst);
		const [, one, other] = JSON.parse(pick.key) as string[];
		if (edges.length)
			return (
				<div class="picked">
					<h2>{one} – {other}</h2>
					<p><Tag kind={edges.some(denied) ? "bad" : "ok"}>{edges.some(denied) ? t("map.denied") : t("map.allowed")}</Tag></p>
					{edges.map((e) => <Conversation key={edgeKey(e)} e={e} title={`${e.from} → ${e.to}`} />)}
					{edges.some((e) => e.alerts) && <p><Link class="btn btn-plain" to={`/alerts?device=${encodeURIComponent(one)}&q=${encodeURIComponent(other)}`}>{t("map.see")}</Link></p>}
				</div>
			);
	}
	if (pick?.kind === "device") {
		const [site, name] = JSON.parse(pick.key) as string[];
		const zone = m.zones.find((z) => z.site === site && z.devices.some((d) => d.name === name));
		const d = zone?.devices.find((x) => x.name === name);
		if (d && zone) {
			const edges = m.edges.filter((e) => touches(e, site, d)).sort(worstFirst);
			return (
				<div class="picked">
					<h2>{d.name}</h2>
					<Facts
						rows={[
							[t("as.address"), <span class="mono">{d.ip}</span>],
							[t("as.role"), word("role", d.role)],
							[t("as.zone"), `${zoneName(zone)} · ${levelText(zone.level)}`],
							[t("as.model"), [d.vendor, d.model].filter(Boolean).join(" ")],
						]}
					/>
					<p class="acts">
						<Link class="btn btn-plain" to={`/alerts?device=${encodeURIComponent(d.name)}`}>{t("map.alerts", { n: num(d.alerts_24h) })}</Link>
					</p>
					<h3>{t("map.conv")}</h3>
					{edges.length ? edges.map((e) => <Conversation key={edgeKey(e)} e={e} title={e.from === d.name ? `→ ${e.to}` : `← ${e.from}`} />) : <p class="dim">{t("map.quiet")}</p>}
				</div>
			);
		}
	}
	const bad = m.edges.filter(denied).sort(worstFirst);
	return (
		<div class="picked">
			<h2>{t("map.denied")}</h2>
			{bad.length ? bad.map((e) => <Conversation key={edgeKey(e)} e={e} title={`${e.from} → ${e.to}`} />) : <p class="dim">{t("app.none")}</p>}
			<p class="dim">{t("map.pick")}. {t("map.pick.text")}</p>
		</div>
	);
}

function DeviceRow({ d, site, m }: { d: MapDevice; site: string; m: PlantMap }) {
	const edges = m.edges.filter((e) => touches(e, site, d));
	return (
		<li class="ml-dev">
			<p>
				<b>{d.name}</b> <span class="mono dim">{d.ip}</span> <span class="dim">{word("role", d.role)}</span>
				{d.alerts_24h > 0 && (
					<Link to={`/alerts?device=${encodeURIComponent(d.name)}`} class="ml-n">
						<Sev s={d.severity} /> {t("map.alerts", { n: num(d.alerts_24h) })}
					</Link>
				)}
			</p>
			{edges.length > 0 && (
				<ul>
					{edges
						.sort(worstFirst)
						.map((e) => (
							<li key={edgeKey(e)} class={denied(e) ? "bad" : "dim"}>
								{denied(e) ? t("map.denied") : t("map.allowed")}: {e.from === d.name ? `→ ${e.to}` : `← ${e.from}`} <span class="mono">{e.proto}</span>
								{e.blocked > 0 && ` · ${t("map.blocked", { n: num(e.blocked) })}`}
							</li>
						))}
				</ul>
			)}
		</li>
	);
}

function MapList({ m }: { m: PlantMap }) {
	const levels = [...new Set(m.zones.map((z) => z.level))].sort(byLevel), sites = new Set(m.zones.map((z) => z.site)).size;
	return (
		<div class="maplist">
			{levels.map((l) => (
				<section key={l} aria-labelledby={`ml-${l}`}>
					<h2 id={`ml-${l}`}>
						<span class="mono">{levelTag(l)}</span> {levelName(l)}
					</h2>
					<div class="ml-zones">
						{m.zones
							.filter((z) => z.level === l)
							.map((z: Zone) => (
								<Panel key={z.id} id={`mz-${z.id}`} title={zoneName(z)} acts={sites > 1 && <span class="dim">{z.site}</span>}>
									<ul class="plain pad">{z.devices.length ? z.devices.map((d) => <DeviceRow key={d.name + d.ip} d={d} site={z.site} m={m} />) : <li class="dim">{t("app.none")}</li>}</ul>
								</Panel>
							))}
					</div>
				</section>
			))}
		</div>
	);
}

function Picture({ m, only, pick, onPick }: { m: PlantMap; only: boolean; pick: Pick; onPick: (p: Pick) => void }) {
	const box = useRef<HTMLDivElement>(null);
	const graph = useRef<Graph | null>(null);
	const latest = useRef({ m, only, onPick });
	latest.current = { m, only, onPick };
	useEffect(() => {
		let gone = false;
		void import("./graph").then(({ makeGraph }) => {
			if (gone || !box.current) return;
			graph.current = makeGraph(box.current, (p) => latest.current.onPick(p));
			graph.current.show(latest.current.m, latest.current.only);
		});
		return () => {
			gone = true;
			graph.current?.end();
			graph.current = null;
		};
	}, []);
	useEffect(() => graph.current?.show(m, only), [m, only]);
	useEffect(() => graph.current?.select(pick ? (pick.key) : null), [pick]);
	useLive("alert", (a) => graph.current?.flash(a));
	const devices = m.zones.reduce((n, z) => n + z.devices.length, 0);
	return (
		<div class="mapbox">
			<div ref={box} class="canvas" role="img" aria-label={t("map.label", { zones: m.zones.length, devices, denied: m.edges.filter(denied).length })} />
			<div class="mapkey" aria-hidden="true">
				<span><i class="k-denied" /> {t("map.denied")}</span>
				<span><i class="k-allowed" /> {t("map.allowed")}</span>
				<span><Sev s={1} /> <Sev s={2} /> <Sev s={3} /> {t("sev.label")}</span>
			</div>
			<div class="mapacts">
				<Button icon="plus" aria-label={t("map.in")} onClick={() => graph.current?.zoom(1.25)} />
				<Button icon="minus" aria-label={t("map.out")} onClick={() => graph.current?.zoom(0.8)} />
				<Button icon="fit" aria-label={t("map.fit")} onClick={() => graph.current?.fit()} />
			</div>
		</div>
	);
}

export function MapPage() {
	const p = params();
	const phone = useMemo(() => matchMedia("(max-width: 760px)").matches, []);
	const view = (p.get("view") ?? (phone ? "list" : "map")) as "map" | "list";
	const site = p.get("site") ?? "";
	const r = useResource<PlantMap>("/map" + (site ? `?site=${encodeURIComponent(site)}` : ""));
	const all = useResource<PlantMap>(site ? "/map" : null); // for the choice of sites
	const [pick, setPick] = useState<Pick>(null);
	const only = p.get("denied") === "1";
	useLiveReload(["alert"], r.reload, 3000);
	const sites = [...new Set((all.data ?? r.data)?.zones.map((z) => z.site) ?? [])].filter(Boolean).sort();
	return (
		<div class={`page map-page ${view === "map" ? "page-fill" : ""}`}>
			<Head title={t("map.title")} text={t("map.text")}>
				<Select label={t("map.site")} value={site} onChange={(v) => (setPick(null), setParams({ site: v || null }))} options={[["", t("app.all")], ...sites.map((s): [string, string] => [s, s])]} />
				<Segments label={t("map.denied")} value={only ? "1" : ""} onChange={(v) => setParams({ denied: v || null })} options={[["", t("app.all")], ["1", t("map.only")]]} />
				<Segments label={t("map.view")} value={view} onChange={(v) => setParams({ view: v })} options={[["map", t("map.graph")], ["list", t("map.list")]]} />
			</Head>
			<Load r={r} rows={14}>
				{(m) =>
					!m.zones.length ? (
						<Panel><Empty icon="map" title={t("map.none")} text={t("map.none.text")} /></Panel>
					) : view === "list" ? (
						<MapList m={only ? { ...m, edges: m.edges.filter(denied) } : m} />
					) : (
						<div class="map-in panel">
							<Picture key={site} m={m} only={only} pick={pick} onPick={setPick} />
							<aside class="map-side" aria-live="polite" tabIndex={0} aria-label={t("map.conv")}>
								<Picked m={m} pick={pick} />
							</aside>
						</div>
					)
				}
			</Load>
		</div>
	);
}
