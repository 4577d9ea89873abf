// SPDX-License-Identifier: Apache-2.0
// Builds the page into build/web (WEB_OUT).  Nothing is inlined: the collector's content security
// policy is default-src 'self', without exceptions.
import { readFileSync, readdirSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

// What is built in comes with its licence: /licenses.txt.
const licences: Plugin = {
	name: "licences",
	generateBundle() {
		const of = (name: string) => {
			const dir = `node_modules/${name}`, { version, license } = JSON.parse(readFileSync(`${dir}/package.json`, "utf8"));
			const file = readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
			if (!file) throw new Error(`${name}: no licence`);
			return `${name} ${version} (${license})\n\n${readFileSync(`${dir}/${file}`, "utf8")}`;
		};
		const names = new Set(Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies)); // fonts are no modules
		for (const id of this.getModuleIds()) {
			const m = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id);
			if (m) names.add(m[1]);
		}
		this.emitFile({ type: "asset", fileName: "licenses.txt", source: [...names].sort().map(of).join("\n\n---\n\n") });
	},
};

export default defineConfig({
	base: "/",
	plugins: [licences],
	esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
	build: {
		outDir: process.env.WEB_OUT ?? "../../build/web",
		emptyOutDir: true,
		target: "es2022",
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		chunkSizeWarningLimit: 600,
	},
	server: { proxy: { "/api": process.env.COLLECTOR ?? "http://127.0.0.1:8080" } },
});
