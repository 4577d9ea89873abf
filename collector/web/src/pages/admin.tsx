// SPDX-License-Identifier: Apache-2.0
// Users and the audit log: for administrators.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { type ApiError, me, post, useResource } from "../lib/api";
import { ago } from "../lib/format";
import type { AuditEntry, Page, Role, User } from "../lib/types";
import { Button, Empty, Head, Load, Modal, Panel, Tag, When, why } from "../ui/common";

const nameOf = (u: User) => u.name ?? u.user ?? "";
const roles: Role[] = ["viewer", "analyst", "admin"];

export function Users() {
	const r = useResource<Page<User>>("/users");
	const [dialog, setDialog] = useState<"new" | string>(""); // or whose password
	const [error, setError] = useState("");
	const change = async (path: string, body: Record<string, unknown>) => {
		setError("");
		try {
			await post(path, body);
			setDialog("");
			r.reload();
		} catch (e) {
			setError(t("app.failed", { why: why(e as ApiError) }));
		}
	};
	const of = (u: User) => `/users/${encodeURIComponent(nameOf(u))}`;
	const submit = (e: SubmitEvent) => {
		e.preventDefault();
		const f = new FormData(e.currentTarget as HTMLFormElement);
		if (String(f.get("password")).length < 10) return setError(t("password.short"));
		if (dialog === "new") void change("/users", { name: f.get("name"), user: f.get("name"), role: f.get("role"), password: f.get("password") });
		else void change(`/users/${encodeURIComponent(dialog.slice(1))}`, { password: f.get("password") });
	};
	return (
		<div class="page">
			<Head title={t("us.title")}>
				<Button look="main" icon="plus" onClick={() => (setError(""), setDialog("new"))}>{t("us.new")}</Button>
			</Head>
			{error && !dialog && <p class="form-error" role="alert">{error}</p>}
			<Panel>
				<Load r={r} rows={6}>
					{(v) =>
						v.items.length ? (
							<table class="table">
								<thead>
									<tr>
										<th>{t("us.name")}</th>
										<th>{t("us.role")}</th>
										<th>{t("us.state")}</th>
										<th class="hide-s">{t("us.login")}</th>
										<th><span class="sr">{t("us.actions")}</span></th>
									</tr>
								</thead>
								<tbody>
									{v.items.map((u) => (
										<tr key={nameOf(u)}>
											<td><b>{nameOf(u)}</b></td>
											<td>
												<select aria-label={`${t("us.role")}: ${nameOf(u)}`} value={u.role} disabled={nameOf(u) === me.value?.user} onChange={(e) => change(of(u), { role: e.currentTarget.value })}>
													{roles.map((x) => <option key={x} value={x} selected={x === u.role}>{t(`role.${x}`)}</option>)}
												</select>
											</td>
											<td><Tag kind={u.disabled ? "off" : "ok"}>{u.disabled ? t("us.disabled") : t("us.active")}</Tag></td>
											<td class="hide-s">{ago(u.last_login)}</td>
											<td>
												<span class="acts">
													<Button look="quiet" onClick={() => (setError(""), setDialog("=" + nameOf(u)))}>{t("us.reset")}</Button>
													{nameOf(u) !== me.value?.user && <Button look="quiet" onClick={() => change(of(u), { disabled: !u.disabled })}>{u.disabled ? t("us.enable") : t("us.disable")}</Button>}
												</span>
											</td>
										</tr>
									))}
								</tbody>
							</table>
						) : (
							<Empty icon="users" title={t("us.none")} />
						)
					}
				</Load>
			</Panel>
			{dialog && (
				<Modal title={dialog === "new" ? t("us.new") : `${t("us.reset")}: ${dialog.slice(1)}`} onClose={() => setDialog("")}>
					<form class="form" onSubmit={submit}>
						{dialog === "new" && (
							<>
								<label>
									<span>{t("us.name")}</span>
									<input name="name" required maxLength={64} autocomplete="off" autocapitalize="none" spellcheck={false} />
								</label>
								<label>
									<span>{t("us.role")}</span>
									<select name="role">{roles.map((x) => <option key={x} value={x}>{t(`role.${x}`)}</option>)}</select>
								</label>
							</>
						)}
						<label>
							<span>{t("password.new")}</span>
							<input name="password" type="password" required autocomplete="new-password" />
						</label>
						<p class="form-error" role="alert">{error}</p>
						<Button type="submit" look="main">{t("app.save")}</Button>
					</form>
				</Modal>
			)}
		</div>
	);
}

export function Audit() {
	const r = useResource<Page<AuditEntry>>("/audit?limit=200");
	return (
		<div class="page">
			<Head title={t("au.title")} text={t("au.text")} />
			<Panel>
				<Load r={r} rows={12}>
					{(v) =>
						v.items.length ? (
							<table class="table dense">
								<thead>
									<tr>
										<th>{t("time.label")}</th>
										<th>{t("au.user")}</th>
										<th>{t("au.action")}</th>
										<th class="hide-s">{t("au.object")}</th>
										<th class="hide-s">{t("au.address")}</th>
										<th>{t("au.result")}</th>
									</tr>
								</thead>
								<tbody>
									{v.items.map((e, i) => (
										<tr key={`${e.time}/${i}`}>
											<td class="mono"><When ms={e.time} /></td>
											<td>{e.user}</td>
											<td class="mono">{e.action}</td>
											<td class="hide-s wrap">{e.object}{e.text ? <span class="dim"> {e.text}</span> : null}</td>
											<td class="hide-s mono">{e.address}</td>
											<td><Tag kind={e.ok ? "ok" : "bad"}>{e.ok ? t("au.ok") : t("au.refused")}</Tag></td>
										</tr>
									))}
								</tbody>
							</table>
						) : (
							<Empty icon="audit" title={t("au.none")} />
						)
					}
				</Load>
			</Panel>
		</div>
	);
}
