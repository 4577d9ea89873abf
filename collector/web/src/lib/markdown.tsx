// SPDX-License-Identifier: Apache-2.0
// A page of the library as elements.  What the parser calls HTML is shown as the text that it is; a link leads to
// another page of the library, or is text with its address.
import type { ComponentChildren } from "preact";
import type { RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { gfmTable } from "micromark-extension-gfm-table";
import { Link } from "./router";

function inside(nodes: RootContent[]): ComponentChildren {
	return nodes.map((n, i) => <Node key={i} n={n} />);
}

function Node({ n }: { n: RootContent }): preact.JSX.Element {
	switch (n.type) {
		case "text":
			return <>{n.value}</>;
		case "paragraph":
			return <p>{inside(n.children)}</p>;
		case "heading":
			return n.depth <= 2 ? <h2>{inside(n.children)}</h2> : <h3>{inside(n.children)}</h3>;
		case "inlineCode":
			return <code>{n.value}</code>;
		case "code":
			return <pre class="code">{n.value}</pre>;
		case "strong":
			return <b>{inside(n.children)}</b>;
		case "emphasis":
			return <em>{inside(n.children)}</em>;
		case "break":
			return <br />;
		case "thematicBreak":
			return <hr />;
		case "blockquote":
			return <blockquote>{inside(n.children)}</blockquote>;
		case "list":
			return n.ordered ? <ol>{inside(n.children)}</ol> : <ul>{inside(n.children)}</ul>;
		case "listItem":
			// Items without blank lines between them are a line each.
			return <li>{n.children.map((c, i) => (c.type === "paragraph" && !n.spread ? <span key={i}>{inside(c.children)}</span> : <Node key={i} n={c} />))}</li>;
		case "table":
			return (
				<table class="table">
					<thead>
						<tr>{n.children[0]?.children.map((c, i) => <th key={i}>{inside(c.children)}</th>)}</tr>
					</thead>
					<tbody>
						{n.children.slice(1).map((r, k) => (
							<tr key={k}>{r.children.map((c, i) => <td key={i}>{inside(c.children)}</td>)}</tr>
						))}
					</tbody>
				</table>
			);
		case "link": {
			const page = /^([a-z0-9-]+)(?:\.md)?$/.exec(n.url);
			return page ? <Link to={`/library/pages/${page[1]}`}>{inside(n.children)}</Link> : <>{inside(n.children)} ({n.url})</>;
		}
		default:
			return <>{"value" in n ? n.value : "children" in n ? inside(n.children as RootContent[]) : ""}</>;
	}
}

export function Markdown({ text }: { text: string }) {
	return <div class="prose">{inside(fromMarkdown(text, { extensions: [gfmTable()], mdastExtensions: [gfmTableFromMarkdown()] }).children)}</div>;
}
