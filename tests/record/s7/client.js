// SPDX-License-Identifier: Apache-2.0
// An engineering station or a panel made of node-snap7's client.
// usage: client.js ADDRESS PLAN...
//
// A plan is one or more connections; what the PLC refuses is reported and does not end the plan, since
// refusals are what some recordings are about.
"use strict";
const snap7 = require("node-snap7");

const [address, ...plans] = process.argv.slice(2);
const one = new snap7.S7Client(); // for the constants
const BIT = one.S7WLBit, BYTE = one.S7WLByte, WORD = one.S7WLWord, DWORD = one.S7WLDWord, REAL = one.S7WLReal;
const COUNTER = one.S7WLCounter, TIMER = one.S7WLTimer;
const { S7AreaPE: PE, S7AreaPA: PA, S7AreaMK: MK, S7AreaDB: DB, S7AreaCT: CT, S7AreaTM: TM } = one;
const WIDTH = { [BIT]: 1, [BYTE]: 1, [WORD]: 2, [DWORD]: 4, [REAL]: 4, [COUNTER]: 2, [TIMER]: 2 };
const PDU_REQUEST = 10;

function session(run, { kind = one.CONNTYPE_PG, rack = 0, slot = 2, pdu = 480 } = {}) {
	const c = new snap7.S7Client();
	c.SetConnectionType(kind);
	c.SetParam(PDU_REQUEST, pdu);
	if (!c.ConnectTo(address, rack, slot))
		throw new Error(c.ErrorText(c.LastError()));
	const step = (name, ...args) => {
		const r = c[name](...args);
		if (r === false)
			console.log(name, args.length, c.ErrorText(c.LastError()));
		return r;
	};
	run(step, c);
	c.Disconnect();
}

