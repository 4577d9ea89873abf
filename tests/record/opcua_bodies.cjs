// SPDX-License-Identifier: Apache-2.0
// Message bodies as node-opcua encodes them, with what the walker must say of them, as
// the table tests/unit/opcua_bodies.h.  What is expected is written from what goes into
// the encoder, not from the bytes.
//
// usage: NODE_PATH=.../node_modules node opcua_bodies.cjs >tests/unit/opcua_bodies.h
"use strict";
const o = { ...require("node-opcua-types"), ...require("node-opcua") };
const { BinaryStream } = require("node-opcua-binary-stream");
const { Variant, DataType, VariantArrayType, DataValue, StatusCodes, LocalizedText, QualifiedName } = o;

const ids = ["i=2258", "ns=1;i=300", "ns=3;i=70000", "ns=2;s=Recipe.1", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
	"ns=1;b=M/RbKBsRVkePCePcx24oRA==", "s=plain", "ns=300;i=5"];
const node = (s) => o.resolveNodeId(s);
const rows = [];
const time = new Date("2026-01-02T03:04:05Z");

function row(message, text, type) {
	const stream = new BinaryStream(Buffer.alloc(message.binaryStoreSize() + 4));
	const id = type ?? message.schema.encodingDefaultBinary.value;
	stream.writeUInt8(1);
	stream.writeUInt8(0);
	stream.writeUInt16(id);
	message.encode(stream);
	rows.push({ hex: stream.buffer.subarray(0, stream.length).toString("hex"), text });
}
let handle = 100;
function request(Class, fields, text, header = {}) {
	const h = handle++;
	const name = Class.schema.name.replace("Request", "");
	row(new Class({ requestHeader: { authenticationToken: node("ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"), timestamp: time,
		requestHandle: h, timeoutHint: 5000, ...header }, ...fields }), `${name} > h=${h}${text ?? ""}`);
}
function response(Class, fields, text, status = 0) {
	const h = handle++;
	const name = Class.schema.name.replace("Response", "");
	row(new Class({ responseHeader: { timestamp: time, requestHandle: h, serviceResult: status ? { value: status, name: "x" } : StatusCodes.Good,
		...fields.header }, ...fields }), `${name} < h=${h} s=${status.toString(16)}${text ?? ""}`);
}
const each = (role, access, attribute = 0) => ids.map((s) => ` ${role}:${access} ${s}${attribute ? ` @${attribute}` : ""}`).join("");
const value = (dataType, v, extra = { arrayType: VariantArrayType.Scalar }) => new DataValue({ value: new Variant({ dataType, value: v, ...extra }) });

// Discovery
request(o.FindServersRequest, { endpointUrl: "opc.tcp://plc:4840", localeIds: ["de", "en"], serverUris: ["urn:a"] },
	' endpoint_url="opc.tcp://plc:4840" server_uri="urn:a"');
request(o.FindServersOnNetworkRequest, { startingRecordId: 1, maxRecordsToReturn: 2, serverCapabilityFilter: ["LDS"] });
request(o.GetEndpointsRequest, { endpointUrl: "opc.tcp://plc:4840", localeIds: [], profileUris: ["x"] }, ' endpoint_url="opc.tcp://plc:4840"');
const registered = { serverUri: "urn:s", productUri: "urn:p", serverNames: [new LocalizedText({ locale: "de", text: "Name" }), new LocalizedText({ text: "n" })],
	serverType: 0, gatewayServerUri: null, discoveryUrls: ["opc.tcp://plc:4840"], semaphoreFilePath: null, isOnline: true };
const registeredText = ' server_uri="urn:s" product_uri="urn:p" app_name="Name" app_name="n" app_type=0';
request(o.RegisterServerRequest, { server: registered }, registeredText);
request(o.RegisterServer2Request, { server: registered, discoveryConfiguration: [new o.MdnsDiscoveryConfiguration({ mdnsServerName: "m", serverCapabilities: ["LDS"] })] },
	registeredText);
