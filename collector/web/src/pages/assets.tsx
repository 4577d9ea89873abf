// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { Link, params, setParams } from "../lib/router";
import type { Asset } from "../lib/types";
import { Button, Empty, Facts, Failed, Head, Panel, Select, Skeleton, Tag, Typed, When } from "../ui/common";
import { usePaged } from "./incidents";

const roles = ["plc", "hmi", "engineering", "historian", "gateway", "io_device", "router", "switch", "server", "unknown"];

const text = (c: unknown) => (typeof c === "string" ? c : ((c as { text?: string; question?: string })?.text ?? (c as { question?: string })?.question ?? JSON.stringify(c)));

export function Assets() {
	const p = params();
	const list = usePaged<Asset>("/assets", { q: p.get("q"), zone: p.get("zone"), role: p.get("role") });
	const [open, setOpen] = useState<string | null>(null);
	return (
		<div class="page">
			<Head title={t("as.title")} text={t("as.heard")} />
			<div class="filters open">
				<Typed label={t("as.search")} value={p.get("q") ?? ""} onChange={(v) => setParams({ q: v || null })} />
				<Select label={t("as.role")} value={p.get("role") ?? ""} onChange={(v) => setParams({ role: v || null })} options={[["", t("app.all")], ...roles.map((r): [string, string] => [r, word("role", r)])]} />
			</div>
			<Panel>
				{list.items ? (
					list.items.length ? (
						<table class="table">
							<thead>
								<tr>
									<th>{t("as.name")}</th>
									<th>{t("as.address")}</th>
									<th class="hide-s">{t("as.role")}</th>
									<th class="hide-s">{t("as.zone")}</th>
									<th class="hide-s">{t("as.vendor")}</th>
									<th class="hide-s">{t("as.model")}</th>
									<th class="hide-s">{t("as.firmware")}</th>
									<th class="hide-s">{t("as.seen")}</th>
								</tr>
							</thead>
							<tbody>
								{list.items.map((a) => [
									<tr key={a.id} class={open === a.id ? "on" : ""}>
										<td>
											<button type="button" class="unfold" aria-expanded={open === a.id} onClick={() => setOpen(open === a.id ? null : a.id)}>
												<b>{a.name || a.ips[0] || a.macs[0] || a.id}</b>
											</button>
											{a.conflicts.length > 0 && <> <Tag kind="warn">{a.conflicts.length} ?<span class="sr"> {t("as.conflict")}</span></Tag></>}
										</td>
										<td class="mono">{a.ips[0]}</td>
										<td class="hide-s">{word("role", a.role)}</td>
										<td class="hide-s">{a.zone}{a.level !== null && <span class="dim"> L{a.level}</span>}</td>
										<td class="hide-s">{a.vendor}</td>
										<td class="hide-s">{a.model}</td>
										<td class="hide-s mono">{a.firmware}</td>
										<td class="hide-s"><When ms={a.last} rel /></td>
									</tr>,
									open === a.id && (
										<tr key={a.id + "+"} class="more-row">
											<td colSpan={8}>
												<div class="sensor-more">
													<Facts
														rows={[
															[t("as.address"), <span class="mono">{[...a.ips, ...a.macs].join(", ")}</span>],
															[t("as.role"), word("role", a.role)],
															[t("as.zone"), a.zone],
															[t("as.serial"), a.serial && <span class="mono">{a.serial}</span>],
														]}
													/>
													<Facts
														rows={[
															[t("as.vendor"), a.vendor],
															[t("as.model"), a.model],
															[t("as.firmware"), a.firmware],
															[t("as.confidence"), a.confidence],
															[t("as.first"), <When ms={a.first} />],
															[t("al.sensor"), a.sensor],
														]}
													/>
													<div>
														{a.conflicts.length > 0 && (
															<>
																<h3>{t("as.conflict")}</h3>
																<ul class="plain">{a.conflicts.map((c, i) => <li key={i}>{text(c)}</li>)}</ul>
															</>
														)}
														<p class="acts"><Link class="btn btn-plain" to={`/alerts?device=${encodeURIComponent(a.name || a.ips[0] || "")}`}>{t("as.alerts")}</Link></p>
													</div>
												</div>
											</td>
										</tr>
									),
								])}
							</tbody>
						</table>
					) : (
						<Empty icon="assets" title={t("as.none")} text={t("as.none.text")} />
					)
				) : list.error ? (
					<Failed error={list.error} retry={list.reload} />
				) : (
					<Skeleton rows={12} />
				)}
				{list.next && <div class="more"><Button onClick={list.more}>{t("app.more")}</Button></div>}
			</Panel>
		</div>
	);
}
