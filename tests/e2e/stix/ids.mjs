// SPDX-License-Identifier: Apache-2.0
// The ids of a bundle's addresses, as a library nobody here wrote makes them.  usage: node ids.mjs BUNDLE
import { generateDeterministicId, generateIPv4AddrId, generateIPv6AddrId } from "@security-alliance/stix/2.1";
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
let n = 0;
for (const o of JSON.parse(readFileSync(process.argv[2])).objects) {
	let want;
	if (o.type === "ipv4-addr") want = generateIPv4AddrId(o.value);
	else if (o.type === "ipv6-addr") want = generateIPv6AddrId(o.value);
	else if (o.type === "network-traffic") {
		const { src_ref, dst_ref, dst_port, protocols } = o;
		want = generateDeterministicId(o.type, JSON.parse(JSON.stringify({ src_ref, dst_ref, dst_port, protocols })));
	} else continue;
	if (want !== o.id) throw new Error(`${o.id} should be ${want}`);
	n++;
}
console.log(`${n} ids`);
