// SPDX-License-Identifier: Apache-2.0
// The frame around every page: navigation, search, live state, keys.
import { type ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, type Key } from "./i18n";
import { call, may, me } from "./lib/api";
import { listen, live, unseen, useLive } from "./lib/live";
import { lang, setLang, theme } from "./lib/prefs";
import { Link, go, place } from "./lib/router";
import type { Role } from "./lib/types";
import { KeysHelp, Password } from "./pages/account";
import { AlertPage } from "./pages/alert";
import { Alerts } from "./pages/alerts";
import { Assets } from "./pages/assets";
import { AttackPage } from "./pages/attack";
import { IncidentPage, Incidents } from "./pages/incidents";
import { KnowledgePage, LibraryPage, PlaybookPage } from "./pages/library";
import { Login } from "./pages/login";
import { Audit, Users } from "./pages/admin";
import { MapPage } from "./pages/map";
import { NetworkPage } from "./pages/network";
import { OverviewPage } from "./pages/overview";
import { Proposals } from "./pages/proposals";
import { Search } from "./pages/search";
import { Sensors } from "./pages/sensors";
import { Sharing } from "./pages/sharing";
import { TimelinePage } from "./pages/timeline";
import { Button, Empty, what } from "./ui/common";
import { Brand, Icon, type IconName } from "./ui/icons";

interface Route {
	path: RegExp;
	page: ComponentType<{ id: string }>;
	title: Key;
	role?: Role;
}

const routes: Route[] = [
	{ path: /^\/$/, page: OverviewPage, title: "nav.overview" },
	{ path: /^\/alerts$/, page: Alerts, title: "nav.alerts" },
	{ path: /^\/alerts\/([^/]+)$/, page: AlertPage, title: "nav.alerts" },
	{ path: /^\/incidents$/, page: Incidents, title: "nav.incidents" },
	{ path: /^\/incidents\/([^/]+)$/, page: IncidentPage, title: "nav.incidents" },
	{ path: /^\/map$/, page: MapPage, title: "nav.map" },
	{ path: /^\/assets$/, page: Assets, title: "nav.assets" },
	{ path: /^\/attack$/, page: AttackPage, title: "nav.attack" },
	{ path: /^\/timeline$/, page: TimelinePage, title: "nav.timeline" },
	{ path: /^\/sensors$/, page: Sensors, title: "nav.sensors" },
	{ path: /^\/network$/, page: NetworkPage, title: "nav.network" },
	{ path: /^\/sharing$/, page: Sharing, title: "nav.sharing" },
	{ path: /^\/proposals$/, page: Proposals, title: "nav.proposals" },
	{ path: /^\/library$/, page: LibraryPage, title: "nav.library" },
	{ path: /^\/library\/playbooks\/([^/]+)$/, page: PlaybookPage, title: "nav.library" },
	{ path: /^\/library\/pages\/([^/]+)$/, page: KnowledgePage, title: "nav.library" },
	{ path: /^\/users$/, page: Users, title: "nav.users", role: "admin" },
	{ path: /^\/audit$/, page: Audit, title: "nav.audit", role: "admin" },
	{ path: /^\/search$/, page: Search, title: "sr.title" },
];

interface Item {
	to: string;
	icon: IconName;
	text: Key;
	key?: string;
	role?: Role;
}

const menu: { text: Key; items: Item[] }[] = [
	{
		text: "nav.monitor",
		items: [
			{ to: "/", icon: "overview", text: "nav.overview", key: "o" },
			{ to: "/alerts", icon: "alerts", text: "nav.alerts", key: "a" },
			{ to: "/incidents", icon: "incidents", text: "nav.incidents", key: "i" },
			{ to: "/timeline", icon: "timeline", text: "nav.timeline", key: "t" },
			{ to: "/attack", icon: "attack", text: "nav.attack" },
		],
	},
	{
		text: "nav.plant",
		items: [
			{ to: "/map", icon: "map", text: "nav.map", key: "m" },
			{ to: "/assets", icon: "assets", text: "nav.assets" },
			{ to: "/sensors", icon: "sensors", text: "nav.sensors", key: "s" },
			{ to: "/network", icon: "network", text: "nav.network", key: "n" },
		],
	},
	{
		text: "nav.manage",
		items: [
			{ to: "/proposals", icon: "proposals", text: "nav.proposals" },
			{ to: "/sharing", icon: "share", text: "nav.sharing" },
			{ to: "/library", icon: "book", text: "nav.library" },
			{ to: "/users", icon: "users", text: "nav.users", role: "admin" },
			{ to: "/audit", icon: "audit", text: "nav.audit", role: "admin" },
		],
	},
];
const tabs: Item[] = [menu[0].items[0], menu[0].items[1], menu[0].items[2], menu[1].items[0]]; // of a phone

