# SPDX-License-Identifier: Apache-2.0
"""Batches by way of a JetStream of three servers into one data base, with two collectors: PostgreSQL, or SQLite where that is not.  Run by stream.sh; prints TAP."""
import atexit
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import collector
from collector import INTERLOCK, Collector, Person, until
from pg import BIN, Cable, Cluster
from sensor import Chain, Key, Sensor, unb64

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
SEED = int(os.environ.get("SEED", time.time()))
dice = random.Random(SEED)
print("# SEED", SEED)


def ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    out = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return out


class Nats:
    """One server of a cluster of three."""

    def __init__(self, i, clients, routes, monitors):
        self.name, self.monitor, self.proc = f"n{i}", monitors[i], None
        self.conf = tmp / f"n{i}.conf"
        self.conf.write_text(f"""
server_name: n{i}
listen: "127.0.0.1:{clients[i]}"
http: "127.0.0.1:{monitors[i]}"
max_payload: 8MB
jetstream {{ store_dir: "{tmp}/js{i}", max_memory_store: 64MB, max_file_store: 1GB }}
cluster {{ name: il, listen: "127.0.0.1:{routes[i]}", routes: [{', '.join(f'"nats://127.0.0.1:{r}"' for r in routes)}] }}
""")

    def start(self):
        self.proc = subprocess.Popen(["nats-server", "-c", self.conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def stop(self):
        if self.proc:
            self.proc.send_signal(signal.SIGCONT)
            self.proc.kill()
            self.proc.wait()
        self.proc = None


clients, routes, monitors = ports(3), ports(3), ports(3)
nats = [Nats(i, clients, routes, monitors).start() for i in range(3)]
for server in nats:
    atexit.register(server.stop)


def stream():
    """What a server that answers knows of the stream."""
    for server in nats:
        try:
            data = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{server.monitor}/jsz?streams=1&config=1", timeout=1).read())
            for s in data["account_details"][0]["stream_detail"]:
                if s["name"] == "INTERLOCK" and s["cluster"].get("leader"):
                    return s
        except (OSError, KeyError, IndexError, ValueError, TypeError, http.client.HTTPException):
            pass
    return None


pg = (BIN / "initdb").exists() and "+pg" in subprocess.run([INTERLOCK, "--version"], capture_output=True, text=True).stdout
if pg:
    data = Cluster(tmp / "pg")
    atexit.register(data.stop)
    cables = [Cable(data.port), Cable(data.port)]  # of a and of b
    url = data.database(cables[0].port)
print("# data base:", "PostgreSQL" if pg else "SQLite")
urls = ",".join(f"nats://127.0.0.1:{p}" for p in clients)
a = Collector(tmp / "a", ["--nats", urls], db=url if pg else None).start()
atexit.register(a.stop)
a.options += ["--ingest", f"127.0.0.1:{a.ingest}"]
b = Collector(tmp / "b", ["--nats", urls] + ([] if pg else ["--store", str(a.dir / "collector.db")]), users=False,
              db=url.replace(f":{cables[0].port}/", f":{cables[1].port}/") if pg else None)
for name in ("ca.crt", "ca.key", "server.crt", "server.key", "receipt.key", "receipt.key.pub"):  # one authority, one receipt key
    shutil.copy(a.dir / name, b.dir / name)
b.start()
atexit.register(b.stop)
b.options += ["--ingest", f"127.0.0.1:{b.ingest}"]


def enrolled(name):
    s, key = Sensor(a.ingest, tmp / name, timeout=15), Key()
    assert s.enrol(a.dir / "ca.crt", a.token(name), name, key)[0] == 200
    s.chain, s.sent, s.receipts, s.slowest = Chain(key, name), [], 0, 0
    return s


def eve(name):
    data = Person(a.page, "viewer").call("GET", f"/api/v1/export?format=eve&sensor={name}", raw=True)[1]
    return sorted(data.split(b"\n")[:-1])


def deliver(s, batch):
    """As a sender does: until there is a receipt, at one collector or the other."""
    begin, told = time.time(), {}
    while time.time() < begin + 90:
        try:
            status, answer = s.send(batch)
            told[s.port] = (status, answer)
            if status == 200:
                s.receipts += 1
                s.slowest = max(s.slowest, time.time() - begin)
                have = s.call("GET", "/ingest/v1/position")[1]
                assert have.get("batch", s.chain.number) >= s.chain.number, have  # a receipt is for what is stored
                return answer
        except (OSError, http.client.HTTPException) as e:
            told[s.port] = repr(e)
        s.close()
        s.port = b.ingest if s.port == a.ingest else a.ingest
        time.sleep(0.1)
    raise AssertionError(f"{s.chain.iss}: not delivered: {told}")


def plain():
    """three replicas; several batches of a request, again, and out of order: stored once, receipted when stored"""
    until(stream, 30)
    assert len(stream()["cluster"]["replicas"]) == 2, stream()["cluster"]
    s = enrolled("s0")
    batches = []
    for _ in range(5):
        lines = s.chain.lines(dice.randint(0, 9))
        s.sent += lines
        batches.append(s.chain.batch(lines))
    assert s.send(*batches[:3])[1]["stored"] == 3
    s.port = b.ingest
    s.close()
    status, answer = s.send(*batches[1:4])
    assert (status, answer["stored"], answer["duplicate"]) == (200, 1, 2), answer
    assert json.loads(unb64(answer["receipt"].split(".")[1]))["batch"] == 4
    six = s.chain.lines(2)
    late = s.chain.batch(six)
    status, answer = s.send(late)
    assert status == 409 and answer["error"]["code"] == "gap" and answer["have"]["batch"] == 4, answer
    assert s.send(batches[4], late)[0] == 200
    s.sent += six
    assert s.send(late.replace(b"hmi1", b"hmi2", 1))[0] == 422
    twin = Chain(s.chain.key, "s0", s.chain.epoch)
    twin.number, twin.seq = 5, s.chain.seq - 2
    status, answer = s.send(twin.batch(twin.lines(1)))
    assert status == 409 and answer["error"]["code"] == "fork", answer
    assert eve("s0") == sorted(s.sent)
    until(lambda: stream()["state"]["messages"] == 0)  # what is stored is not kept in the stream


def say_first(subject, msg_id, body):
    """A message of somebody else's into the stream, by the protocol of NATS (docs.nats.io, client protocol)."""
    head = f"NATS/1.0\r\nNats-Msg-Id: {msg_id}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", clients[0]), timeout=10) as c:
        c.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB said 1\r\n')
        c.sendall(f"HPUB {subject} said {len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n")
        data = b""
        while b'"seq"' not in data:
            data += c.recv(4096)


