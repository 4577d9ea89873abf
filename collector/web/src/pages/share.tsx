// SPDX-License-Identifier: Apache-2.0
// What leaves the site, shown before it does; and bulletins.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { sentence } from "../i18n/sentences";
import { type ApiError, bytes, may, me, post, query, useResource } from "../lib/api";
import { check, type Checked } from "../lib/bulletin";
import { num } from "../lib/format";
import { lang } from "../lib/prefs";
import { save } from "../lib/proof";
import { Link } from "../lib/router";
import type { Bulletin, Destination, Incident, Page } from "../lib/types";
import { Button, Load, Modal, Panel, Segments, Select, Tag, When, why } from "../ui/common";
import { Icon } from "../ui/icons";

export const classes = ["names", "addresses", "users", "objects", "values", "notes", "raw"] as const;
export type Class = (typeof classes)[number];
export const tlps = ["clear", "green", "amber", "amber+strict", "red"] as const;
const formats = ["stix", "misp", "json"] as const;
const SHOWN = 100_000; // bytes of it in the page; the file has all

// docs/SHARING.md: who asks matters too; raw parts have all of it in them.
export function leaves(keep: string, role = me.value?.role): Set<Class> {
	const of = new Set(keep.split(",").filter(Boolean) as Class[]);
	if (role === "viewer") of.clear();
	if (role === "analyst") for (const c of ["values", "raw"] as const) of.delete(c);
	if (of.size < classes.length) of.delete("raw");
	return of;
}

export const Tlp = ({ tlp }: { tlp: string }) => <span class={`tlp tlp-${tlp.replace("+", "-")}`}>TLP:{tlp.toUpperCase()}</span>;

// The seven classes: what stays, what becomes a pseudonym or is left out.
export function Classes({ kept }: { kept: Set<Class> }) {
	return (
		<ul class="sh-classes">
			{classes.map((c) => (
				<li key={c} class={kept.has(c) ? "kept" : ""} title={t(`sh.class.${c}.text`)}>
					<Icon name={kept.has(c) ? "pass" : "stop"} size={14} />
					<span>{t(`sh.class.${c}`)}</span>
					<span class="sr">{t(kept.has(c) ? "sh.kept" : "sh.redacted")}</span>
				</li>
			))}
		</ul>
	);
}

interface Made {
	of: string;
	name: string;
	data: Uint8Array<ArrayBuffer>;
	text: string;
	parts: [string, number][];
}

// What it is made of, counted: objects of STIX and attributes of MISP by type; of the record its alerts, log and actions.
function parts(format: string, data: unknown): [string, number][] {
	const d = data as { objects?: { type: string }[]; Event?: { Attribute?: { type: string }[] } } & Record<string, unknown>;
	if (format === "json") return ["items", "log", "actions"].flatMap((k): [string, number][] => (Array.isArray(d[k]) ? [[k, d[k].length]] : []));
	const list = format === "stix" ? d.objects : d.Event?.Attribute;
	const n = new Map<string, number>();
	for (const x of list ?? []) n.set(x.type, (n.get(x.type) ?? 0) + 1);
	return [...n].sort((a, b) => b[1] - a[1]);
}

