// A wallet on the npm package mqtt, over TCP, TLS or WebSocket. One JSON argument: {url, username, password, clientId,
// ca?, filter?, count?, mute?, publish?, wait?}. Prints one JSON line per event: {type: connect | subscribed | message | news |
// receipt | disconnect | error}.
//
// With `count` it ends after that many messages, all acknowledged (with `mute` none, and it stays); with `publish` (a frame
// in base64) after the receipt.

import { connect } from "mqtt";
import { readFileSync } from "node:fs";

const asked = JSON.parse(process.argv[2]);
const RECEIPTS = `pushmesh/receipts/${asked.clientId}`;
let left = asked.count ?? Infinity;

function say(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

const client = connect(asked.url, {
  protocolVersion: 5,
  username: asked.username,
  password: asked.password,
  clientId: asked.clientId,
  clean: false,
  ca: asked.ca === undefined ? undefined : readFileSync(asked.ca),
  properties: { sessionExpiryInterval: 600, receiveMaximum: 20, topicAliasMaximum: 10 },
  reconnectPeriod: 0,
});

if (asked.mute) {
  const send = client._sendPacket.bind(client); // nothing public keeps the package from acknowledging
  client._sendPacket = (packet, done, ...more) => (packet.cmd === "puback" ? done?.() : send(packet, done, ...more));
}

client.on("connect", (packet) => {
  say({ type: "connect", present: packet.sessionPresent, properties: packet.properties });
  if (asked.publish === undefined) {
    client.subscribe(asked.filter ?? "pushmesh/inbox/#", { qos: 1 }, (error) =>
      say(error ? { type: "error", detail: String(error) } : { type: "subscribed" }),
    );
    return;
  }
  client.subscribe(RECEIPTS, { qos: 1 }, () => {
    client.publish("pushmesh/publish", Buffer.from(asked.publish, "base64"), {
      qos: 1,
      properties: {
        responseTopic: RECEIPTS,
        correlationData: Buffer.from("seven"),
        userProperties: asked.wait ?? {},
      },
    });
  });
});

client.on("message", (topic, payload, packet) => {
  if (topic === RECEIPTS) {
    const correlation = packet.properties.correlationData.toString();
    say({ type: "receipt", correlation, ...JSON.parse(payload) });
    client.end();
    return;
  }
  if (!topic.startsWith("pushmesh/inbox")) {
    say({ type: "news", topic, qos: packet.qos, word: JSON.parse(payload) });
    left -= 1;
    if (left === 0) client.end();
    return;
  }
  const { id, cursor, verdict } = packet.properties.userProperties;
  const aliased = packet.properties.topicAlias !== undefined;
  const about = { packet: packet.messageId, aliased, repeated: packet.dup };
  say({ type: "message", topic, id, cursor, verdict, ...about, envelope: JSON.parse(payload) });
  left -= 1;
  if (left === 0 && !asked.mute) setImmediate(() => client.end()); // after the PUBACK of this one
});

client.on("disconnect", (packet) => {
  const { serverReference, userProperties } = packet.properties;
  say({ type: "disconnect", code: packet.reasonCode, server: serverReference, reason: userProperties.reason });
});
client.on("error", (error) => say({ type: "error", code: error.code, detail: error.message }));
