// SPDX-License-Identifier: Apache-2.0
// The MES, made of node-opcua's client.
// usage: client.js URL PKI STEP...
//
// A step is NAME or NAME:ARGUMENT; `with KEY=VALUE,...` before others sets how the next sessions are opened: mode, policy
// (as the specification names them), user (anonymous, operator, wrong, certificate), chunk (bytes), lifetime (ms).
// What the server refuses is reported and does not end the run: refusals are what some recordings are about.
"use strict";
const fs = require("node:fs");
const ua = { ...require("node-opcua-types"), ...require("node-opcua") };
const { readCertificate } = require("node-opcua-crypto");

const [url, pki, ...steps] = process.argv.slice(2);
const { AttributeIds, DataType, UserTokenType, VariantArrayType, TimestampsToReturn, Variant } = ua;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let conf = {};

const USERS = {
	anonymous: () => ({ type: UserTokenType.Anonymous }),
	operator: () => ({ type: UserTokenType.UserName, userName: "operator", password: "cola-2026" }),
	wrong: () => ({ type: UserTokenType.UserName, userName: "operator", password: "guess" }),
	certificate: () => ({
		type: UserTokenType.Certificate, certificateData: readCertificate(`${pki}/operator.crt`),
		privateKey: fs.readFileSync(`${pki}/operator.key`, "latin1"),
	}),
};

const manager = new ua.OPCUACertificateManager({ rootFolder: `${pki}/client`, automaticallyAcceptUnknownCertificate: true });

function makeClient() {
	const size = Number(conf.chunk) || 65536;
	return ua.OPCUAClient.create({
		applicationName: "mes", clientName: "mes", applicationUri: "urn:mes:interlock", endpointMustExist: false, keepSessionAlive: false,
		clientCertificateManager: manager, certificateFile: `${pki}/mes.crt`, privateKeyFile: `${pki}/mes.key`,
		securityMode: conf.mode || "None", securityPolicy: conf.policy || "None",
		connectionStrategy: { maxRetry: conf.retry ? Number(conf.retry) : 0, initialDelay: 300, maxDelay: 600 },
		defaultSecureTokenLifetime: Number(conf.lifetime) || 600000,
		transportSettings: { maxChunkCount: 256, maxMessageSize: 2 << 20, sendBufferSize: size, receiveBufferSize: size },
	});
}

async function session(run) {
	const client = makeClient();
	await client.connect(url);
	try {
		const s = await client.createSession(USERS[conf.user || "anonymous"]());
		await run(s, client);
		await s.close();
	} catch (e) {
		console.log(e.message.split("\n")[0]);
	}
	await client.disconnect();
}

// One service by its request; node-opcua calls a bad service result an error.
async function ask(s, request) {
	try {
		return await new Promise((ok, bad) => s.performMessageTransaction(request, (e, r) => e ? bad(e) : ok(r)));
	} catch (e) {
		console.log(request.constructor.name, e.message.split("\n")[0]);
		return null;
	}
}

const RECIPE = ["Sugar", "Water", "Acid", "Temperature"].map((n) => `ns=2;s=Recipe.${n}`);
const write = (nodeId, dataType, value, rest = {}) => ({ nodeId, attributeId: AttributeIds.Value,
	value: { value: { dataType, arrayType: VariantArrayType.Scalar, value, ...rest } } });
const value = (nodeId) => ({ nodeId, attributeId: AttributeIds.Value });
const bulk = (n) => Array.from({ length: n }, (_, i) => `ns=2;s=Bulk.${i}`);
const TYPES = ["Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime",
	"Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Matrix"];

