// SPDX-License-Identifier: Apache-2.0
// Takes connections over IPv6 for a server that has none: byte for byte to 127.0.0.1.
// usage: six.js PORT
"use strict";
const net = require("net");

const port = Number(process.argv[2]);
net.createServer({allowHalfOpen : true}, (a) => {
	   const b = net.connect({host : "127.0.0.1", port, allowHalfOpen : true});
	   a.pipe(b);
	   b.pipe(a);
	   for (const [one, other] of [[ a, b ], [ b, a ]])
		   one.on("error", () => other.destroy());
   }).listen({host : "::", port, ipv6Only : true});
process.on("SIGTERM", () => process.exit(0));
