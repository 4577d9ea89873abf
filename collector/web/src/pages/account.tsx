// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { t, type Key } from "../i18n";
import { type ApiError, post } from "../lib/api";
import { Button, Modal, why } from "../ui/common";

const shortcuts: [string[], Key][] = [
	[["j", "k"], "keys.move"],
	[["Enter"], "keys.open"],
	[["x"], "keys.fold"],
	[["n", "p"], "keys.neighbour"],
	[["Esc"], "keys.back"],
	[["/"], "keys.search"],
	[["g", "o a i m t s"], "keys.go"],
	[["?"], "keys.help"],
];

export function KeysHelp({ onClose }: { onClose: () => void }) {
	return (
		<Modal title={t("keys.title")} onClose={onClose}>
			<dl class="keys">
				{shortcuts.map(([keys, text]) => (
					<div key={text}>
						<dt>
							{keys.map((k) => (
								<kbd key={k}>{k}</kbd>
							))}
						</dt>
						<dd>{t(text)}</dd>
					</div>
				))}
			</dl>
		</Modal>
	);
}

export function Password({ onClose }: { onClose: () => void }) {
	const [error, setError] = useState("");
	const [done, setDone] = useState(false);
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		const f = new FormData(e.currentTarget as HTMLFormElement);
		if (f.get("new") !== f.get("again")) return setError(t("password.differ"));
		if (String(f.get("new")).length < 10) return setError(t("password.short"));
		try {
			await post("/me/password", { old: f.get("old"), new: f.get("new") });
			setDone(true);
		} catch (x) {
			setError((x as ApiError).status === 401 ? t("login.wrong") : why(x as ApiError));
		}
	};
	return (
		<Modal title={t("bar.password")} onClose={onClose}>
			{done ? (
				<>
					<p role="status">{t("password.changed")}</p>
					<Button onClick={onClose}>{t("app.close")}</Button>
				</>
			) : (
				<form class="form" onSubmit={submit}>
					<label>
						<span>{t("password.old")}</span>
						<input name="old" type="password" autocomplete="current-password" required />
					</label>
					<label>
						<span>{t("password.new")}</span>
						<input name="new" type="password" autocomplete="new-password" required />
					</label>
					<label>
						<span>{t("password.again")}</span>
						<input name="again" type="password" autocomplete="new-password" required />
					</label>
					<p class="form-error" role="alert">
						{error}
					</p>
					<Button type="submit" look="main">
						{t("app.save")}
					</Button>
				</form>
			)}
		</Modal>
	);
}
