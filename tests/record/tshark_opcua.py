# SPDX-License-Identifier: Apache-2.0
"""tshark's reading of an OPC UA capture, one Pdu per message chunk (a frame may hold several).

A chunk that spans segments belongs to the frame that completes it.  What a message of several chunks says
(service, nodes, status) belongs to its last chunk.  What is encrypted has no service: tshark 4.0 reads the
ciphertext as if it were none, so its reading of a channel whose messages are no known service is not believed.
"""
import base64
import dataclasses
import re
import subprocess
import uuid
import xml.etree.ElementTree as ET

NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
MODES = {1: "None", 2: "Sign", 3: "SignAndEncrypt"}
# The NodeIds a request acts on: the fields that hold them, by the name of the service.
NODES = {
    "ReadRequest": ("NodeId",), "WriteRequest": ("NodeId",), "HistoryReadRequest": ("NodeId",), "HistoryUpdateRequest": ("NodeId",),
    "CreateMonitoredItemsRequest": ("NodeId",), "CallRequest": ("ObjectId", "MethodId"),
    "BrowseRequest": ("NodeId", "ReferenceTypeId"), "TranslateBrowsePathsToNodeIdsRequest": ("StartingNode", "ReferenceTypeId"),
    "RegisterNodesRequest": ("NodesToRegister",), "UnregisterNodesRequest": ("NodesToUnregister",),
    "AddNodesRequest": ("ParentNodeId", "ReferenceTypeId", "RequestedNewNodeId", "TypeDefinition"), "DeleteNodesRequest": ("NodeId",),
    "AddReferencesRequest": ("SourceNodeId", "ReferenceTypeId", "TargetNodeId"),
    "DeleteReferencesRequest": ("SourceNodeId", "ReferenceTypeId", "TargetNodeId"),
}
WITH_ATTRIBUTES = "ReadRequest", "WriteRequest", "CreateMonitoredItemsRequest"
BAD = 1 << 31  # severity of a status code, OPC 10000-4 7.39

@dataclasses.dataclass
class Pdu:
    frame: int
    src: str
    sport: int
    msg: str
    chunk: str
    kind: str   # request, response or exception; other when it cannot be told
    label: str  # for people
    size: int
    channel: int | None = None
    token: int | None = None
    seq: int | None = None
    request_id: int | None = None
    code: int | None = None
    policy_uri: str | None = None
    mode: str | None = None
    endpoint: str | None = None
    status: int | None = None
    nodes: list | None = None
    attributes: list | None = None


def shows(proto, name):
    return [f.get("show") for f in proto.iter("field") if f.get("name") == name]


def show(proto, name):
    return next(iter(shows(proto, name)), None)


def number(proto, name):
    text = show(proto, name)
    return None if text is None else int(text, 0)


def node_text(field):
    """A NodeId as the specification writes it, OPC 10000-6 5.3.1.10."""
    ns = number(field, "opcua.nodeid.nsindex") or 0
    for name, letter in (("numeric", "i"), ("string", "s"), ("guid", "g"), ("bytestring", "b")):
        text = show(field, "opcua.nodeid." + name)
        if text is None:
            continue
        if letter == "g":
            text = str(uuid.UUID(text))
        elif letter == "b":
            text = base64.b64encode(bytes.fromhex(text.replace(":", ""))).decode()
        return (f"ns={ns};" if ns else "") + f"{letter}={text}"
    return None


def service(proto):
    """Name of the body's type as tshark knows it, or None."""
    for f in proto.iter("field"):
        if f.get("name") == "opcua.servicenodeid.numeric":
            m = re.match(r"NodeId Identifier Numeric: (\w+) \(", f.get("showname"))
            return m[1] if m and m[1] != "Unknown" else None
    return None


def acts_on(field, wanted, owner=""):
    """NodeIds of the fields `wanted`, and AttributeIds of what is read, written or watched, in the order of the message.

    An element of an array is called [n]: TYPE and belongs to the array's name."""
    for f in field:
        name, _, kind = (f.get("show") or "").partition(": ")
        if f.get("name") == "opcua.AttributeId" and owner in ("ReadValueId", "WriteValue"):
            yield "attribute", int(f.get("show"), 0)
        elif f.get("name") == "":
            inside = name.startswith("[")
            if kind in ("NodeId", "ExpandedNodeId") and (owner if inside else name) in wanted:
                if (text := node_text(f)) not in (None, "i=0"):  # which means none
                    yield "node", text
            else:
                yield from acts_on(f, wanted, name if kind.startswith("Array") else kind)


def opcua(frame, src, sport, proto):
    msg = show(proto, "opcua.transport.type")
    p = Pdu(frame, src, sport, msg, show(proto, "opcua.transport.chunk"), "other", msg, number(proto, "opcua.transport.size"),
            number(proto, "opcua.transport.scid"), number(proto, "opcua.security.tokenid"), number(proto, "opcua.security.seq"),
            number(proto, "opcua.security.rqid"))
    p.policy_uri, p.endpoint = show(proto, "opcua.security.spu"), show(proto, "opcua.transport.endpoint")
    if msg in ("HEL", "RHE", "ACK", "ERR"):
        p.kind = {"HEL": "request", "RHE": "request", "ACK": "response", "ERR": "exception"}[msg]
        p.status = number(proto, "opcua.transport.error")
        return p
    if p.policy_uri and p.policy_uri != NONE:  # its body is encrypted in Sign mode too
        p.request_id = p.seq = None
        return p
    name = service(proto)
    if name is None:
        if p.chunk == "F":
            p.request_id = p.seq = None
        return p
    p.label, p.code = f"{msg} {name}", number(proto, "opcua.servicenodeid.numeric")
    p.kind = "request" if name.endswith("Request") else "exception" if name == "ServiceFault" else "response"
    if mode := number(proto, "opcua.MessageSecurityMode") if name == "OpenSecureChannelRequest" else None:
        p.mode = MODES[mode]
    if p.kind != "request":
        p.status = number(proto, "opcua.ServiceResult")
        if p.status is not None and p.status & BAD:
            p.kind = "exception"
    if name in NODES:
        found = list(acts_on(proto, NODES[name]))
        p.nodes = [value for kind, value in found if kind == "node"]
    if name in WITH_ATTRIBUTES:
        p.attributes = [value for kind, value in found if kind == "attribute"]
    return p


def directives(recorder):
    """Ports other than 4840 that the recording script uses."""
    if not recorder:
        return []
    with open(recorder) as f:
        return [int(port) for line in f if line.startswith("# opcua:") for port in line[8:].split()]


def read(pcap, recorder=None):
    """All chunks of a capture, in order."""
    command = ["tshark", "-n", "-r", str(pcap), "-T", "pdml", "-Y", "opcua", "-o", "tcp.desegment_tcp_streams:TRUE"]
    for port in directives(recorder):
        command += ["-d", f"tcp.port=={port},opcua"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        for _, packet in ET.iterparse(run.stdout):
            if packet.tag != "packet":
                continue
            frame = src = sport = None
            for proto in packet.findall("proto"):
                name = proto.get("name")
                if name == "geninfo":
                    frame = number(proto, "num")
                elif name in ("ip", "ipv6"):
                    src = show(proto, name + ".src")
                elif name == "tcp":
                    sport = number(proto, "tcp.srcport")
                elif name == "opcua" and show(proto, "opcua.transport.type"):
                    yield opcua(frame, src, sport, proto)
            packet.clear()
        if run.wait() != 0:
            raise OSError(f"tshark cannot read {pcap}")
