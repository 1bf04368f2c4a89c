// A wallet on the npm package mqtt, over TCP, TLS or WebSocket. One JSON argument: {url, username, password, clientId,
// ca?, count?, publish?, wait?}. Prints one JSON line per event: {type: connect | message | receipt | disconnect | error}.
//
// With `count` it ends after that many messages, all acknowledged; with `publish` (a frame in base64) after the receipt.

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

client.on("connect", (packet) => {
  say({ type: "connect", present: packet.sessionPresent, properties: packet.properties });
  if (asked.publish === undefined) {
    client.subscribe("pushmesh/inbox/#", { qos: 1 }, (error) => error && say({ type: "error", detail: String(error) }));
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
  const { id, cursor, verdict } = packet.properties.userProperties;
  const aliased = packet.properties.topicAlias !== undefined;
  say({ type: "message", topic, id, cursor, verdict, aliased, repeated: packet.dup, envelope: JSON.parse(payload) });
  left -= 1;
  if (left === 0) setImmediate(() => client.end()); // after the PUBACK of this one
});

client.on("disconnect", (packet) => {
  const { serverReference, userProperties } = packet.properties;
  say({ type: "disconnect", code: packet.reasonCode, server: serverReference, reason: userProperties.reason });
});
client.on("error", (error) => say({ type: "error", code: error.code, detail: error.message }));
