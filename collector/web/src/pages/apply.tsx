// SPDX-License-Identifier: Apache-2.0
// The action of a step: a prepared policy or permit that an administrator offers to sensors, and what becomes of it.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { type ApiError, post, useResource } from "../lib/api";
import { full, when } from "../lib/format";
import type { Page, Playbook, Prepared, Rollout, Step } from "../lib/types";
import { Button, why } from "../ui/common";
import { One } from "./rollouts";

// What is prepared for an action, those for the incident's sensor first; undefined: not known yet.
export function usePrepared(s: Step, sensor: string): Prepared[] | undefined {
	const kind = s.action?.kind === "policy" || s.action?.kind === "permit" ? s.action.kind : null;
	const r = useResource<Page<Prepared>>(kind && "/prepared");
	if (!kind || r.error) return [];
	return r.data?.items
		.filter((p) => p.kind === kind && (!s.action!.prepared || p.name === s.action!.prepared) && (!p.expires || p.expires > Date.now()))
		.sort((a, b) => Number(b.sensors.includes(sensor)) - Number(a.sensors.includes(sensor)));
}

const TRIAL_S = 600, SOAK_S = 120; // as the collector takes them when nothing is said

// Which one, to which of its sensors, and in words what will happen: that is what is confirmed.
export function Offer({ p, s, incident, sensor, list, done }: { p: Playbook; s: Step; incident: string; sensor: string; list: Prepared[]; done: (r: Rollout) => void }) {
	const [id, setId] = useState(list[0].id);
	const one = list.find((x) => x.id === id) ?? list[0];
	const first = (x: Prepared) => x.sensors.filter((n) => n === sensor);
	const [chosen, setChosen] = useState(first(one));
	const [sure, setSure] = useState(false);
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState("");
	const sensors = chosen.join(", "), permit = one.kind === "permit";
	const go = async () => {
		setBusy(true);
		setError("");
		try {
			done(await post<Rollout>(`/incidents/${encodeURIComponent(incident)}/apply`, { playbook: p.id, step: s.id, prepared: one.id, sensors: chosen, trial_s: TRIAL_S, soak_s: SOAK_S }));
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
			setSure(false);
			setBusy(false);
		}
	};
	return (
		<>
			<fieldset class="gd-pick">
				<legend>{t("gd.offer.which")}</legend>
				{list.map((x) => (
					<label key={x.id} class="check">
						<input
							type="radio"
							name="prepared"
							checked={x.id === one.id}
							onChange={() => {
								setId(x.id);
								setChosen(first(x));
								setSure(false);
							}}
						/>
						<span>
							<b>{x.name}</b> <span class="mono dim">{(x.policy || x.permit).slice(0, 12)}</span> <span class="dim">{t("gd.offer.signed", { time: full(x.signed) })}</span>
						</span>
					</label>
				))}
			</fieldset>
			<fieldset class="gd-pick">
				<legend>{t("gd.offer.sensors")}</legend>
				{one.sensors.map((n) => (
					<label key={n} class="check">
						<input
							type="checkbox"
							checked={chosen.includes(n)}
							onChange={(e) => {
								setChosen(e.currentTarget.checked ? [...chosen, n] : chosen.filter((x) => x !== n));
								setSure(false);
							}}
						/>
						<span>{n}</span>
					</label>
				))}
			</fieldset>
			{chosen.length > 0 && (
				<p>
					{permit
						? t("gd.offer.permit", { name: one.name, id: one.permit, sensors, time: when(one.expires) })
						: t("gd.offer.policy", { name: one.name, id: one.policy.slice(0, 12), sensors, trial: TRIAL_S / 60, soak: SOAK_S / 60 })}
				</p>
			)}
			<label class="check">
				<input type="checkbox" checked={sure} disabled={!chosen.length} onChange={(e) => setSure(e.currentTarget.checked)} />
				<span>{t("gd.offer.sure", { name: one.name, sensors: sensors || "…" })}</span>
			</label>
			{error && <p class="form-error" role="alert">{error}</p>}
			<div class="acts">
				<Button look="main" busy={busy} disabled={!sure || !chosen.length} onClick={go}>{t("gd.offer.go")}</Button>
			</div>
		</>
	);
}

// What was offered from a step, newest first.
export function Applied({ list, reload }: { list: Rollout[]; reload: () => void }) {
	return list.length ? <ul class="plain ro-list gd-applied">{list.map((r) => <One key={r.id} r={r} reload={reload} />)}</ul> : null;
}
