// SPDX-License-Identifier: Apache-2.0
// Line icons on a grid of 16, drawn for this page.
const paths = {
	overview: "M2.5 9.5a5.5 5.5 0 1 1 11 0M8 9.5l2.5-3M4.5 12.5h7",
	map: "M6 2.5h4v3H6zM2 10.5h4v3H2zM10 10.5h4v3h-4zM8 5.5V8M4 10.5V8h8v2.5",
	alerts: "M8 2.5l6 10.5H2zM8 6.5v3M8 11.300v.2",
	incidents: "M2.5 5l5.5-2.5L13.5 5 8 7.5zM2.5 8L8 10.5 13.5 8M2.5 11L8 13.5 13.5 11",
	assets: "M3 3.5h10v6H3zM6 13h4M8 9.5V13",
	attack: "M2.5 2.5h3v3h-3zM7 2.5h3v3H7zM2.5 7h3v3h-3zM7 7h3v3H7zM11.5 2.5h2v3h-2zM11.5 7h2v3h-2zM2.5 11.5h3v2h-3zM7 11.5h3v2H7z",
	timeline: "M2.5 13.5v-4M5.3 13.5v-8M8 13.5v-5M10.7 13.5v-10M13.5 13.5v-6",
	sensors: "M8 9.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.8 11.200a4.5 4.5 0 0 1 0-6.400M11.2 4.800a4.5 4.5 0 0 1 0 6.400M2.7 13.300a7.5 7.5 0 0 1 0-10.600M13.3 2.700a7.5 7.5 0 0 1 0 10.600",
	proposals: "M4 2.5h5.5L12 5v8.5H4zM6 7.5h4M6 10h2.5M9.5 2.5V5H12",
	book: "M8 4C6.500 3 4.500 2.800 2.500 3v9.500c2-.2 4 0 5.500 1 1.500-1 3.500-1.200 5.500-1V3c-2-.2-4 0-5.500 1zM8 4v9.500",
	users: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.5-3 2.5-4 5-4s4.5 1 5 4",
	audit: "M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2",
	search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.5 10.5l3.5 3.5",
	menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
	close: "M4 4l8 8M12 4l-8 8",
	right: "M6 3.5L10.5 8 6 12.5",
	down: "M3.5 6L8 10.5 12.5 6",
	left: "M10 3.5L5.5 8l4.5 4.5",
	up: "M3.5 10L8 5.5l4.5 4.5",
	arrow: "M2.5 8h11M9.5 4l4 4-4 4",
	stop: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM4 12l8-8",
	pass: "M2.5 8h9M8.5 5l3 3-3 3M13.5 3v10",
	check: "M3 8.5l3.5 3.5L13 4.5",
	cross: "M4 4l8 8M12 4l-8 8",
	question: "M6 6a2 2 0 1 1 3 1.700c-.7.5-1 .9-1 1.800M8 12v.2",
	shield: "M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.8 8l1.7 1.700L10.5 6.5",
	download: "M8 2.5V10M5 7.5L8 10.5l3-3M3 13.5h10",
	sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.400 3.400l1 1M11.600 11.600l1 1M12.600 3.400l-1 1M4.400 11.600l-1 1",
	moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z",
	system: "M2.5 3.5h11v7.5h-11zM6 13.5h4",
	globe: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c2 2 2.5 4 2.5 6S10 12 8 14c-2-2-2.5-4-2.5-6S6 4 8 2z",
	user: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.5-3 2.5-4 5-4s4.5 1 5 4",
	plus: "M8 3v10M3 8h10",
	minus: "M3 8h10",
	fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
	copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
	keyboard: "M1.5 4h13v8h-13zM4 6.5h.1M6.7 6.5h.1M9.3 6.5h.1M12 6.5h.1M5 9.5h6",
	plc: "M2.5 3h11v10h-11zM5.5 3v10M8 5.5h3M8 8h3M8 10.5h3",
	network: "M6 2.5h4v3.5H6zM2 10h4v3.5H2zM10 10h4v3.5h-4zM8 6v4M4 10L7 6M12 10L9 6",
	share: "M11.5 5.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM4.500 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM11.5 14.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM6.300 7.100l3.500-2.200M6.300 8.900l3.500 2.200",
	inbox: "M2.5 9l2-5.5h7l2 5.5v4h-11zM2.5 9h3l1 1.5h3l1-1.5h3",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
	return (
		<svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
			<path d={paths[name]} fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" />
		</svg>
	);
}

export function Brand({ size = 28 }: { size?: number }) {
	return (
		<svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
			<rect width="32" height="32" rx="7" fill="var(--brand)" />
			<g fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round">
				<path d="M19 12.5V9.5A2.5 2.5 0 0 0 16.5 7h-7A2.5 2.5 0 0 0 7 9.5v7A2.5 2.5 0 0 0 9.5 19h3" />
				<path d="M13 19.5v3a2.5 2.5 0 0 0 2.5 2.5h7a2.5 2.5 0 0 0 2.5-2.5v-7a2.5 2.5 0 0 0-2.5-2.5h-3" />
				<path d="M16 13v-.5M16 19.5V19" stroke="#7adcf7" />
			</g>
		</svg>
	);
}
