// SPDX-License-Identifier: Apache-2.0
// Fonts and the session come before the first paint of the page, so that nothing jumps after it.
import { render } from "preact";
import { App } from "./app";
import { call, me } from "./lib/api";
import type { Me } from "./lib/types";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/guide.css";
import "./styles/share.css";
import "./lib/prefs";

const fonts = Promise.race([
	Promise.allSettled([document.fonts.load('400 13px "Inter Variable"'), document.fonts.load('400 12px "JetBrains Mono Variable"')]),
	new Promise((done) => setTimeout(done, 800)),
]);
const session = call<Me>("/me").then(
	(m) => (me.value = m),
	() => (me.value = null),
);
void Promise.all([fonts, session]).then(() => render(<App />, document.getElementById("app")!));
