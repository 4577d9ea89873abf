// SPDX-License-Identifier: Apache-2.0
// A panel made of node-snap7's client that knows what should happen.
// usage: s7_client.js ADDRESS[*N] STEP[=OUTCOME]...    all in one session; with *N in each of N that are open at once
//
//   read:DB:BYTE:N  write:DB:BYTE:HEX  flags:BYTE:N  outputs:BYTE:HEX   one variable
//   multi-read:DB.BYTE,DB.BYTE,...   multi-write:DB.BYTE.VALUE,...      several bytes in one job
//   szl:ID  status  stop  start  delete:DB  upload:DB  clock            what their names say
//   poll:N          N reads of DB10, all good
//
// OUTCOME: ok (when absent), refused (the controller's own error), silent, gone.  Exit status 1 and
// a line at the first step that went otherwise.
"use strict";
const snap7 = require("node-snap7");

const [whom, ...steps] = process.argv.slice(2);
const [address, sessions] = whom.split("*");
const SEND_TIMEOUT = 4, RECV_TIMEOUT = 5;
let c = null; // the session whose turn it is

const item = (spec) => {
	const [db, byte, value] = spec.split(".").map(Number);
	return {
		Area : c.S7AreaDB,
		WordLen : c.S7WLByte,
		DBNumber : db,
		Start : byte,
		Amount : 1,
		...(value === undefined ? {} : {Data : Buffer.from([ value ])})
	};
};
const bytes = (hex) => Buffer.from(hex, "hex");
const all = (results) => results !== false && results.every((r) => r.Result === 0);

const STEPS = {
	read : (db, at, n) => c.DBRead(Number(db), Number(at), Number(n)),
	write : (db, at, hex) => c.DBWrite(Number(db), Number(at), hex.length / 2, bytes(hex)),
	flags : (at, n) => c.MBRead(Number(at), Number(n)),
	outputs : (at, hex) => c.ABWrite(Number(at), hex.length / 2, bytes(hex)),
	"multi-read" : (list) => all(c.ReadMultiVars(list.split(",").map(item))),
	"multi-write" : (list) => all(c.WriteMultiVars(list.split(",").map(item))),
	szl : (id) => c.ReadSZL(Number(id), 0),
	status : () => c.PlcStatus(),
	stop : () => c.PlcStop(),
	start : () => c.PlcHotStart(),
	delete : (db) => c.Delete(c.Block_DB, Number(db)),
	upload : (db) => c.Upload(c.Block_DB, Number(db), 1024),
	clock : () => c.SetPlcSystemDateTime(),
	poll(n) {
		for (let i = 0; i < Number(n); i++) {
			const r = c.DBRead(10, 32, 16); // no rule writes there
			if (r === false || r[0] !== 32 || r[15] !== 47)
				return false;
		}
		return true;
	},
};

// snap7's errors: the low half is the socket's, 0x000f0000 that of ISO on TCP, the rest the controller's word.
function outcome(result)
{
	const e = c.LastError();
	if (result !== false)
		return "ok";
	if ((e & 0xffff) === 110 || (e & 0xffff) === 11)
		return "silent";
	return (e & 0xffff) !== 0 || (e & 0xf0000) !== 0 ? "gone" : "refused";
}

function open()
{
	c = new snap7.S7Client();
	c.SetConnectionType(c.CONNTYPE_OP);
	c.SetParam(SEND_TIMEOUT, 1000);
	c.SetParam(RECV_TIMEOUT, 1000);
	if (!c.ConnectTo(address, 0, 2)) {
		console.log(`connect: ${c.ErrorText(c.LastError())}`);
		process.exit(1);
	}
	return c;
}

const all_open = Array.from({length : Number(sessions || 1)}, open);
for (const step of steps) {
	const [what, want = "ok"] = step.split("=");
	const [name, ...args] = what.split(":");
	for (c of all_open) {
		const got = outcome(STEPS[name](...args));
		if (got !== want) {
			console.log(`${step}: ${got} (${c.LastError().toString(16)} ${
			    c.ErrorText(c.LastError())})`);
			process.exit(1);
		}
	}
}
for (c of all_open)
	c.Disconnect();
