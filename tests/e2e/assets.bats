#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --assets: the list of devices equals what the recording scripts set up, and what tshark finds in the same frames.

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	printf '%s   (hex)\t\t%s\r\n' 00-1B-1B 'Siemens AG,' 00-80-F4 'TELEMECANIQUE ELECTRIQUE' 00-50-56 'VMware, Inc.' >oui.txt
}

# assets CAPTURE [OPTION...]: the list in a.json.  Whether all in it was allowed is not asked.
assets() { "$INTERLOCK" replay -q --assets a.json --oui oui.txt "${@:2}" "$1" || [ $? = 1 ]; }
# The hosts of tests/record/netns.sh: name MAC address
set_up() {
	eval "$(sed -n '/^declare -A NET_HOST/,/)$/p' "$ROOT/tests/record/netns.sh")"
	for h; do read -r n mac <<<"${NET_HOST[$h]}"; echo "$mac 10.1.2.$n"; done | sort
}
is() { # JQ WANT
	got=$(jq -r "$1" a.json)
	[ "$got" = "$2" ] || { echo "$1: got $got"; return 1; }
}
device() { is ".devices[] | select(.addresses[].ip == \"10.1.2.$1\") | $2" "$3"; }

@test "the recorded plant: each device that the script set up, and no other" {
	read -ra hosts < <(sed -n 's/^net_up //p' "$ROOT/tests/record/mixed/plant.sh")
	[ ${#hosts[@]} = 7 ]
	set_up "${hosts[@]}" >want
	assets "$ROOT/pcaps/mixed/plant.pcap"
	jq -r '.devices[] | "\(.macs | map(.mac) | join(" ")) \(.addresses | map(.ip) | join(" "))"' a.json | sort >got
	diff want got
	is '[.devices[].addresses[].by | contains(["arp", "direct"])] | all' true
	is '[.no_room_for[]] | add' 0
	is '[.sources[].malformed] | add' 0
}
@test "the recorded plant: roles, names, makers and models, as the scripts say" {
	assets "$ROOT/pcaps/mixed/plant.pcap"
	device 5 .role hmi
	device 9 .role engineering
	device 20 .role hmi # the MES reads and writes values
	device 130 .role plc
	device 131 .role plc
	device 20 .name mes
	device 131 .name plc-caps # LLDP, and the OPC UA server
	device 131 '[.evidence[] | select(.key == "name") | .source] | sort | join(" ")' "lldp opcua"
	device 130 '"\(.vendor) \(.order_number) \(.firmware)"' "Interlock IL-PB 3.0.0"
	device 131 '"\(.vendor) \(.order_number) \(.firmware)"' "Siemens AG 6ES7 315-2EH14-0AB0 3.2.6"
	device 130 '.macs[0].vendor' "TELEMECANIQUE ELECTRIQUE"
	device 66 '.macs[0].vendor' null
	# who called himself mes, and what hmi1 and the MES did beside their work
	device 66 '.questions | map(.question) | sort | join(" ")' "local_mac same_name"
	device 20 '.questions | map(.question) | sort | join(" ")' "controls same_name"
	device 5 '.questions | map(.question) | join(" ")' controls
	for n in 9 10 130 131; do device $n '.questions | length' 0; done
	device 130 '.protocols[] | select(.side == "server") | .peers | sort | join(" ")' "10.1.2.5 10.1.2.66"
	"$INTERLOCK" --version | grep -q '+ndpi' || return 0 # who else names what infra offers
	device 10 .role server
	device 10 '[.evidence[] | select(.key == "service") | .value] | contains(["DNS", "HTTP", "SSH"])' true
}
@test "TLS: what servers' certificates say, as the script made them and tshark reads them; TLS 1.3 and clients say nothing" {
	"$INTERLOCK" --version | grep -q '+ndpi' || skip "built without nDPI"
	command -v tshark >/dev/null || skip "tshark is missing"
	c=$ROOT/pcaps/mixed/certificate script=$ROOT/tests/record/mixed/certificate.sh
	"$INTERLOCK" replay -q --assets - --oui oui.txt "$c.pcap" >a.json
	tshark -r "$c.pcap" -Y 'tls.handshake.type == 11 && tcp.srcport == 443' -V 2>/dev/null >frames
	eval "$(sed -n '/^declare -A NET_HOST/,/)$/p' "$ROOT/tests/record/netns.sh")"
	for h in "${!NET_HOST[@]}"; do echo "$h 10.1.2.${NET_HOST[$h]%% *}"; done >hosts
	python3 - "$script" <<-'END'
	import json, re, sys
	def text(parts):
	    """CN and O of [(label, value)...]"""
	    return ", ".join(f"{k}={v}" for k in ("CN", "O") for label, v in parts if label == k)
	host = dict(line.split() for line in open("hosts"))
	made = {}
	for how, name, subject in re.findall(r"^(own|signed) (\S+) \d+ '/([^']*)'", open(sys.argv[1]).read(), re.M):
	    made[name] = how, text([p.split("=", 1) for p in subject.split("/")])
	script = {host[n]: (s, s if how == "own" else made["ca"][1]) for n, (how, s) in made.items()
	          if n not in ("ca", "mes", "infra")}  # who connects, and TLS 1.3
	label = {"commonName": "CN", "organizationName": "O"}
	tshark, first = {}, {}
	for frame in re.split(r"^Frame (?=\d)", open("frames").read(), flags=re.M)[1:]:
	    names = re.findall(r"issuer: rdnSequence(.*?)\n\s+validity.*?subject: rdnSequence(.*?)\n\s+subjectPublicKeyInfo", frame, re.S)[0]
	    ip = re.search(r"^Internet Protocol Version 4, Src: (\S+),", frame, re.M)[1]
	    parts = [[(label.get(k), v) for k, v in re.findall(r"RDNSequence item: 1 item \(id-at-(\w+)=(.*)\)$", n, re.M)] for n in names]
	    tshark[ip] = text(parts[1]), text(parts[0])
	    first[ip] = int(frame.split(":")[0])
	got, frames = {}, {}
	devices = json.load(open("a.json"))["devices"]
	assert len(devices) == 6
	for d in devices:
	    said = {e["key"]: e["value"] for e in d["evidence"] if e["source"] == "tls"}
	    if said:
	        ip = d["addresses"][0]["ip"]
	        got[ip] = said.pop("certificate"), said.pop("certificate_issuer")
	        frames[ip] = {e["frame"] for e in d["evidence"] if e["source"] == "tls"}
	    assert not said
	assert len(script) == 4 and got == script == tshark, (got, script, tshark)
	assert frames == {ip: {n} for ip, n in first.items()}, (frames, first)
	END
	# in the other forms too
	"$INTERLOCK" replay -q --assets a.csv "$c.pcap"
	"$INTERLOCK" replay -q --assets a.cdx.json "$c.pcap"
	jq -r '.devices[].evidence[] | select(.key == "certificate") | .value' a.json | sort >want
	python3 -c 'import csv; print("\n".join(sorted(r["certificate"] for r in csv.DictReader(open("a.csv", newline="")) if r["certificate"])))' >got
	diff want got
	jq -r '.components[].properties[] | select(.name == "interlock:certificate") | .value' a.cdx.json | sort >got
	diff want got
	# flows are named where they are named without
	"$INTERLOCK" replay -q --assets a.json --facts with "$c.pcap"
	"$INTERLOCK" replay -q --facts without "$c.pcap"
	[ "$(grep -c '"app":"TLS"' with)" = 5 ]
	diff with without
}
@test "with a policy: declared names, roles and zones; who has none stands out" {
	assets "$ROOT/pcaps/mixed/plant.pcap" -p "$ROOT/policies/filling-line.yaml"
	is '[.devices[] | select(.declared_name == null) | .addresses[].ip] | join(" ")' 10.1.2.66
	device 131 '"\(.declared_name) \(.declared_role) \(.zone)"' "plc-caps plc cell1"
	device 66 .zone scada
}
@test "every recording: MACs, addresses and packets as tshark counts them" {
	command -v tshark >/dev/null || skip "tshark is missing"
	for c in mixed/plant modbus/{all-functions,attack-day,ipv6-vlan,udp} s7/{system,load} opcua/{discovery,none}; do
		assets "$ROOT/pcaps/$c.pcap"
		tshark -r "$ROOT/pcaps/$c.pcap" -T fields -e eth.src -e vlan.id -e arp.src.proto_ipv4 -e ip.src -e ipv6.src 2>/dev/null >frames
		cut -f1 frames | sort | uniq -c | awk '{ print $2, $1 }' >want
		awk -F'\t' '{ for (i = 3; i <= 5; i++) if ($i != "" && $i !~ /^(::|0\.0\.0\.0)$/) print $1, $i; if ($2) print $1, "vlan", $2 }' frames |
			sort -u >>want
		jq -r '.devices[] | .macs[0].mac as $m | "\($m) \(.packets)"' a.json | sort >got
		jq -r '.devices[] | .macs[0].mac as $m | (.addresses[] | "\($m) \(.ip)"), (.vlans[] | "\($m) vlan \(.)")' a.json | sort -u >>got
		diff want got || { echo "$c"; return 1; }
	done
}
@test "S7: order number, names, serial and type as tshark reads the same lists" {
	command -v tshark >/dev/null || skip "tshark is missing"
	assets "$ROOT/pcaps/s7/system.pcap"
	p=s7comm.szl.001c.000
	tshark -r "$ROOT/pcaps/s7/system.pcap" -T fields -E occurrence=f -e s7comm.szl.xy11.0001.anz -e ${p}1.name -e ${p}2.name \
		-e ${p}5.serialn -e ${p}7.cputypname 2>/dev/null | tr '\t' '\n' | sed 's/ *$//; /^$/d' | sort -u >want
	jq -r '.devices[].evidence[] | select(.source == "s7" and (.key | IN("order_number", "name", "serial", "model"))) | .value' a.json |
		sort -u >got
	[ "$(wc -l <want)" -ge 4 ]
	diff want got
}
@test "OPC UA: maker, product, version and build as the recording says and tshark reads, from wherever they were read" {
	assets "$ROOT/pcaps/opcua/identity.pcap"
	# what server.js was given
	device 131 '"\(.vendor), \(.model), \(.firmware)"' "Interlock Recorders, IL-OPC 900, 7.1.3"
	device 131 '[.evidence[] | select(.key == ("build", "build_date")) | .value] | join(" ")' "20260131.2 2026-01-31T12:30:00Z"
	# the status, the structure, its members among others, each alone while all are open: four answers
	device 131 '[.evidence[] | select(.source == "opcua" and (.key | IN("vendor", "model", "firmware", "build", "build_date"))) | .seen] | unique | join(" ")' 4
	is '[.devices[] | select(.addresses[].ip == "10.1.2.20") | .evidence[] | select(.key | IN("vendor", "model", "firmware"))] | length' 0
	# FindServers, GetEndpoints, CreateSession
	device 131 '[.evidence[] | select(.key == "name" and .source == "opcua") | .value] | unique | join(" ")' plc-caps
	command -v tshark >/dev/null || skip "tshark is missing"
	for f in ManufacturerName ProductName SoftwareVersion BuildNumber; do
		tshark -r "$ROOT/pcaps/opcua/identity.pcap" -Y opcua.BuildDate -T fields -E occurrence=f -e "opcua.$f" 2>/dev/null
	done | sort -u >want
	[ "$(wc -l <want)" = 4 ]
	jq -r '.devices[].evidence[] | select(.source == "opcua" and (.key | IN("vendor", "model", "firmware", "build"))) | .value' a.json | sort -u >got
	diff want got
	# the first frame that says so is the one that tshark decodes
	first=$(tshark -r "$ROOT/pcaps/opcua/identity.pcap" -Y opcua.BuildDate -T fields -e frame.number 2>/dev/null | head -n 1)
	device 131 '.evidence[] | select(.key == "model") | .frame' "$first"
	# Sign: the same behind a signature; encrypted: nothing
	assets "$ROOT/pcaps/opcua/sign.pcap"
	device 131 '"\(.vendor), \(.model)"' "interlock, plc-caps"
	assets "$ROOT/pcaps/opcua/encrypt.pcap"
	device 131 .model null
}
@test "HTTP and SSH: first words as tshark reads them, with and without nDPI" {
	command -v tshark >/dev/null || skip "tshark is missing"
	assets "$ROOT/pcaps/mixed/plant.pcap"
	tshark -r "$ROOT/pcaps/mixed/plant.pcap" -Y 'http.server || ssh.protocol' -T fields -e ip.src -e http.server -e ssh.protocol 2>/dev/null |
		awk -F'\t' '{ print $1, $2 $3 }' | sed 's/ *$//' | sort -u >want
	jq -r '.devices[] | .addresses[0].ip as $ip | .evidence[] | select(.source == "banner") | "\($ip) \(.value)"' a.json | sort -u >got
	[ "$(wc -l <want)" = 3 ]
	diff want got
}
@test "PROFINET: names, types and addresses as tshark reads them, and who pretends" {
	command -v tshark >/dev/null || skip "tshark is missing"
	dir=$(cd "$ROOT" && cd "$CORPUS/profinet" 2>/dev/null && pwd) || skip "no public captures"
	for c in "$dir"/iti__ChangeIPUsingDCP.pcap "$dir"/profinetio-dos-attack__{1-click,set}_attack.pcap "$dir"/profinetio-dos-attack__1-click-attack.pcap; do
		[ -e "$c" ] || continue
		assets "$c"
		tshark -r "$c" -Y 'pn_dcp.service_id == 5 && pn_dcp.service_type == 1' -T fields -e eth.src -e pn_dcp.suboption_device_nameofstation \
			-e pn_dcp.suboption_device_devicevendorvalue -e pn_dcp.suboption_ip_ip 2>/dev/null |
			awk -F'\t' '{ for (i = 2; i <= 4; i++) if ($i != "") print $1, $i }' | sed 's/ *$//' | sort -u >want
		jq -r '.devices[] | .macs[0].mac as $m | (.evidence[] | select(.source == "dcp" and (.key == "name" or .key == "model")) | "\($m) \(.value)"),
			(.addresses[] | select(.by | index("dcp")) | "\($m) \(.ip)")' a.json | sort -u >got
		[ -s want ]
		diff want got || { echo "$c"; return 1; }
	done
	# somebody answers with the name of an ET 200SP
	is '[.devices[] | select(.questions[].question == "same_name") | .macs[].mac] | sort | join(" ")' "00:0e:35:cd:60:dc ac:64:17:21:35:cf"
}
@test "CSV has a row for each device, and the same in it" {
	assets "$ROOT/pcaps/mixed/plant.pcap"
	"$INTERLOCK" replay -q --assets a.csv --oui oui.txt "$ROOT/pcaps/mixed/plant.pcap"
	python3 - <<-'END'
	import csv, json
	rows = list(csv.DictReader(open("a.csv", newline="")))
	devices = json.load(open("a.json"))["devices"]
	assert len(rows) == len(devices) == 7
	for row, d in zip(rows, devices):
	    assert None not in row and row["id"] == d["id"] and row["role"] == d["role"]
	    assert row["addresses"].split() == [a["ip"] for a in d["addresses"]]
	    assert int(row["packets"]) == d["packets"]
	    for key in "name", "vendor", "model", "order_number", "firmware", "serial":
	        assert row[key] == d.get(key, ""), (key, row, d)
	    assert row["questions"].split() == [q["question"] for q in d["questions"]]
	END
}
@test "several captures are one list; standard output; what cannot be" {
	"$INTERLOCK" replay -q --assets - "$ROOT"/pcaps/modbus/polling.pcap "$ROOT"/pcaps/s7/polling.pcap >a.json
	is '[.devices[] | select(.role == "plc") | .addresses[].ip] | join(" ")' "10.1.2.130 10.1.2.131"
	run "$INTERLOCK" replay -q --assets - --facts - "$ROOT/pcaps/modbus/polling.pcap"
	[ "$status" = 2 ]
	run "$INTERLOCK" replay -q --oui oui.txt "$ROOT/pcaps/modbus/polling.pcap"
	[ "$status" = 2 ] && [[ $output == *"--oui needs --assets"* ]]
	run "$INTERLOCK" replay -q --assets b.json --oui /nix "$ROOT/pcaps/modbus/polling.pcap"
	[ "$status" = 2 ]
	run "$INTERLOCK" replay -q --assets b.json --oui "$ROOT/README.md" "$ROOT/pcaps/modbus/polling.pcap"
	[ "$status" = 2 ] && [[ $output == *"no prefixes"* ]]
	run "$INTERLOCK" replay -q --assets nix/b.json "$ROOT/pcaps/modbus/polling.pcap"
	[ "$status" = 2 ]
}
@test "CycloneDX: valid against its schema, each device with its firmware" {
	for c in mixed/plant s7/system modbus/all-functions opcua/none modbus/attack-day; do
		"$INTERLOCK" replay -q --assets "${c#*/}.cdx.json" --oui oui.txt -p "$ROOT/policies/cell.yaml" "$ROOT/pcaps/$c.pcap" || [ $? = 1 ]
		assets "$ROOT/pcaps/$c.pcap"
		# the same devices as in the list, whatever can be said of them
		[ "$(jq -r '.components[]."bom-ref"' "${c#*/}.cdx.json")" = "$(jq -r '.devices[].id' a.json)" ]
		[ "$(jq -r '[.components[].version // empty] | join(" ")' "${c#*/}.cdx.json")" = "$(jq -r '[.devices[].firmware // empty] | join(" ")' a.json)" ]
	done
	jq -e '[.components[] | select(.manufacturer.name != null and .version != null and .components[0].type == "firmware")] | length >= 1' system.cdx.json
	jq -e '.metadata.component.name == "bottling-line-2" and (.components[] | .properties[] | select(.name == "interlock:zone").value) != ""' plant.cdx.json
	cp -r "$ROOT/tests/e2e/cyclonedx" v
	[ -d v/node_modules ] || npm --prefix v ci --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1 || skip "npm cannot get the schema: $(tail -n 1 npm.log)"
	node v/validate.mjs ./*.cdx.json
	jq '.components[0].typo = 1' plant.cdx.json >bad.json # that it can fail
	! node v/validate.mjs bad.json
}
@test "memory of the tables is an option, and is kept" {
	"$INTERLOCK" replay -q --assets a.json --table-memory 4096 "$ROOT/pcaps/mixed/plant.pcap"
	is '.devices | length < 8' true
	is '[.no_room_for[]] | add > 0' true
}
