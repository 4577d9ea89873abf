// SPDX-License-Identifier: Apache-2.0
// The picture of the map, by Cytoscape.  Places are computed here: a band per Purdue level, zones side by
// side in their band, devices in rows in their zone.  They depend on the zones alone, so a new alert moves nothing.
import cytoscape from "cytoscape";
import { effect } from "@preact/signals";
import { byLevel, type Level, levelName, levelText } from "../lib/level";
import { GAP, round } from "../lib/lanes";
import { dark, lang } from "../lib/prefs";
import type { Alert, Edge, MapDevice, PlantMap, Zone } from "../lib/types";
import { type Pick, denied, devKey, pairKey, zoneName } from "./map";

export interface Graph {
	show(m: PlantMap, only: boolean): void;
	select(id: string | null): void;
	flash(a: Alert): void;
	fit(): void;
	zoom(by: number): void;
	end(): void;
}

const DEV_W = 148, DEV_H = 46, MADE_H = 16, PAD = 14, TOP = 28, ZONE_GAP = 28, BAND_GAP = 38, LABEL_W = 128, PER_ROW = 4;

interface Box {
	zone: Zone;
	x: number;
	y: number;
	w: number;
	h: number;
	cols: number;
}

const made = (d: MapDevice) => {
	const s = [d.vendor?.split(/[ ,]/)[0], d.model].filter(Boolean).join(" ");
	return s.length > 19 ? s.slice(0, 18) + "…" : s;
};

