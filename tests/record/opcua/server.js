// SPDX-License-Identifier: Apache-2.0
// The PLC's OPC UA server, made of node-opcua: a small plant in namespace 2.
// usage: server.js ADDRESS PORT PKI [chunk=BYTES] [lifetime=MS] [policies=NAME+NAME...]
//
//   ns=2;s=Recipe.Sugar ... Recipe.Water   Double, written by the MES      ns=2;s=Line.Speed Line.State Line.Count
//   ns=2;s=Line.Start Line.Stop            methods of ns=2;s=Line          ns=2;s=Bulk.0 ... Bulk.999  Int32
//   ns=2;s=Types.*                         one of each built-in type, arrays, a matrix
//   ns=2;i=1001  ns=2;g=...  ns=2;b=...    the other kinds of NodeId       ns=2;s=Blob  ByteString
//   ns=2;s=Line.Temperature                with history                    ns=2;s=Locked  read only
"use strict";
const { OPCUAServer, OPCUACertificateManager, SecurityPolicy, MessageSecurityMode, Variant, DataType, VariantArrayType,
	StatusCodes, coerceLocalizedText, coerceQualifiedName, coerceNodeId } = require("node-opcua");

const [address, port, pki, ...more] = process.argv.slice(2);
const options = Object.fromEntries(more.map((m) => m.split("=")));
const chunk = Number(options.chunk) || 65536;

const GUID = "72962b91-fa75-4ae6-8d28-b404dc7daf63";

const SCALARS = {
	Boolean: true, SByte: -5, Byte: 200, Int16: -1234, UInt16: 50000, Int32: -123456, UInt32: 4000000000, Int64: [0, 5], UInt64: [1, 5],
	Float: 21.5, Double: Math.PI, String: "Füller", DateTime: new Date(Date.UTC(2026, 0, 31)), Guid: GUID, ByteString: Buffer.from("0badcafe", "hex"),
	XmlElement: "<a/>", NodeId: coerceNodeId("ns=2;s=Line"), ExpandedNodeId: coerceNodeId("ns=2;i=7"), StatusCode: StatusCodes.BadTimeout,
	QualifiedName: coerceQualifiedName("2:Name"), LocalizedText: coerceLocalizedText("Text"),
};

function build(space) {
	const ns = space.registerNamespace("urn:interlock:bottling-line-2");
	const folder = (name, parent) => ns.addObject({ organizedBy: parent, browseName: name, nodeId: `s=${name}` });
	const plant = folder("Plant", space.rootFolder.objects);
	const line = folder("Line", plant), recipe = folder("Recipe", plant), bulk = folder("Bulk", plant), types = folder("Types", plant);
	const add = (parent, nodeId, dataType, value, rest = {}) => ns.addVariable({
		componentOf: parent, browseName: nodeId.replace(/^.=/, "").slice(0, 40), nodeId, dataType, minimumSamplingInterval: 50,
		value: { dataType: DataType[dataType], arrayType: VariantArrayType.Scalar, value, ...rest.value }, ...rest.node,
	});

	for (const name of ["Sugar", "Water", "Acid", "Temperature"])
		add(recipe, `s=Recipe.${name}`, "Double", 1.5);
	add(recipe, "s=Recipe.Name", "String", "cola");
	add(recipe, "s=Recipe.Steps", "UInt16", new Uint16Array(10), { value: { arrayType: VariantArrayType.Array }, node: { valueRank: 1 } });
	const speed = add(line, "s=Line.Speed", "Double", 120), count = add(line, "s=Line.Count", "UInt32", 0);
	add(line, "s=Line.State", "Int32", 3);
	add(line, "s=Line.Mode", "Int32", 1);
	const warm = add(line, "s=Line.Temperature", "Double", 80, { node: { historizing: true } });
	space.installHistoricalDataNode(warm, { maxOnlineValues: 100 });
	add(line, "s=Locked", "Int32", 1, { node: { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" } });
	add(line, "s=Blob", "ByteString", Buffer.alloc(4));
	add(line, "i=1001", "Int32", 5);
	add(line, `g=${GUID}`, "Int32", 6);
	add(line, "b=AQIDBAU=", "Int32", 7);
	for (let i = 0; i < 1000; i++)
		add(bulk, `s=Bulk.${i}`, "Int32", i);
	for (const [type, value] of Object.entries(SCALARS))
		add(types, `s=Types.${type}`, type, value);
	add(types, "s=Types.Matrix", "Int32", new Int32Array(6),
		{ value: { arrayType: VariantArrayType.Matrix, dimensions: [2, 3] }, node: { valueRank: 2, arrayDimensions: [2, 3] } });

	for (const name of ["Start", "Stop"]) {
		const method = ns.addMethod(line, {
			browseName: name, nodeId: `s=Line.${name}`,
			inputArguments: [{ name: "speed", dataType: DataType.Double, valueRank: -1 }, { name: "reason", dataType: DataType.String, valueRank: -1 }],
			outputArguments: [{ name: "accepted", dataType: DataType.Boolean, valueRank: -1 }],
		});
		method.bindMethod((_args, _context, done) => done(null, {
			statusCode: StatusCodes.Good, outputArguments: [{ dataType: DataType.Boolean, value: true }] }));
	}
	let n = 0;
	setInterval(() => {
		n++;
		speed.setValueFromSource({ dataType: DataType.Double, value: 120 + n % 10 });
		count.setValueFromSource({ dataType: DataType.UInt32, value: n });
		warm.setValueFromSource({ dataType: DataType.Double, value: 80 + n % 3 });
	}, 100);
}

(async () => {
	const manager = (name) => new OPCUACertificateManager({ rootFolder: `${pki}/${name}`, automaticallyAcceptUnknownCertificate: true });
	const server = new OPCUAServer({
		port: Number(port), host: address, hostname: address, alternateHostname: [address], resourcePath: "/plc",
		serverCertificateManager: manager("server"), userCertificateManager: manager("users"),
		securityPolicies: [SecurityPolicy.None, ...(options.policies || "Basic256Sha256+Aes256_Sha256_RsaPss").split("+").map((p) => SecurityPolicy[p])],
		securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
		serverInfo: { applicationUri: "urn:plc-caps:interlock", productUri: "urn:interlock:record", applicationName: { text: "plc-caps" } },
		buildInfo: { productName: "IL-OPC 900", productUri: "urn:interlock:il-opc-900", manufacturerName: "Interlock Recorders",
			softwareVersion: "7.1.3", buildNumber: "20260131.2", buildDate: new Date(Date.UTC(2026, 0, 31, 12, 30)) },
		userManager: { isValidUser: (name, word) => name === "operator" && word === "cola-2026" },
		transportSettings: { adjustTransportLimits: (h) => ({
			receiveBufferSize: Math.min(chunk, h.receiveBufferSize), sendBufferSize: Math.min(chunk, h.sendBufferSize),
			maxMessageSize: 2 << 20, maxChunkCount: 256 }) },
		defaultSecureTokenLifetime: Number(options.lifetime) || 600000, allowAnonymous: true,
		disableDiscovery: false, maxConnectionsPerEndpoint: 20,
	});
	await server.initialize();
	build(server.engine.addressSpace);
	await server.start();
	console.log("listening");
	process.on("SIGTERM", () => process.exit(0));
})().catch((e) => { console.error(e); process.exit(1); });