def swallowed():
    """an id that the stream has heard before, of a message that nobody can store: the batch is published again by another one"""
    s = enrolled("s9")
    s.sent = s.chain.lines(3)
    batch = s.chain.batch(s.sent)
    say_first("interlock.batches.s9", f"s9.{s.chain.epoch}.1.{s.chain.prev[:16]}", b"nothing of the kind")
    begin = time.time()
    deliver(s, batch)
    print(f"# stored after {time.time() - begin:.1f} s")
    assert eve("s9") == sorted(s.sent)
    until(lambda: stream()["state"]["messages"] == 0)


def lost():
    """leader killed, collector killed, a server that hangs; the data base restarted, without power, cut off: every signed alert is stored exactly once"""
    fleet = [enrolled(f"s{i}") for i in range(1, 5)]
    end = threading.Event()
    failed = []

    def feed(s):
        try:
            while not end.is_set():
                lines = s.chain.lines(dice.randint(0, 8))
                deliver(s, s.chain.batch(lines))
                s.sent += lines
        except AssertionError as e:
            failed.append(e)
    threads = [threading.Thread(target=feed, args=(s,), daemon=True) for s in fleet]
    for t in threads:
        t.start()
    did = {"leader": 0, "collector": 0, "hang": 0} | ({"restart": 0, "power": 0, "cable": 0} if pg else {})
    for n in range(int(os.environ.get("ROUNDS", len(did)))):
        what = list(did)[n % len(did)]
        before = sum(s.receipts for s in fleet)
        if what == "collector":
            co = dice.choice((a, b))
            co.stop(signal.SIGKILL)
            time.sleep(0.5)
            co.start()
        elif what in ("restart", "power"):
            data.stop(signal.SIGINT if what == "restart" else signal.SIGQUIT)
            time.sleep(1)
            data.start()
        elif what == "cable":
            cable = dice.choice(cables)
            cable.cut()
            time.sleep(1.5)
            cable.join()
        else:
            leader = until(stream, 30)["cluster"]["leader"]
            server = next(s for s in nats if s.name == leader)
            if what == "leader":
                server.stop()
                time.sleep(1)
                server.start()
            else:
                server.proc.send_signal(signal.SIGSTOP)
                time.sleep(5)
                server.proc.send_signal(signal.SIGCONT)
        did[what] += 1
        until(lambda: sum(s.receipts for s in fleet) > before + 8, 60)  # it goes on
    end.set()
    for t in threads:
        t.join()
    assert not failed, failed
    total = 0
    for s in fleet:
        got = eve(s.chain.iss)
        assert got == sorted(s.sent), (s.chain.iss, len(got), len(s.sent))
        total += len(got)
    if pg:  # as the data base itself counts them
        name = url.split("?")[0].split("/")[-1]
        assert data.sql("SELECT count(*), count(DISTINCT (sensor, seq)) FROM alert WHERE sensor IN (SELECT id FROM sensor WHERE name NOT IN ('s0', 's9'))", name) == [(str(total), str(total))]
        assert data.sql("SELECT count(*) - count(DISTINCT (sensor, epoch, number)) FROM batch", name) == [("0",)]
    for x in Person(a.page, "viewer").get("sensors")["items"]:
        s = next((s for s in fleet if s.chain.iss == x["name"]), None)
        assert not s or (x["chain"], x["batch"]) == ("whole", s.chain.number), x
    print(f"# {did}: {sum(s.receipts for s in fleet)} batches receipted, {total} alerts sent, {total} stored; the slowest batch {max(s.slowest for s in fleet):.1f} s")
    assert total > 100
    if pg:
        assert not data.errors(), data.errors()


if __name__ == "__main__":
    collector.run([plain, swallowed, lost])
