// SPDX-License-Identifier: Apache-2.0
// The library of the site: playbooks and pages of knowledge, and whether they are what the site signed.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { type ApiError, may, post, useResource } from "../lib/api";
import { full } from "../lib/format";
import { lang } from "../lib/prefs";
import { Link } from "../lib/router";
import type { Knowledge, Library, Playbook } from "../lib/types";
import { Button, Empty, Head, Load, Panel, Sev, Skeleton, Tag, Technique, why } from "../ui/common";
import { Icon } from "../ui/icons";
import { PageLinks, Steps, say } from "./guide";

const stateKind = (s: string) => (s === "verified" ? "ok" : s === "refused" ? "bad" : "warn");

export function LibraryPage() {
	const r = useResource<Library>("/library");
	const [error, setError] = useState("");
	const again = async () => {
		setError("");
		try {
			const l = await post<Library>("/library/reload");
			r.set(() => l);
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	return (
		<div class="page">
			<Head title={t("lb.title")} text={t("lb.text")}>
				{may("admin") && <Button onClick={again}>{t("lb.reload")}</Button>}
			</Head>
			{error && <p class="form-error" role="alert">{error}</p>}
			<Load r={r} rows={12}>
				{(l) =>
					!l.playbooks.length && !l.pages.length ? (
						<Panel>
							<Empty icon="book" title={t(l.state === "refused" ? "lb.state.refused" : "lb.none")} text={t("lb.none.text")} />
							{l.problems.length > 0 && <pre class="code" role="group" tabIndex={0} aria-label={t("lb.problems")}>{l.problems.join("\n")}</pre>}
						</Panel>
					) : (
						<>
							<p class="lb-state">
								<Tag kind={stateKind(l.state)}>{word("lb.state", l.state)}</Tag>
								<span>{t("lb.version", { n: l.version })}</span>
								{l.signed > 0 && <span class="dim">{t("lb.signed", { when: full(l.signed) })}</span>}
								{l.kid && <span class="dim mono clip" title={l.kid}>{l.kid}</span>}
							</p>
							{l.refused && (
								<Panel id="lb-refused" title={t("lb.refused")}>
									{l.problems.length > 0 && <pre class="code" role="group" tabIndex={0} aria-label={t("lb.problems")}>{l.problems.join("\n")}</pre>}
								</Panel>
							)}
							<div class="lb-in">
								<Panel id="lb-playbooks" title={t("lb.playbooks")}>
									<ul class="plain lb-list">
										{l.playbooks.map((p) => (
											<li key={p.id}>
												<Sev s={p.severity} />
												<span>
													<Link to={`/library/playbooks/${p.id}`}>{say(p.title)}</Link>
													<span class="dim block">{say(p.when)}</span>
													<span class="techs">
														<span class="dim">{t("lb.steps", { n: p.n_steps })}</span>
														{p.roles.map((x) => <Tag key={x}>{word("duty", x)}</Tag>)}
													</span>
												</span>
											</li>
										))}
									</ul>
								</Panel>
								<Panel id="lb-pages" title={t("gd.pages")}>
									<div class="pad lb-pages"><PageLinks list={l.pages} /></div>
								</Panel>
							</div>
						</>
					)
				}
			</Load>
		</div>
	);
}

function Back() {
	return (
		<nav class="crumbs" aria-label={t("nav.library")}>
			<Link to="/library" class="btn btn-quiet">
				<Icon name="left" />
				<span>{t("nav.library")}</span>
			</Link>
		</nav>
	);
}

export function PlaybookPage({ id }: { id: string }) {
	const r = useResource<Playbook>(`/library/playbooks/${encodeURIComponent(id)}`);
	return (
		<div class="page detail">
			<Back />
			{!r.data && <h1 class="sr" tabIndex={-1}>{t("lb.title")}</h1>}
			<Load r={r} rows={14}>
				{(p) => (
					<>
						<Head title={say(p.title)} text={say(p.when)} />
						<p class="lb-state">
							<Sev s={p.severity} text />
							<span>{t("lb.version", { n: p.version })}</span>
							{p.techniques.map((x) => <Technique key={x} id={x} />)}
						</p>
						<Panel id="lb-steps" class="guide" title={t("gd.title")}>
							<Steps p={p} ticks={[]} set={null} />
						</Panel>
						<div class="lb-in">
							{p.knowledge.length > 0 && (
								<Panel id="lb-know" title={t("gd.pages")}>
									<p class="pad lb-pages">{p.knowledge.map((k) => <Link key={k} class="gd-link mono" to={`/library/pages/${k}`}><Icon name="book" size={14} /> {k}</Link>)}</p>
								</Panel>
							)}
							{p.references.length > 0 && (
								<Panel id="lb-refs" title={t("lb.references")}>
									<ul class="pad lb-refs">{p.references.map((x) => <li key={x}>{x}</li>)}</ul>
								</Panel>
							)}
						</div>
					</>
				)}
			</Load>
		</div>
	);
}

export function KnowledgePage({ id }: { id: string }) {
	const r = useResource<Knowledge>(`/library/pages/${encodeURIComponent(id)}`);
	const [Markdown, setMarkdown] = useState<FunctionComponent<{ text: string }> | null>(null);
	useEffect(() => void import("../lib/markdown").then((m) => setMarkdown(() => m.Markdown)), []);
	return (
		<div class="page detail">
			<Back />
			{!(r.data && Markdown) && <h1 class="sr" tabIndex={-1}>{t("lb.title")}</h1>}
			{r.data && !Markdown ? (
				<Skeleton rows={14} />
			) : (
				<Load r={r} rows={14}>
					{(k) => (
						<article lang={lang.value === "zh" ? "zh-CN" : "en"}>
							<Head title={say(k.title)} />
							<p class="lb-state">
								<Tag>{word("lb.kind", k.kind)}</Tag>
								<span>{t("lb.version", { n: k.version })}</span>
								{k.techniques.map((x) => <Technique key={x} id={x} />)}
							</p>
							<Panel class="lb-page">{Markdown && <Markdown text={say(k.body)} />}</Panel>
						</article>
					)}
				</Load>
			)}
		</div>
	);
}
