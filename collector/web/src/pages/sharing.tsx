// SPDX-License-Identifier: Apache-2.0
// With whom incidents are shared and what stays here (docs/SHARING.md); what others warn of.
import { useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { ApiError, get, may, post, type Resource, settled, useResource } from "../lib/api";
import { dateOnly, num } from "../lib/format";
import { save } from "../lib/proof";
import { params, setParams } from "../lib/router";
import type { Destination, Indicator, Indicators, Page } from "../lib/types";
import { Button, Empty, Facts, Head, Lines, Load, Modal, Panel, Skeleton, Tag, Typed, why } from "../ui/common";
import { Classes, Export, Tlp, classes, leaves, tlps } from "./share";

const ROWS = 100; // of the watch list at a time

function Edit({ d, onClose, onSaved }: { d: Destination | null; onClose: () => void; onSaved: (v: Page<Destination>) => void }) {
	const [keep, setKeep] = useState(new Set((d?.keep ?? "").split(",").filter(Boolean)));
	const [error, setError] = useState("");
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		const f = new FormData(e.currentTarget as HTMLFormElement);
		try {
			onSaved(await post("/destinations", { name: d?.name ?? f.get("name"), identity: f.get("identity"), tlp: f.get("tlp"), keep: classes.filter((c) => keep.has(c)).join(",") }));
		} catch (x) {
			setError(t("app.failed", { why: why(x as ApiError) }));
		}
	};
	return (
		<Modal title={d ? d.name : t("sh.new")} onClose={onClose}>
			<form class="form" onSubmit={submit}>
				{!d && (
					<label>
						<span>{t("sh.name")}</span>
						<input name="name" required maxLength={64} pattern="[A-Za-z0-9._\-]+" autocapitalize="none" spellcheck={false} />
					</label>
				)}
				<label>
					<span>{t("sh.identity")}</span>
					<input name="identity" required maxLength={64} defaultValue={d?.identity ?? "Interlock"} />
				</label>
				<label>
					<span>{t("sh.tlp")}</span>
					<select name="tlp">{tlps.map((x) => <option key={x} value={x} selected={x === (d?.tlp ?? "amber")}>TLP:{x.toUpperCase()}</option>)}</select>
				</label>
				<fieldset>
					<legend>{t("sh.keep")}</legend>
					{classes.map((c) => (
						<label key={c} class="check">
							<input
								type="checkbox"
								checked={keep.has(c)}
								onChange={(e) => {
									const next = new Set(keep);
									if (e.currentTarget.checked) next.add(c);
									else next.delete(c);
									setKeep(next);
								}}
							/>
							<span>
								{t(`sh.class.${c}`)} <span class="dim">{t(`sh.class.${c}.text`)}</span>
							</span>
						</label>
					))}
				</fieldset>
				{keep.has("raw") && keep.size < classes.length && <p class="dim">{t("sh.raw.alone")}</p>}
				<p class="form-error" role="alert">{error}</p>
				<Button type="submit" look="main">{t("app.save")}</Button>
			</form>
		</Modal>
	);
}

