# SPDX-License-Identifier: Apache-2.0
"""A sensor that signs well and lies: script and worse in every text that it sends.

usage: hostile.py PORT CA.crt TOKEN NAME DIR TEXT
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from sensor import Chain, Key, Sensor  # noqa: E402

port, ca, token, name, folder, evil = sys.argv[1:]
sensor, key = Sensor(int(port), folder), Key()
status, answer = sensor.enrol(ca, token, name, key)
assert status == 200, answer
chain = Chain(key, name)
keys = ("il_rule", "il_conduit", "il_verdict", "il_reason", "il_detection", "il_event", "il_note", "il_name", "il_would", "il_mode", "il_op", "il_access",
        "il_object", "il_site", "il_src", "il_dst", "il_anomaly", "mitre_technique_id", "il_policy", "il_build", "il_permit", "il_subject")
lines = chain.lines(3, signature=evil, meta={k: [evil] for k in keys} | {"il_pdu": [json.dumps({evil: [evil, {evil: evil}]})]})
lines = [x.replace(b'"modbus"', json.dumps(evil).encode()).replace(b'"Unauthorized Command"', json.dumps(evil).encode()) for x in lines]
status, answer = sensor.send(chain.batch(lines))
assert status == 200 and answer["stored"] == 1, (status, answer)
device = {"id": "00:00:00:00:00:66", "name": evil, "vendor": evil, "model": evil, "firmware": evil, "serial": evil, "role": evil, "zone": evil, "addresses": [{"ip": evil}],
          "macs": [{"mac": evil}], "roles": [{"role": evil, "confidence": evil, "why": evil}], "questions": [{"question": evil, "text": evil}]}
status, answer, _ = sensor.call("PUT", "/ingest/v1/assets", json.dumps({"version": 1, "devices": [device]}))
assert status == 200, (status, answer)
model = {"site": evil, "zones": [{"name": evil, "level": 2}], "devices": [{"name": evil, "zone": evil, "role": evil, "ips": [evil]}],
         "conduits": [{"name": evil, "from": [evil], "to": [evil], "protos": [evil]}]}
status, answer, _ = sensor.call("PUT", "/ingest/v1/model", json.dumps(model))
assert status == 200, (status, answer)