export function Export({ incident, to, onClose }: { incident?: string; to?: string; onClose: () => void }) {
	const dests = useResource<Page<Destination>>("/destinations");
	const incidents = useResource<Page<Incident>>(incident ? null : "/incidents?limit=50");
	const [choice, setChoice] = useState({ incident: incident ?? "", to: to ?? "", format: "stix" });
	const [made, setMade] = useState<Made | null>(null);
	const [said, setSaid] = useState("");
	const [error, setError] = useState("");
	const [busy, setBusy] = useState(false);
	// The first of each until there is another choice.
	const chosen = { ...choice, to: choice.to || (dests.data?.items[0]?.name ?? ""), incident: choice.incident || String(incidents.data?.items[0]?.id ?? "") };
	const dest = dests.data?.items.find((d) => d.name === chosen.to), kept = dest && leaves(dest.keep);
	const of = JSON.stringify(chosen), fresh = made?.of === of ? made : null;
	const at = (change: Partial<typeof chosen>) => (setChoice({ ...chosen, ...change }), setSaid(""), setError(""));
	const work = async (fn: () => Promise<void>) => {
		setError("");
		setBusy(true);
		await fn().catch((e: ApiError) => setError(t("app.failed", { why: why(e) })));
		setBusy(false);
	};
	// What is saved is asked for anew, so that the audit log has looking and taking as two things; it is then what is shown.
	const make = async (preview: string) => {
		const data = await bytes(`/incidents/${encodeURIComponent(chosen.incident)}/export${query({ to: chosen.to, format: chosen.format, preview })}`);
		const doc: unknown = JSON.parse(new TextDecoder().decode(data));
		const m = { of, name: `incident-${chosen.incident}.${chosen.to}.${chosen.format}.json`, data, text: JSON.stringify(doc, null, 2), parts: parts(chosen.format, doc) };
		setMade(m);
		return m;
	};
	const show = () => work(async () => void (await make("1")));
	const take = () =>
		work(async () => {
			const m = await make("");
			save(m.name, m.data);
		});
	const put = () =>
		work(async () => {
			const r = await post<{ objects: number }>(`/incidents/${encodeURIComponent(chosen.incident)}/share`, { to: chosen.to });
			setSaid(t("sh.put.done", { n: num(r.objects), to: chosen.to }));
		});
	return (
		<Modal wide title={t("sh.export")} onClose={onClose}>
			<div class="form">
				<Load r={dests} rows={3}>
					{(v) =>
						v.items.length ? (
							<>
								<div class="filters open">
									{!incident && <Select label={t("al.incident")} value={chosen.incident} onChange={(i) => at({ incident: i })} options={(incidents.data?.items ?? []).map((i) => [String(i.id), `${i.id}: ${sentence(i.title)}`])} />}
									<Select label={t("sh.to")} value={chosen.to} onChange={(d) => at({ to: d })} options={v.items.map((d) => [d.name, d.name])} />
									<Segments label={t("sh.format")} value={chosen.format} onChange={(f) => at({ format: f })} options={formats.map((f) => [f, t(`sh.format.${f}`)])} />
								</div>
								{dest && kept && (
									<div class="sh-what">
										<p>
											<Tlp tlp={dest.tlp} /> {t("sh.author", { who: dest.identity })}
										</p>
										<Classes kept={kept} />
										<p class="dim">{t(kept.size === leaves(dest.keep, "admin").size ? "sh.what" : "sh.what.role", { role: t(`role.${me.value!.role}`) })}</p>
									</div>
								)}
								<p class="acts">
									<Button look={fresh ? "plain" : "main"} icon="search" busy={busy} disabled={!chosen.to || !chosen.incident} onClick={show}>{t("sh.show")}</Button>
									<Button look={fresh ? "main" : "plain"} icon="download" busy={busy} disabled={!fresh} onClick={take}>{t("sh.download")}</Button>
									{may("analyst") && chosen.format === "stix" && <Button icon="share" busy={busy} disabled={!fresh} onClick={put}>{t("sh.put")}</Button>}
								</p>
								<p class={error ? "form-error" : ""} role={error ? "alert" : "status"}>{error || said}</p>
								{fresh ? (
									<div class="sh-made">
										<p>
											<b>{t("sh.made", { name: fresh.name, n: num(fresh.data.length) })}</b>
										</p>
										<p class="techs">{fresh.parts.map(([type, n]) => <Tag key={type}>{type} × {num(n)}</Tag>)}</p>
										<pre class="code" role="group" tabIndex={0} aria-label={t("sh.preview")}>{fresh.text.slice(0, SHOWN)}</pre>
										{fresh.text.length > SHOWN && <p class="dim">{t("sh.cut")}</p>}
									</div>
								) : (
									<p class="dim">{t("sh.first")}</p>
								)}
							</>
						) : (
							<p>{t(may("admin") ? "sh.none.text" : "sh.none.ask")}</p>
						)
					}
				</Load>
			</div>
		</Modal>
	);
}

const proofs = ["evidence.json", "bulletin.jws", "key.pem", "key.jwk"];

