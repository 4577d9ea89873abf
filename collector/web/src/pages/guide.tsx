// SPDX-License-Identifier: Apache-2.0
// What to do: the playbook that fits an alert or an incident, whose steps are ticked off, and what there is to read.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post } from "../lib/api";
import { num } from "../lib/format";
import { lang } from "../lib/prefs";
import { Link } from "../lib/router";
import type { Guide, PageHead, Playbook, PlaybookHead, Rollout, Step, Tick, Words } from "../lib/types";
import { Button, Copy, Lines, Modal, Panel, Sev, Tag, When, why } from "../ui/common";
import { Icon, type IconName } from "../ui/icons";
import { Applied, Offer, usePrepared } from "./apply";

export const say = (w: Words) => (lang.value === "zh" ? w.zh : w.en);

const phases = ["safe", "confirm", "contain", "eradicate", "recover", "learn"] as const;

function Aside({ icon, label, kind = "", children }: { icon: IconName; label: string; kind?: string; children: ComponentChildren }) {
	return (
		<p class={`gd-aside ${kind}`}>
			<Icon name={icon} size={14} />
			<span>
				<b>{label}</b> {children}
			</span>
		</p>
	);
}

function Command({ text }: { text: string }) {
	return (
		<span class="gd-command">
			<code>{text}</code>
			<Copy text={text} />
		</span>
	);
}

