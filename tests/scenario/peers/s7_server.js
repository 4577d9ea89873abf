// SPDX-License-Identifier: Apache-2.0
// A controller made of node-snap7's server that says what it was asked: every event is a line on standard output.
// usage: s7_server.js
"use strict";
const snap7 = require("node-snap7");

const s = new snap7.S7Server();
for (const area of [s.srvAreaPE, s.srvAreaPA, s.srvAreaMK])
	s.RegisterArea(area, Buffer.alloc(1024));
for (const area of [s.srvAreaCT, s.srvAreaTM])
	s.RegisterArea(area, Buffer.alloc(256 * 2));
for (const db of [1, 2, 10, 20, 100])
	s.RegisterArea(
	    s.srvAreaDB, db, Buffer.from(Array.from({length : 1024}, (_, i) => i & 0xff)));
s.SetParam(s.MaxClients, 128);
s.on("event", (e) => console.log(s.EventText(e)));
if (s.StartTo("0.0.0.0") === false) {
	console.error(s.ErrorText(s.LastError()));
	process.exit(1);
}
process.on("SIGTERM", () => process.exit(0));
setInterval(() => {}, 1000);
