// A client in another language: publish JPEG files over TCP, print what is found. Needs Node alone.
//
//   sightline serve --tcp-port 9000
//   node examples/tcp_client.mjs 9000 photos/*.jpg

import { readFileSync } from "node:fs";
import { connect } from "node:net";

import { decode, encode } from "./msgpack.mjs";

const [port, ...files] = process.argv.slice(2);
if (!files.length) {
  console.error("usage: node examples/tcp_client.mjs PORT FILE.jpg ...");
  process.exit(2);
}
const socket = connect(Number(port), "127.0.0.1");
let received = Buffer.alloc(0);
let seq = 0;

/** A message: its length in four bytes, then the map. */
function send(message) {
  const body = encode(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  socket.write(Buffer.concat([length, body]));
}

function sendNext() {
  if (seq === files.length) return socket.end();
  send({ type: "frame", stream: "node", seq, timestamp: Date.now(), format: "jpeg", data: readFileSync(files[seq]) });
  seq += 1;
}

function take(message) {
  if (message.type === "hello") console.log(`model ${message.model}, at most ${message.max_pending} frames under way`);
  if (message.type === "result") console.log(files[message.seq], message.detections.map((d) => d.class_name));
  if (message.type === "dropped" || message.type === "error") console.log(message.type, message);
  if (["hello", "result", "dropped", "error"].includes(message.type)) sendNext();
}

socket.on("data", (bytes) => {
  received = Buffer.concat([received, bytes]);
  while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
    const end = 4 + received.readUInt32BE(0);
    take(decode(received.subarray(4, end)));
    received = received.subarray(end);
  }
});
socket.on("error", (error) => {
  console.error(`${error.message}: start a server with sightline serve --tcp-port ${port}`);
  process.exitCode = 1;
});