const app = (uri) => ({ applicationUri: uri, productUri: "urn:prod", applicationName: new LocalizedText({ locale: "en", text: "App" }),
	applicationType: 1, gatewayServerUri: null, discoveryProfileUri: null, discoveryUrls: ["opc.tcp://a", "opc.tcp://b"] });
const appText = (uri) => ` app_uri="${uri}" product_uri="urn:prod" app_name="App" app_type=1`;
const endpoint = (mode, policy) => ({ endpointUrl: "opc.tcp://plc:4840", server: app("urn:srv"), serverCertificate: Buffer.alloc(700, 0x30), securityMode: mode,
	securityPolicyUri: policy, userIdentityTokens: [{ policyId: "a", tokenType: 0 }, { policyId: "u", tokenType: 1, securityPolicyUri: policy }],
	transportProfileUri: "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary", securityLevel: 3 });
const endpointText = (mode, policy) => ` ep_url="opc.tcp://plc:4840"${appText("urn:srv")} ep_mode=${mode} ep_policy="${policy}" ep_token=0 ep_token=1`;
const none = "http://opcfoundation.org/UA/SecurityPolicy#None", b256 = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256";
response(o.FindServersResponse, { servers: [app("urn:one"), app("urn:two")] }, appText("urn:one") + appText("urn:two"));
response(o.GetEndpointsResponse, { endpoints: [endpoint(1, none), endpoint(3, b256)] }, endpointText(1, none) + endpointText(3, b256));
response(o.RegisterServerResponse, {});
// SecureChannel
request(o.OpenSecureChannelRequest, { clientProtocolVersion: 0, requestType: 1, securityMode: 2, clientNonce: Buffer.alloc(32, 7), requestedLifetime: 600000 },
	" request_type=1 mode=2 nonce#32 lifetime=600000", { authenticationToken: new o.NodeId() });
response(o.OpenSecureChannelResponse, { serverProtocolVersion: 0, securityToken: { channelId: 9, tokenId: 4, createdAt: time, revisedLifetime: 300000 }, serverNonce: Buffer.alloc(32, 8) },
	" channel_id=9 token_id=4 lifetime=300000 nonce#32");
request(o.CloseSecureChannelRequest, {});
// Session
request(o.CreateSessionRequest, { clientDescription: app("urn:client"), serverUri: "urn:server", endpointUrl: "opc.tcp://plc:4840", sessionName: "s1",
	clientNonce: Buffer.alloc(32, 1), clientCertificate: Buffer.alloc(1200, 0x30), requestedSessionTimeout: 60000, maxResponseMessageSize: 0 },
	`${appText("urn:client")} server_uri="urn:server" endpoint_url="opc.tcp://plc:4840" session_name="s1" nonce#32 certificate#1200`,
	{ authenticationToken: new o.NodeId() });
response(o.CreateSessionResponse, { sessionId: node("ns=1;i=44"), authenticationToken: node("ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"), revisedSessionTimeout: 60000,
	serverNonce: Buffer.alloc(32, 2), serverCertificate: Buffer.alloc(900, 3), serverEndpoints: [endpoint(2, b256)], serverSoftwareCertificates: [],
	serverSignature: { algorithm: "rsa", signature: Buffer.alloc(256, 4) }, maxRequestMessageSize: 0 },
	` auth nonce#32 certificate#900${endpointText(2, b256)}`);
const activate = (token, text) => request(o.ActivateSessionRequest, { clientSignature: { algorithm: "rsa", signature: Buffer.alloc(256, 5) },
	clientSoftwareCertificates: [{ certificateData: Buffer.from("x"), signature: Buffer.from("y") }], localeIds: ["en"], userIdentityToken: token,
	userTokenSignature: { algorithm: null, signature: null } }, text);
