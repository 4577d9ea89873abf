// SPDX-License-Identifier: Apache-2.0
// Pieces that every page is made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { sentence } from "../i18n/sentences";
import type { ApiError, Resource } from "../lib/api";
import { addr, ago, full, when, who } from "../lib/format";
import { Link } from "../lib/router";
import type { Alert, Endpoint, Severity } from "../lib/types";
import { Icon, type IconName } from "./icons";

// Severity is a shape and a word as well as a colour.
export function Sev({ s, text = false }: { s: Severity | 0 | null; text?: boolean }) {
	const n = s || 3;
	const name = t(`sev.${n as Severity}`);
	return (
		<span class={`sev sev-${n}`}>
			<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
				{n === 1 ? <path d="M6 0l6 6-6 6-6-6z" /> : n === 2 ? <path d="M6 .8L12 11.5H0z" /> : <circle cx="6" cy="6" r="4.2" />}
			</svg>
			{text ? <span>{name}</span> : <span class="sr">{name}</span>}
		</span>
	);
}

export function Action({ a }: { a: Alert }) {
	return (
		<span class={`action ${a.action}`}>
			<Icon name={a.action === "blocked" ? "stop" : "pass"} size={14} />
			<span>{word("action", a.action)}</span>
		</span>
	);
}

export function Tag({ kind = "plain", children }: { kind?: "plain" | "ok" | "warn" | "bad" | "off" | "info"; children: ComponentChildren }) {
	return <span class={`tag tag-${kind}`}>{children}</span>;
}

export function When({ ms, rel = false }: { ms: number; rel?: boolean }) {
	return (
		<time dateTime={new Date(ms).toISOString()} title={full(ms)}>
			{rel ? ago(ms) : when(ms)}
		</time>
	);
}

export function Peer({ e }: { e: Endpoint | null }) {
	return (
		<span class="peer" title={addr(e)}>
			{who(e)}
			{e?.name && e.ip ? <span class="dim mono"> {e.ip}</span> : null}
		</span>
	);
}

type ButtonProps = Omit<JSX.HTMLAttributes<HTMLButtonElement>, "icon"> & { icon?: IconName; look?: "plain" | "main" | "quiet" | "danger"; busy?: boolean; disabled?: boolean; type?: "button" | "submit" };
export function Button({ icon, look = "plain", busy, children, class: cls, disabled, type = "button", ...rest }: ButtonProps) {
	return (
		<button {...rest} type={type} class={`btn btn-${look} ${cls ?? ""}`} disabled={busy || disabled} aria-busy={busy || undefined}>
			{icon && <Icon name={icon} />}
			{children && <span>{children}</span>}
		</button>
	);
}

export function Head({ title, text, children }: { title: string; text?: ComponentChildren; children?: ComponentChildren }) {
	return (
		<header class="head">
			<div>
				<h1 tabIndex={-1}>{title}</h1>
				{text && <p class="sub">{text}</p>}
			</div>
			{children && <div class="head-acts">{children}</div>}
		</header>
	);
}

export function Panel({ title, acts, children, class: cls, id }: { title?: ComponentChildren; acts?: ComponentChildren; children: ComponentChildren; class?: string; id?: string }) {
	return (
		<section class={`panel ${cls ?? ""}`} aria-labelledby={title && id ? id : undefined}>
			{title && (
				<div class="panel-head">
					<h2 id={id}>{title}</h2>
					{acts}
				</div>
			)}
			{children}
		</section>
	);
}

export function Empty({ icon = "inbox", title, text, children }: { icon?: IconName; title: string; text?: string; children?: ComponentChildren }) {
	return (
		<div class="empty">
			<Icon name={icon} size={28} />
			<p class="empty-title">{title}</p>
			{text && <p>{text}</p>}
			{children}
		</div>
	);
}

export function why(e: ApiError): string {
	if (e.status === 0) return t("app.error.unreachable");
	if (e.status === 403) return t("app.error.forbidden");
	if (e.status === 404) return t("app.error.gone");
	return e.message;
}

export function Failed({ error, retry }: { error: ApiError; retry?: () => void }) {
	return (
		<div class="empty" role="alert">
			<Icon name="alerts" size={28} />
			<p class="empty-title">{t("app.error")}</p>
			<p>{why(error)}</p>
			{retry && error.status !== 403 && <Button onClick={retry}>{t("app.retry")}</Button>}
		</div>
	);
}