function Destinations({ r }: { r: Resource<Page<Destination>> }) {
	const [edit, setEdit] = useState<Destination | "new" | null>(null);
	const [exported, setExported] = useState<string | null>(null);
	return (
		<>
			<Panel id="sh-dest" title={t("sh.dests")} acts={may("admin") && <Button icon="plus" look="quiet" onClick={() => setEdit("new")}>{t("sh.new")}</Button>}>
				<Load r={r} rows={6}>
					{(v) =>
						v.items.length ? (
							<ul class="plain sh-dests">
								{v.items.map((d) => (
									<li key={d.name}>
										<p class="sh-head">
											<b>{d.name}</b> <Tlp tlp={d.tlp} />
											<span class="acts">
												<Button look="quiet" icon="share" aria-label={`${t("sh.export")}: ${d.name}`} onClick={() => setExported(d.name)}>{t("sh.export")}</Button>
												{may("admin") && <Button look="quiet" aria-label={`${t("sh.edit")}: ${d.name}`} onClick={() => setEdit(d)}>{t("sh.edit")}</Button>}
											</span>
										</p>
										<p class="dim">{t("sh.author", { who: d.identity })}</p>
										<Classes kept={leaves(d.keep, "admin")} />
										<p class="dim">
											TAXII: <Tag kind={d.account === "none" ? "off" : "info"}>{word("sh.account", d.account)}</Tag>
										</p>
									</li>
								))}
							</ul>
						) : (
							<Empty icon="share" title={t("sh.none")} text={t(may("admin") ? "sh.none.text" : "sh.none.ask")}>
								{may("admin") && <Button look="main" icon="plus" onClick={() => setEdit("new")}>{t("sh.new")}</Button>}
							</Empty>
						)
					}
				</Load>
			</Panel>
			{edit && <Edit d={edit === "new" ? null : edit} onClose={() => setEdit(null)} onSaved={(v) => (r.set(() => v), setEdit(null))} />}
			{exported !== null && <Export to={exported} onClose={() => setExported(null)} />}
		</>
	);
}

// What whoever reads by TAXII needs to know, and how an account is made.
function Collections({ dests }: { dests: Destination[] }) {
	const rows = ["incidents", "indicators"] as const, root = `${location.origin}/taxii2/`;
	const named = (...a: Destination["account"][]) => dests.filter((d) => a.includes(d.account)).map((d) => d.name).join(", ") || t("sh.nobody");
	const without = dests.find((d) => d.account === "none") ?? dests[0];
	return (
		<Panel id="sh-coll" title={t("sh.collections")}>
			<Facts
				rows={[
					[t("sh.discovery"), <span class="mono">{root}</span>],
					[t("sh.root"), <span class="mono">{`${root}share/`}</span>],
					[t("sh.list"), <span class="mono">{`${root}share/collections/`}</span>],
					[t("sh.login"), t("sh.login.text")],
					[t("sh.may.read"), named("reads", "writes")],
					[t("sh.may.write"), named("writes")],
				]}
			/>
			<dl class="sh-coll">
				{rows.map((c) => (
					<div key={c}>
						<dt class="mono">{c}</dt>
						<dd>{t(`sh.coll.${c}`)}</dd>
					</div>
				))}
			</dl>
			<div class="pad">
				<p class="dim">{t("sh.account")}</p>
				<Lines label={t("sh.account.run")} text={`interlock collect account DIR ${without?.name ?? "NAME"} [--writes]`} />
			</div>
		</Panel>
	);
}