activate(new o.AnonymousIdentityToken({ policyId: "anon" }), " user_token=0");
activate(new o.UserNameIdentityToken({ policyId: "u", userName: "operator", password: Buffer.alloc(256, 6), encryptionAlgorithm: "rsa" }), ' user_token=1 user_name="operator"');
activate(new o.X509IdentityToken({ policyId: "c", certificateData: Buffer.alloc(300, 7) }), " user_token=2 certificate#300");
activate(new o.IssuedIdentityToken({ policyId: "i", tokenData: Buffer.alloc(30, 7), encryptionAlgorithm: null }), " user_token=3");
activate(null, " user_token=0");
activate(new o.ReadValueId({ nodeId: "i=1", attributeId: 1 }), " user_token=4");
response(o.ActivateSessionResponse, { serverNonce: Buffer.alloc(32, 9), results: [StatusCodes.Good, StatusCodes.BadInternalError], diagnosticInfos: [] }, " nonce#32");
request(o.CloseSessionRequest, { deleteSubscriptions: true });
response(o.CloseSessionResponse, {});
request(o.CancelRequest, { requestHandle: 3 });
response(o.CancelResponse, { cancelCount: 1 });
response(o.ServiceFault, {}, "", 0x80340000);
// NodeManagement
request(o.AddNodesRequest, { nodesToAdd: [
	{ parentNodeId: o.coerceExpandedNodeId("i=85"), referenceTypeId: node("i=35"), requestedNewNodeId: o.coerceExpandedNodeId("ns=1;s=New"), browseName: new QualifiedName({ namespaceIndex: 1, name: "New" }),
		nodeClass: 2, nodeAttributes: new o.VariableAttributes({ displayName: { text: "x" }, value: { dataType: DataType.Double, value: 1 } }), typeDefinition: o.coerceExpandedNodeId("i=63") },
	{ parentNodeId: o.coerceExpandedNodeId("ns=1;s=Parent"), referenceTypeId: node("i=47"), requestedNewNodeId: new o.ExpandedNodeId(o.NodeIdType.NUMERIC, 0, 0), browseName: new QualifiedName({ name: "N" }),
		nodeClass: 1, nodeAttributes: null, typeDefinition: new o.ExpandedNodeId(o.NodeIdType.NUMERIC, 0, 0) }] },
	" parent:w i=85 reftype:w i=35 new:w ns=1;s=New typedef:w i=63 parent:w ns=1;s=Parent reftype:w i=47");
request(o.AddReferencesRequest, { referencesToAdd: [{ sourceNodeId: node("ns=1;s=From"), referenceTypeId: node("i=35"), isForward: true, targetServerUri: null,
	targetNodeId: new o.ExpandedNodeId(o.NodeIdType.STRING, "To", 1, "urn:far", 3), targetNodeClass: 1 }] },
	" parent:w ns=1;s=From reftype:w i=35 reference:w ns=1;s=To uri remote");
request(o.DeleteNodesRequest, { nodesToDelete: ids.map((s) => ({ nodeId: node(s), deleteTargetReferences: true })) }, each("target", "w"));
request(o.DeleteReferencesRequest, { referencesToDelete: [{ sourceNodeId: node("i=7"), referenceTypeId: node("i=0"), isForward: false, targetNodeId: o.coerceExpandedNodeId("ns=2;i=9"), deleteBidirectional: true }] },
	" parent:w i=7 reference:w ns=2;i=9");
// View
const browse = (s, ref) => ({ nodeId: node(s), browseDirection: 0, referenceTypeId: ref ? node(ref) : undefined, includeSubtypes: true, nodeClassMask: 0, resultMask: 63 });
request(o.BrowseRequest, { requestedMaxReferencesPerNode: 10, nodesToBrowse: ids.map((s) => browse(s)) }, each("target", "r"));
request(o.BrowseRequest, { view: { viewId: node("ns=4;i=1"), timestamp: time, viewVersion: 2 }, requestedMaxReferencesPerNode: 0, nodesToBrowse: [browse("i=84", "i=33")] },
	" view:r ns=4;i=1 target:r i=84 reftype:r i=33");
