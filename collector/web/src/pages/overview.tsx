// SPDX-License-Identifier: Apache-2.0
// What is wrong now, whether the sensors see, how much happens.
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { original, sentence } from "../i18n/sentences";
import { useResource } from "../lib/api";
import { ago, hourMin, num, short, who } from "../lib/format";
import { useLive, useLiveReload } from "../lib/live";
import { Link } from "../lib/router";
import type { Alert, Incident, Overview, Page, Sensor, Severity } from "../lib/types";
import { Action, Empty, Load, Panel, Sev, Tag, When, what } from "../ui/common";
import { Icon } from "../ui/icons";
import { chainKind, stateKind } from "./sensors";

const W = 600, H = 120;

function Rate({ rate }: { rate: Overview["rate"] }) {
	const max = Math.max(4, ...rate.map((r) => r.n));
	const step = W / Math.max(1, rate.length);
	const total = rate.reduce((n, r) => n + r.n, 0);
	return (
		<figure class="rate">
			<div class="rate-plot">
				<span class="rate-max mono">{num(max)}</span>
				<svg viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={t("ov.rate.text", { n: total, max: Math.max(0, ...rate.map((r) => r.n)) })}>
					{[0, 0.5, 1].map((y) => (
						<line key={y} x1="0" x2={W} y1={H * y} y2={H * y} class="grid" vector-effect="non-scaling-stroke" />
					))}
					{rate.map((r, i) => {
						const n = (r.n / max) * H, b = (r.blocked / max) * H;
						return (
							<g key={r.t}>
								<title>{`${hourMin(r.t)}: ${num(r.n)}, ${t("map.blocked", { n: r.blocked })}`}</title>
								<rect x={i * step} y="0" width={step} height={H} class="hit" />
								<rect x={i * step + 1} y={H - n} width={step - 2} height={Math.max(0, n - b)} class="seen" />
								<rect x={i * step + 1} y={H - b} width={step - 2} height={b} class="blocked" />
							</g>
						);
					})}
				</svg>
			</div>
			<figcaption>
				<span class="mono">{rate.length ? hourMin(rate[0].t) : ""}</span>
				<span class="key">
					<i class="blocked" /> {t("ov.rate.blocked")}
				</span>
				<span class="key">
					<i class="seen" /> {t("ov.rate.seen")}
				</span>
				<span class="mono">{rate.length ? hourMin(rate[rate.length - 1].t) : ""}</span>
			</figcaption>
		</figure>
	);
}

export function IncidentLine({ i }: { i: Incident }) {
	return (
		<Link to={`/incidents/${encodeURIComponent(i.id)}`} class="line">
			<Sev s={i.severity} />
			<span class="line-main">
				<b title={original(i.title)}>{sentence(i.title)}</b>
				<span class="dim">
					{i.src && i.dst ? (
						<>
							{i.src} <Icon name="arrow" size={12} /> {i.dst} ·{" "}
						</>
					) : null}
					{i.sensor}
				</span>
			</span>
			<span class="line-side">
				<b class="mono">{short(i.alerts)}</b>
				<span class="dim">{ago(i.last)}</span>
			</span>
		</Link>
	);
}

export function AlertLine({ a }: { a: Alert }) {
	return (
		<Link to={`/alerts/${encodeURIComponent(a.id)}`} class="line">
			<Sev s={a.severity} />
			<span class="line-main">
				<b>{what(a)}</b>
				<span class="dim">
					{who(a.src) !== "-" || who(a.dst) !== "-" ? (
						<>
							{who(a.src)} <Icon name="arrow" size={12} /> {who(a.dst)}
						</>
					) : (
						a.sensor
					)}
				</span>
			</span>
			<span class="line-side">
				<Action a={a} />
				<span class="dim">
					<When ms={a.time} />
				</span>
			</span>
		</Link>
	);
}

