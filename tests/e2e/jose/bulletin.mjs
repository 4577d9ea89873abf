// SPDX-License-Identifier: Apache-2.0
// Verifies a bulletin with npm's jose and node's SHA-256.  usage: node bulletin.mjs FOLDER   prints the files that are as signed
import { compactVerify, importJWK } from "jose";
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18 of Debian 12 does not set it
const dir = process.argv[2];
const key = await importJWK(JSON.parse(readFileSync(`${dir}/key.jwk`)), "EdDSA");
const { payload, protectedHeader } = await compactVerify(readFileSync(`${dir}/bulletin.jws`, "utf8").trim(), key);
if (protectedHeader.typ !== "interlock-bulletin+jws") throw new Error("another kind of statement");
for (const [name, hash] of Object.entries(JSON.parse(new TextDecoder().decode(payload)).files)) {
	if (createHash("sha256").update(readFileSync(`${dir}/${name}`)).digest("hex") !== hash) throw new Error(`${name} is not as signed`);
	console.log(name);
}