const bytes = (n, first = 1) => Buffer.from(Array.from({ length: n }, (_, i) => first + i & 0xff));
const word = (v) => Buffer.from([v >> 8, v & 255]);
const real = (v) => { const b = Buffer.alloc(4); b.writeFloatBE(v); return b; };
const item = (Area, DBNumber, WordLen, Start, Amount = 1, Data) =>
	({ Area, DBNumber, WordLen, Start, Amount, ...(Data && { Data }) });
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const PLANS = {
	// Classes of connection, racks and slots, asked PDU sizes, TSAPs set by hand.
	connect() {
		for (const kind of [one.CONNTYPE_PG, one.CONNTYPE_OP, one.CONNTYPE_BASIC])
			for (const [rack, slot] of [[0, 2], [0, 1], [3, 7]])
				session((step) => step("DBRead", 1, 0, 4), { kind, rack, slot });
		for (const pdu of [240, 480, 960])
			session((step) => step("DBRead", 1, 0, 1000), { pdu });
		const c = new snap7.S7Client();
		for (const [local, remote] of [[0x4d57, 0x4d57], [0x0200, 0x0300], [0x1000, 0x1001]]) {
			c.SetConnectionParams(address, local, remote);
			if (c.Connect())
				c.MBRead(0, 1);
			c.Disconnect();
		}
	},

	// Every area in every width, read and written, then runs that need several PDUs.
	areas() {
		session((step) => {
			const widths = [[BIT, 1], [BYTE, 5], [WORD, 3], [DWORD, 2], [REAL, 2]];
			for (const [area, db] of [[DB, 10], [MK, 0], [PE, 0], [PA, 0]])
				for (const [width, n] of widths) {
					const start = width === BIT ? 8 * 12 + 3 : 20;
					step("ReadArea", area, db, start, n, width);
					step("WriteArea", area, db, start, n, width, bytes(n * WIDTH[width], 1));
				}
			for (const [area, width] of [[CT, COUNTER], [TM, TIMER]]) {
				step("ReadArea", area, 0, 0, 4, width);
				step("WriteArea", area, 0, 8, 2, width, bytes(4));
			}
			step("DBRead", 1, 0, 2000);
			step("DBWrite", 1, 0, 1000, bytes(1000));
			step("ReadArea", DB, 10, 8 * 20 + 7, 1, BIT);
			step("ReadArea", DB, 65535, 0, 1, BYTE);
			step("MBRead", 0, 1);
			step("EBRead", 0, 128);
			step("ABWrite", 0, 2, bytes(2));
		});
	},

	// Several variables in one job: twenty items (the most node-snap7 takes), mixed areas, odd lengths with
	// their fill bytes, items that do not exist.
	multi() {
		session((step) => {
			const twenty = Array.from({ length: 20 }, (_, i) => item(DB, 10, [BYTE, WORD, DWORD][i % 3], 4 * i));
			step("ReadMultiVars", twenty);
			step("WriteMultiVars", twenty.map((t, i) => ({ ...t, Data: bytes(WIDTH[t.WordLen], i) })));
			const mixed = [item(DB, 1, BYTE, 0, 3, bytes(3)), item(MK, 0, BYTE, 10, 1, bytes(1)), item(PA, 0, WORD, 4, 1, word(7)),
				item(CT, 0, COUNTER, 2, 2, bytes(4)), item(TM, 0, TIMER, 3, 1, bytes(2)), item(DB, 10, REAL, 40, 1, real(21.5)),
				item(DB, 10, BIT, 8 * 44 + 5, 1, bytes(1)), item(PE, 0, BYTE, 0, 5, bytes(5))];
			step("WriteMultiVars", mixed);
			step("ReadMultiVars", mixed.map(({ Data, ...rest }) => rest));
			const absent = [item(DB, 1, BYTE, 0, 2, bytes(2)), item(DB, 77, BYTE, 0, 2, bytes(2)), item(MK, 0, WORD, 4000, 1, word(1)),
				item(DB, 10, WORD, 8, 1, word(99))];
			step("ReadMultiVars", absent.map(({ Data, ...rest }) => rest));
			step("WriteMultiVars", absent);
			step("ReadMultiVars", [item(DB, 1, BYTE, 0, 1)]);
		});
	},

	// What an engineering tool asks: system status lists, blocks, clock, protection.
	system() {
		session((step) => {
			step("ReadSZLList");
			for (const [id, index] of [[0x0011, 0], [0x0111, 1], [0x001c, 0], [0x011c, 1], [0x0131, 1], [0x0131, 3], [0x0132, 4],
				[0x0424, 0], [0x0232, 4], [0x0074, 0], [0x0019, 0], [0x00a0, 0], [0x0222, 1], [0x0c91, 0], [0xffff, 0]])
				step("ReadSZL", id, index);
			step("GetOrderCode");
			step("GetCpuInfo");
			step("GetCpInfo");
			step("PlcStatus");
			step("GetProtection");
			step("ListBlocks");
			for (const type of [one.Block_OB, one.Block_DB, one.Block_SDB, one.Block_FC, one.Block_SFC, one.Block_FB, one.Block_SFB])
				step("ListBlocksOfType", type);
			step("GetAgBlockInfo", one.Block_DB, 10);
			step("GetPlcDateTime");
			step("SetPlcDateTime", new Date(2026, 0, 31, 12, 34, 56));
			step("SetPlcSystemDateTime");
			step("SetSessionPassword", "filler42");
			step("GetProtection");
			step("ClearSessionPassword");
		});
	},

	// What stops and starts a CPU, and the services around its memory.
	control() {
		session((step) => {
			for (const act of ["PlcStop", "PlcHotStart", "PlcStop", "PlcColdStart"]) {
				step(act);
				step("PlcStatus");
			}
			step("PlcHotStart"); // already running
			step("Compress", 1000);
			step("CopyRamToRom", 1000);
			step("PlcStop");
			step("PlcStop"); // already stopped
			step("PlcColdStart");
		});
	},

	// Block transfers: the server refuses each at its first job.
	blocks() {
		session((step) => {
			for (const [type, n] of [[one.Block_DB, 10], [one.Block_OB, 1], [one.Block_FC, 5], [one.Block_SDB, 0], [one.Block_FB, 65535]]) {
				step("Upload", type, n, 65536);
				step("FullUpload", type, n, 65536);
			}
			step("Download", 10, blockOf(10));
			step("Download", -1, blockOf(20));
			step("Delete", one.Block_DB, 77);
			step("Delete", one.Block_FC, 5);
			step("DBGet", 10);
			step("DBFill", 10, 0x55);
		});
	},

	// Blocks that are taken (loader.py): whole, given up, cut off.
	load() {
		session((step) => {
			step("Download", 10, blockOf(10, 900));
			step("FullUpload", one.Block_DB, 10, 65536);
			step("Download", 11, blockOf(11, 900));
		});
		session((step) => step("Download", 12, blockOf(12, 900)));
	},

	// What a PLC answers with an error.
	errors() {
		session((step) => {
			step("DBRead", 77, 0, 4);
			step("DBWrite", 77, 0, 4, bytes(4));
			step("DBRead", 10, 2040, 20);
			step("DBWrite", 10, 2047, 2, bytes(2));
			step("MBRead", 5000, 1);
			step("ReadArea", DB, 10, 8 * 2048, 1, BIT);
			step("CTRead", 300, 1);
			step("TMWrite", 255, 2, bytes(4));
			step("ReadSZL", 0x1234, 0x5678);
			step("ListBlocksOfType", 0x7a);
			step("Upload", one.Block_DB, 12345, 4096);
			step("SetSessionPassword", "");
			step("DBRead", 1, 0, 4);
		});
	},

	// Block info of blocks that are not there: node-snap7's server answers with what is left in its buffer.
	stray() {
		session((step) => {
			step("DBRead", 1, 0, 4);
			step("GetAgBlockInfo", one.Block_DB, 10);
			step("GetAgBlockInfo", one.Block_DB, 77);
			step("DBRead", 1, 0, 4);
		});
		session((step) => {
			step("DBRead", 1, 0, 4);
			step("GetAgBlockInfo", one.Block_SFB, 999);
			step("DBRead", 1, 0, 4);
			step("GetAgBlockInfo", one.Block_SFC, 1);
			step("PlcStatus");
		});
	},

	// A panel: process picture and set points.
	panel(rounds = 60) {
		session((step) => {
			for (let i = 0; i < rounds; i++) {
				step("DBRead", 10, 0, 21);
				step("MBRead", 0, 16);
				if (i % 5 === 0)
					step("DBWrite", 10, 4, 2, word(i * 20));
				if (i % 7 === 0)
					step("WriteArea", DB, 10, 8, 1, REAL, real(i / 4));
				sleep(40);
			}
		}, { kind: one.CONNTYPE_OP });
	},

	// The panel of the capping machine, as policies allow it: reads, one set point in DB10.DBB0..20, the CPU's state.
	caps(rounds = 30) {
		session((step) => {
			for (let i = 0; i < rounds; i++) {
				step("DBRead", 10, 0, 21);
				step("MBRead", 0, 16);
				step("ReadMultiVars", [item(DB, 1, BYTE, 0, 32), item(DB, 10, WORD, 4), item(MK, 0, BYTE, 3)]);
				if (i % 5 === 0)
					step("DBWrite", 10, 4, 2, word(i * 20));
				if (i % 10 === 0)
					step("PlcStatus");
				sleep(80);
			}
		}, { kind: one.CONNTYPE_OP });
	},

	// The same panel where it may not: next to the recipe, across its end, an output, one bad item among good ones, and stop.
	astray() {
		session((step) => {
			step("DBRead", 10, 0, 21);
			step("DBWrite", 10, 30, 2, word(1));
			step("DBWrite", 10, 19, 4, bytes(4));
			step("ABWrite", 0, 1, bytes(1));
			step("WriteMultiVars", [item(DB, 10, BYTE, 2, 1, bytes(1)), item(DB, 2, WORD, 0, 1, word(7))]);
			step("PlcStop");
			step("PlcHotStart");
		}, { kind: one.CONNTYPE_OP });
	},

	// An engineering tool at work: identity, blocks, clock, a download, stop and start.
	engineer() {
		session((step) => {
			step("GetOrderCode");
			step("ListBlocks");
			step("Upload", one.Block_OB, 1, 4096);
			step("Download", 10, blockOf(10));
			step("SetPlcSystemDateTime");
			step("PlcStop");
			step("PlcColdStart");
		});
	},
};

// A data block as a PLC stores it (MC7 header of 36 bytes, body, footer), enough for the client to send it.
function blockOf(number, size = 64) {
	const body = bytes(size), b = Buffer.alloc(36 + body.length + 36);
	b.write("pp", 0, "latin1");
	b[2] = 1; b[3] = 1; b[4] = 5; b[5] = 0x0a;
	b.writeUInt16BE(number, 6);
	b.writeUInt32BE(b.length, 8);
	b.writeUInt16BE(body.length, 34);
	body.copy(b, 36);
	return b;
}

for (const plan of plans) {
	const [name, arg] = plan.split(":");
	PLANS[name](arg && Number(arg));
}