function layout(zones: Zone[]) {
	const devH = DEV_H + (zones.some((z) => z.devices.some(made)) ? MADE_H : 0);
	const levels = [...new Set(zones.map((z) => z.level))].sort(byLevel);
	const boxes: Box[] = [], bands: { level: Level; y: number; h: number }[] = [];
	let y = 0, width = 600;
	for (const level of levels) {
		let x = LABEL_W, h = 0;
		for (const zone of zones.filter((z) => z.level === level).sort((a, b) => a.site.localeCompare(b.site) || a.name.localeCompare(b.name))) {
			const n = Math.max(1, zone.devices.length), cols = Math.min(PER_ROW, n), rows = Math.ceil(n / cols);
			const w = cols * DEV_W + (cols - 1) * GAP + 2 * PAD, zh = rows * devH + (rows - 1) * GAP + PAD + TOP;
			boxes.push({ zone, x, y: y + 14, w, h: zh, cols });
			x += w + ZONE_GAP;
			h = Math.max(h, zh);
		}
		width = Math.max(width, x - ZONE_GAP + PAD);
		bands.push({ level, y, h: h + 28 });
		y += h + 28 + BAND_GAP;
	}
	// Every band is centred on the widest one.
	for (const b of bands) {
		const own = boxes.filter((x) => x.zone.level === b.level);
		const right = Math.max(...own.map((x) => x.x + x.w));
		const shift = (width - PAD - right) / 2;
		for (const o of own) o.x += shift;
	}
	return { boxes, bands, width, devH };
}

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function style(): cytoscape.StylesheetJson {
	const font = '"Inter Variable", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif';
	const text = css("--text"), dim = css("--text-2"), bad = css("--sev1"), line = css("--line-2");
	return [
		{ selector: "node", style: { "font-family": font, color: text, "font-size": 13, "z-index-compare": "manual", shape: "round-rectangle", width: "data(w)", height: "data(h)", "border-width": 1, "overlay-opacity": 0 } },
		{ selector: ".band", style: { "background-color": css("--band"), "border-width": 0, events: "no", "z-index": 0 } },
		{ selector: ".label", style: { "background-opacity": 0, "border-width": 0, label: "data(label)", "text-wrap": "wrap", "text-valign": "center", "text-halign": "right", "text-justification": "left", color: dim, "font-size": 13, "line-height": 1.3, events: "no", "z-index": 1 } },
		{ selector: ".zone", style: { "background-color": css("--surface"), "background-opacity": 0.85, "border-color": line, "border-style": "solid", events: "no", "z-index": 2 } },
		{ selector: ".zone-name", style: { "background-opacity": 0, "border-width": 0, label: "data(label)", "text-valign": "center", "text-halign": "right", "font-size": 13, "font-weight": 600, color: dim, "text-background-color": css("--surface"), "text-background-opacity": 1, "text-background-padding": "3px", "text-background-shape": "roundrectangle", events: "no", "z-index": 9 } },
		{ selector: ".device", style: { "background-color": css("--surface-2"), "border-color": line, label: "data(label)", "text-valign": "center", "text-wrap": "wrap", "text-max-width": "400px", "line-height": 1.25, "font-size": 13, "z-index": 10 } },
		{ selector: ".device.s1", style: { "border-color": bad, "border-width": 2.5, "background-color": css("--sev1-bg") } },
		{ selector: ".device.s2", style: { "border-color": css("--sev2"), "border-width": 2, "background-color": css("--sev2-bg") } },
		{ selector: ".device.s3", style: { "border-color": css("--sev3"), "border-width": 1.5 } },
		{ selector: ".outsider", style: { "border-style": "dashed", "border-color": bad } },
		{ selector: "edge", style: { width: 1.5, "line-color": css("--edge"), "target-arrow-color": css("--edge"), "source-arrow-color": css("--edge"), "target-arrow-shape": "triangle", "arrow-scale": 0.9, "curve-style": "bezier", "control-point-step-size": 34, "z-index-compare": "manual", "z-index": 5, "overlay-opacity": 0, opacity: 0.9 } },
		{ selector: ".both", style: { "source-arrow-shape": "triangle" } },
		// Round the devices in between, not behind them.
		{ selector: ".round", style: { "curve-style": "round-segments", "segment-distances": "data(out)", "segment-weights": "data(along)", "segment-radii": 9, "edge-distances": "node-position" } },
		{ selector: ".denied", style: { width: "data(width)", "line-color": bad, "target-arrow-color": bad, "source-arrow-color": bad, "line-style": "dashed", "line-dash-pattern": [9, 5], "z-index": 8, opacity: 1, "underlay-color": bad, "underlay-opacity": 0.13, "underlay-padding": 5, "font-family": font, "font-size": 12, "font-weight": 600, color: css("--sev1-text"), "text-background-color": css("--surface"), "text-background-opacity": 0.95, "text-background-padding": "3px", "text-background-shape": "roundrectangle", "text-border-width": 1, "text-border-color": bad, "text-border-opacity": 0.5 } },
		{ selector: ".told, .denied.picked", style: { label: "data(label)" } },
		{ selector: ".flash", style: { width: 6, "underlay-color": bad, "underlay-opacity": 0.35, "underlay-padding": 6 } },
		{ selector: "node.flash", style: { "border-width": 3.5, width: "data(w)" } },
		{ selector: ".off", style: { opacity: 0.14 } },
		{ selector: ".picked", style: { "border-color": css("--accent"), "border-width": 3, "line-color": css("--accent"), "target-arrow-color": css("--accent"), "source-arrow-color": css("--accent") } },
		{ selector: ".denied.picked", style: { "line-color": bad, "target-arrow-color": bad, "source-arrow-color": bad, width: 5 } },
	] as cytoscape.StylesheetJson;
}

