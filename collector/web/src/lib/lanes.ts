// SPDX-License-Identifier: Apache-2.0
// Lines of the map go round the devices in between, not behind them.  Devices stand in rows and columns with lanes of GAP between.

export const GAP = 22;

export interface Box {
	x: number; // centre
	y: number;
	w: number;
	h: number;
}
type Point = [number, number];

// Does the straight line between two points touch the box?  (Liang, Barsky)
export function crosses(s: Point, t: Point, b: Box): boolean {
	let from = 0, to = 1;
	for (const [d, lo, hi] of [[t[0] - s[0], b.x - b.w / 2 - s[0], b.x + b.w / 2 - s[0]], [t[1] - s[1], b.y - b.h / 2 - s[1], b.y + b.h / 2 - s[1]]]) {
		if (Math.abs(d) < 1e-9) {
			if (lo > 0 || hi < 0) return false;
			continue;
		}
		const [a, z] = d > 0 ? [lo / d, hi / d] : [hi / d, lo / d];
		from = Math.max(from, a);
		to = Math.min(to, z);
	}
	return from < to;
}

// The corners of the way from s to t, null when the straight one is free: out of its row, to a column that is free all the way,
// into the row of the other end.  beside: up to 6 to either side, so that lines that share a lane can be told apart.
export function round(s: Box, t: Box, others: Box[], beside: number): Point[] | null {
	if (!others.some((b) => crosses([s.x, s.y], [t.x, t.y], b))) return null;
	const level = Math.abs(t.y - s.y) < 1, down = t.y >= s.y ? 1 : -1;
	const y1 = s.y + down * (s.h / 2 + GAP / 2) + beside;
	if (level) return [[s.x, y1], [t.x, y1]];
	const y2 = t.y - down * (t.h / 2 + GAP / 2) + beside;
	const free = (x: number) => !others.some((b) => crosses([x, y1], [x, y2], b));
	const cost = (x: number) => Math.abs(x - s.x) + Math.abs(x - t.x);
	const columns = [s.x, t.x, ...others.flatMap((b) => [-1, 1].map((side) => b.x + side * (b.w / 2 + GAP / 2) + beside))].filter(free);
	const x = columns.sort((a, b) => cost(a) - cost(b))[0];
	const all: Point[] = [[s.x, y1], [x, y1], [x, y2], [t.x, y2]];
	return all.filter((p, i) => i === 0 || Math.hypot(p[0] - all[i - 1][0], p[1] - all[i - 1][1]) > 1);
}