function Status({ o }: { o: Overview }) {
	const open = Object.values(o.incidents.open).reduce((a, b) => a + b, 0);
	const high = o.incidents.open["1"] ?? 0;
	const blind = o.sensors.silent + o.sensors.trouble;
	const kind = high ? "bad" : open || blind ? "warn" : "ok";
	return (
		<div class={`status status-${kind}`}>
			<Icon name={kind === "ok" ? "shield" : "alerts"} size={24} />
			<div>
				<p class="status-main">{open ? t("ov.wrong", { n: num(open) }) : t("ov.calm")}</p>
				<p class="status-text">
					{[open && high ? t("ov.wrong.high", { n: num(high) }) : "", blind ? t("ov.blind", { n: blind }) : "", !open && !blind ? t("ov.calm.text", { n: o.sensors.ok }) : ""]
						.filter(Boolean)
						.join(" · ")}
				</p>
			</div>
			<div class="status-sevs">
				{([1, 2, 3] as Severity[]).map((s) => (
					<Link key={s} to={`/incidents?state=open&severity=${s}`} class={`status-sev ${o.incidents.open[s] ? "" : "zero"}`}>
						<span class="mono">{num(o.incidents.open[s] ?? 0)}</span>
						<Sev s={s} text />
					</Link>
				))}
			</div>
			<dl class="kpis">
				<div>
					<dt>{t("ov.alerts24")}</dt>
					<dd>{short(o.alerts_24h)}</dd>
				</div>
				<div>
					<dt>{t("ov.blocked24")}</dt>
					<dd>{short(o.blocked_24h)}</dd>
				</div>
				<div>
					<dt>{t("ov.sensors")}</dt>
					<dd>
						{o.sensors.ok}
						<small>/{o.sensors.ok + o.sensors.silent + o.sensors.trouble}</small>
					</dd>
				</div>
			</dl>
		</div>
	);
}

export function OverviewPage() {
	const o = useResource<Overview>("/overview");
	const sensors = useResource<Page<Sensor>>("/sensors");
	const first = useResource<Page<Alert>>("/alerts?limit=12&sort=-time");
	const [fresh, setFresh] = useState<Alert[]>([]);
	useLiveReload(["alert", "incident", "sensor"], o.reload, 2500);
	useLiveReload(["sensor"], sensors.reload);
	useLive("alert", (a) => setFresh((f) => [a, ...f.filter((x) => x.id !== a.id)].slice(0, 12)));
	useLive("again", () => (setFresh([]), first.reload()));
	const latest = (page: Page<Alert>) => [...fresh, ...page.items.filter((a) => !fresh.some((f) => f.id === a.id))].sort((a, b) => b.time - a.time).slice(0, 12);
	return (
		<div class="page overview">
			<h1 class="sr" tabIndex={-1}>
				{t("ov.title")}
			</h1>
			<div class="ov-status">
				<Load r={o} rows={2}>
					{(v) => <Status o={v} />}
				</Load>
			</div>
			<Panel id="ov-top" class="ov-top" title={t("ov.top")} acts={<Link to="/incidents?state=open">{t("ov.top.all")}</Link>}>
				<Load r={o} rows={5}>
					{(v) => (v.top.length ? <div class="lines">{v.top.map((i) => <IncidentLine key={i.id} i={i} />)}</div> : <Empty icon="shield" title={t("ov.top.none")} />)}
				</Load>
			</Panel>
			<Panel id="ov-health" class="ov-health" title={t("ov.health")} acts={<Link to="/sensors">{t("nav.sensors")}</Link>}>
				<Load r={sensors} rows={5}>
					{(v) =>
						v.items.length ? (
							<div class="lines">
								{[...v.items].sort((a, b) => Number(a.state === "ok") - Number(b.state === "ok")).map((s) => (
									<Link key={s.id} to={`/sensors?id=${encodeURIComponent(s.id)}`} class="line">
										<span class={`dot dot-${stateKind(s.state)}`} aria-hidden="true" />
										<span class="line-main">
											<b>{s.name}</b>
											<span class="dim">{s.site}</span>
										</span>
										<span class="line-side">
											<span>
												{s.chain !== "whole" && <Tag kind={chainKind(s.chain)}>{t("se.chain")}: {word("se.chain", s.chain)}</Tag>}{" "}
												<Tag kind={stateKind(s.state)}>{word("se.state", s.state)}</Tag>
											</span>
											<span class="dim">{ago(s.last_seen)}</span>
										</span>
									</Link>
								))}
							</div>
						) : (
							<Empty icon="sensors" title={t("ov.health.none")} />
						)
					}
				</Load>
			</Panel>
			<Panel id="ov-rate" class="ov-rate" title={t("ov.rate")} acts={<Link to="/timeline">{t("nav.timeline")}</Link>}>
				<Load r={o} rows={3}>
					{(v) => <Rate rate={v.rate} />}
				</Load>
			</Panel>
			<Panel id="ov-latest" class="ov-latest" title={t("ov.latest")} acts={<Link to="/alerts">{t("ov.latest.all")}</Link>}>
				<Load r={first} rows={6}>
					{(v) => {
						const list = latest(v);
						return list.length ? <div class="lines">{list.map((a) => <AlertLine key={a.id} a={a} />)}</div> : <Empty title={t("ov.latest.none")} />;
					}}
				</Load>
			</Panel>
		</div>
	);
}
