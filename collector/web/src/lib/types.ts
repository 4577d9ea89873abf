// SPDX-License-Identifier: Apache-2.0
// What the collector's API answers (collector/openapi.yaml).  Times are ms since 1970.

export type Severity = 1 | 2 | 3;
export type Role = "viewer" | "analyst" | "admin";

export interface Page<T> {
	items: T[];
	next: string | null;
}

export interface Endpoint {
	ip: string;
	port: number | null;
	name: string | null;
}

export interface Alert {
	id: string;
	time: number;
	sensor: string;
	site: string;
	severity: Severity;
	action: "blocked" | "allowed";
	verdict: string | null;
	signature: string;
	signature_id: number;
	category: string;
	rule: string | null;
	conduit: string | null;
	reason: string | null;
	proto: string | null;
	op: string | null;
	access: string | null;
	object: string | null;
	src: Endpoint | null;
	dst: Endpoint | null;
	direction: string | null;
	count: number;
	techniques: string[];
	incident: string | null;
	event: string | null;
}

export interface ProofState {
	state: "verified" | "unverified" | "broken";
	sensor: string;
	epoch: number;
	batch: number;
	seq: number;
	kid: string;
	root: string;
}

export interface Words {
	en: string;
	zh: string;
}

// docs/LIBRARY.md
export interface PlaybookHead {
	id: string;
	version: number;
	severity: Severity;
	title: Words;
	when: Words;
	roles: string[];
	techniques: string[];
	knowledge: string[];
	n_steps: number;
}

export interface Step {
	id: string;
	phase: string;
	role: string;
	text: Words;
	expect: Words;
	safety?: Words;
	evidence?: Words;
	commands?: string[];
	action?: { kind: string; command: string; undo: string; prepared?: string };
}

export interface Playbook extends PlaybookHead {
	questions: Words[];
	never: Words[];
	references: string[];
	steps: Step[];
}

export interface PageHead {
	id: string;
	version: number;
	kind: string;
	title: Words;
	protos: string[];
	roles: string[];
	techniques: string[];
}

export interface Knowledge extends PageHead {
	body: Words;
}

export interface Tick {
	playbook: string;
	step: string;
	version: number;
	user: string;
	time: number;
	note: string;
}

// What to do about an alert or an incident.
export interface Guide {
	playbook: Playbook | null;
	playbooks: PlaybookHead[];
	pages: PageHead[];
	ticks: Tick[];
	applied: Rollout[];
}

export interface Library {
	state: "verified" | "unverified" | "refused" | "none";
	refused: boolean;
	problems: string[];
	version: number;
	kid: string;
	signed: number;
	playbooks: PlaybookHead[];
	pages: PageHead[];
}

export interface AlertDetail extends Alert, Guide {
	eve: string;
	pdu: Record<string, unknown> | null;
	proof: ProofState | null;
	evidence: boolean;
	related: Alert[];
}

// docs/FORMATS.md, section 4
export interface Proof {
	v: number;
	typ: string;
	seq: number;
	index: number;
	n: number;
	line: string;
	path: string[];
	jws: string;
	key: { kty: string; crv: string; x: string } | null;
}

export interface Incident {
	id: string;
	title: string;
	severity: Severity;
	state: "open" | "ack" | "closed";
	site: string;
	sensor: string;
	src: string | null;
	dst: string | null;
	rule: string | null;
	techniques: string[];
	alerts: number;
	first: number;
	last: number;
	assignee: string | null;
	kind: "policy" | "sensor" | "chain";
}

export interface IncidentDetail extends Incident, Guide {
	alerts_newest: Alert[];
	log: { time: number; user: string; text: string; key: string; value: string }[]; // key: collector/said.def
}

export interface Overview {
	now: number;
	incidents: { open: Record<string, number> };
	alerts_24h: number;
	blocked_24h: number;
	rate: { t: number; n: number; blocked: number }[];
	sensors: { ok: number; silent: number; trouble: number };
	top: Incident[];
}

export interface SensorKey {
	kid: string;
	since: number;
	state: string;
}

export interface Sensor {
	id: string;
	name: string;
	site: string;
	state: "ok" | "silent" | "trouble" | "pending" | "revoked";
	epoch: number;
	batch: number;
	seq: number;
	last_seen: number | null;
	clock_skew_ms: number | null;
	policy: string | null;
	build: string | null;
	keys: SensorKey[];
	chain: "whole" | "gap" | "fork" | "broken";
	gaps: { epoch: number; from: number; to: number; signed_loss: number | boolean | null }[];
	lost: number;
	alerts_24h: number;
}

export interface Token {
	token: string;
	expires: number;
	ingest_port: number | null; // null: this collector listens to no sensors
	ca_fingerprint: string;
}

