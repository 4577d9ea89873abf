// SPDX-License-Identifier: Apache-2.0
// A list of rows of one height, of which only those in sight are in the page.  Keys: j and k or the
// arrows, Home, End, Enter; more is asked for near the end.  New rows above never move what is read.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props<T> {
	items: T[];
	id: (item: T) => string;
	row: (item: T, at: { selected: boolean; index: number }) => ComponentChildren;
	height: number;
	label: string;
	head?: ComponentChildren;
	columns: number;
	selected: string | null;
	onSelect: (id: string) => void;
	onOpen: (item: T) => void;
	onKey?: (e: KeyboardEvent, item: T) => void;
	onEnd?: () => void;
	more?: boolean;
	foot?: ComponentChildren;
	cls?: (item: T) => string;
	onTop?: (top: boolean) => void;
	memory?: { top: number };
}

const typing = (e: KeyboardEvent) => e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName);

export function Rows<T>(p: Props<T>) {
	const box = useRef<HTMLDivElement>(null);
	const [view, setView] = useState({ top: p.memory?.top ?? 0, height: 600 });
	const first = useRef<string | null>(null);

	useLayoutEffect(() => {
		const el = box.current!;
		if (p.memory) el.scrollTop = p.memory.top;
		const seen = new ResizeObserver(() => setView((v) => ({ ...v, height: el.clientHeight })));
		seen.observe(el);
		setView({ top: el.scrollTop, height: el.clientHeight });
		return () => seen.disconnect();
	}, []);

	// Rows that came in above: what is read stays where it is.
	useLayoutEffect(() => {
		const el = box.current!;
		const old = first.current;
		first.current = p.items.length ? p.id(p.items[0]) : null;
		if (!old || old === first.current || el.scrollTop < 4) return;
		const at = p.items.findIndex((i) => p.id(i) === old);
		if (at > 0) el.scrollTop += at * p.height;
	}, [p.items]);

	const at = p.items.findIndex((i) => p.id(i) === p.selected);
	const show = (i: number) => {
		const el = box.current!, y = i * p.height;
		if (y < el.scrollTop) el.scrollTop = y;
		else if (y + p.height > el.scrollTop + el.clientHeight) el.scrollTop = y + p.height - el.clientHeight;
	};
	const select = (i: number) => {
		const n = Math.max(0, Math.min(p.items.length - 1, i));
		if (!p.items[n]) return;
		p.onSelect(p.id(p.items[n]));
		show(n);
	};
	const onKey = (e: KeyboardEvent) => {
		if (typing(e) || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
		const inList = box.current!.contains(e.target as Node);
		// Outside of the list only the letters work, and only when nothing else has the keys.
		if (!inList && e.target !== document.body && !(e.target as HTMLElement).closest?.("h1")) return;
		const page = Math.max(1, Math.floor(view.height / p.height) - 1);
		if (e.key === "j" || (inList && e.key === "ArrowDown")) select(at + 1);
		else if (e.key === "k" || (inList && e.key === "ArrowUp")) select(at < 0 ? 0 : at - 1);
		else if (inList && e.key === "PageDown") select(at + page);
		else if (inList && e.key === "PageUp") select(at - page);
		else if (inList && e.key === "Home") select(0);
		else if (inList && e.key === "End") select(p.items.length - 1);
		else if (at >= 0 && e.key === "Enter" && !(e.target as HTMLElement).closest?.("a,button")) p.onOpen(p.items[at]);
		else {
			if (at >= 0) p.onKey?.(e, p.items[at]);
			return;
		}
		e.preventDefault();
	};
	const keys = useRef(onKey);
	keys.current = onKey;
	useEffect(() => {
		const f = (e: KeyboardEvent) => keys.current(e);
		addEventListener("keydown", f);
		return () => removeEventListener("keydown", f);
	}, []);

	const from = Math.max(0, Math.floor(view.top / p.height) - 6);
	const to = Math.min(p.items.length, Math.ceil((view.top + view.height) / p.height) + 6);
	useEffect(() => {
		if (p.more && to >= p.items.length - 10) p.onEnd?.();
	}, [to, p.items.length, p.more]);

	return (
		<div class="rows" role="grid" aria-label={p.label} aria-rowcount={p.more ? -1 : p.items.length + 1} aria-colcount={p.columns}>
			{p.head && (
				<div role="rowgroup" class="rows-head">
					<div role="row" aria-rowindex={1} class="row">
						{p.head}
					</div>
				</div>
			)}
			<div
				class="rows-box"
				ref={box}
				role="rowgroup"
				tabIndex={0}
				onScroll={(e) => {
					const top = e.currentTarget.scrollTop;
					if (p.memory) p.memory.top = top;
					p.onTop?.(top < 4);
					if (Math.abs(top - view.top) >= p.height || top === 0) setView({ top, height: e.currentTarget.clientHeight });
				}}
			>
				<div role="presentation" class="rows-pad" style={{ height: `${from * p.height}px` }} />
				{p.items.slice(from, to).map((item, i) => {
					const id = p.id(item), selected = id === p.selected;
					return (
						<div
							key={id}
							role="row"
							aria-rowindex={from + i + 2}
							aria-selected={selected}
							class={`row ${selected ? "selected" : ""} ${p.cls?.(item) ?? ""}`}
							style={{ height: `${p.height}px` }}
							onClick={(e) => {
								if ((e.target as HTMLElement).closest("a,button")) return;
								if (getSelection()?.toString()) return; // somebody marks text
								p.onSelect(id);
								p.onOpen(item);
							}}
						>
							{p.row(item, { selected, index: from + i })}
						</div>
					);
				})}
				<div role="presentation" class="rows-pad" style={{ height: `${(p.items.length - to) * p.height}px` }} />
				{p.foot}
			</div>
		</div>
	);
}
