// SPDX-License-Identifier: Apache-2.0
// Builds the page into build/web (WEB_OUT).  Nothing is inlined: the collector's content security
// policy is default-src 'self', without exceptions.
import { defineConfig } from "vite";

export default defineConfig({
	base: "/",
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
