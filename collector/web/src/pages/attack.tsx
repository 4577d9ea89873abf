// SPDX-License-Identifier: Apache-2.0
// ATT&CK for ICS: what was seen, what would be seen, what would not.
import { t, word } from "../i18n";
import { useResource } from "../lib/api";
import { ago, num } from "../lib/format";
import { useLiveReload } from "../lib/live";
import { Link, params, setParams } from "../lib/router";
import type { Attack } from "../lib/types";
import { Empty, Head, Load, Panel, Segments } from "../ui/common";

export function AttackPage() {
	const r = useResource<Attack>("/attack");
	const only = params().get("seen") === "1";
	useLiveReload(["alert"], r.reload, 10_000);
	return (
		<div class="page">
			<Head title={t("at.title")} text={t("at.text")}>
				<Segments label={t("at.title")} value={only ? "1" : ""} onChange={(v) => setParams({ seen: v || null })} options={[["", t("app.all")], ["1", t("at.seenonly")]]} />
			</Head>
			<Load r={r} rows={14}>
				{(a) => {
					if (!a.techniques.length) return <Panel><Empty icon="attack" title={t("at.none")} /></Panel>;
					const max = Math.max(1, ...a.techniques.map((x) => x.alerts));
					// Five steps, by magnitude: one loud technique does not hide the others.
					const heat = (n: number) => (n ? 1 + Math.min(4, Math.floor((Math.log(n) / Math.log(max + 1)) * 5)) : 0);
					const covered = a.techniques.filter((x) => x.covered);
					return (
						<Panel>
							<div class="at-legend">
								<span>{t("at.seen", { n: covered.filter((x) => x.alerts).length, all: covered.length })}</span>
								<span class="key"><i class="at-none" /> {t("at.uncovered")}</span>
								<span class="key"><i class="at-0" /> {t("at.covered")}</span>
								<span class="key">{t("at.less")} {[1, 2, 3, 4, 5].map((n) => <i key={n} class={`at-${n}`} />)} {t("at.many")}</span>
								<span class="dim">{t("at.version", { v: a.version })}</span>
							</div>
							<div class="matrix" tabIndex={0} role="region" aria-label={t("at.scroll")}>
								{a.tactics.map((tac) => {
									const list = a.techniques.filter((x) => (x.tactics.includes(tac.id) || x.tactics.includes(tac.name)) && (!only || x.alerts));
									if (only && !list.length) return null;
									return (
										<section key={tac.id} aria-label={word("tactic", tac.name)}>
											<h2>
												{word("tactic", tac.name)}
												<span class="dim mono">{tac.id}</span>
											</h2>
											<ul>
												{[...list].sort((x, y) => y.alerts - x.alerts || Number(y.covered) - Number(x.covered) || x.name.localeCompare(y.name)).map((x) => {
													const body = (
														<>
															<span class="at-name">{x.name.replaceAll("/", "/\u200b")}</span>
															<span class="at-foot mono">
																<span class="at-id" title={x.old_id ?? undefined}>
																	{x.id}
																</span>
																{x.alerts > 0 && (
																	<b class="at-n" title={ago(x.last)}>
																		{num(x.alerts)}
																	</b>
																)}
															</span>
															{!x.covered && <span class="sr">{t("at.uncovered")}</span>}
														</>
													);
													return (
														<li key={x.id}>
															{x.alerts ? (
																<Link class={`cell at-${heat(x.alerts)}`} to={`/alerts?technique=${encodeURIComponent(x.id)}`}>
																	{body}
																</Link>
															) : (
																<span class={`cell ${x.covered ? "at-0" : "at-none"}`}>{body}</span>
															)}
														</li>
													);
												})}
											</ul>
										</section>
									);
								})}
							</div>
						</Panel>
					);
				}}
			</Load>
		</div>
	);
}