request(o.BrowseNextRequest, { releaseContinuationPoints: false, continuationPoints: [Buffer.from("abc"), Buffer.from("defg")] });
request(o.TranslateBrowsePathsToNodeIdsRequest, { browsePaths: [{ startingNode: node("i=84"), relativePath: { elements: [
	{ referenceTypeId: node("i=33"), isInverse: false, includeSubtypes: true, targetName: new QualifiedName({ namespaceIndex: 0, name: "Objects" }) },
	{ referenceTypeId: new o.NodeId(), isInverse: false, includeSubtypes: true, targetName: new QualifiedName({ namespaceIndex: 1, name: "X" }) }] } }] },
	" target:r i=84 reftype:r i=33");
request(o.RegisterNodesRequest, { nodesToRegister: ids.map(node) }, each("register", "r"));
response(o.RegisterNodesResponse, { registeredNodeIds: ids.map(node) }, each("alias", "r"));
request(o.UnregisterNodesRequest, { nodesToUnregister: ids.map(node) }, each("unregister", "r"));
response(o.UnregisterNodesResponse, {});
// Query
request(o.QueryFirstRequest, { view: { timestamp: time }, nodeTypes: [{ typeDefinitionNode: o.coerceExpandedNodeId("i=62"), includeSubTypes: true, dataToReturn: [
	{ relativePath: { elements: [{ referenceTypeId: node("i=35"), targetName: new QualifiedName({ name: "q" }) }] }, attributeId: 13, indexRange: undefined }] }],
	filter: { elements: [{ filterOperator: 0, filterOperands: [new o.LiteralOperand({ value: { dataType: DataType.Int32, value: 3 } })] }] }, maxDataSetsToReturn: 5, maxReferencesToReturn: 6 },
	" typedef:r i=62 reftype:r i=35");
request(o.QueryNextRequest, { releaseContinuationPoint: true, continuationPoint: Buffer.from("cp") });
// Attribute
request(o.ReadRequest, { maxAge: 0, timestampsToReturn: 2, nodesToRead: ids.map((s) => ({ nodeId: node(s), attributeId: 13 })) }, each("target", "r", 13));
request(o.ReadRequest, { nodesToRead: [{ nodeId: node("ns=2;s=A"), attributeId: 13, indexRange: new o.NumericRange("1:2"), dataEncoding: { name: "Default XML" } },
	{ nodeId: node(`ns=2;s=${"x".repeat(256)}`), attributeId: 5 }, { nodeId: node(`ns=2;s=${"y".repeat(257)}`), attributeId: 4 }] },
	` target:r ns=2;s=A @13 range target:r ns=2;s=${"x".repeat(256)} @5 target:r ns=2;s=${"y".repeat(256)} @4 cut`);
response(o.ReadResponse, { results: [value(DataType.String, ["http://opcfoundation.org/UA/", "urn:x"], { arrayType: VariantArrayType.Array }), value(DataType.Double, 3.5),
	new DataValue({ statusCode: StatusCodes.BadNodeIdUnknown }), value(DataType.String, "text")], diagnosticInfos: [] },
	' text[0.0]="http://opcfoundation.org/UA/" text[0.1]="urn:x" text[3.0]="text"');
const build = new o.BuildInfo({ productUri: "urn:prod", manufacturerName: "Maker", productName: "Product", softwareVersion: "1.2", buildNumber: "77", buildDate: time });
const status = new o.ServerStatusDataType({ startTime: time, currentTime: time, state: 0, buildInfo: build, secondsTillShutdown: 5,
	shutdownReason: new LocalizedText({ locale: "de", text: "Ende" }) });
