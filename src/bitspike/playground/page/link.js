// The connection to the server. One request is under way at a time; of those made meanwhile only
// the last is sent, so that a slow server or network never falls behind the pen.

const HEADER = 4;

export class Link {
  // state(message), answer(message) and lost() are called with each message, and when the server is gone.
  constructor({ state, answer, lost }) {
    Object.assign(this, { state, answer, lost });
    this.next = null; // a function that makes the request when it can be sent
    this.waiting = false;
    this.pause = 250;
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", (event) => this.receive(event.data));
    this.socket.addEventListener("open", () => (this.pause = 250));
    this.socket.addEventListener("close", () => {
      this.waiting = false;
      this.lost();
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(2 * this.pause, 5000);
    });
  }

  request(make) {
    this.next = make;
    this.send();
  }

  send() {
    if (!this.next || this.waiting || this.socket.readyState !== WebSocket.OPEN) return;
    const { header, body } = this.next();
    this.next = null;
    this.waiting = true;
    this.socket.send(pack(header, body));
  }

  receive(data) {
    if (typeof data === "string") {
      this.state(JSON.parse(data));
    } else {
      this.waiting = false;
      this.answer(unpack(data));
    }
    this.send();
  }
}

function pack(header, body) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const message = new Uint8Array(HEADER + text.length + body.length);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, HEADER);
  message.set(body, HEADER + text.length);
  return message;
}

// The header with the arrays: image 28 x 28, v T x 10, and the spikes as 0 and 1, T x 784, T x 10.
function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER, length)));
  if (header.type !== "answer") return header;
  let at = HEADER + length;
  const take = (size) => buffer.slice(at, (at += size));
  const image = new Uint8Array(take(784));
  const v = new Float32Array(take(4 * 10 * header.T));
  const inputs = bits(new Uint8Array(take(98 * header.T)), 784, header.T);
  const outputs = bits(new Uint8Array(take(2 * header.T)), 10, header.T);
  return { ...header, image, v, inputs, outputs };
}

function bits(bytes, count, T) {
  const row = bytes.length / T;
  const spikes = new Uint8Array(T * count);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < count; n++) spikes[t * count + n] = (bytes[t * row + (n >> 3)] >> (n & 7)) & 1;
  }
  return spikes;
}
