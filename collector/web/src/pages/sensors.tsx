// SPDX-License-Identifier: Apache-2.0
// Sensors: do they report, is the chain of what they signed whole, which keys they have.
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post, useResource } from "../lib/api";
import { ago, dateOnly, num } from "../lib/format";
import { useLive, useLiveReload } from "../lib/live";
import { Link, params, setParams } from "../lib/router";
import type { Page, Sensor, Token } from "../lib/types";
import { Button, Empty, Facts, Head, Load, Panel, Tag, When, why } from "../ui/common";
import { Enrol } from "./enrol";

export const stateKind = (s: string) => (s === "ok" ? "ok" : s === "trouble" ? "bad" : s === "silent" ? "warn" : "off") as "ok" | "bad" | "warn" | "off";
export const chainKind = (s: string) => (s === "whole" ? "ok" : s === "gap" ? "warn" : "bad") as "ok" | "warn" | "bad";

function skew(ms: number | null): string {
	if (ms === null || Math.abs(ms) < 1000) return t("se.skew.ok");
	return `${ms > 0 ? "+" : "−"}${num(Math.round(Math.abs(ms) / 1000))} s`;
}

function Details({ s, reload }: { s: Sensor; reload: () => void }) {
	const [error, setError] = useState("");
	const [token, setToken] = useState<Token | null>(null);
	const act = async (action: string) => {
		if (action === "revoke" && !confirm(t("se.revoke.sure", { name: s.name }))) return;
		setError("");
		try {
			const r = await post<unknown>(`/sensors/${encodeURIComponent(s.id)}`, { action });
			if (action === "rotate") setToken(r as Token);
			else reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<div class="sensor-more">
			<div>
				<h3>{t("se.keys")}</h3>
				<ul class="plain">
					{s.keys.map((k) => (
						<li key={k.kid}>
							<span class="mono clip" title={k.kid}>{k.kid}</span>
							<Tag kind={/active|ok/.test(k.state) ? "ok" : "off"}>{word("se.key", k.state)}</Tag>
							<span class="dim">{t("se.key.since", { when: dateOnly(k.since) })}</span>
						</li>
					))}
				</ul>
			</div>
			<div>
				<h3>{t("se.gaps")}</h3>
				{s.gaps.length ? (
					<ul class="plain">
						{s.gaps.map((g) => (
							<li key={`${g.epoch}/${g.from}`}>
								<span>{t("se.gap", { epoch: g.epoch, from: g.from, to: g.to })}</span>
								<Tag kind={g.signed_loss ? "warn" : "bad"}>{g.signed_loss ? t("se.gap.signed") : t("se.gap.unsigned")}</Tag>
							</li>
						))}
					</ul>
				) : (
					<p class="dim">{t("app.none")}</p>
				)}
			</div>
			<div>
				<Facts
					rows={[
						[t("se.policy"), s.policy && <span class="mono clip" title={s.policy}>{s.policy}</span>],
						[t("se.build"), s.build && <span class="mono">{s.build}</span>],
						[t("se.lost"), num(s.lost)],
					]}
				/>
				<p class="acts">
					<Link class="btn btn-plain" to={`/alerts?sensor=${encodeURIComponent(s.name)}`}>{t("nav.alerts")}</Link>
					{may("admin") && s.state === "pending" && <Button look="main" onClick={() => act("approve")}>{t("se.approve")}</Button>}
					{may("admin") && s.state !== "pending" && <Button onClick={() => act("rotate")}>{t("se.rotate")}</Button>}
					{may("admin") && <Button look="danger" onClick={() => act("revoke")}>{t("se.revoke")}</Button>}
				</p>
				<p class="form-error" role="alert">{error}</p>
			</div>
			{token && <Enrol kind="sensor" name={s.name} made={token} onClose={() => (setToken(null), reload())} />}
		</div>
	);
}

export function Sensors() {
	const r = useResource<Page<Sensor>>("/sensors");
	const [token, setToken] = useState(false);
	const chosen = params().get("id");
	useLive("sensor", (s) => r.set((old) => ({ ...old, items: old.items.map((o) => (o.id === s.id ? { ...o, ...s } : o)) })));
	useLiveReload(["sensor"], r.reload, 5000);
	return (
		<div class="page">
			<Head title={t("se.title")}>
				{may("admin") && <Button look="main" icon="plus" onClick={() => setToken(true)}>{t("se.token")}</Button>}
			</Head>
			<Panel>
				<Load r={r} rows={8}>
					{(v) =>
						v.items.length ? (
							<table class="table">
								<thead>
									<tr>
										<th>{t("al.sensor")}</th>
										<th>{t("state.label")}</th>
										<th>{t("se.chain")}</th>
										<th class="hide-s">{t("se.position")}</th>
										<th>{t("se.seen")}</th>
										<th class="hide-s">{t("se.skew")}</th>
										<th class="num hide-s">{t("se.lost")}</th>
										<th class="num hide-s">{t("se.alerts")}</th>
									</tr>
								</thead>
								<tbody>
									{v.items.map((s) => [
										<tr key={s.id} class={chosen === String(s.id) ? "on" : ""}>
											<td>
												<button type="button" class="unfold" aria-expanded={chosen === String(s.id)} aria-label={t("se.details", { name: s.name })} onClick={() => setParams({ id: chosen === String(s.id) ? null : String(s.id) })}>
													<b>{s.name}</b>
												</button>
												<span class="dim block">{s.site}</span>
											</td>
											<td><Tag kind={stateKind(s.state)}>{word("se.state", s.state)}</Tag></td>
											<td><Tag kind={chainKind(s.chain)}>{word("se.chain", s.chain)}</Tag></td>
											<td class="mono hide-s">{s.epoch} / {num(s.batch)}</td>
											<td>{s.last_seen ? <When ms={s.last_seen} rel /> : ago(null)}</td>
											<td class="hide-s">{skew(s.clock_skew_ms)}</td>
											<td class="num mono hide-s">{num(s.lost)}</td>
											<td class="num mono hide-s">{num(s.alerts_24h)}</td>
										</tr>,
										chosen === String(s.id) && (
											<tr key={s.id + "+"} class="more-row">
												<td colSpan={8}><Details s={s} reload={r.reload} /></td>
											</tr>
										),
									])}
								</tbody>
							</table>
						) : (
							<Empty icon="sensors" title={t("se.none")} text={t("se.none.text")} />
						)
					}
				</Load>
			</Panel>
			{token && <Enrol kind="sensor" onClose={() => (setToken(false), r.reload())} />}
		</div>
	);
}