const buildText = (i, ticks) => ` build_uri[${i}]="urn:prod" build_maker[${i}]="Maker" build_name[${i}]="Product" build_version[${i}]="1.2" build_number[${i}]="77" build_date[${i}]=${ticks}`;
const ticks = (BigInt(time.getTime()) * 10000n + 116444736000000000n).toString();
response(o.ReadResponse, { results: [value(DataType.DateTime, time), value(DataType.ExtensionObject, status), value(DataType.String, "between"),
	value(DataType.ExtensionObject, build), value(DataType.ExtensionObject, new o.Range({ low: 1, high: 2 })), value(DataType.ExtensionObject, null),
	value(DataType.ExtensionObject, [build, build], { arrayType: VariantArrayType.Array }), value(DataType.DateTime, [time, time], { arrayType: VariantArrayType.Array }),
	value(DataType.String, "end")], diagnosticInfos: [] },
	` time[0]=${ticks}${buildText(1, ticks)} text[2.0]="between"${buildText(3, ticks)} text[8.0]="end"`);
request(o.HistoryReadRequest, { historyReadDetails: new o.ReadRawModifiedDetails({ isReadModified: false, startTime: time, endTime: time, numValuesPerNode: 9, returnBounds: false }),
	timestampsToReturn: 2, releaseContinuationPoints: false, nodesToRead: ids.map((s) => ({ nodeId: node(s), indexRange: undefined, dataEncoding: undefined, continuationPoint: Buffer.from("cp") })) },
	each("target", "r"));
const scalars = [[DataType.Boolean, true, "01"], [DataType.SByte, -2, "fe"], [DataType.Byte, 7, "07"], [DataType.Int16, -3, "fdff"], [DataType.UInt16, 500, "f401"], [DataType.Int32, -1, "ffffffff"],
	[DataType.UInt32, 70000, "70110100"], [DataType.Int64, [0, 1], "0100000000000000"], [DataType.UInt64, [1, 0], "0000000001000000"], [DataType.Float, 1.5, "0000c03f"], [DataType.Double, 21.5, "0000000000803540"],
	[DataType.StatusCode, StatusCodes.BadInternalError, "00000280"]];
request(o.WriteRequest, { nodesToWrite: scalars.map(([t, v], i) => ({ nodeId: node(ids[i % ids.length]), attributeId: 13, value: value(t, v) })) },
	scalars.map(([t, , hex], i) => ` target:w ${ids[i % ids.length]} @13 =${t}:${hex}`).join(""));
const others = [[DataType.String, "hello"], [DataType.Guid, "09087E75-8E5E-499B-954F-F2A9603DB28A"], [DataType.ByteString, Buffer.from("bytes")], [DataType.XmlElement, "<a/>"], [DataType.NodeId, node("ns=2;s=InValue")],
	[DataType.ExpandedNodeId, new o.ExpandedNodeId(o.NodeIdType.STRING, "To", 1, "urn:far", 3)], [DataType.QualifiedName, new QualifiedName({ namespaceIndex: 1, name: "q" })], [DataType.LocalizedText, new LocalizedText({ locale: "de", text: "t" })],
	[DataType.ExtensionObject, new o.Range({ low: 1, high: 2 })]];
request(o.WriteRequest, { nodesToWrite: others.map(([t, v], i) => ({ nodeId: node(ids[i % ids.length]), attributeId: 13, value: value(t, v) })) },
	others.map(([t], i) => ` target:w ${ids[i % ids.length]} @13 =${t}`).join(""));
request(o.WriteRequest, { nodesToWrite: others.map(([t, v], i) => ({ nodeId: node(ids[i % ids.length]), attributeId: 13, value: value(t, [v, v], { arrayType: VariantArrayType.Array }) })) },
	others.map(([t], i) => ` target:w ${ids[i % ids.length]} @13 =${t}[2]`).join(""));
