// SPDX-License-Identifier: Apache-2.0
// Policies on their way to sensors: how far each is, and what an admin says of it.
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post } from "../lib/api";
import { ago, full, num } from "../lib/format";
import { Link } from "../lib/router";
import type { Rollout, RolloutStep } from "../lib/types";
import { Button, Empty, Tag, why } from "../ui/common";

const kinds: Record<RolloutStep, "ok" | "warn" | "bad" | "off"> = { waits: "off", offered: "warn", on_trial: "warn", confirming: "warn", in_force: "ok", refused: "bad", rolled_back: "bad" };
const SHOWN = 12; // sensors of a stage that are named

function Stage({ r, n }: { r: Rollout; n: number }) {
	const all = r.sensors.filter((s) => s.stage === n), done = all.filter((s) => s.step === "in_force").length;
	// Who is in trouble first, then who is furthest.
	const order = ["refused", "rolled_back", "confirming", "on_trial", "offered", "in_force", "waits"];
	const list = [...all].sort((a, b) => order.indexOf(a.step) - order.indexOf(b.step)).slice(0, SHOWN);
	return (
		<li class={n === r.stage && (r.state === "running" || r.state === "held") ? "ro-now" : ""}>
			<b>{r.incident ? "" : t("ro.stage", { n: num(n), of: num(r.stages) })}</b> <span class="dim">{t("ro.done", { n: num(done), of: num(all.length) })}</span>
			<ul class="plain ro-sensors">
				{list.map((s) => (
					<li key={s.id}>
						<Link to={`/sensors?id=${s.id}`}>{s.name}</Link> <Tag kind={kinds[s.step]}>{word("ro.step", s.step)}</Tag> <span class="dim">{s.step === "waits" ? "" : ago(s.time)}</span>
						{s.said && <span class="dim block">{s.said}</span>}
					</li>
				))}
				{all.length > SHOWN && <li class="dim">{t("nw.others", { n: num(all.length - SHOWN) })}</li>}
			</ul>
		</li>
	);
}

export function One({ r, reload }: { r: Rollout; reload: () => void }) {
	const [error, setError] = useState("");
	const act = async (what: "go" | "stop") => {
		if (what === "stop" && !confirm(t(r.kind === "permit" ? "ro.stop.permit" : "ro.stop.sure", { name: r.name }))) return;
		setError("");
		try {
			await post<Rollout>(`/rollouts/${r.id}`, { do: what });
			reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	const open = r.state === "running" || r.state === "held";
	return (
		<li class="ro-one">
			<p class="nw-node">
				<b>{r.name}</b>
				<Tag kind={r.state === "done" ? "ok" : r.state === "failed" ? "bad" : r.state === "stopped" ? "off" : "warn"}>{word("ro.state", r.state)}</Tag>
				<span class="mono dim" title={r.policy || r.permit}>{(r.policy || r.permit).slice(0, 12)}</span>
				<span class="dim" title={full(r.time)}>{t("ro.by", { user: r.user, time: ago(r.time) })}</span>
				{r.incident > 0 && <Link to={`/incidents/${r.incident}`}>{t("ro.incident", { id: r.incident })}</Link>}
				{may("admin") && open && (
					<span class="acts">
						{r.state === "held" && <Button look="main" onClick={() => act("go")} aria-label={`${t("ro.go")}: ${r.name}`}>{t("ro.go")}</Button>}
						<Button look="quiet" onClick={() => act("stop")} aria-label={`${t("ro.stop")}: ${r.name}`}>{t("ro.stop")}</Button>
					</span>
				)}
			</p>
			{r.why && <p class="ro-why">{r.why}</p>}
			{error && <p class="form-error" role="alert">{error}</p>}
			<ol class="plain ro-stages">{Array.from({ length: r.stages }, (_, i) => <Stage key={i} r={r} n={i + 1} />)}</ol>
		</li>
	);
}

export function Rollouts({ list, reload }: { list: Rollout[]; reload: () => void }) {
	const [all, setAll] = useState(false), open = list.filter((r) => r.state === "running" || r.state === "held");
	const shown = all ? list : open.length ? open : list.slice(0, 1);
	if (!list.length) return <Empty icon="shield" title={t("ro.none")} text={t("ro.none.text")} />;
	return (
		<>
			<ul class="plain ro-list">{shown.map((r) => <One key={r.id} r={r} reload={reload} />)}</ul>
			{shown.length < list.length && (
				<div class="more">
					<Button onClick={() => setAll(true)}>{t("ro.older", { n: num(list.length - shown.length) })}</Button>
				</div>
			)}
		</>
	);
}
