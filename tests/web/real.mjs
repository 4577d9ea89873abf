// SPDX-License-Identifier: Apache-2.0
// A real collector and a real sensor for tests of the page: `interlock collect`, and `interlock watch` on a port of its
// own with `interlock send` behind its journal.  In a network namespace of its own: tests/e2e/web.sh --real.
import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "./kit.mjs";

export const interlock = process.env.INTERLOCK ?? join(root, process.env.B ?? "build", "interlock");
export const password = "correct horse battery";
export const capture = join(root, "pcaps/mixed/plant.pcap");
const run = promisify(execFile);

// The first match of a pattern in what a process says; an error when it ends before.
function said(child, stream, pattern) {
	return new Promise((done, no) => {
		let text = "";
		child[stream].on("data", (d) => {
			const m = pattern.exec((text += d));
			if (m) done(m);
		});
		child.on("exit", (code) => no(new Error(`${child.spawnargs.slice(0, 3).join(" ")} ended with ${code}: ${text}`)));
	});
}

export class Plant {
	constructor() {
		this.dir = mkdtempSync(join(tmpdir(), "web-"));
		this.children = [];
		this.said = []; // on standard error, by any of them
		execFileSync("chmod", ["755", this.dir]); // a sensor is not root for long
	}
	at = (...p) => join(this.dir, ...p);
	start(...args) {
		const child = spawn(interlock, args, { stdio: ["ignore", "pipe", "pipe"] });
		child.stderr.on("data", (d) => this.said.push(...String(d).split("\n")));
		this.children.push(child);
		return child;
	}

	async collect(users) {
		const data = this.at("data");
		execFileSync(interlock, ["collect", "init", data]);
		for (const [name, role] of users) execFileSync(interlock, ["collect", "user", data, name, "--role", role], { input: password + "\n" });
		// The library of this site: its answer to a stop is a policy that it has prepared.
		cpSync(join(root, "library"), this.at("library"), { recursive: true });
		const stop = this.at("library/playbooks/plc-stop.yaml"), was = readFileSync(stop, "utf8");
		const now = was.replace(/action: \{kind: panic.*\}/, 'action: {kind: policy, command: "interlock ctl shadow --promote --confirm 10m", undo: "interlock ctl rollback", prepared: narrow}');
		if (now === was) throw new Error("plc-stop.yaml has no panic");
		writeFileSync(stop, now);
		const web = join(root, process.env.B ?? "build", "web"), openapi = join(root, "collector/openapi.yaml");
		const m = await said(this.start("collect", data, "--listen", "127.0.0.1:0", "--ingest", "127.0.0.1:0", "--web", web, "--openapi", openapi, "--library", this.at("library")), "stdout", /127\.0\.0\.1:(\d+).* port (\d+)/);
		this.page = `https://127.0.0.1:${m[1]}`;
		this.ingest = Number(m[2]);
		this.ca = join(data, "ca.crt");
	}
	token = (name) => execFileSync(interlock, ["collect", "token", this.at("data"), name, "--approve"]).toString().trim();

	// The sensor gets its identity by the command that the page shows, with files of this plant.
	async enrol(command) {
		execFileSync(interlock, ["key", "new", this.at("key")]);
		const [program, ...args] = command.replace(/\\\n/g, " ").split(/\s+/);
		if (program !== "interlock") throw new Error(command);
		for (const [option, path] of [["--key", this.at("key")], ["--dir", this.at("id")]]) args[args.indexOf(option) + 1] = path;
		await run(interlock, args);
	}
	async sense(port) {
		for (const d of ["state", "evidence"]) mkdirSync(this.at(d));
		const watch = this.start("watch", "-i", port, "-p", join(root, "policies/filling-line.yaml"), "--detect", "--journal", this.at("journal"), "--key", this.at("key"), "--evidence", this.at("evidence"), "--assets", this.at("assets.json"));
		await said(watch, "stderr", /listening/);
		this.start("send", "--journal", this.at("journal"), "--state", this.at("state"), "--identity", this.at("id"), "--evidence", this.at("evidence"), "--assets", this.at("assets.json"), "--retry-max", "1s", `https://127.0.0.1:${this.ingest}`);
	}
	// When the last of the frames was on the wire, ms.
	inject = async (port, first, last) => Number((await run("python3", [join(root, "tests/web/inject.py"), port, capture, String(first), String(last)])).stdout);

	async stop(verb) {
		for (const c of this.children.filter((x) => x.exitCode === null && x.signalCode === null && (!verb || x.spawnargs[1] === verb)).reverse()) {
			const gone = new Promise((done) => c.on("close", done));
			c.kill("SIGTERM");
			await gone;
		}
	}
	async end() {
		await this.stop();
		rmSync(this.dir, { recursive: true });
	}
}