const SLOT = /\b[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*\b/g; // a word that is to be filled in

// An action by hand: what an admin runs at the guard.  Capital words are filled in here, and that it was done is the step's note.
function ByHand({ s, onClose, done }: { s: Step; onClose: () => void; done: (note: string) => Promise<boolean> }) {
	const action = s.action!, words = (line: string) => line.match(SLOT) ?? [];
	const slots = [...new Set([...words(action.command), ...words(action.undo)])];
	const [filled, setFilled] = useState<Record<string, string>>({});
	const [sure, setSure] = useState(false);
	const [busy, setBusy] = useState(false);
	const put = (line: string) => line.replace(SLOT, (w) => filled[w] || w);
	const ready = words(action.command).every((w) => filled[w]), command = put(action.command), undo = put(action.undo);
	return (
		<>
			{slots.map((w) => (
				<label key={w}>
					<span>{t("gd.fill", { word: w })}</span>
					<input value={filled[w] ?? ""} maxLength={100} autocapitalize="none" spellcheck={false} onInput={(e) => setFilled({ ...filled, [w]: e.currentTarget.value.replace(/[^\w./:,=-]/g, "") })} />
				</label>
			))}
			<Lines label={t("gd.run")} text={command} />
			<Lines label={t("gd.undo")} text={undo} />
			<p class="dim">{t(`gd.ends.${action.kind as "panic"}`)}</p>
			<label class="check">
				<input type="checkbox" checked={sure} disabled={!ready} onChange={(e) => setSure(e.currentTarget.checked)} />
				<span>{t("gd.sure")}</span>
			</label>
			<div class="acts">
				<Button
					look="main"
					busy={busy}
					disabled={!sure || !ready}
					onClick={async () => {
						setBusy(true);
						if (await done(command)) onClose();
						else setBusy(false);
					}}
				>
					{t("gd.confirm")}
				</Button>
				<Button onClick={onClose}>{t("app.cancel")}</Button>
			</div>
		</>
	);
}

// What was prepared is offered to the sensors from here, which verify it; the rest is run at the guard, and noted.
function Apply({ p, s, at, onClose, done }: { p: Playbook; s: Step; at: At; onClose: () => void; done: (note: string) => Promise<boolean> }) {
	const list = usePrepared(s, at.sensor), [hand, setHand] = useState(false);
	const offers = list && list.length > 0 && !hand;
	return (
		<Modal wide title={t("gd.apply")} onClose={onClose}>
			<div class="form">
				<p>{say(s.text)}</p>
				{s.safety && <Aside icon="alerts" kind="gd-safety" label={t("gd.safety")}>{say(s.safety)}</Aside>}
				{offers ? (
					<>
						<Offer
							p={p}
							s={s}
							incident={at.incident}
							sensor={at.sensor}
							list={list}
							done={(r) => {
								at.add(r);
								onClose();
							}}
						/>
						<p>
							<Button look="quiet" onClick={() => setHand(true)}>{t("gd.hand")}</Button>
						</p>
					</>
				) : list ? (
					<>
						{s.action!.kind !== "panic" && !hand && <p class="dim">{t("gd.offer.none")}</p>}
						<ByHand s={s} onClose={onClose} done={done} />
					</>
				) : null}
			</div>
		</Modal>
	);
}

// Where steps are done: an incident, and what was offered from it.
interface At {
	incident: string;
	sensor: string;
	applied: Rollout[];
	add: (r: Rollout) => void;
	reload: () => void;
}

function About({ p, s, tick, at, done }: { p: Playbook; s: Step; tick?: Tick; at: At | null; done: ((note: string) => Promise<boolean>) | null }) {
	const [apply, setApply] = useState(false);
	const own = at ? at.applied.filter((r) => r.playbook === p.id && r.step === s.id) : [];
	const open = own.some((r) => r.state === "running" || r.state === "held");
	return (
		<div class="gd-about">
			{s.safety && <Aside icon="alerts" kind="gd-safety" label={t("gd.safety")}>{say(s.safety)}</Aside>}
			<Aside icon="check" label={t("gd.expect")}>{say(s.expect)}</Aside>
			{s.evidence && <Aside icon="download" label={t("gd.evidence")}>{say(s.evidence)}</Aside>}
			{s.commands && s.commands.length > 0 && (
				<div class="gd-commands">
					<p class="dim">{t("gd.look")}</p>
					{s.commands.map((c) => <Command key={c} text={c} />)}
				</div>
			)}
			{s.action && (
				<div class="gd-commands gd-action">
					<p>{t("gd.action")}</p>
					<Command text={s.action.command} />
					<p class="dim">{t("gd.undo")}</p>
					<Command text={s.action.undo} />
					{done && at && !tick && !open && may("admin") && <Button icon="shield" onClick={() => setApply(true)}>{t("gd.apply")}</Button>}
				</div>
			)}
			{at && <Applied list={own} reload={at.reload} />}
			{apply && done && at && <Apply p={p} s={s} at={at} done={done} onClose={() => setApply(false)} />}
		</div>
	);
}

type Set = (step: string, done: boolean, note?: string) => Promise<boolean>;

function StepRow({ p, s, tick, at, set }: { p: Playbook; s: Step; tick?: Tick; at: At | null; set: Set | null }) {
	const [busy, setBusy] = useState(false);
	const id = `gd-${p.id}-${s.id}`;
	return (
		<li class={`gd-step ${tick ? "done" : ""}`}>
			{set && (
				<input
					type="checkbox"
					id={id}
					checked={!!tick}
					disabled={busy}
					onChange={async (e) => {
						const box = e.currentTarget;
						setBusy(true);
						await set(s.id, box.checked);
						setBusy(false);
					}}
				/>
			)}
			<div>
				<p class="gd-text">
					<label for={set ? id : undefined}>{say(s.text)}</label> <Tag>{word("duty", s.role)}</Tag>
				</p>
				{tick && (
					<p class="gd-by">
						<Icon name="check" size={14} /> {tick.user} · <When ms={tick.time} />
						{tick.version !== p.version && <> · {t("gd.version", { n: tick.version })}</>}
						{tick.note && <> · {tick.note}</>}
					</p>
				)}
				<About p={p} s={s} tick={tick} at={at} done={set && ((note) => set(s.id, true, note))} />
			</div>
		</li>
	);
}

function Boxed({ title, list, kind, icon }: { title: string; list: Words[]; kind: string; icon: IconName }) {
	if (!list.length) return null;
	return (
		<div class={`gd-box ${kind}`}>
			<h3>
				<Icon name={icon} size={14} /> {title}
			</h3>
			<ul>{list.map((w) => <li key={w.en}>{say(w)}</li>)}</ul>
		</div>
	);
}

// The steps of a playbook, phase by phase.  set: null, nobody ticks here.
export function Steps({ p, ticks, set, at = null }: { p: Playbook; ticks: Tick[]; set: Set | null; at?: At | null }) {
	const own = new Map(ticks.filter((x) => x.playbook === p.id).map((x) => [x.step, x]));
	const of = (phase: string) => p.steps.filter((s) => s.phase === phase);
	const left = (phase: string) => of(phase).filter((s) => !own.has(s.id)).length;
	// Opened where work begins; what is opened stays so.
	const first = useMemo(() => phases.find((f) => left(f) > 0) ?? "learn", [p.id]);
	return (
		<>
			<div class="gd-boxes">
				<Boxed title={t("gd.ask")} list={p.questions} kind="gd-ask" icon="question" />
				<Boxed title={t("gd.never")} list={p.never} kind="gd-never" icon="stop" />
			</div>
			{phases
				.filter((f) => of(f).length)
				.map((f) => (
					<details key={f} class="gd-phase" open={f === first || !set}>
						<summary>
							<Icon name="right" size={12} />
							<span>{t(`phase.${f}`)}</span>
							<span class="dim mono">{set || own.size ? `${num(of(f).length - left(f))}/${num(of(f).length)}` : num(of(f).length)}</span>
						</summary>
						<ol>{of(f).map((s) => <StepRow key={s.id} p={p} s={s} tick={own.get(s.id)} at={at} set={set} />)}</ol>
					</details>
				))}
		</>
	);
}

export function PlaybookLinks({ list }: { list: PlaybookHead[] }) {
	return (
		<>
			{list.map((p) => (
				<Link key={p.id} class="gd-link" to={`/library/playbooks/${p.id}`}>
					<Sev s={p.severity} /> {say(p.title)}
				</Link>
			))}
		</>
	);
}

export function PageLinks({ list }: { list: PageHead[] }) {
	return (
		<>
			{list.map((p) => (
				<Link key={p.id} class="gd-link" to={`/library/pages/${p.id}`}>
					<Icon name="book" size={14} /> {say(p.title)}
				</Link>
			))}
		</>
	);
}

// In an alert, and in its incident: ticks are the incident's.
export function GuidePanel({ g, incident, sensor, reload }: { g: Guide; incident: string | null; sensor: string; reload: () => void }) {
	const [added, setAdded] = useState<{ of: Rollout[]; now: Rollout[] }>({ of: g.applied, now: g.applied });
	const applied = added.of === g.applied ? added.now : g.applied;
	const at = incident ? { incident, sensor, applied, reload, add: (r: Rollout) => setAdded({ of: g.applied, now: [r, ...applied] }) } : null;
	const [ticks, setTicks] = useState<{ of: Tick[]; now: Tick[] }>({ of: g.ticks, now: g.ticks });
	const [error, setError] = useState("");
	const now = ticks.of === g.ticks ? ticks.now : g.ticks; // asked again: that is the newest
	const p = g.playbook;
	const set = async (step: string, done: boolean, note = "") => {
		setError("");
		try {
			const r = await post<{ ticks: Tick[] }>(`/incidents/${encodeURIComponent(incident!)}/steps`, { playbook: p!.id, step, done, ...(note && { note }) });
			setTicks({ of: g.ticks, now: r.ticks });
			return true;
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
			setTicks({ of: g.ticks, now: [...now] });
			return false;
		}
	};
	const n = p ? p.steps.filter((s) => now.some((x) => x.playbook === p.id && x.step === s.id)).length : 0;
	return (
		<Panel id="gd" class="guide" title={t("gd.title")} acts={<Link to="/library">{t("nav.library")}</Link>}>
			{p ? (
				<>
					<div class="gd-head">
						<div>
							<p class="gd-name">{say(p.title)}</p>
							<p class="dim">{say(p.when)}</p>
						</div>
						<div class="gd-count">
							<span>{t("gd.done", { n: num(n), all: num(p.steps.length) })}</span>
							<progress value={n} max={p.steps.length} aria-label={t("gd.title")} />
						</div>
					</div>
					{error && <p class="form-error pad" role="alert">{error}</p>}
					<Steps p={p} ticks={now} at={at} set={incident && may("analyst") ? set : null} />
				</>
			) : (
				<p class="pad dim">{t("gd.none")}</p>
			)}
			{(g.playbooks.length > 0 || g.pages.length > 0) && (
				<div class="gd-more">
					{g.pages.length > 0 && (
						<div>
							<h3>{t("gd.pages")}</h3>
							<PageLinks list={g.pages} />
						</div>
					)}
					{g.playbooks.length > 0 && (
						<div>
							<h3>{t("gd.others")}</h3>
							<PlaybookLinks list={g.playbooks} />
						</div>
					)}
				</div>
			)}
		</Panel>
	);
}