const here = (to: string) => (to === "/" ? place.value.path === "/" : place.value.path === to || place.value.path.startsWith(to + "/"));

function NavLink({ item, onGo }: { item: Item; onGo?: () => void }) {
	return (
		<Link to={item.to} class="nav-link" aria-current={here(item.to) ? "page" : undefined} onClickCapture={onGo} title={t(item.text)}>
			<Icon name={item.icon} />
			<span>{t(item.text)}</span>
		</Link>
	);
}

function Menu({ onGo }: { onGo?: () => void }) {
	return (
		<>
			{menu.map((group) => (
				<div class="nav-group" key={group.text}>
					<p class="nav-title">{t(group.text)}</p>
					{group.items
						.filter((i) => !i.role || may(i.role))
						.map((i) => (
							<NavLink key={i.to} item={i} onGo={onGo} />
						))}
				</div>
			))}
		</>
	);
}

export function Language() {
	return (
		<button type="button" class="btn btn-quiet" onClick={() => setLang(lang.value === "en" ? "zh" : "en")} lang={lang.value === "en" ? "zh-CN" : "en"} title={t("bar.language")}>
			<Icon name="globe" />
			<span>{lang.value === "en" ? "中文" : "English"}</span>
		</button>
	);
}

export function ThemeButton() {
	const next = { system: "dark", dark: "light", light: "system" } as const;
	const text = `${t("bar.theme")}: ${t(`bar.theme.${theme.value}`)}`;
	return (
		<Button
			look="quiet"
			icon={theme.value === "system" ? "system" : theme.value === "dark" ? "moon" : "sun"}
			aria-label={text}
			title={text}
			onClick={() => (theme.value = next[theme.value])}
		/>
	);
}

function Live() {
	const text = live.value === "live" ? t("bar.live") : live.value === "lost" ? t("bar.live.lost") : t("bar.live.connecting");
	return (
		<span class={`live live-${live.value}`} role="status" title={text}>
			<i aria-hidden="true" />
			<span>{text}</span>
		</span>
	);
}

function Account({ onPassword, onKeys }: { onPassword: () => void; onKeys: () => void }) {
	const [open, setOpen] = useState(false);
	const box = useRef<HTMLDivElement>(null);
	useEffect(() => {
		if (!open) return;
		const out = (e: Event) => {
			if (e instanceof KeyboardEvent ? e.key === "Escape" : !box.current?.contains(e.target as Node)) {
				setOpen(false);
				if (e instanceof KeyboardEvent) box.current?.querySelector("button")?.focus();
			}
		};
		addEventListener("pointerdown", out);
		addEventListener("keydown", out);
		return () => {
			removeEventListener("pointerdown", out);
			removeEventListener("keydown", out);
		};
	}, [open]);
	const logout = async () => {
		await call("/logout", { method: "POST" }).catch(() => undefined);
		me.value = null;
		go("/", true);
	};
	const item = (fn: () => void) => () => (setOpen(false), fn());
	return (
		<div class="account" ref={box}>
			<button type="button" class="btn btn-quiet" aria-expanded={open} aria-haspopup="true" onClick={() => setOpen(!open)}>
				<span class="avatar" aria-hidden="true" data-letter={me.value?.user.slice(0, 1).toUpperCase()} />
				<span class="sr">{t("bar.account")}</span>
				<span class="account-name">{me.value?.user}</span>
			</button>
			{open && (
				<div class="drop">
					<p class="drop-who">
						<b>{me.value?.user}</b>
						<span class="dim">{me.value && t(`role.${me.value.role}`)}</span>
					</p>
					<button type="button" onClick={item(onPassword)}>
						{t("bar.password")}
					</button>
					<button type="button" class="wide-only" onClick={item(onKeys)}>
						{t("bar.keys")}
						<kbd>?</kbd>
					</button>
					<button type="button" onClick={logout}>
						{t("bar.logout")}
					</button>
					{me.value?.version && <p class="drop-ver dim">Interlock {me.value.version}</p>}
				</div>
			)}
		</div>
	);
}

