// A wallet on the WebSocket that Node.js itself has. One JSON argument: {url, token, device, count}. Prints one JSON line
// per message, acknowledges the last one by its cursor and ends when the node says that it took it.

const asked = JSON.parse(process.argv[2]);
const socket = new WebSocket(asked.url);
let left = asked.count;

socket.onopen = () => socket.send(JSON.stringify({ type: "login", auth: asked.token }));
socket.onmessage = ({ data }) => {
  const word = JSON.parse(data);
  if (word.type === "welcome") {
    socket.send(JSON.stringify({ type: "listen", device: asked.device }));
  } else if (word.type === "message") {
    const { cursor, verdict, envelope } = word;
    process.stdout.write(JSON.stringify({ type: "message", id: envelope.id, cursor, verdict, envelope }) + "\n");
    left -= 1;
    if (left === 0) socket.send(JSON.stringify({ type: "ack", cursor }));
  } else if (word.type === "acked") {
    socket.close();
  } else if (word.type === "error" || word.type === "end") {
    process.stdout.write(JSON.stringify(word) + "\n");
    process.exitCode = 1;
    socket.close();
  }
};
socket.onerror = () => {
  process.stdout.write(JSON.stringify({ type: "error", detail: "the connection failed" }) + "\n");
  process.exitCode = 1;
};
