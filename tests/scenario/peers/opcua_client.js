// SPDX-License-Identifier: Apache-2.0
// A MES made of node-opcua's client that knows what should happen.
// usage: opcua_client.js URL PKI MODE SESSIONS STEP[=OUTCOME]...      SESSIONS at once, each does the steps
//
//   read  browse  subscribe  watch (a subscription that stays)  sleep:MS  write:NAME:VALUE  write-two:NAME:NAME (the second may not)  call:NAME  poll:N
//   open=OUTCOME as the only step: the session does not come about
//
// MODE: None, Sign, SignAndEncrypt.  OUTCOME: ok (when absent), refused (a fault or a bad status from the other
// side), gone (connection lost, or nothing came).  Exit status 1 and a line when a step went otherwise.
"use strict";
const ua = require("node-opcua");

const [url_given, pki, mode, sessions, ...steps] = process.argv.slice(2);
// The stack hands "[fd00::1]" to the resolver, brackets and all: such an address gets a name here.
const six = /\[([0-9a-f:]+)\]/.exec(url_given);
const url = six ? url_given.replace(six[0], "plc.six") : url_given;
const dns = require("dns"), lookup = dns.lookup;
dns.lookup = (name, options, done) =>
    name !== "plc.six"
	? lookup(name, options, done)
	: options.all ? done(null, [ {address : six[1], family : 6} ]) : done(null, six[1], 6);
const {AttributeIds, DataType} = ua;
const id = (name) => `ns=2;s=${name}`;
const value = (name) => ({nodeId : id(name), attributeId : AttributeIds.Value});
const write = (name, v) => ({
	...value(name),
	value : {
		value : {
			dataType : name === "Line.Mode" ? DataType.Int32 : DataType.Double,
			value : Number(v)
		}
	}
});
const good = (codes) => {
	for (const c of [codes].flat())
		if (c.isNotGood())
			throw new Error(`status ${c.toString()}`);
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const manager = new ua.OPCUACertificateManager(
    {rootFolder : `${pki}/client`, automaticallyAcceptUnknownCertificate : true});

const STEPS = {
	read : async (s) => good((
	    await s.read([ "Recipe.Sugar", "Recipe.Water", "Line.Speed" ].map(
		value))).map((v) => v.statusCode)),
	browse : async (s) => good((await s.browse(id("Recipe"))).statusCode),
	write : async (s, name, v) => good(await s.write(write(name, v))),
	"write-two" : async (s, a, b) => good(await s.write([ write(a, 3), write(b, 3) ])),
	call : async (s, name) =>
	    good((await s.call(
		      {objectId : id("Line"), methodId : id(`Line.${name}`), inputArguments : []}))
		     .statusCode),
	async subscribe(s) {
		const sub = await s.createSubscription2({
			requestedPublishingInterval : 100,
			requestedLifetimeCount : 100,
			requestedMaxKeepAliveCount : 5,
			publishingEnabled : true
		});
		const item = ua.ClientMonitoredItem.create(sub, value("Line.Speed"),
		    {samplingInterval : 50, queueSize : 2, discardOldest : true});
		await new Promise((ok, bad) => {
			item.once("changed", ok);
			setTimeout(() => bad(new Error("no notification")), 3000).unref();
		});
		await sub.terminate();
	},
	// A subscription for the rest of the session.
	watch : (s) => s.createSubscription2({
		requestedPublishingInterval : 500,
		requestedLifetimeCount : 1000,
		requestedMaxKeepAliveCount : 5,
		publishingEnabled : true
	}),
	async poll(s, n) {
		for (let i = 0; i < Number(n); i++) {
			const v = await s.read(value("Line.Speed"));
			if (v.value.value !== 120)
				throw new Error(`read ${v.value.value}`);
		}
	},
	sleep : (_s, ms) => sleep(Number(ms)),
};

function outcome(e)
{
	return /status |serviceResult|ServiceFault|Bad(UserAccessDenied|NotReadable|NotWritable|ServiceUnsupported|SecurityModeRejected)/
		       .test(e.message)
		   ? "refused"
		   : "gone";
}

async function talk()
{
	const client = ua.OPCUAClient.create({
		applicationName : "mes",
		clientName : "mes",
		applicationUri : "urn:mes:interlock",
		endpointMustExist : false,
		keepSessionAlive : false,
		clientCertificateManager : manager,
		certificateFile : `${pki}/mes.crt`,
		privateKeyFile : `${pki}/mes.key`,
		securityMode : mode,
		securityPolicy : mode === "None" ? "None" : "Basic256Sha256",
		transactionTimeout : 10000,
		connectionStrategy : {maxRetry : 0, initialDelay : 100, maxDelay : 100},
		transportTimeout : 10000,
	});
	let s;
	try {
		await client.connect(url);
		s = await client.createSession();
	} catch (e) {
		if (/^open=/.test(steps[0]) && steps[0] === `open=${outcome(e)}`)
			return;
		throw e;
	}
	for (const step of steps) {
		const [what, want = "ok"] = step.split("=");
		const [name, ...args] = what.split(":");
		let got = "ok", why = "";
		if (name === "open")
			throw new Error("a session came about");
		try {
			await STEPS[name](s, ...args);
		} catch (e) {
			got = outcome(e);
			why = e.message.split("\n")[0];
		}
		if (got !== want)
			throw new Error(`${step}: ${got} (${why})`);
		if (got === "gone")
			return;
	}
	await s.close();
	await client.disconnect();
}

(async () => {
	await manager.initialize();
	const all = await Promise.allSettled(Array.from({length : Number(sessions)}, talk));
	const bad = all.filter((r) => r.status === "rejected");
	for (const r of bad)
		console.log(r.reason.message.split("\n")[0]);
	process.exit(bad.length ? 1 : 0);
})();
