// SPDX-License-Identifier: Apache-2.0
// Builds the page into build/web (WEB_OUT).  Nothing is inlined: the collector's content security
// policy is default-src 'self', without exceptions.
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

// What is built in comes with its licence: /licenses.txt.
const licences: Plugin = {
	name: "licences",
	generateBundle() {
		const of = (name: string) => {
			const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
			return `${name} ${version} (${license})\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8")}`;
		};
		const names = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies).concat("@preact/signals-core");
		this.emitFile({ type: "asset", fileName: "licenses.txt", source: names.map(of).join("\n\n---\n\n") });
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
