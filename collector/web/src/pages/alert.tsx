// SPDX-License-Identifier: Apache-2.0
// One alert: what was tried, by whom, where the device stands, which rule, and the proof.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { noteText, original, sentence } from "../i18n/sentences";
import { type ApiError, type Resource, may, post, query, useResource } from "../lib/api";
import { addr, full, num, who } from "../lib/format";
import { byLevel, levelName, levelTag, levelText } from "../lib/level";
import { useLive } from "../lib/live";
import { crypt, proofFile, save, verify, type Result } from "../lib/proof";
import { Link, go } from "../lib/router";
import type { AlertDetail, Endpoint, PlantMap, Proposal, Zone } from "../lib/types";
import { Action, Button, Copy, Empty, Facts, Failed, Modal, Panel, Sev, Skeleton, Tag, Technique, what, why } from "../ui/common";
import { Icon } from "../ui/icons";
import { neighbours } from "./alerts";
import { GuidePanel } from "./guide";
import { zoneName } from "./map";
import { AlertLine } from "./overview";

interface Extra {
	would?: string;
	mode?: string;
	note?: string;
	policy?: string;
	build?: string;
	name?: string;
	permit?: string;
	anomalies: string[];
}

// What only the signed line has.
function extra(eve: string): Extra {
	try {
		const m = (JSON.parse(eve) as { alert: { metadata: Record<string, string[]> } }).alert.metadata;
		const one = (k: string) => m[k]?.[0];
		return { would: one("il_would"), mode: one("il_mode"), note: one("il_note"), policy: one("il_policy"), build: one("il_build"), name: one("il_name"), permit: one("il_permit"), anomalies: m.il_anomaly ?? [] };
	} catch {
		return { anomalies: [] }; // it is shown as text all the same
	}
}

// {src} tried to {what} on {dst}, with the names set off.
function Sentence({ a, x }: { a: AlertDetail; x: Extra }) {
	const key = !a.src && !a.dst ? "ad.sentence.self" : a.action === "blocked" ? "ad.sentence.blocked" : x.would ? "ad.sentence.would" : "ad.sentence.allowed";
	const parts: Record<string, string> = { src: who(a.src), dst: who(a.dst), what: [a.op, a.object].filter(Boolean).join(" ") || t("ad.what.unknown"), sensor: a.sensor };
	return (
		<p class="sentence">
			{t(key).split(/(\{\w+\})/).map((s, i) => {
				const m = /^\{(\w+)\}$/.exec(s);
				return m ? <b key={i}>{parts[m[1]]}</b> : s;
			})}
		</p>
	);
}

function Side({ e, zone, role, label, level }: { e: Endpoint | null; zone?: Zone; role?: string | null; label: string; level: string }) {
	return (
		<div class="side-card">
			<p class="dim">{label}</p>
			<p class="side-name">{who(e)}</p>
			<p class="mono dim">{addr(e)}</p>
			<p class="side-tags">
				{role && <Tag>{word("role", role)}</Tag>}
				{zone && <Tag kind="info">{zoneName(zone)}</Tag>}
				{level && <Tag kind="off">{level}</Tag>}
			</p>
			{e && (
				<p>
					<Link to={`/alerts?device=${encodeURIComponent(e.name || e.ip)}`}>{t("as.alerts")}</Link>
				</p>
			)}
		</div>
	);
}

function find(m: PlantMap | undefined, site: string, e: Endpoint | null) {
	if (!e) return {};
	for (const zone of m?.zones.filter((z) => !site || z.site === site) ?? [])
		for (const d of zone.devices) if ((e.name && d.name === e.name) || d.ip === e.ip) return { zone, role: d.role };
	return {};
}

