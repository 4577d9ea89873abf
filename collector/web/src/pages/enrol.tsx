// SPDX-License-Identifier: Apache-2.0
// A token for a sensor or a site below, and the whole command that uses it.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { type ApiError, post } from "../lib/api";
import { full } from "../lib/format";
import type { Token } from "../lib/types";
import { Button, Copy, Lines, Modal, why } from "../ui/common";

type Kind = "sensor" | "relay";

// A word of a shell's line.  Names come from elsewhere.
export const arg = (s: string) => (/^[\w./:@=,+-]+$/.test(s) ? s : `'${s.replace(/'/g, "'\\''")}'`);

function Command({ kind, name, made }: { kind: Kind; name: string; made: Token }) {
	// Where people see this page is where sensors mostly reach it; the port is another one.
	const [host, setHost] = useState(location.hostname);
	const url = `https://${host || "HOST"}:${made.ingest_port}`;
	const trust = `\\\n    --token ${made.token} \\\n    --ca-fingerprint ${made.ca_fingerprint}`;
	return (
		<div class="form">
			<p class="token mono">
				<output>{made.token}</output>
				<Copy text={made.token} />
			</p>
			<p>{t("se.token.once", { when: full(made.expires) })}</p>
			{made.ingest_port === null ? (
				<p>{t("en.noingest")}</p>
			) : (
				<>
					<label>
						<span>{t("en.host")}</span>
						<input value={host} maxLength={255} autocapitalize="none" spellcheck={false} onInput={(e) => setHost(e.currentTarget.value.replace(/[^\w.:[\]-]/g, ""))} />
					</label>
					{kind === "sensor" ? (
						<>
							<Lines label={t("en.sensor")} text={`interlock send enrol --collector ${url} ${trust} \\\n    --key /etc/interlock/sensor.key --name ${arg(name)} --dir /etc/interlock/collector`} />
							<Lines label={t("en.send")} text={`interlock send --journal ${arg("/var/lib/interlock/" + name)} --state ${arg("/var/lib/interlock-send/" + name)} \\\n    --identity /etc/interlock/collector ${url}`} />
						</>
					) : (
						<Lines label={t("en.relay")} text={`interlock collect join /var/lib/interlock-collect --collector ${url} ${trust} --name ${arg(name)}`} />
					)}
				</>
			)}
		</div>
	);
}

// made: the token is there already (a rotation).
export function Enrol({ kind, name = "", made: given, onClose }: { kind: Kind; name?: string; made?: Token; onClose: () => void }) {
	const [done, setDone] = useState<{ name: string; made: Token } | null>(given ? { name, made: given } : null);
	const [error, setError] = useState("");
	const submit = async (e: SubmitEvent) => {
		e.preventDefault();
		const f = new FormData(e.currentTarget as HTMLFormElement), called = String(f.get("name"));
		try {
			const body = kind === "sensor" ? { site: f.get("site") } : { relay: true, vouches: f.get("vouches") !== null };
			setDone({ name: called, made: await post<Token>("/sensors/tokens", { name: called, ...body }) });
		} catch (x) {
			setError(t("app.failed", { why: why(x as ApiError) }));
		}
	};
	return (
		<Modal wide={!!done} title={t(given ? "en.rotate" : kind === "sensor" ? "se.token.title" : "en.relay.title")} onClose={onClose}>
			{done ? (
				<>
					<Command kind={kind} name={done.name} made={done.made} />
					<div class="modal-foot">
						<Button look="main" onClick={onClose}>{t("app.done")}</Button>
					</div>
				</>
			) : (
				<form class="form" onSubmit={submit}>
					<label>
						<span>{t(kind === "sensor" ? "se.token.name" : "en.relay.name")}</span>
						<input name="name" required maxLength={64} pattern="[A-Za-z0-9._\-]+" autocapitalize="none" spellcheck={false} />
					</label>
					{kind === "sensor" ? (
						<label>
							<span>{t("al.site")}</span>
							<input name="site" required maxLength={64} />
						</label>
					) : (
						<>
							<label class="check">
								<input type="checkbox" name="vouches" />
								<span>{t("en.vouches")}</span>
							</label>
							<p class="dim">{t("en.vouches.text")}</p>
						</>
					)}
					<p class="form-error" role="alert">{error}</p>
					<Button type="submit" look="main">{t("se.token.make")}</Button>
				</form>
			)}
		</Modal>
	);
}