export interface FleetItem {
	id: number;
	name: string;
	site: string;
	path: string[];
	build: string;
	policy: string;
	pinned_build: string;
	pinned_policy: string;
	drift: ("build" | "policy")[];
	clock_offset_ms: number | null;
	time: { in_step: boolean; error_ms: number } | null; // as it says itself
}

export type RolloutStep = "waits" | "offered" | "on_trial" | "confirming" | "in_force" | "refused" | "rolled_back";

export interface Rollout {
	id: number;
	time: number;
	user: string;
	kind: "policy" | "permit";
	name: string;
	policy: string;
	permit: string;
	expires: number;
	incident: number;
	playbook: string;
	step: string;
	state: "running" | "held" | "done" | "stopped" | "failed";
	why: string;
	stage: number;
	stages: number;
	trial_s: number;
	soak_s: number;
	automatic: boolean;
	sensors: { id: number; name: string; stage: number; step: RolloutStep; time: number; said: string }[];
}

export interface Prepared {
	id: number;
	time: number;
	user: string;
	name: string;
	kind: "policy" | "permit";
	file: string;
	policy: string;
	permit: string;
	signed: number;
	expires: number;
	sensors: string[];
}

export interface Running {
	value: string;
	sensors: number;
}

export interface Fleet extends Page<FleetItem> {
	builds: Running[];
	policies: Running[];
}

export interface Relay {
	id: number;
	name: string;
	state: "ok" | "silent" | "pending" | "revoked";
	vouches: boolean;
	last_seen: number;
	sensors: number;
	kid: string;
}

export interface Upstream {
	url: string;
	name: string;
	state: "starting" | "current" | "sending" | "retrying";
	last_ok: number | null;
	last_error_time: number | null;
	last_error: string;
	behind_sensors: number;
	behind_batches: number;
	batches: number;
	alerts: number;
	sensors: { name: string; state: string; epoch: number; batch: number }[];
}

export interface Network {
	name: string;
	upstream: Upstream | null;
	relays: Relay[];
}

// docs/SHARING.md
export interface Destination {
	name: string;
	identity: string;
	keep: string; // classes, with commas
	tlp: string;
	created: number;
	account: "none" | "reads" | "writes"; // of TAXII
}

export interface Indicator {
	kind: "address" | "mac";
	value: string;
	id: string;
	name: string;
	source: string;
	until: number;
	added: number;
}

export interface Indicators extends Page<Indicator> {
	serial: number;
	refused: Record<string, number>;
}

export interface Bulletin {
	id: number;
	incident: number;
	to: string;
	lang: "en" | "zh";
	time: number;
	user: string;
	pdf: boolean;
}

export interface MapDevice {
	name: string;
	ip: string;
	role: string | null;
	vendor: string | null;
	model: string | null;
	alerts_24h: number;
	severity: Severity | 0 | null;
}

export interface Zone {
	id: string;
	site: string;
	name: string;
	level: number | null;
	devices: MapDevice[];
}

export interface Edge {
	site: string;
	from: string;
	to: string;
	proto: string;
	allowed: boolean;
	alerts: number;
	blocked: number;
	last: number | null;
	ops: string[];
}

export interface PlantMap {
	zones: Zone[];
	edges: Edge[];
}

export interface Asset {
	id: string;
	site: string;
	sensor: string;
	name: string;
	ips: string[];
	macs: string[];
	vendor: string | null;
	model: string | null;
	firmware: string | null;
	serial: string | null;
	role: string | null;
	zone: string | null;
	level: number | null;
	first: number;
	last: number;
	confidence: string | null;
	conflicts: unknown[];
}

export interface Attack {
	version: string;
	tactics: { id: string; name: string }[];
	techniques: {
		id: string;
		old_id: string | null;
		name: string;
		tactics: string[];
		alerts: number;
		last: number | null;
		covered: boolean;
	}[];
}

export interface Timeline {
	step: number;
	buckets: { t: number; n: number; by: Record<string, number> }[];
}

export interface Proposal {
	id: string;
	time: number;
	user: string;
	sensor: string;
	alert: string;
	rule_yaml: string;
	diff: string;
	state: "proposed" | "fetched" | "withdrawn";
	note: string | null;
}

export interface User {
	name?: string;
	user?: string;
	role: Role;
	disabled: boolean;
	last_login?: number | null;
}

export interface AuditEntry {
	time: number;
	user: string;
	action: string;
	object: string | null;
	address: string | null;
	ok: boolean;
	text?: string;
}

export interface Found {
	alerts: Alert[];
	incidents: Incident[];
	assets: Asset[];
	sensors: Sensor[];
}

export interface Me {
	user: string;
	role: Role;
	csrf: string;
	version?: string;
}
