// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { Language, ThemeButton } from "../app";
import { t } from "../i18n";
import { ApiError, me, post } from "../lib/api";
import type { Me } from "../lib/types";
import { Button } from "../ui/common";
import { Brand, Icon } from "../ui/icons";

export function Login() {
	const [error, setError] = useState("");
	const [busy, setBusy] = useState(false);
	const user = useRef<HTMLInputElement>(null);
	useEffect(() => {
		document.title = `${t("login.title")} · Interlock`;
		user.current?.focus();
	}, []);
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		const form = new FormData(e.currentTarget as HTMLFormElement);
		setBusy(true);
		setError("");
		try {
			me.value = await post<Me>("/login", { user: form.get("user"), password: form.get("password") });
		} catch (x) {
			const err = x as ApiError;
			setError(
				err.status === 401 ? t("login.wrong")
				: err.status === 429 ? t("login.limited", { n: err.retryAfter || 30 })
				: err.status === 0 ? t("app.error.unreachable")
				: err.message,
			);
			setBusy(false);
			user.current?.focus();
			user.current?.select();
		}
	};
	return (
		<main class="login">
			<div class="login-acts">
				<Language />
				<ThemeButton />
			</div>
			<div class="login-box">
				<div class="login-brand">
					<Brand size={44} />
					<div>
						<p class="login-name">Interlock</p>
						<p class="dim">{t("app.tagline")}</p>
					</div>
				</div>
				<form onSubmit={submit} class="panel form">
					<h1>{t("login.title")}</h1>
					<label>
						<span>{t("login.user")}</span>
						<input ref={user} name="user" autocomplete="username" required maxLength={64} autocapitalize="none" spellcheck={false} aria-invalid={!!error} aria-describedby="login-error" />
					</label>
					<label>
						<span>{t("login.password")}</span>
						<input name="password" type="password" autocomplete="current-password" required maxLength={256} aria-invalid={!!error} aria-describedby="login-error" />
					</label>
					<p class="form-error" id="login-error" role="alert">
						{error}
					</p>
					<Button type="submit" look="main" busy={busy}>
						{busy ? t("login.busy") : t("login.submit")}
					</Button>
				</form>
				<p class="login-note dim">
					<Icon name="shield" />
					{t("login.note")}
				</p>
			</div>
		</main>
	);
}
