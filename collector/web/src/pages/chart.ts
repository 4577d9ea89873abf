// SPDX-License-Identifier: Apache-2.0
// Stacked bars by uPlot.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { t } from "../i18n";
import { hourMin, dateOnly, num, short } from "../lib/format";
import type { Timeline } from "../lib/types";

export interface Series {
	key: string; // "": what has no series of its own
	label: string;
	color: string; // name of a custom property
}

export function draw(box: HTMLElement, d: Timeline, series: Series[], onRange: (from: number, to: number) => void): () => void {
	const css = getComputedStyle(document.documentElement);
	const color = (name: string) => css.getPropertyValue(name).trim();
	const named = new Set(series.map((s) => s.key));
	const own = series.map((s) => d.buckets.map((b) => (s.key ? (b.by[s.key] ?? 0) : Object.entries(b.by).reduce((n, [k, v]) => n + (k && named.has(k) ? 0 : v), 0))));
	// uPlot draws from zero: the highest sum first, what is below over it.
	const stacked: number[][] = [];
	for (const row of own) stacked.push(row.map((v, i) => v + (stacked.length ? stacked[stacked.length - 1][i] : 0)));
	const order = series.map((_, i) => i).reverse();
	const long = d.buckets.length > 1 && d.buckets[d.buckets.length - 1].t - d.buckets[0].t > 2 * 86_400_000;
	const axis: uPlot.Axis = { stroke: color("--text-2"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: '11px "Inter Variable", sans-serif' };
	const bars = uPlot.paths.bars!({ size: [0.86, 40], align: 1 });
	const size = () => ({ width: Math.max(200, box.clientWidth), height: 260 });
	const u = new uPlot(
		{
			...size(),
			cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
			legend: { live: true },
			scales: { x: { time: true, range: (_, a, b) => [a, b + d.step / 1000] }, y: { range: (_, _a, b) => [0, Math.max(4, b * 1.08)] } },
			axes: [
				{ ...axis, ...(long ? { incrs: [86_400, 2 * 86_400, 7 * 86_400] } : {}), values: (_, ts) => ts.map((v) => (long ? dateOnly(v * 1000) : hourMin(v * 1000))) },
				{ ...axis, size: 44, values: (_, vs) => vs.map((v) => (Number.isInteger(v) ? short(v) : "")) },
			],
			series: [
				{ label: t("time.label"), value: (_, v: number | null) => (v === null ? "" : `${dateOnly(v * 1000)} ${hourMin(v * 1000)}`) },
				...order.map((i): uPlot.Series => ({
					label: series[i].label,
					fill: color(series[i].color),
					stroke: color(series[i].color),
					width: 0,
					paths: bars,
					points: { show: false },
					value: (_, _v, _s, at) => (at === null || at === undefined ? "" : num(own[i][at])),
				})),
			],
			hooks: {
				setSelect: [
					(self) => {
						if (self.select.width < 4) return;
						const a = self.posToVal(self.select.left, "x"), b = self.posToVal(self.select.left + self.select.width, "x");
						const step = d.step;
						onRange(Math.floor((a * 1000) / step) * step, Math.ceil((b * 1000) / step) * step);
					},
				],
			},
		},
		[d.buckets.map((b) => b.t / 1000), ...order.map((i) => stacked[i])] as uPlot.AlignedData,
		box,
	);
	const seen = new ResizeObserver(() => u.setSize(size()));
	seen.observe(box);
	return () => {
		seen.disconnect();
		u.destroy();
	};
}