function SearchBox() {
	const q = place.value.path === "/search" ? new URLSearchParams(place.value.search).get("q") ?? "" : "";
	return (
		<form
			class="searchbox"
			role="search"
			onSubmit={(e) => {
				e.preventDefault();
				const v = String(new FormData(e.currentTarget).get("q") ?? "").trim();
				if (v) go("/search?q=" + encodeURIComponent(v));
			}}
		>
			<Icon name="search" />
			<input id="search" name="q" type="search" key={q} defaultValue={q} placeholder={t("bar.search")} aria-label={t("bar.search")} maxLength={200} autocomplete="off" spellcheck={false} />
			<kbd aria-hidden="true">/</kbd>
		</form>
	);
}

function Shell() {
	const [dialog, setDialog] = useState<"" | "keys" | "password" | "menu">("");
	const [said, setSaid] = useState("");
	const main = useRef<HTMLElement>(null);
	const last = useRef("");
	const path = place.value.path;
	const route = routes.find((r) => r.path.test(path) && (!r.role || may(r.role)));
	const id = route?.path.exec(path)?.[1] ?? "";

	useEffect(listen, []);
	useEffect(() => {
		const mark = unseen.value ? `(${unseen.value}) ` : "";
		document.title = `${mark}${route ? t(route.title) : t("app.notfound")} · Interlock`;
	}, [path, lang.value, unseen.value]);
	// A page that was gone to has the focus on its title; the first one leaves it where the browser has it.
	useEffect(() => {
		if (last.current && last.current !== path) main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
		last.current = path;
		setDialog((d) => (d === "menu" ? "" : d));
	}, [path]);
	useLive("alert", (a) => {
		if (a.severity !== 1) return;
		if (document.hidden) unseen.value++;
		setSaid(t("bar.announce", { what: `${what(a)}, ${a.dst?.name ?? a.sensor}` }));
	});
	useEffect(() => {
		const seen = () => !document.hidden && (unseen.value = 0);
		document.addEventListener("visibilitychange", seen);
		return () => document.removeEventListener("visibilitychange", seen);
	}, []);
	useEffect(() => {
		let g = 0;
		const key = (e: KeyboardEvent) => {
			if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
			if (e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) {
				if (e.key === "Escape") e.target.blur();
				return;
			}
			if (e.key === "/") {
				document.getElementById("search")?.focus();
				e.preventDefault();
			} else if (e.key === "?") setDialog("keys");
			else if (e.key === "g") g = Date.now();
			else if (Date.now() - g < 1200) {
				const item = menu.flatMap((m) => m.items).find((i) => i.key === e.key);
				if (item) {
					e.preventDefault();
					e.stopImmediatePropagation();
					go(item.to);
				}
				g = 0;
			}
		};
		addEventListener("keydown", key, true);
		return () => removeEventListener("keydown", key, true);
	}, []);

	return (
		<div class="shell">
			<a class="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
				{t("app.skip")}
			</a>
			<header class="bar">
				<Link to="/" class="brand" aria-label={`${t("app.name")}: ${t("nav.overview")}`}>
					<Brand />
					<span>Interlock</span>
				</Link>
				<SearchBox />
				<Live />
				<Language />
				<ThemeButton />
				<Account onPassword={() => setDialog("password")} onKeys={() => setDialog("keys")} />
			</header>
			<nav class="side" aria-label={t("nav.main")}>
				<Menu />
			</nav>
			<main id="main" ref={main} tabIndex={-1} class="main">
				{route ? (
					<route.page key={path} id={decode(id)} />
				) : (
					<div class="page">
						<Empty icon="question" title={t("app.notfound")} text={t("app.notfound.text")}>
							<h1 class="sr" tabIndex={-1}>
								{t("app.notfound")}
							</h1>
							<Link class="btn btn-plain" to="/">
								{t("app.home")}
							</Link>
						</Empty>
					</div>
				)}
			</main>
			<nav class="tabs" aria-label={t("bar.menu")}>
				{tabs.map((i) => (
					<NavLink key={i.to} item={i} />
				))}
				<button type="button" class="nav-link" aria-expanded={dialog === "menu"} onClick={() => setDialog(dialog === "menu" ? "" : "menu")}>
					<Icon name="menu" />
					<span>{t("nav.more")}</span>
				</button>
			</nav>
			{dialog === "menu" && (
				<div class="sheet">
					<Menu onGo={() => setDialog("")} />
				</div>
			)}
			{dialog === "keys" && <KeysHelp onClose={() => setDialog("")} />}
			{dialog === "password" && <Password onClose={() => setDialog("")} />}
			<div class="sr" aria-live="polite">
				{said}
			</div>
		</div>
	);
}

function decode(s: string): string {
	try {
		return decodeURIComponent(s);
	} catch {
		return s; // not one of ours; the collector says that there is no such thing
	}
}

export function App() {
	return me.value ? <Shell /> : <Login />;
}