export function makeGraph(container: HTMLElement, onPick: (p: Pick) => void): Graph {
	const cy = cytoscape({ container, style: style(), minZoom: 0.2, maxZoom: 2.5, boxSelectionEnabled: false, autoungrabify: true, autounselectify: true });
	let shape = ""; // what the places depend on
	let picked: string | null = null;
	let model: PlantMap = { zones: [], edges: [] };
	let onlyDenied = false;
	let fitted = true; // nobody moved it yet
	const timers = new Set<number>();

	const key = () => lang.value + JSON.stringify(model.zones.map((z) => [z.id, z.site, z.level, z.devices.map((d) => d.name)]));
	const fit = () => {
		cy.fit(undefined, 16);
		if (cy.zoom() > 1.15) {
			cy.zoom(1.15);
			cy.center();
		}
		fitted = true;
	};
	cy.on("pan zoom", () => (fitted = false));
	const size = new ResizeObserver(() => {
		const was = fitted;
		cy.resize();
		if (was) fit();
	});
	size.observe(container);

	const build = () => {
		const { boxes, bands, width, devH } = layout(model.zones);
		const nodes: cytoscape.ElementDefinition[] = [];
		// With its site where there are several, if that has room.
		const sites = new Set(model.zones.map((z) => z.site)).size;
		const called = (b: Box) => {
			const both = `${zoneName(b.zone)} · ${b.zone.site}`;
			return sites > 1 && both.length * 7.4 < b.w - 2 * PAD ? both : zoneName(b.zone);
		};
		const at = (x: number, y: number, w: number, h: number) => ({ position: { x: x + w / 2, y: y + h / 2 } });
		for (const b of bands) {
			nodes.push({ data: { id: `band:${b.level}`, w: width, h: b.h }, classes: "band", ...at(0, b.y, width, b.h) });
			nodes.push({ data: { id: `label:${b.level}`, w: 1, h: b.h, label: b.level === null ? levelName(b.level) : `${levelText(b.level)}\n${levelName(b.level)}` }, classes: "label", ...at(14, b.y, 1, b.h) });
		}
		for (const b of boxes) {
			nodes.push({ data: { id: `zone:${b.zone.id}`, w: b.w, h: b.h }, classes: "zone", ...at(b.x, b.y, b.w, b.h) });
			nodes.push({ data: { id: `name:${b.zone.id}`, w: 1, h: 20, label: called(b) }, classes: "zone-name", ...at(b.x + PAD, b.y + 4, 1, 20) });
			b.zone.devices.forEach((d, i) => {
				const x = b.x + PAD + (i % b.cols) * (DEV_W + GAP), y = b.y + TOP + Math.floor(i / b.cols) * (devH + GAP);
				nodes.push({ data: { id: `d:${devKey(b.zone.site, d.name)}`, key: devKey(b.zone.site, d.name), name: d.name, w: DEV_W, h: devH }, classes: "device", ...at(x, y, DEV_W, devH) });
			});
		}
		cy.elements().remove();
		cy.add(nodes);
		fit();
	};

	// An end of a conversation is a device or a zone.
	const end = (site: string, name: string) => {
		const d = cy.getElementById(`d:${devKey(site, name)}`);
		if (d.nonempty()) return d.id();
		const z = model.zones.find((x) => x.id === name || (x.site === site && x.name === name));
		return z ? `zone:${z.id}` : null;
	};
	const route = (edge: cytoscape.EdgeSingular) => {
		const box = (n: cytoscape.NodeSingular) => ({ ...n.position(), w: n.data("w") as number, h: n.data("h") as number });
		const ends = [edge.source().id(), edge.target().id()], [s, t] = [box(edge.source()), box(edge.target())];
		const points = round(s, t, cy.nodes(".device").filter((n) => !ends.includes(n.id())).map((n) => box(n as cytoscape.NodeSingular)), (cy.edges(".round").length % 5) * 3 - 6);
		if (!points) return;
		// As Cytoscape wants them: how far along the straight line, and how far beside it.
		const dx = t.x - s.x, dy = t.y - s.y, len = Math.hypot(dx, dy) || 1;
		edge.data({ along: points.map(([x, y]) => ((x - s.x) * dx + (y - s.y) * dy) / (len * len)), out: points.map(([x, y]) => ((y - s.y) * dx - (x - s.x) * dy) / len) });
		edge.addClass("round");
	};
	const mark = () => {
		cy.elements().removeClass("picked off");
		if (!picked) return;
		const el = cy.getElementById(`d:${picked}`).union(cy.getElementById(`e:${picked}`));
		if (el.empty()) return;
		const near = el.union(el.connectedEdges()).union(el.connectedNodes()).union(el.connectedEdges().connectedNodes());
		cy.elements(".device, edge").not(near).addClass("off");
		el.addClass("picked");
	};
	const show = (m: PlantMap, only: boolean) => {
		model = m;
		onlyDenied = only;
		if (key() !== shape) {
			shape = key();
			build();
		}
		cy.batch(() => {
			for (const z of m.zones)
				for (const d of z.devices) {
					const n = cy.getElementById(`d:${devKey(z.site, d.name)}`);
					const sev = d.alerts_24h ? d.severity || 0 : 0;
					n.removeClass("s1 s2 s3");
					if (sev) n.addClass(`s${sev}`);
					n.data("label", [`${["", "◆ ", "▲ ", "● "][sev]}${d.name}`, d.ip !== d.name && d.ip, made(d)].filter(Boolean).join("\n"));
				}
			const want = new Map<string, Edge[]>();
			for (const e of m.edges) {
				if ((only && !denied(e)) || !end(e.site, e.from) || !end(e.site, e.to)) continue;
				const id = `e:${pairKey(e)}`, list = want.get(id);
				if (list) list.push(e);
				else want.set(id, [e]);
			}
			for (const [id, list] of want) {
				// What was denied says where the arrows point; how often, how thick the line is.
				const bad = list.filter(denied), shown = bad.length ? bad : list, first = shown[0];
				const blocked = bad.reduce((n, e) => n + e.blocked, 0), protos = [...new Set(shown.map((e) => e.proto))].join(", ");
				const data = { label: `${protos}${blocked ? ` ×${blocked}` : ""}`, width: Math.min(6, 2.5 + Math.log10(1 + blocked)) };
				if (cy.getElementById(id).empty()) {
					const source = end(first.site, first.from)!, target = end(first.site, first.to)!;
					cy.add({ data: { id, source, target, key: pairKey(first), ...data } });
					route(cy.getElementById(id));
				}
				const edge = cy.getElementById(id).data(data);
				edge.toggleClass("denied", bad.length > 0).toggleClass("allowed", !bad.length);
				edge.toggleClass("both", shown.some((e) => e.from !== first.from));
			}
			cy.edges().forEach((e) => {
				if (!want.has(e.id())) e.remove();
			});
		});
		// Counts on the lines only where they can be read; the list beside the picture has them all.
		const few = cy.edges(".denied").length <= 6;
		cy.edges().forEach((e) => {
			e.toggleClass("told", few && e.hasClass("denied") && !e.hasClass("round"));
		});
		mark();
	};

	cy.on("tap", (ev) => {
		if (ev.target === cy) return onPick(null);
		const key = ev.target.data("key") as string | undefined;
		onPick(key ? { kind: ev.target.isEdge() ? "pair" : "device", key } : null);
	});
	cy.on("mouseover", ".device, edge", () => (container.style.cursor = "pointer"));
	cy.on("mouseout", ".device, edge", () => (container.style.cursor = ""));

	const stop = effect(() => {
		void dark.value;
		void lang.value;
		// After the attribute that the colours hang on has changed.
		queueMicrotask(() => {
			if (cy.destroyed()) return;
			cy.style(style());
			if (model.zones.length) show(model, onlyDenied);
		});
	});

	return {
		show,
		fit,
		select: (id) => {
			picked = id;
			mark();
		},
		flash: (a) => {
			const names = [a.src?.name ?? a.src?.ip, a.dst?.name ?? a.dst?.ip];
			const ends = names.map((n) => n && `d:${devKey(a.site, n)}`);
			const edges = cy.edges().filter((e) => [e.source(), e.target()].every((n) => ends.includes(n.id())));
			const lit = edges.union(names[1] ? cy.getElementById(`d:${devKey(a.site, names[1])}`) : cy.collection());
			lit.addClass("flash");
			const timer = window.setTimeout(() => (timers.delete(timer), lit.removeClass("flash")), 1600);
			timers.add(timer);
		},
		zoom: (by) => cy.zoom({ level: cy.zoom() * by, renderedPosition: { x: container.clientWidth / 2, y: container.clientHeight / 2 } }),
		end: () => {
			stop();
			size.disconnect();
			timers.forEach(clearTimeout);
			cy.destroy();
		},
	};
}
