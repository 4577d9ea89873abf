// SPDX-License-Identifier: Apache-2.0
// The PLC: node-snap7's server with all its areas.  It plays a CPU 315-2 PN/DP; block transfers it refuses.
// usage: server.js ADDRESS
"use strict";
const snap7 = require("node-snap7");

const AREA_BYTES = 2048;
const fill = (n) => Buffer.from(Array.from({ length: n }, (_, i) => i * 7 & 0xff));

const s = new snap7.S7Server();
for (const area of [s.srvAreaPE, s.srvAreaPA, s.srvAreaMK])
	s.RegisterArea(area, fill(AREA_BYTES));
for (const area of [s.srvAreaCT, s.srvAreaTM])
	s.RegisterArea(area, fill(256 * 2));
for (const db of [1, 2, 10, 100])
	s.RegisterArea(s.srvAreaDB, db, fill(AREA_BYTES));
if (s.StartTo(process.argv[2]) === false) {
	console.error(s.ErrorText(s.LastError()));
	process.exit(1);
}
process.on("SIGTERM", () => process.exit(0));
setInterval(() => {}, 1000);
