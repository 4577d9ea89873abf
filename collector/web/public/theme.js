// SPDX-License-Identifier: Apache-2.0
// Before anything is painted: the theme and the language that were chosen here last time.
(function () {
	var root = document.documentElement, theme = null, lang = null;
	try {
		theme = localStorage.getItem("il.theme");
		lang = localStorage.getItem("il.lang");
	} catch (e) {
		// Storage is refused: the system decides.
	}
	if (theme !== "dark" && theme !== "light")
		theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
	root.dataset.theme = theme;
	if (lang !== "en" && lang !== "zh") lang = /^zh/i.test(navigator.language || "") ? "zh" : "en";
	root.lang = lang === "zh" ? "zh-CN" : "en";
})();
