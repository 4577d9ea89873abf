// SPDX-License-Identifier: Apache-2.0
// Verifies a permit from docs/FORMATS.md alone, with npm's jose: nothing of Interlock takes part.
// usage: node permit.mjs KEY.pub FILE   prints who may what, or fails
import { compactVerify, createLocalJWKSet } from "jose";
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto; // node 18 of Debian 12 does not set it

const [keyFile, file] = process.argv.slice(2);
const keys = createLocalJWKSet({ keys: [JSON.parse(readFileSync(keyFile))] });
const { payload, protectedHeader } = await compactVerify(readFileSync(file, "latin1").trim(), keys, { algorithms: ["Ed25519", "EdDSA"] });
const m = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
if (protectedHeader.typ !== "interlock-permit+jws" || m.v !== 1 || !(m.nbf < m.exp)) throw new Error("not a permit of version 1");
console.log(`${m.sub}: ${m.from.join()} to ${m.to.join()}, ${m.window ?? m.conduit}`);