export function Skeleton({ rows = 6 }: { rows?: number }) {
	return (
		<div class="skeleton" role="status">
			<span class="sr">{t("app.loading")}</span>
			{Array.from({ length: rows }, (_, i) => (
				<i key={i} class={`w${i % 4}`} />
			))}
		</div>
	);
}

// One of: being loaded, not to be had, there.
export function Load<T>({ r, rows, children }: { r: Resource<T>; rows?: number; children: (data: T) => ComponentChildren }) {
	if (r.data !== undefined) return <>{children(r.data)}</>;
	if (r.error) return <Failed error={r.error} retry={r.reload} />;
	return <Skeleton rows={rows} />;
}

export function Modal({ title, wide = false, onClose, children }: { title: string; wide?: boolean; onClose: () => void; children: ComponentChildren }) {
	const ref = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		const before = document.activeElement as HTMLElement | null;
		ref.current?.showModal();
		return () => before?.focus?.();
	}, []);
	return (
		<dialog
			ref={ref}
			class={`modal ${wide ? "modal-wide" : ""}`}
			aria-labelledby="modal-title"
			onClose={onClose}
			onClick={(e) => e.target === ref.current && onClose()}
		>
			<div class="modal-in">
				<div class="panel-head">
					<h2 id="modal-title">{title}</h2>
					<Button look="quiet" icon="close" aria-label={t("app.close")} onClick={onClose} />
				</div>
				{children}
			</div>
		</dialog>
	);
}

export function Copy({ text }: { text: string }) {
	const [done, setDone] = useState(false);
	const copy = () =>
		navigator.clipboard?.writeText(text).then(
			() => (setDone(true), setTimeout(() => setDone(false), 1500)),
			() => undefined, // refused: the text can still be marked
		);
	return <Button look="quiet" icon={done ? "check" : "copy"} aria-label={done ? t("app.copied") : t("app.copy")} onClick={copy} />;
}

// Lines for a terminal, to be read whole and copied whole.
export function Lines({ label, text }: { label: string; text: string }) {
	return (
		<div class="cmd">
			<p>
				<span>{label}</span>
				<Copy text={text} />
			</p>
			<pre class="code" role="group" tabIndex={0} aria-label={label}>{text}</pre>
		</div>
	);
}

export function Select({ label, value, options, onChange }: { label: string; value: string; options: [string, string][]; onChange: (v: string) => void }) {
	return (
		<label class={`field ${value ? "set" : ""}`}>
			<span>{label}</span>
			<select value={value} onChange={(e) => onChange(e.currentTarget.value)}>
				{options.map(([v, text]) => (
					<option key={v} value={v} selected={v === value}>
						{text}
					</option>
				))}
			</select>
		</label>
	);
}

export function Segments<T extends string>({ label, value, options, onChange }: { label: string; value: T; options: [T, string][]; onChange: (v: T) => void }) {
	return (
		<div class="segments" role="group" aria-label={label}>
			{options.map(([v, text]) => (
				<button key={v} type="button" aria-pressed={v === value} onClick={() => onChange(v)}>
					{text}
				</button>
			))}
		</div>
	);
}

// A text field that tells what was typed once typing stops.
export function Typed({ label, value, placeholder, onChange }: { label: string; value: string; placeholder?: string; onChange: (v: string) => void }) {
	const [text, setText] = useState(value);
	const timer = useRef(0);
	useEffect(() => setText(value), [value]);
	return (
		<label class={`field grow ${value ? "set" : ""}`}>
			<span class="sr">{label}</span>
			<Icon name="search" />
			<input
				type="search"
				value={text}
				placeholder={placeholder ?? label}
				maxLength={200}
				spellcheck={false}
				onInput={(e) => {
					const v = e.currentTarget.value;
					setText(v);
					clearTimeout(timer.current);
					timer.current = window.setTimeout(() => onChange(v.trim()), 250);
				}}
			/>
		</label>
	);
}

// Names and values, dense.  Rows without a value are left out.
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
	return (
		<dl class="facts">
			{rows
				.filter(([, v]) => v !== null && v !== undefined && v !== "")
				.map(([k, v]) => (
					<div key={k}>
						<dt>{k}</dt>
						<dd>{v}</dd>
					</div>
				))}
		</dl>
	);
}

export function Technique({ id }: { id: string }) {
	return (
		<Link class="tech mono" to={`/alerts?technique=${encodeURIComponent(id)}`}>
			{id}
		</Link>
	);
}

// What an alert is about, in a line.
export function what(a: Alert): string {
	if (a.op || a.object) return [a.op, a.object].filter(Boolean).join(" ");
	return sentence(a.signature);
}
