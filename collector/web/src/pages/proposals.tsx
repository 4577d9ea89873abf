// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post, useResource } from "../lib/api";
import { Link } from "../lib/router";
import type { Page, Proposal } from "../lib/types";
import { Button, Copy, Empty, Head, Load, Panel, Tag, When, why } from "../ui/common";

export function Diff({ text }: { text: string }) {
	return (
		<pre class="code diff" role="group" tabIndex={0} aria-label={t("pr.diff")}>
			{text.split("\n").map((l, i) => (
				<span key={i} class={l.startsWith("+") && !l.startsWith("+++") ? "add" : l.startsWith("-") && !l.startsWith("---") ? "del" : l.startsWith("@@") ? "at" : ""}>
					{l + "\n"}
				</span>
			))}
		</pre>
	);
}

export function Proposals() {
	const r = useResource<Page<Proposal>>("/proposals");
	const [error, setError] = useState("");
	const withdraw = async (p: Proposal) => {
		setError("");
		try {
			await post(`/proposals/${encodeURIComponent(p.id)}`, { state: "withdrawn" });
			r.reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<div class="page">
			<Head title={t("pr.title")} text={t("pr.text")} />
			{error && <p class="form-error" role="alert">{error}</p>}
			<Load r={r} rows={10}>
				{(v) =>
					v.items.length ? (
						<>
							{v.items.map((p) => (
								<Panel
									key={p.id}
									id={`pr-${p.id}`}
									class="proposal"
									title={t("pr.by", { user: p.user, sensor: p.sensor })}
									acts={
										<span class="acts">
											<span class="dim"><When ms={p.time} /></span>
											<Tag kind={p.state === "proposed" ? "warn" : p.state === "fetched" ? "ok" : "off"}>{word("pr.state", p.state)}</Tag>
											<Link to={`/alerts/${encodeURIComponent(p.alert)}`}>{t("pr.alert")}</Link>
											{p.state === "proposed" && may("analyst") && <Button look="quiet" onClick={() => withdraw(p)}>{t("pr.withdraw")}</Button>}
										</span>
									}
								>
									{p.note && <p class="pad">{p.note}</p>}
									<div class="proposal-in">
										<div>
											<h3>{t("pr.rule")} <Copy text={p.rule_yaml} /></h3>
											<pre class="code" role="group" tabIndex={0} aria-label={t("pr.rule")}>{p.rule_yaml}</pre>
										</div>
										{p.diff && (
											<div>
												<h3>{t("pr.diff")}</h3>
												<Diff text={p.diff} />
											</div>
										)}
									</div>
								</Panel>
							))}
						</>
					) : (
						<Panel><Empty icon="proposals" title={t("pr.none")} text={t("pr.none.text")} /></Panel>
					)
				}
			</Load>
		</div>
	);
}