// The levels of the plant as a ladder, with both ends on it.
function Where({ m, a }: { m: PlantMap; a: AlertDetail }) {
	const s = find(m, a.site, a.src), d = find(m, a.site, a.dst);
	if (!s.zone && !d.zone) return <p class="dim pad">{t("ad.where.unknown")}</p>;
	const levels = [...new Set(m.zones.filter((z) => z.site === a.site || !a.site).map((z) => z.level))].sort(byLevel);
	return (
		<ol class="ladder">
			{levels.map((l) => (
				<li key={l} class={s.zone?.level === l || d.zone?.level === l ? "on" : ""}>
					<span class="ladder-level">
						<span class="mono">{levelTag(l)}</span> {levelName(l)}
					</span>
					<span class="ladder-zones">
						{m.zones
							.filter((z) => z.level === l && (z.site === a.site || !a.site))
							.map((z) => (
								<span key={z.id} class={`ladder-zone ${z === s.zone ? "from" : ""} ${z === d.zone ? "to" : ""}`}>
									{zoneName(z)}
									{z === s.zone && (
										<b>
											{who(a.src)} <i>{t("ad.where.from")}</i>
										</b>
									)}
									{z === d.zone && (
										<b class="target">
											{who(a.dst)} <i>{t("ad.where.here")}</i>
										</b>
									)}
								</span>
							))}
					</span>
				</li>
			))}
		</ol>
	);
}

// A decoded PDU as a tree; text only, whatever is in it.
function Value({ v, depth = 0 }: { v: unknown; depth?: number }): preact.JSX.Element {
	if (depth > 8) return <span>…</span>;
	if (Array.isArray(v)) {
		if (v.every((x) => typeof x !== "object" || x === null)) return <span class="val">{v.slice(0, 512).map(String).join(", ")}{v.length > 512 ? ", …" : ""}</span>;
		return (
			<ol class="tree">
				{v.slice(0, 128).map((x, i) => (
					<li key={i}>
						<span class="tkey">{i}</span>
						<Value v={x} depth={depth + 1} />
					</li>
				))}
			</ol>
		);
	}
	if (typeof v === "object" && v !== null)
		return (
			<ul class="tree">
				{Object.entries(v).slice(0, 128).map(([k, x]) => (
					<li key={k}>
						<span class="tkey">{k}</span>
						<Value v={x} depth={depth + 1} />
					</li>
				))}
			</ul>
		);
	return <span class={`val val-${typeof v}`}>{String(v)}</span>;
}

function ProofPanel({ a }: { a: AlertDetail }) {
	const [result, setResult] = useState<Result | null>(null);
	const [error, setError] = useState<ApiError | null>(null);
	const [busy, setBusy] = useState(false);
	const p = a.proof;
	const check = async () => {
		setBusy(true);
		setError(null);
		try {
			setResult(await verify(a));
		} catch (e) {
			setError(e as ApiError);
		}
		setBusy(false);
	};
	if (!p)
		return (
			<Panel id="ad-proof" class="proof" title={t("pf.title")}>
				<p class="pad dim">{t("pf.none")}</p>
			</Panel>
		);
	const sig = result?.steps.find((s) => s.step === "sig");
	const hint = !result || sig?.ok !== null ? "" : !crypt() ? t("pf.nocrypto") : t("pf.noed");
	return (
		<Panel
			id="ad-proof"
			class="proof"
			title={t("pf.title")}
			acts={<Tag kind={p.state === "verified" ? "ok" : p.state === "broken" ? "bad" : "off"}>{word("pf.state", p.state)}</Tag>}
		>
			<div class={`proof-seal ${result ? "seal-" + result.outcome : ""}`} role="status">
				<Icon name={result?.outcome === "broken" ? "alerts" : "shield"} size={22} />
				<div>
					<p class="seal-main">
						{result ? (result.outcome === "proved" ? t("pf.ok", { sensor: a.sensor }) : result.outcome === "broken" ? t("pf.bad") : t("pf.part")) : t("pf.pos", { epoch: p.epoch, batch: p.batch, seq: p.seq })}
					</p>
					<p class="dim">{hint || (result ? t("pf.leaf", { i: result.proof.index + 1, n: result.proof.n }) : t("pf.local"))}</p>
				</div>
			</div>
			{result && (
				<ol class="steps">
					{result.steps.map((s) => (
						<li key={s.step} class={s.ok === null ? "step-na" : s.ok ? "step-ok" : "step-bad"}>
							<Icon name={s.ok === null ? "question" : s.ok ? "check" : "cross"} size={14} />
							<span>{t(`pf.step.${s.step}`)}</span>
							<span class="mono dim clip" title={s.text}>
								{s.text}
							</span>
						</li>
					))}
				</ol>
			)}
			{error && <p class="form-error pad">{t("app.failed", { why: why(error) })}</p>}
			<div class="acts pad">
				<Button look="main" icon="shield" busy={busy} onClick={check}>
					{busy ? t("pf.busy") : result ? t("pf.again") : t("pf.check")}
				</Button>
				{result && (
					<Button icon="download" onClick={() => save(`interlock-proof-${p.epoch}-${p.seq}.json`, proofFile(result))}>
						{t("pf.get")}
					</Button>
				)}
			</div>
			<Facts
				rows={[
					[t("pf.key"), <span class="mono clip" title={p.kid}>{p.kid}</span>],
					[t("pf.root"), <span class="mono clip" title={p.root}>{p.root}</span>],
				]}
			/>
		</Panel>
	);
}