function BulletinRow({ b }: { b: Bulletin }) {
	const [checked, setChecked] = useState<Checked | "busy" | null>(null);
	const at = (file: string) => `/api/v1/bulletins/${b.id}/${file}`;
	const run = async () => {
		setChecked("busy");
		setChecked(await check(b.id).catch(() => ({ ok: false, kid: "", files: [] })));
	};
	const done = checked && checked !== "busy" ? checked : null;
	return (
		<li class="bu">
			<p>
				<b>{t("bu.for", { to: b.to })}</b> <Tag>{t(`bu.lang.${b.lang}`)}</Tag>{" "}
				<span class="dim">
					{b.user} · <When ms={b.time} />
				</span>
			</p>
			<p class="bu-files">
				{["bulletin.html", ...(b.pdf ? ["bulletin.pdf"] : [])].map((f) => (
					<a key={f} class="btn btn-plain" href={at(f)} download={f}>
						<Icon name="download" />
						<span>{f === "bulletin.pdf" ? "PDF" : "HTML"}</span>
					</a>
				))}
				<span class="dim">{t("bu.proof")}</span>
				{proofs.map((f) => <a key={f} href={at(f)} download={f}>{f}</a>)}
			</p>
			<p class="acts">
				<Button look="quiet" icon="shield" busy={checked === "busy"} onClick={run}>{t("bu.check")}</Button>
				{done && (
					<span role="status">
						<Tag kind={done.ok ? "ok" : done.ok === null ? "warn" : "bad"}>{t(done.ok ? "bu.ok" : done.ok === null ? "bu.part" : "bu.bad", { n: done.files.length })}</Tag>
					</span>
				)}
			</p>
			{done?.kid && <p class="dim">{t("bu.kid")} <span class="mono">{done.kid}</span></p>}
		</li>
	);
}

export function BulletinPanel({ incident }: { incident: string }) {
	const dests = useResource<Page<Destination>>("/destinations"), made = useResource<Page<Bulletin>>("/bulletins");
	const [lg, setLg] = useState<"en" | "zh">(lang.value);
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState("");
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		const f = new FormData(e.currentTarget as HTMLFormElement);
		setError("");
		setBusy(true);
		try {
			await post(`/incidents/${encodeURIComponent(incident)}/bulletin`, { to: f.get("to"), lang: lg, pdf: f.get("pdf") !== null });
			made.reload();
		} catch (x) {
			setError((x as ApiError).status === 501 ? t("bu.nopdf") : t("app.failed", { why: why(x as ApiError) }));
		}
		setBusy(false);
	};
	return (
		<Panel id="in-bulletin" title={t("bu.title")}>
			<Load r={dests} rows={4}>
				{(d) => (
					<Load r={made} rows={4}>
						{(v) => {
							const own = v.items.filter((b) => String(b.incident) === incident);
							return (
								<>
									{own.length ? <ul class="plain">{own.map((b) => <BulletinRow key={b.id} b={b} />)}</ul> : <p class="pad dim">{t("bu.none")}</p>}
									{d.items.length ? (
										<form class="form pad" onSubmit={submit}>
											<label>
												<span>{t("sh.to")}</span>
												<select name="to">{d.items.map((x) => <option key={x.name} value={x.name}>{x.name} (TLP:{x.tlp.toUpperCase()})</option>)}</select>
											</label>
											<div class="acts">
												<Segments label={t("bu.lang")} value={lg} onChange={setLg} options={[["en", t("bu.lang.en")], ["zh", t("bu.lang.zh")]]} />
												<label class="check">
													<input type="checkbox" name="pdf" />
													<span>PDF</span>
												</label>
											</div>
											{error && <p class="form-error" role="alert">{error}</p>}
											<Button type="submit" busy={busy}>{t(busy ? "login.busy" : "bu.make")}</Button>
										</form>
									) : (
										<p class="pad dim">
											{t("bu.nodest")} <Link to="/sharing">{t("nav.sharing")}</Link>
										</p>
									)}
								</>
							);
						}}
					</Load>
				)}
			</Load>
		</Panel>
	);
}