function WatchList({ r }: { r: Resource<Indicators> }) {
	const [said, setSaid] = useState<{ text: string; refused: Record<string, number> } | null>(null);
	const [error, setError] = useState("");
	const [most, setMost] = useState(ROWS);
	const file = useRef<HTMLInputElement>(null);
	const q = (params().get("q") ?? "").toLowerCase();
	const work = async (fn: () => Promise<void>) => {
		setError("");
		setSaid(null);
		await fn().catch((e) => setError(t("app.failed", { why: e instanceof ApiError ? why(e) : t("sh.nobundle") })));
	};
	const take = (f: File) =>
		work(async () => {
			const { objects } = JSON.parse(await f.text()) as { objects: unknown };
			const done = await post<{ taken: number; refused: Record<string, number> }>("/indicators", { objects });
			setSaid({ text: t("sh.taken", { n: num(done.taken) }), refused: done.refused });
			r.reload();
		});
	const remove = (i: Indicator) =>
		work(async () => {
			const left = await post<Indicators>(`/indicators/${encodeURIComponent(i.id)}/remove`);
			r.set(() => left);
		});
	const fetchList = () =>
		work(async () => {
			const { list, minisig } = await get<{ list: string; minisig: string }>("/watch-list");
			save("watch.txt", list, "text/plain");
			save("watch.txt.minisig", minisig, "text/plain");
		});
	return (
		<Panel
			id="sh-watch"
			title={t("sh.watch")}
			acts={
				<span class="acts">
					{may("analyst") && (
						<>
							<input ref={file} type="file" accept=".json,application/json" hidden onChange={(e) => e.currentTarget.files?.[0] && take(e.currentTarget.files[0]).then(() => file.current && (file.current.value = ""))} />
							<Button look="quiet" icon="plus" onClick={() => file.current?.click()}>{t("sh.import")}</Button>
						</>
					)}
					<Button look="quiet" icon="download" onClick={fetchList}>{t("sh.watch.get")}</Button>
				</span>
			}
		>
			{error && <p class="form-error pad" role="alert">{error}</p>}
			{said && (
				<p class="pad" role="status">
					{said.text} {Object.entries(said.refused).map(([k, n]) => `${num(n)} × ${word("sh.refusal", k)}`).join("; ")}
				</p>
			)}
			<Load r={r} rows={8}>
				{(v) => {
					const list = v.items.filter((i) => !q || [i.value, i.name, i.source, i.id].some((s) => s.toLowerCase().includes(q)));
					const why = Object.entries(v.refused).filter(([, n]) => n > 0);
					return (
						<>
							<p class="pad dim sh-serial">
								<span>{t("sh.serial", { n: num(v.serial) })}</span>
								<span>{t("sh.values", { n: num(v.items.length) })}</span>
							</p>
							{v.items.length > 0 && <div class="pad"><Typed label={t("sh.watch.search")} value={params().get("q") ?? ""} onChange={(x) => setParams({ q: x || null })} /></div>}
							{list.length ? (
								<table class="table dense">
									<thead>
										<tr>
											<th>{t("sh.value")}</th>
											<th>{t("sh.warned")}</th>
											<th class="hide-s">{t("sh.source")}</th>
											<th class="hide-s">{t("sh.until")}</th>
											{may("analyst") && <th><span class="sr">{t("us.actions")}</span></th>}
										</tr>
									</thead>
									<tbody>
										{list.slice(0, most).map((i) => (
											<tr key={i.value + i.id}>
												<td class="mono">{i.value}</td>
												<td class="wrap" title={i.id}>{i.name || <span class="mono">{i.id}</span>}</td>
												<td class="hide-s">{i.source}</td>
												<td class="hide-s">{i.until ? dateOnly(i.until) : t("sh.always")}</td>
												{may("analyst") && (
													<td>
														<Button look="quiet" aria-label={t("sh.remove", { value: i.value })} onClick={() => remove(i)}>{t("sh.remove.short")}</Button>
													</td>
												)}
											</tr>
										))}
									</tbody>
								</table>
							) : v.items.length ? (
								<Empty icon="search" title={t("nw.nomatch")} />
							) : (
								<Empty icon="shield" title={t("sh.watch.none")} text={t("sh.watch.none.text")} />
							)}
							{list.length > most && <div class="more"><Button onClick={() => setMost(most + ROWS)}>{t("app.more")}</Button></div>}
							{why.length > 0 && (
								<div class="pad sh-refused">
									<h3>{t("sh.refused")}</h3>
									<ul class="plain">{why.map(([k, n]) => <li key={k}><span class="mono">{num(n)}</span> {word("sh.refusal", k)}</li>)}</ul>
								</div>
							)}
						</>
					);
				}}
			</Load>
		</Panel>
	);
}

export function Sharing() {
	const dests = useResource<Page<Destination>>("/destinations"), indicators = useResource<Indicators>("/indicators");
	const [out, setOut] = useState(false);
	return (
		<div class="page">
			<Head title={t("sh.title")} text={t("sh.text")}>
				<Button look="main" icon="share" onClick={() => setOut(true)}>{t("sh.export")}</Button>
			</Head>
			{settled(dests, indicators) ? (
				<div class="sh-in">
					<div>
						<Destinations r={dests} />
						<Collections dests={dests.data?.items ?? []} />
					</div>
					<WatchList r={indicators} />
				</div>
			) : (
				<Skeleton rows={16} />
			)}
			{out && <Export onClose={() => setOut(false)} />}
		</div>
	);
}
