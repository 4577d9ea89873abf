// SPDX-License-Identifier: Apache-2.0
// An HMI made of nodes7: reads its tags in a cycle (several jobs open at once), now and then writes some.
// usage: poll.js ADDRESS ROUNDS MS
"use strict";
const NodeS7 = require("nodes7");

const [address, rounds, ms] = process.argv.slice(2);
const TAGS = {
	LEVEL: "DB10,REAL0", TARGET: "DB10,INT4", MODE: "DB10,BYTE6", SPEED: "DB10,REAL8", RUN: "DB10,X12.3", ALARMS: "DB10,X14.0.8",
	NAME: "DB1,S100.20", TREND: "DB1,REAL200.40", COUNT: "DB1,DINT600", FLAG: "M3.2", FLAGS: "MW10", INPUT: "IB0", VALVE: "Q1.4",
	DOSE: "C5", DELAY: "T7", RECIPE: "DB2,WORD0.60", STATE: "DB100,BYTE0.200",
};
const plc = new NodeS7({ silent: true });

plc.initiateConnection({ port: 102, host: address, rack: 0, slot: 2, debug: false }, (err) => {
	if (err) {
		console.error(err);
		process.exit(1);
	}
	plc.setTranslationCB((tag) => TAGS[tag]);
	plc.addItems(Object.keys(TAGS));
	cycle(0);
});

function cycle(i) {
	if (i === Number(rounds))
		return plc.dropConnection(() => process.exit(0));
	plc.readAllItems(() => {
		const next = () => setTimeout(cycle, Number(ms), i + 1);
		if (i % 5 === 0)
			plc.writeItems(["TARGET", "SPEED"], [100 + i, i / 2], next);
		else if (i % 7 === 0)
			plc.writeItems(["RUN", "FLAGS", "NAME"], [i % 2 === 0, i, `batch ${i}`], next);
		else
			next();
	});
}
