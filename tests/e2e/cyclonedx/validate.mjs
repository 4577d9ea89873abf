// SPDX-License-Identifier: Apache-2.0
// Holds a bill of materials against the schema of CycloneDX 1.6, as its own library has it: strict, no member that it does not know.
// usage: node validate.mjs FILE...
import fs from "node:fs";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
let bad = 0;

for (const file of process.argv.slice(2)) {
	const wrong = await validator.validate(fs.readFileSync(file, "utf8"));
	if (wrong !== null) {
		console.log(`${file}: ${JSON.stringify(wrong)}`);
		bad = 1;
	}
}
process.exit(bad);