function Expected({ a, onClose }: { a: AlertDetail; onClose: () => void }) {
	const [done, setDone] = useState<Proposal | true | null>(null);
	const [error, setError] = useState("");
	const [busy, setBusy] = useState(false);
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		setBusy(true);
		setError("");
		try {
			const r = await post<{ proposal: Proposal | string }>(`/alerts/${encodeURIComponent(a.id)}/expected`, { note: new FormData(e.currentTarget as HTMLFormElement).get("note") });
			setDone(typeof r.proposal === "object" ? r.proposal : true);
		} catch (x) {
			setError(t("app.failed", { why: why(x as ApiError) }));
		}
		setBusy(false);
	};
	return (
		<Modal title={t("ad.expected.title")} onClose={onClose}>
			{done ? (
				<div class="form">
					<p role="status" class="good">
						<Icon name="check" /> {t("ad.expected.done", { sensor: a.sensor })}
					</p>
					{done !== true && <pre class="code">{done.rule_yaml}</pre>}
					<div class="acts">
						<Button look="main" onClick={onClose}>
							{t("app.close")}
						</Button>
						<Link class="btn btn-plain" to="/proposals">
							{t("ad.expected.see")}
						</Link>
					</div>
				</div>
			) : (
				<form class="form" onSubmit={submit}>
					<p>{t("ad.expected.text", { sensor: a.sensor })}</p>
					<label>
						<span>{t("ad.expected.note")}</span>
						<textarea name="note" rows={3} maxLength={500} placeholder={t("ad.expected.hint")} />
					</label>
					<p class="form-error" role="alert">
						{error}
					</p>
					<div class="acts">
						<Button type="submit" look="main" busy={busy}>
							{t("ad.expected.send")}
						</Button>
						<Button onClick={onClose}>{t("app.cancel")}</Button>
					</div>
				</form>
			)}
		</Modal>
	);
}

