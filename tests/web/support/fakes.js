/** Stand-ins for the browser's half: a WebSocket whose other end the test plays, and the page's address. */

export class FakeSocket {
  /** Every socket that was made, oldest first. @type {FakeSocket[]} */
  static made = [];
  sent = [];
  closedWith = undefined;
  onopen = null;
  onmessage = null;
  onclose = null;

  constructor(url) {
    this.url = url;
    FakeSocket.made.push(this);
  }

  send(data) {
    this.sent.push(data);
  }

  close(code) {
    this.closedWith = code;
  }

  /** What the page sent as text, apart from pings. */
  get said() {
    return this.sent.filter((d) => typeof d === "string").map(JSON.parse).filter((m) => m.type !== "ping");
  }

  // The server's moves

  accept() {
    this.onopen?.({});
  }

  say(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  give(bytes) {
    this.onmessage?.({ data: new Uint8Array(bytes).buffer });
  }

  leave() {
    this.onclose?.({});
  }
}

export function install() {
  FakeSocket.made = [];
  globalThis.WebSocket = FakeSocket;
  globalThis.location = { origin: "http://localhost:8000", hostname: "localhost", search: "" };
}

/** The socket in use. */
export const current = () => FakeSocket.made.at(-1);

/** A bitmap that knows whether it was freed. */
export class FakeBitmap {
  closed = false;
  close() {
    this.closed = true;
  }
}

/** Let promises settle. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A camera's track. */
export class FakeTrack {
  muted = false;
  enabled = true;
  readyState = "live";
  stop() {
    this.readyState = "ended";
  }
  getSettings() {
    return { width: 640 };
  }
}

/** What `getUserMedia` gives. */
export class FakeMedia {
  track = new FakeTrack();
  getVideoTracks() {
    return [this.track];
  }
  getTracks() {
    return [this.track];
  }
}

/** A video element. */
export class FakeVideo {
  srcObject = null;
  play() {
    return Promise.resolve();
  }
}
