// SPDX-License-Identifier: Apache-2.0
// Alerts over time, split by what is asked; dragging chooses a range.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { t, word } from "../i18n";
import { query, useResource } from "../lib/api";
import { full, num } from "../lib/format";
import { useLiveReload } from "../lib/live";
import { dark, lang } from "../lib/prefs";
import { Link, params, setParams } from "../lib/router";
import type { Timeline } from "../lib/types";
import { Button, Empty, Head, Load, Panel, Segments } from "../ui/common";
import type { Series } from "./chart";

const ranges = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000 };
type Range = keyof typeof ranges;
const steps = [60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000];
type By = "severity" | "sensor" | "rule" | "device";

function Chart({ data, series, onRange }: { data: Timeline; series: Series[]; onRange: (from: number, to: number) => void }) {
	const box = useRef<HTMLDivElement>(null);
	const last = useRef(onRange);
	last.current = onRange;
	const theme = dark.value, language = lang.value;
	useEffect(() => {
		let end: (() => void) | undefined, gone = false;
		void import("./chart").then(({ draw }) => {
			if (!gone && box.current) end = draw(box.current, data, series, (a, b) => last.current(a, b));
		});
		return () => {
			gone = true;
			end?.();
		};
	}, [data, series, theme, language]);
	return <div ref={box} class="chart" role="img" aria-label={t("tl.label")} />;
}

export function TimelinePage() {
	const p = params();
	const range = (p.get("range") && p.get("range")! in ranges ? p.get("range") : "24h") as Range;
	const by = (["severity", "sensor", "rule", "device"].includes(p.get("by") ?? "") ? p.get("by") : "severity") as By;
	const own = p.get("from") && p.get("to");
	// In whole minutes, so that asking again asks the same.
	const now = useMemo(() => Math.ceil(Date.now() / 60_000) * 60_000, [range, own]);
	const from = own ? Number(p.get("from")) : now - ranges[range], to = own ? Number(p.get("to")) : now;
	const step = steps.find((s) => (to - from) / s <= 180) ?? 86_400_000;
	const r = useResource<Timeline>("/timeline" + query({ from, to, step, by }));
	useLiveReload(["alert"], r.reload, 5000);
	const total = (d: Timeline) => d.buckets.reduce((n, b) => n + b.n, 0);

	const { series, sums } = useMemo(() => {
		const all = new Map<string, number>();
		for (const b of r.data?.buckets ?? []) for (const [k, n] of Object.entries(b.by)) all.set(k, (all.get(k) ?? 0) + n);
		const sums = [...all].sort((a, b) => (by === "severity" ? Number(a[0]) - Number(b[0]) : b[1] - a[1]));
		const named = sums.filter(([k]) => k !== "");
		const keys = by === "severity" ? ["3", "2", "1"] : named.slice(0, 6).map(([k]) => k).reverse();
		const label = (k: string) => (by === "severity" ? word("sev", k) : k || t("tl.other"));
		const series: Series[] = keys.map((k) => ({ key: k, label: label(k), color: by === "severity" ? `--sev${k}` : `--cat${named.findIndex(([x]) => x === k) + 1}` }));
		if (sums.length > keys.length && by !== "severity") series.unshift({ key: "", label: t("tl.other"), color: "--cat7" });
		return { series, sums };
	}, [r.data, by, lang.value]);
	// The collector leaves out what is empty; a chart does not.
	const whole = useMemo(() => {
		if (!r.data) return undefined;
		const { step, buckets } = r.data, there = new Map(buckets.map((b) => [b.t, b]));
		const first = Math.floor(from / step) * step, n = Math.min(1000, Math.ceil((to - first) / step));
		return { step, buckets: Array.from({ length: n }, (_, i) => there.get(first + i * step) ?? { t: first + i * step, n: 0, by: {} }) };
	}, [r.data, from, to]);
	const color = (k: string) => series.find((s) => s.key === k)?.color ?? "--cat7";
	const filter = { severity: "severity", sensor: "sensor", rule: "rule", device: "device" }[by];

	return (
		<div class="page">
			<Head title={t("tl.title")} text={t("tl.hint")}>
				<Segments label={t("tl.by")} value={by} onChange={(v) => setParams({ by: v === "severity" ? null : v })} options={(["severity", "sensor", "rule", "device"] as By[]).map((v) => [v, t(`tl.by.${v}`)])} />
				<Segments<string> label={t("tl.range")} value={own ? "" : range} onChange={(v) => setParams({ range: v === "24h" ? null : v, from: null, to: null })} options={(Object.keys(ranges) as Range[]).map((v) => [v, t(`tl.${v}`)])} />
			</Head>
			<Panel class="tl-panel">
				<div class="tl-top">
					<span>
						{full(from).replace(/\.\d+/, "")} – {full(to).replace(/\.\d+/, "")}
					</span>
					{own && <Button look="quiet" icon="left" onClick={() => setParams({ from: null, to: null })}>{t("tl.back")}</Button>}
					<Link class="push" to={`/alerts?from=${from}&to=${to}`}>{t("tl.see")}</Link>
				</div>
				<div class="tl-body"><Load r={r} rows={8}>
					{(d) => (total(d) ? <Chart data={whole!} series={series} onRange={(a, b) => setParams({ from: String(a), to: String(b) }, false)} /> : <div class="chart"><Empty icon="timeline" title={t("tl.none")} /></div>)}
				</Load></div>
			</Panel>
			<Panel id="tl-sums" title={t("tl.table")} acts={<b>{r.data ? t("tl.total", { n: num(total(r.data)) }) : ""}</b>}>
				<Load r={r} rows={4}>
					{(d) => {
						const max = Math.max(1, ...sums.map(([, n]) => n));
						return total(d) ? (
							<table class="table dense">
								<thead>
									<tr>
										<th>{t(`tl.by.${by}`)}</th>
										<th class="num">{t("nav.alerts")}</th>
										<th aria-hidden="true" />
									</tr>
								</thead>
								<tbody>
									{sums.slice(0, 20).map(([k, n]) => (
										<tr key={k}>
											<td>
												<i class="swatch" style={{ background: `var(${color(k)})` }} />
												{k ? <Link to={`/alerts?${filter}=${encodeURIComponent(k)}&from=${from}&to=${to}`}>{by === "severity" ? word("sev", k) : k}</Link> : t("tl.other")}
											</td>
											<td class="num mono">{num(n)}</td>
											<td class="tl-bar">
												<i style={{ width: `${(100 * n) / max}%`, background: `var(${color(k)})` }} />
											</td>
										</tr>
									))}
								</tbody>
							</table>
						) : (
							<p class="pad dim">{t("app.none")}</p>
						);
					}}
				</Load>
			</Panel>
		</div>
	);
}