request(o.WriteRequest, { nodesToWrite: [
	{ nodeId: node("ns=2;s=Array"), attributeId: 13, indexRange: new o.NumericRange("0:2"), value: value(DataType.Int16, new Int16Array([1, 2, 3]), { arrayType: VariantArrayType.Array }) },
	{ nodeId: node("ns=2;s=Matrix"), attributeId: 13, value: value(DataType.Double, new Float64Array(6), { arrayType: VariantArrayType.Matrix, dimensions: [2, 3] }) },
	{ nodeId: node("ns=2;s=Variants"), attributeId: 13, value: value(DataType.Variant, [new Variant({ dataType: DataType.String, value: "in" }), new Variant({ dataType: DataType.Double, value: 2 })], { arrayType: VariantArrayType.Array }) },
	{ nodeId: node("ns=2;s=Values"), attributeId: 13, value: value(DataType.DataValue, [value(DataType.Byte, 1), value(DataType.String, "x")], { arrayType: VariantArrayType.Array }) },
	{ nodeId: node("ns=2;s=Full"), attributeId: 13, value: new DataValue({ value: new Variant({ dataType: DataType.UInt16, value: 9 }), statusCode: StatusCodes.UncertainInitialValue, sourceTimestamp: time, sourcePicoseconds: 10, serverTimestamp: time, serverPicoseconds: 20 }) },
	{ nodeId: node("ns=2;s=None"), attributeId: 4, value: new DataValue({ statusCode: StatusCodes.BadNodeIdUnknown }) },
	{ nodeId: node("ns=2;s=Names"), attributeId: 13, value: value(DataType.String, ["a", "bb"], { arrayType: VariantArrayType.Matrix, dimensions: [1, 2] }) }] },
	" target:w ns=2;s=Array @13 range =4[3] target:w ns=2;s=Matrix @13 =11[6] target:w ns=2;s=Variants @13 =24[2] target:w ns=2;s=Values @13 =23[2] target:w ns=2;s=Full @13 =5:0900" +
	" target:w ns=2;s=None @4 target:w ns=2;s=Names @13 =12[2]");
const details = [new o.UpdateDataDetails({ nodeId: node("ns=1;s=Hist"), performInsertReplace: 1, updateValues: [value(DataType.Double, 1), value(DataType.Double, 2)] }),
	new o.DeleteRawModifiedDetails({ nodeId: node("ns=1;i=5"), isDeleteModified: false, startTime: time, endTime: time }),
	new o.DeleteAtTimeDetails({ nodeId: node("i=99"), reqTimes: [time, time] }),
	new o.DeleteEventDetails({ nodeId: node("ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"), eventIds: [Buffer.from("e")] }),
	new o.UpdateStructureDataDetails({ nodeId: node("ns=1;b=M/RbKBsRVkePCePcx24oRA=="), performInsertReplace: 1, updateValues: [] }),
	new o.UpdateEventDetails({ nodeId: node("ns=1;s=Ev"), performInsertReplace: 1, filter: {}, eventData: [] })];
request(o.HistoryUpdateRequest, { historyUpdateDetails: details },
	" target:w ns=1;s=Hist target:w ns=1;i=5 target:w i=99 target:w ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a target:w ns=1;b=M/RbKBsRVkePCePcx24oRA== target:w ns=1;s=Ev");
// Method
request(o.CallRequest, { methodsToCall: [
	{ objectId: node("ns=2;s=Pump"), methodId: node("ns=2;s=Pump.Start"), inputArguments: [new Variant({ dataType: DataType.Double, value: 1 }), new Variant({ dataType: DataType.String, value: "fast" }),
		new Variant({ dataType: DataType.Int32, arrayType: VariantArrayType.Array, value: new Int32Array([1, 2]) })] },
	{ objectId: node("i=2253"), methodId: node("i=11492"), inputArguments: [] }] },
	" object:c ns=2;s=Pump method:c ns=2;s=Pump.Start object:c i=2253 method:c i=11492");
// MonitoredItem
const parameters = (filter) => ({ clientHandle: 1, samplingInterval: 100, filter, queueSize: 10, discardOldest: true });
request(o.CreateMonitoredItemsRequest, { subscriptionId: 1, timestampsToReturn: 2, itemsToCreate: ids.map((s, i) => ({ itemToMonitor: { nodeId: node(s), attributeId: 13 }, monitoringMode: 2,
	requestedParameters: parameters(i % 2 ? new o.DataChangeFilter({ trigger: 1, deadbandType: 1, deadbandValue: 0.5 }) : null) })) }, each("target", "r", 13));
