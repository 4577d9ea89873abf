// SPDX-License-Identifier: Apache-2.0
// A controller made of node-opcua's server that says what it was asked: a line per write and call.
// usage: opcua_server.js ADDRESS PORT PKI      ADDRESS is in its endpoints; it listens at all, over IPv6 too
//
//   ns=2;s=Recipe.Sugar Recipe.Water   Double, the MES may write     ns=2;s=Line.Mode   Int32, it may not
//   ns=2;s=Line.Start Line.Stop        methods of ns=2;s=Line: the first it may call, the second not
"use strict";
const {
	OPCUAServer,
	OPCUACertificateManager,
	SecurityPolicy,
	MessageSecurityMode,
	DataType,
	StatusCodes,
	Variant
} = require("node-opcua");

const [address, port, pki] = process.argv.slice(2);

function build(space)
{
	const ns = space.registerNamespace("urn:interlock:scenario");
	const folder = (name) => ns.addObject(
	    {organizedBy : space.rootFolder.objects, browseName : name, nodeId : `s=${name}`});
	const line = folder("Line"), recipe = folder("Recipe");
	const add = (parent, name, type, value) => {
		let now = new Variant({dataType : DataType[type], value});
		ns.addVariable({
			componentOf : parent,
			browseName : name,
			nodeId : `s=${name}`,
			dataType : type,
			minimumSamplingInterval : 50,
			value : {
				get : () => now,
				set : (v) => {
					now = v;
					console.log(`write ${name} ${v.value}`);
					return StatusCodes.Good;
				},
			}
		});
	};
	add(recipe, "Recipe.Sugar", "Double", 1);
	add(recipe, "Recipe.Water", "Double", 2);
	add(line, "Line.Mode", "Int32", 1);
	add(line, "Line.Speed", "Double", 120);
	for (const name of ["Start", "Stop"])
		ns.addMethod(line, {
			  browseName : name,
			  nodeId : `s=Line.${name}`,
			  inputArguments : [],
			  outputArguments : []
		  }).bindMethod((_args, _context, done) => {
			console.log(`call ${name}`);
			done(null, {statusCode : StatusCodes.Good});
		});
}

(async () => {
	const manager = (name) => new OPCUACertificateManager(
	    {rootFolder : `${pki}/${name}`, automaticallyAcceptUnknownCertificate : true});
	const server = new OPCUAServer({
		port : Number(port),
		host : "::",
		hostname : address,
		alternateHostname : [ address ],
		resourcePath : "/plc",
		serverCertificateManager : manager("server"),
		userCertificateManager : manager("users"),
		securityPolicies : [ SecurityPolicy.None, SecurityPolicy.Basic256Sha256 ],
		securityModes : [
			MessageSecurityMode.None, MessageSecurityMode.Sign,
			MessageSecurityMode.SignAndEncrypt
		],
		serverInfo : {
			applicationUri : "urn:plc2:interlock",
			productUri : "urn:interlock:scenario",
			applicationName : {text : "plc2"}
		},
		allowAnonymous : true,
		maxConnectionsPerEndpoint : 100,
		serverCapabilities : {maxSessions : 100},
	});
	await server.initialize();
	build(server.engine.addressSpace);
	await server.start();
	process.on("SIGTERM", () => process.exit(0));
})().catch((e) => {
	console.error(e);
	process.exit(1);
});