function Detail({ a, map, reload }: { a: AlertDetail; map: Resource<PlantMap>; reload: () => void }) {
	const [expected, setExpected] = useState(false);
	const [raw, setRaw] = useState(false);
	const x = useMemo(() => extra(a.eve), [a.eve]);
	const src = find(map.data, a.site, a.src), dst = find(map.data, a.site, a.dst);
	const level = (z?: Zone) => (z ? (z.level === null ? levelText(z.level) : t("ad.level", { n: z.level })) : "");
	const code = (s: ComponentChildren) => <span class="mono">{s}</span>;
	return (
		<>
			<header class="ad-head">
				<div class="ad-title">
					<p class="ad-tags">
						<Sev s={a.severity} text />
						<Action a={a} />
						<span class="dim">{word("category", a.category)}</span>
						<time class="dim" dateTime={new Date(a.time).toISOString()}>
							{full(a.time)}
						</time>
					</p>
					<h1 tabIndex={-1}>{what(a)}</h1>
					<Sentence a={a} x={x} />
				</div>
				<div class="acts">
					{a.incident && (
						<Link class="btn btn-plain" to={`/incidents/${encodeURIComponent(a.incident)}`}>
							<Icon name="incidents" />
							<span>{t("ad.incident")}</span>
						</Link>
					)}
					{may("analyst") && (a.src || a.dst) && (
						<Button look="main" icon="check" onClick={() => setExpected(true)}>
							{t("ad.expected")}
						</Button>
					)}
				</div>
			</header>
			<div class="ad-grid">
				<div class="ad-main">
					<Panel id="ad-what" title={t("ad.what.tried")}>
						<Facts
							rows={[
								[t("ad.op"), a.op && code(a.op)],
								[t("ad.object"), a.object && code(x.name ? `${a.object} (${x.name})` : a.object)],
								[t("ad.access"), word("access", a.access)],
								[t("ad.proto"), a.proto && code(a.proto)],
								[t("ad.count"), a.count > 1 ? t("al.times", { n: num(a.count) }) : null],
								["", x.anomalies.length ? x.anomalies.map((s) => <Tag key={s} kind="warn">{s}</Tag>) : null],
								[t("in.note"), x.note && <span title={original(x.note)}>{noteText(x.note)}</span>],
							]}
						/>
						<p class="pad dim signature" title={original(a.signature)}>{sentence(a.signature)}</p>
					</Panel>
					{(a.src || a.dst) && (
						<Panel id="ad-who" title={t("ad.who")}>
							<div class="sides">
								<Side e={a.src} zone={src.zone} role={src.role} label={t("ad.source")} level={level(src.zone)} />
								<span class={`sides-arrow ${a.action}`}>
									<Icon name={a.action === "blocked" ? "stop" : "arrow"} size={22} />
								</span>
								<Side e={a.dst} zone={dst.zone} role={dst.role} label={t("ad.target")} level={level(dst.zone)} />
							</div>
						</Panel>
					)}
					<GuidePanel g={a} incident={a.incident ? String(a.incident) : null} sensor={a.sensor} reload={reload} />
					<Panel id="ad-rule" title={t("ad.rule")}>
						<Facts
							rows={[
								[t("ad.verdict"), <><Tag kind={a.action === "blocked" ? "bad" : "info"}>{word("verdict", a.verdict)}</Tag>{x.would ? <> {x.mode} → {word("verdict", x.would)}</> : null}</>],
								[t("ad.reason"), word("reason", a.reason)],
								[t("al.rule"), a.rule && <Link to={`/alerts?rule=${encodeURIComponent(a.rule)}`} class="mono">{a.rule}</Link>],
								[t("ad.conduit"), a.conduit && code(a.conduit)],
								[t("ad.sid"), code(a.signature_id)],
								[t("al.sensor"), <Link to={`/alerts?sensor=${encodeURIComponent(a.sensor)}`}>{a.sensor}</Link>],
								[t("al.site"), a.site],
								[t("ad.policy"), x.policy && code(x.policy)],
								[t("ad.build"), x.build && code(x.build)],
							]}
						/>
					</Panel>
					<Panel id="ad-pdu" title={t("ad.pdu")}>{a.pdu ? <div class="pad pdu mono"><Value v={a.pdu} /></div> : <p class="pad dim">{t("ad.pdu.none")}</p>}</Panel>
					<Panel
						id="ad-eve"
						title={t("ad.eve")}
						acts={
							<span class="acts">
								<Copy text={a.eve} />
								<Button look="quiet" aria-expanded={raw} onClick={() => setRaw(!raw)}>
									{raw ? t("ad.eve.hide") : t("ad.eve.show")}
								</Button>
							</span>
						}
					>
						{raw ? <pre class="code eve" role="group" tabIndex={0} aria-label={t("ad.eve")}>{a.eve}</pre> : <p class="pad dim">{t("ad.eve.text")} · {num(a.eve.length)} B</p>}
					</Panel>
				</div>
				<div class="ad-side">
					<ProofPanel a={a} />
					<Panel id="ad-evidence" title={t("ad.evidence")}>
						{a.evidence ? (
							<div class="pad evidence">
								<a class="btn btn-plain" href={`/api/v1/alerts/${encodeURIComponent(a.id)}/evidence`} download={`alert-${a.sensor}-${a.proof?.seq ?? a.id}.pcapng`.replace(/[^\w.-]/g, "_")}>
									<Icon name="download" />
									<span>{t("ad.evidence.get")}</span>
								</a>
								<p class="dim">{t("ad.evidence.text")}</p>
							</div>
						) : (
							<p class="pad dim">{t("ad.evidence.none")}</p>
						)}
					</Panel>
					{a.techniques.length > 0 && (
						<Panel id="ad-tech" title={t("ad.technique")}>
							<p class="pad techs">{a.techniques.map((id) => <Technique key={id} id={id} />)}</p>
						</Panel>
					)}
					{(a.src || a.dst) && (
						<Panel id="ad-where" title={t("ad.where")} acts={<Link to="/map">{t("nav.map")}</Link>}>
							{map.data ? <Where m={map.data} a={a} /> : <Failed error={map.error!} retry={map.reload} />}
						</Panel>
					)}
					<Panel id="ad-related" title={t("ad.related")}>
						{a.related.length ? <div class="lines">{a.related.slice(0, 8).map((r) => <AlertLine key={r.id} a={r} />)}</div> : <p class="pad dim">{t("ad.related.none")}</p>}
					</Panel>
				</div>
			</div>
			{expected && <Expected a={a} onClose={() => setExpected(false)} />}
		</>
	);
}

