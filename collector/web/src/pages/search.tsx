// SPDX-License-Identifier: Apache-2.0
import { t, word } from "../i18n";
import { useResource } from "../lib/api";
import { ago } from "../lib/format";
import { Link, params } from "../lib/router";
import type { Found } from "../lib/types";
import { Empty, Head, Load, Panel, Tag } from "../ui/common";
import { AlertLine, IncidentLine } from "./overview";
import { stateKind } from "./sensors";

export function Search() {
	const q = params().get("q")?.trim() ?? "";
	const r = useResource<Found>(q ? "/search?q=" + encodeURIComponent(q) : null);
	return (
		<div class="page">
			<Head title={q ? t("sr.for", { q }) : t("sr.title")} />
			{!q ? (
				<Panel><Empty icon="search" title={t("sr.empty")} text={t("sr.none.text")} /></Panel>
			) : (
				<Load r={r} rows={10}>
					{(f) =>
						f.alerts.length + f.incidents.length + f.assets.length + f.sensors.length === 0 ? (
							<Panel><Empty icon="search" title={t("sr.none", { q })} text={t("sr.none.text")} /></Panel>
						) : (
							<div class="found">
								{f.incidents.length > 0 && <Panel id="sr-i" title={t("nav.incidents")}><div class="lines">{f.incidents.map((i) => <IncidentLine key={i.id} i={i} />)}</div></Panel>}
								{f.alerts.length > 0 && <Panel id="sr-a" title={t("nav.alerts")} acts={<Link to={`/alerts?q=${encodeURIComponent(q)}`}>{t("app.all")}</Link>}><div class="lines">{f.alerts.map((a) => <AlertLine key={a.id} a={a} />)}</div></Panel>}
								{f.assets.length > 0 && (
									<Panel id="sr-d" title={t("nav.assets")} acts={<Link to={`/assets?q=${encodeURIComponent(q)}`}>{t("app.all")}</Link>}>
										<div class="lines">
											{f.assets.map((a) => (
												<Link key={a.id} class="line" to={`/assets?q=${encodeURIComponent(a.name || a.ips[0] || "")}`}>
													<span class="line-main"><b>{a.name || a.ips[0]}</b><span class="dim">{[a.vendor, a.model].filter(Boolean).join(" ")}</span></span>
													<span class="line-side"><span class="mono">{a.ips[0]}</span><span class="dim">{word("role", a.role)}</span></span>
												</Link>
											))}
										</div>
									</Panel>
								)}
								{f.sensors.length > 0 && (
									<Panel id="sr-s" title={t("nav.sensors")}>
										<div class="lines">
											{f.sensors.map((s) => (
												<Link key={s.id} class="line" to={`/sensors?id=${encodeURIComponent(s.id)}`}>
													<span class="line-main"><b>{s.name}</b><span class="dim">{s.site}</span></span>
													<span class="line-side"><Tag kind={stateKind(s.state)}>{word("se.state", s.state)}</Tag><span class="dim">{ago(s.last_seen)}</span></span>
												</Link>
											))}
										</div>
									</Panel>
								)}
							</div>
						)
					}
				</Load>
			)}
		</div>
	);
}