const STEPS = {
	// What anybody may ask without a session.
	async discovery() {
		const client = makeClient();
		await client.connect(url);
		await client.getEndpoints();
		await client.findServers();
		await client.findServersOnNetwork().catch((e) => console.log(e.message));
		await client.disconnect();
	},

	// Who the server is, as clients ask it: without a session, the status, the whole BuildInfo, its members among other nodes, each
	// alone and all at once, the time that is polled.
	async identity(which = "all") {
		const client = makeClient(), members = [2261, 2262, 2263, 2264, 2265, 2266].map((i) => `i=${i}`);
		await client.connect(url);
		await client.findServers();
		await client.disconnect();
		await session(async (s) => {
			if (which === "status" || which === "all")
				await s.read([value("i=2255"), value("i=2258"), value("i=2256")]);
			if (which === "info" || which === "all")
				await s.read(value("i=2260"));
			if (which === "members" || which === "all")
				await s.read(["ns=2;s=Recipe.Name", ...members, "ns=2;s=Types.String"].map(value));
			if (which === "each" || which === "all")
				await Promise.all(members.map((m) => s.read(value(m))));
			await s.read([{ nodeId: "i=2261", attributeId: AttributeIds.DisplayName }, value("i=2258"), value("ns=2;s=Recipe.Name")]);
		});
	},

	// Read in all its forms: one node, several, other attributes, every NodeId and type, a range, nodes that are not there.
	read: () => session(async (s) => {
		await s.read(value("ns=2;s=Line.Speed"));
		await s.read([...RECIPE.map(value), value("i=2258"), value("ns=2;i=1001"), value("ns=2;b=AQIDBAU="),
			value("ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63")]);
		await s.read([AttributeIds.NodeId, AttributeIds.BrowseName, AttributeIds.DisplayName, AttributeIds.DataType, AttributeIds.AccessLevel]
			.map((attributeId) => ({ nodeId: "ns=2;s=Line.Speed", attributeId })));
		await s.read(TYPES.map((t) => value(`ns=2;s=Types.${t}`)));
		await s.read([value("i=2255"), value("i=2254"), value("i=2256")]); // namespaces, servers, status (an extension object)
		await s.read({ ...value("ns=2;s=Recipe.Steps"), indexRange: new ua.NumericRange("2:4") });
		await s.read([value("ns=2;s=Nothing"), value("ns=7;i=1"), { nodeId: "ns=2;s=Line", attributeId: AttributeIds.Value }]);
	}),

	// Write: scalars of every type, an array, a range of it, several nodes, other attributes, what is refused.
	write: () => session(async (s) => {
		await s.write(write(RECIPE[0], DataType.Double, 2.5));
		await s.write(RECIPE.map((n, i) => write(n, DataType.Double, 10 + i)));
		const now = (await s.read(TYPES.map((t) => value(`ns=2;s=Types.${t}`)))).map((v) => v.value);
		for (const [i, v] of now.entries())
			await s.write({ ...value(`ns=2;s=Types.${TYPES[i]}`), value: { value: v } });
		await s.write(write("ns=2;s=Recipe.Steps", DataType.UInt16, new Uint16Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
			{ arrayType: VariantArrayType.Array }));
		await s.write({ ...write("ns=2;s=Recipe.Steps", DataType.UInt16, new Uint16Array([7, 8]), { arrayType: VariantArrayType.Array }),
			indexRange: new ua.NumericRange("2:3") });
		await s.write([write("ns=2;i=1001", DataType.Int32, 1), write("ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63", DataType.Int32, 2),
			write("ns=2;b=AQIDBAU=", DataType.Int32, 3)]);
		await s.write({ ...write("ns=2;s=Line.Mode", DataType.Int32, 2), value: { value: { dataType: DataType.Int32, value: 2 },
			statusCode: ua.StatusCodes.UncertainInitialValue, sourceTimestamp: new Date() } });
		await s.write({ nodeId: "ns=2;s=Line.Mode", attributeId: AttributeIds.Description,
			value: { value: { dataType: DataType.LocalizedText, value: { text: "changed" } } } });
		await s.write([write("ns=2;s=Locked", DataType.Int32, 9), write("ns=2;s=Nothing", DataType.Int32, 9),
			write(RECIPE[0], DataType.String, "no number")]);
	}),

	// Browse (with and without continuation), paths, registered nodes and their use.
	view: () => session(async (s) => {
		await s.browse("RootFolder");
		await s.browse([{ nodeId: "ns=2;s=Line", referenceTypeId: "HierarchicalReferences", browseDirection: ua.BrowseDirection.Both,
			includeSubtypes: true, nodeClassMask: 0, resultMask: 63 }, "ns=2;s=Recipe"]);
		s.requestedMaxReferencesPerNode = 10;
		let r = await s.browse({ nodeId: "ns=2;s=Types", resultMask: 63 });
		for (let i = 0; i < 3 && r.continuationPoint; i++)
			r = await s.browseNext(r.continuationPoint, i === 2);
		await s.translateBrowsePath([ua.makeBrowsePath("RootFolder", "/Objects/2:Plant/2:Line"),
			ua.makeBrowsePath("RootFolder", "/Objects/2:Nowhere")]);
		const aliases = await s.registerNodes([RECIPE[0], "ns=2;s=Line.Speed", "ns=2;i=1001"]);
		await s.read(aliases.map(value));
		await s.write(write(aliases[0], DataType.Double, 3));
		await s.unregisterNodes(aliases);
	}),

	call: () => session(async (s) => {
		const args = (n) => [{ dataType: DataType.Double, value: n }, { dataType: DataType.String, value: "shift change" }];
		await s.call({ objectId: "ns=2;s=Line", methodId: "ns=2;s=Line.Start", inputArguments: args(120) });
		await s.call([{ objectId: "ns=2;s=Line", methodId: "ns=2;s=Line.Stop", inputArguments: args(0) },
			{ objectId: "i=2253", methodId: "i=11492", inputArguments: [{ dataType: DataType.UInt32, value: 1 }] }]); // GetMonitoredItems
		await s.call({ objectId: "ns=2;s=Line", methodId: "ns=2;s=Line.Nothing", inputArguments: [] });
		await s.call({ objectId: "ns=2;s=Line", methodId: "ns=2;s=Line.Start", inputArguments: args(1).slice(1) });
	}),

	// What an HMI does all day: some nodes watched, with everything a subscription knows.
	subscribe: (ms = 2500) => session(async (s) => {
		const sub = await s.createSubscription2({ requestedPublishingInterval: 200, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 5,
			maxNotificationsPerPublish: 100, publishingEnabled: true, priority: 10 });
		const group = ua.ClientMonitoredItemGroup.create(sub, ["ns=2;s=Line.Speed", "ns=2;s=Line.Temperature", "i=2258"].map(value),
			{ samplingInterval: 100, queueSize: 5, discardOldest: true }, TimestampsToReturn.Both);
		const one = ua.ClientMonitoredItem.create(sub, value("ns=2;s=Line.Count"), { samplingInterval: 100, queueSize: 2, discardOldest: true,
			filter: new ua.DataChangeFilter({ trigger: ua.DataChangeTrigger.StatusValue, deadbandType: ua.DeadbandType.Absolute, deadbandValue: 2 }) },
		TimestampsToReturn.Source);
		ua.ClientMonitoredItem.create(sub, { nodeId: "i=2253", attributeId: AttributeIds.EventNotifier }, { samplingInterval: 0, queueSize: 10,
			discardOldest: true, filter: ua.constructEventFilter(["EventId", "EventType", "Message"]) });
		await sleep(Number(ms) / 2);
		await one.modify({ samplingInterval: 400, queueSize: 1, discardOldest: true }).catch((e) => console.log(e.message));
		await one.setMonitoringMode(ua.MonitoringMode.Sampling);
		const [a, b] = group.monitoredItems.map((m) => m.monitoredItemId);
		await ask(s, new ua.SetTriggeringRequest({ subscriptionId: sub.subscriptionId, triggeringItemId: a, linksToAdd: [b], linksToRemove: [] }));
		await sub.setPublishingMode(false);
		await ask(s, new ua.ModifySubscriptionRequest({ subscriptionId: sub.subscriptionId, requestedPublishingInterval: 300,
			requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 5, maxNotificationsPerPublish: 10, priority: 1 }));
		await sub.setPublishingMode(true);
		await ask(s, new ua.RepublishRequest({ subscriptionId: sub.subscriptionId, retransmitSequenceNumber: 9999 }));
		await sleep(Number(ms) / 2);
		await one.terminate();
		await sub.terminate();
	}),

	// A second session takes over the subscription of the first.
	async transfer() {
		const client = makeClient();
		await client.connect(url);
		const [a, b] = [await client.createSession(USERS[conf.user || "anonymous"]()), await client.createSession(USERS[conf.user || "anonymous"]())];
		const sub = await a.createSubscription2({ requestedPublishingInterval: 200, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 5,
			publishingEnabled: true });
		await ask(b, new ua.TransferSubscriptionsRequest({ subscriptionIds: [sub.subscriptionId, 99], sendInitialValues: true }));
		await ask(b, new ua.DeleteSubscriptionsRequest({ subscriptionIds: [sub.subscriptionId] }));
		await a.close(false);
		await b.close();
		await client.disconnect();
	},

	history: () => session(async (s) => {
		await sleep(600);
		const end = new Date(), start = new Date(end - 5000);
		await s.readHistoryValue("ns=2;s=Line.Temperature", start, end);
		await s.readHistoryValue(["ns=2;s=Line.Temperature", "ns=2;s=Line.Speed"], start, end, { numValuesPerNode: 3 });
		await s.readAggregateValue({ nodeId: "ns=2;s=Line.Temperature" }, start, end, ua.AggregateFunction.Average, 1000);
		await ask(s, new ua.HistoryReadRequest({ historyReadDetails: new ua.ReadAtTimeDetails({ reqTimes: [start, end] }),
			nodesToRead: [{ nodeId: "ns=2;s=Line.Temperature" }] }));
		await ask(s, new ua.HistoryUpdateRequest({ historyUpdateDetails: [
			new ua.UpdateDataDetails({ nodeId: "ns=2;s=Line.Temperature", performInsertReplace: ua.PerformUpdateType.Replace,
				updateValues: [{ value: { dataType: DataType.Double, value: 1 }, sourceTimestamp: start }] }),
			new ua.DeleteRawModifiedDetails({ nodeId: "ns=2;s=Line.Temperature", startTime: start, endTime: end }),
			new ua.DeleteAtTimeDetails({ nodeId: "ns=2;s=Line.Speed", reqTimes: [start] })] }));
	}),

	// Services that change the address space, and queries: node-opcua's server refuses all of them.
	manage: () => session(async (s) => {
		await ask(s, new ua.AddNodesRequest({ nodesToAdd: [{ parentNodeId: "ns=2;s=Line", referenceTypeId: "i=47", requestedNewNodeId: "ns=2;s=Line.New",
			browseName: "2:New", nodeClass: ua.NodeClass.Variable, typeDefinition: "i=63",
			nodeAttributes: new ua.VariableAttributes({ displayName: "New", value: { dataType: DataType.Int32, value: 1 }, dataType: "i=6" }) }] }));
		await ask(s, new ua.AddReferencesRequest({ referencesToAdd: [{ sourceNodeId: "ns=2;s=Line", referenceTypeId: "i=35", isForward: true,
			targetNodeId: "ns=2;s=Recipe", targetNodeClass: ua.NodeClass.Object }] }));
		await ask(s, new ua.DeleteReferencesRequest({ referencesToDelete: [{ sourceNodeId: "ns=2;s=Line", referenceTypeId: "i=35",
			isForward: true, targetNodeId: "ns=2;s=Recipe", deleteBidirectional: true }] }));
		await ask(s, new ua.DeleteNodesRequest({ nodesToDelete: [{ nodeId: "ns=2;s=Line.New", deleteTargetReferences: true }] }));
		await ask(s, new ua.QueryFirstRequest({ view: {}, nodeTypes: [], filter: {}, maxDataSetsToReturn: 1 }));
		await ask(s, new ua.QueryNextRequest({ releaseContinuationPoint: true, continuationPoint: Buffer.from("00", "hex") }));
		await ask(s, new ua.CancelRequest({ requestHandle: 4711 }));
	}),

	// A thousand nodes read and written in one message each.
	bulk: (n = 1000) => session(async (s) => {
		await s.read(bulk(Number(n)).map(value));
		await s.write(bulk(Number(n)).map((id, i) => write(id, DataType.Int32, i)));
	}),

	// One message of N bytes written, and M read back (M of 0: not read).
	blob: (sizes = "100000") => session(async (s) => {
		const [there, back] = sizes.split("/").map(Number);
		await s.write(write("ns=2;s=Blob", DataType.ByteString, Buffer.alloc(there, "interlock")));
		if (back !== 0)
			await s.read(value("ns=2;s=Blob"));
	}),

	// Short reads for so long, so that tokens are renewed.
	work: (ms = 3000) => session(async (s) => {
		for (const end = Date.now() + Number(ms); Date.now() < end; await sleep(150))
			await s.read(value("ns=2;s=Line.Speed"));
	}),

	// The MES's day: a look around, some values watched, a recipe written.
	mes: () => session(async (s) => {
		await s.browse("ns=2;s=Recipe");
		await s.read([...RECIPE, "ns=2;s=Line.Speed", "ns=2;s=Line.Count"].map(value));
		const sub = await s.createSubscription2({ requestedPublishingInterval: 250, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 5,
			publishingEnabled: true });
		ua.ClientMonitoredItemGroup.create(sub, ["ns=2;s=Line.Speed", "ns=2;s=Line.Count"].map(value),
			{ samplingInterval: 200, queueSize: 2, discardOldest: true }, TimestampsToReturn.Source);
		for (let i = 0; i < 3; i++) {
			await sleep(400);
			await s.write(RECIPE.map((n) => write(n, DataType.Double, i)));
		}
	}),

	// What the MES may not: a machine value, a recipe with one node too many, a method.
	astray: () => session(async (s) => {
		await s.write(write("ns=2;s=Line.Mode", DataType.Int32, 2));
		await s.write([write(RECIPE[0], DataType.Double, 1), write("ns=2;i=1001", DataType.Int32, 0)]);
		await s.call({ objectId: "ns=2;s=Line", methodId: "ns=2;s=Line.Stop", inputArguments: [
			{ dataType: DataType.Double, value: 0 }, { dataType: DataType.String, value: "end of shift" }] });
	}),

	// Polls until it is killed.
	hang: () => session(async (s) => {
		await s.createSubscription2({ requestedPublishingInterval: 200, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 2, publishingEnabled: true });
		for (;;) {
			await s.read(value("ns=2;s=Line.Speed"));
			await sleep(100);
		}
	}),
};

(async () => {
	await manager.initialize();
	for (const step of steps) {
		const [name, arg] = step.split(/:(.*)/);
		if (name.startsWith("with ") || name === "with")
			conf = Object.fromEntries((name.slice(5) || "").split(",").filter(Boolean).map((pair) => pair.split("=")));
		else
			await STEPS[name](arg).catch((e) => console.log(step, e.message.split("\n")[0]));
	}
	process.exit(0);
})();