request(o.ModifyMonitoredItemsRequest, { subscriptionId: 1, timestampsToReturn: 2, itemsToModify: [{ monitoredItemId: 7, requestedParameters: parameters(null) }] });
request(o.SetMonitoringModeRequest, { subscriptionId: 1, monitoringMode: 0, monitoredItemIds: [1, 2, 3] });
request(o.SetTriggeringRequest, { subscriptionId: 1, triggeringItemId: 2, linksToAdd: [3], linksToRemove: [4, 5] });
request(o.DeleteMonitoredItemsRequest, { subscriptionId: 1, monitoredItemIds: [1, 2] });
// Subscription
request(o.CreateSubscriptionRequest, { requestedPublishingInterval: 100, requestedLifetimeCount: 60, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1 });
response(o.CreateSubscriptionResponse, { subscriptionId: 1, revisedPublishingInterval: 100, revisedLifetimeCount: 60, revisedMaxKeepAliveCount: 10 });
request(o.ModifySubscriptionRequest, { subscriptionId: 1, requestedPublishingInterval: 100, requestedLifetimeCount: 60, requestedMaxKeepAliveCount: 10, maxNotificationsPerPublish: 0, priority: 1 });
response(o.ModifySubscriptionResponse, { revisedPublishingInterval: 100, revisedLifetimeCount: 60, revisedMaxKeepAliveCount: 10 });
request(o.SetPublishingModeRequest, { publishingEnabled: true, subscriptionIds: [1, 2] });
request(o.PublishRequest, { subscriptionAcknowledgements: [{ subscriptionId: 1, sequenceNumber: 2 }, { subscriptionId: 1, sequenceNumber: 3 }] });
request(o.RepublishRequest, { subscriptionId: 1, retransmitSequenceNumber: 4 });
request(o.TransferSubscriptionsRequest, { subscriptionIds: [11, 12], sendInitialValues: true }, " subscription=11 subscription=12");
request(o.DeleteSubscriptionsRequest, { subscriptionIds: [13] }, " subscription=13");
// Headers that are not the usual ones
request(o.ReadRequest, { nodesToRead: [{ nodeId: node("i=1"), attributeId: 1 }] }, " target:r i=1 @1", { auditEntryId: "audit", additionalHeader: new o.Range({ low: 1, high: 2 }) });
request(o.ReadRequest, { nodesToRead: [{ nodeId: node("i=1"), attributeId: 1 }] }, " target:r i=1 @1", { authenticationToken: node(`ns=1;b=${Buffer.alloc(32, 0xa5).toString("base64")}`) });
request(o.ReadRequest, { nodesToRead: [] }, "", { authenticationToken: node("i=77") });
response(o.ReadResponse, { header: { serviceDiagnostics: new o.DiagnosticInfo({ symbolicId: 1, namespaceURI: 2, locale: 3, localizedText: 4, additionalInfo: "more", innerStatusCode: StatusCodes.BadInternalError,
	innerDiagnosticInfo: new o.DiagnosticInfo({ additionalInfo: "inner", innerDiagnosticInfo: new o.DiagnosticInfo({ symbolicId: 5 }) }) }), stringTable: ["a", "b"] },
	results: [], diagnosticInfos: [new o.DiagnosticInfo({ innerStatusCode: StatusCodes.Good })] });

const wrap = (s) => s.match(/.{1,96}/g).map((part) => `\t "${part}"`).join("\n");
console.log(`/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_bodies.h - message bodies as node-opcua ${require("node-opcua/package.json").version} encodes them, and what the walker must say
 * of them; generated by tests/record/opcua_bodies.cjs, which says what is expected.
 *
 * Of its many lines most are hex: {body, events}.
 */
static const struct body {
	const char *hex, *events;
} bodies[] = {`);
for (const r of rows)
	console.log(`\t{\n${wrap(r.hex)},\n${wrap(r.text.replace(/"/g, "'"))}\n\t},`);
console.log("};");
process.exit(0);