export function AlertPage({ id }: { id: string }) {
	const r = useResource<AlertDetail>(`/alerts/${encodeURIComponent(id)}`);
	// Where both ends stand is shown with the rest, or it would push that away.
	const plant = useRef<string | null>(null);
	if (r.data) plant.current = "/map" + query({ site: r.data.site });
	const map = useResource<PlantMap>(plant.current);
	useLive("incident", (i) => r.data && i.id === r.data.incident && r.reload()); // somebody ticked
	const list = neighbours();
	const at = list.indexOf(id);
	const to = (i: number) => (at >= 0 && list[i] ? `/alerts/${encodeURIComponent(list[i])}` : null);
	const older = to(at + 1), newer = at > 0 ? to(at - 1) : null;
	const back = () => (history.length > 1 && at >= 0 ? history.back() : go("/alerts"));
	useEffect(() => {
		const key = (e: KeyboardEvent) => {
			if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
			if (e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
			if ((e.key === "n" || e.key === "j") && older) go(older, true);
			else if ((e.key === "p" || e.key === "k") && newer) go(newer, true);
			else if (e.key === "Escape") back();
		};
		addEventListener("keydown", key);
		return () => removeEventListener("keydown", key);
	});
	return (
		<div class="page detail">
			<nav class="crumbs" aria-label={t("nav.alerts")}>
				<Link to="/alerts" class="btn btn-quiet" onClickCapture={(e) => (e.preventDefault(), back())}>
					<Icon name="left" />
					<span>{t("ad.back")}</span>
				</Link>
				<span class="crumb-acts">
					<Button look="quiet" icon="up" disabled={!newer} aria-label={t("ad.prev")} title={t("ad.prev")} onClick={() => newer && go(newer, true)} />
					<Button look="quiet" icon="down" disabled={!older} aria-label={t("ad.next")} title={t("ad.next")} onClick={() => older && go(older, true)} />
				</span>
			</nav>
			{!(r.data && (map.data || map.error)) && <h1 class="sr" tabIndex={-1}>{t("al.title")}</h1>}
			{r.data && (map.data || map.error) ? (
				<Detail key={id} a={r.data} map={map} reload={r.reload} />
			) : r.error ? (
				r.error.status === 404 ? <Empty icon="question" title={t("app.error.gone")} /> : <Failed error={r.error} retry={r.reload} />
			) : (
				<Skeleton rows={12} />
			)}
		</div>
	);
}
