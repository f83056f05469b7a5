import assert from "node:assert/strict";
import { test } from "node:test";

import { choose, isNear } from "../../../src/sightline/web/webrtc/choice.js";
import { Shots, nearest } from "../../../src/sightline/web/webrtc/camera.js";
import { Matcher } from "../../../src/sightline/web/webrtc/viewer.js";
import { quick, timesOf } from "../../../src/sightline/web/webrtc/connection.js";
import { Link } from "../../../src/sightline/web/webrtc/link.js";
import { FakeBitmap, FakeSocket, current, install, settle } from "../support/fakes.js";

test("neighbours are told from strangers", () => {
  const near = ["localhost", "127.0.0.1", "10.1.2.3", "192.168.0.7", "172.31.0.1", "169.254.9.9", "[::1]", "[fd00::2]"];
  for (const host of [...near, "[fe80::1]", "studio", "pi.local", "nas.home.arpa"]) assert.ok(isNear(host), host);
  const far = ["example.com", "8.8.8.8", "172.32.0.1", "192.0.2.1", "[2001:db8::1]", "a.trycloudflare.com"];
  for (const host of far) assert.ok(!isNear(host), host);
});

test("the page's address forces a transport, else the rule says", () => {
  const at = (hostname, search = "") => choose({ hostname, search });
  assert.deepEqual(at("localhost"), { transport: "websocket", forced: false });
  assert.deepEqual(at("example.com"), { transport: "webrtc", forced: false });
  assert.deepEqual(at("localhost", "?transport=webrtc"), { transport: "webrtc", forced: true });
  assert.deepEqual(at("example.com", "?a=1&transport=websocket"), { transport: "websocket", forced: true });
  assert.deepEqual(at("example.com", "?transport=pigeon"), { transport: "webrtc", forced: false });
});

test("only a picture of that very moment is taken", () => {
  assert.equal(nearest([100, 133, 166], 134), 1);
  assert.equal(nearest([100, 133, 166], 150), -1);
  assert.equal(nearest([], 1), -1);
});

/** A video that shows what the test says. */
class FakeVideo {
  requestVideoFrameCallback(call) {
    this.call = call;
  }
  async plays(frame) {
    this.call(performance.now(), frame);
    await settle();
  }
}

test("a camera's older pictures are freed when one is taken, all when it stops", async () => {
  const made = [];
  globalThis.createImageBitmap = async () => (made.push(new FakeBitmap()), made.at(-1));
  const shots = new Shots();
  const video = new FakeVideo();
  shots.watch(video, () => assert.fail("it told its times"));
  const start = performance.now();
  for (let i = 0; i < 5; i += 1) await video.plays({ captureTime: start + 33 * i });
  const wall = performance.timeOrigin + start;
  const taken = shots.take(wall + 66 + 1);
  assert.equal(taken.bitmap, made[2]);
  assert.deepEqual(made.map((b) => b.closed), [true, true, false, false, false]);
  assert.equal(shots.take(wall + 66), undefined);
  shots.stop();
  assert.deepEqual(made.map((b) => b.closed), [true, true, false, true, true]);
  for (let i = 0; i < 40; i += 1) await video.plays({ captureTime: 1 });
  assert.equal(made.length, 5);
});

test("a result that is quicker than the video waits for its picture", async () => {
  globalThis.createImageBitmap = async () => new FakeBitmap();
  const shots = new Shots();
  const video = new FakeVideo();
  shots.watch(video, () => assert.fail("it told its times"));
  const start = performance.now();
  const wall = performance.timeOrigin + start;
  const gone = [];
  const found = (i) => shots.when(wall + 33 * i, () => gone.push([i, shots.take(wall + 33 * i) !== undefined]));
  found(0);
  found(1);
  assert.deepEqual(gone, []);
  await video.plays({ captureTime: start });
  assert.deepEqual(gone, [[0, true]]);
  await video.plays({ captureTime: start + 66 }); // the one before was never shown
  assert.deepEqual(gone, [[0, true], [1, false]]);
  found(2);
  assert.deepEqual(gone.at(-1), [2, true], "at once, where the picture is there");
  found(3);
  await video.plays({ captureTime: start + 99 });
  assert.deepEqual(gone.at(-1), [3, true]);
  for (let i = 4; i < 60; i += 1) found(i);
  assert.deepEqual(gone.at(-1), [59 - 24, false], "where no more pictures are shown, few are kept");
  shots.stop();
  await video.plays({ captureTime: start + 33 * 60 });
  assert.equal(gone.length, 4 + 32);
});

test("a browser that tells no times is noticed", async () => {
  let told = 0;
  const video = new FakeVideo();
  new Shots().watch(video, () => (told += 1));
  for (let i = 0; i < 9; i += 1) await video.plays({});
  assert.equal(told, 1);
});

test("pictures and words meet, whichever comes first; the newest wins", async () => {
  const made = [];
  globalThis.createImageBitmap = async () => (made.push(new FakeBitmap()), made.at(-1));
  const shown = [];
  const matcher = new Matcher((meta, picture) => shown.push([meta.rtp_timestamp, picture.image]));
  const video = new FakeVideo();
  matcher.watch(video, () => assert.fail("it told its times"));
  const words = (rtp) => ({ type: "frame_metadata", rtp_timestamp: rtp, width: 4, height: 3, detections: [] });
  matcher.announce(words(1));
  await video.plays({ rtpTimestamp: 1 });
  await video.plays({ rtpTimestamp: 2 });
  matcher.announce(words(2));
  await settle();
  await video.plays({ rtpTimestamp: 3 }); // whose words are lost
  await video.plays({ rtpTimestamp: 4 });
  matcher.announce(words(4));
  await settle();
  assert.deepEqual(shown, [[1, made[0]], [2, made[1]], [4, made[3]]]);
  assert.equal(matcher.skipped, 1);
  assert.ok(made[2].closed);
  await video.plays({ rtpTimestamp: 5 });
  matcher.reset();
  assert.ok(made[4].closed);
});

/** What is there while a callback runs. @param {number} timestamp @param {number} rtpTimestamp */
function there(timestamp, rtpTimestamp) {
  globalThis.HTMLMediaElement = { HAVE_CURRENT_DATA: 2 };
  globalThis.VideoFrame = class {
    timestamp = timestamp;
    metadata = () => ({ rtpTimestamp });
    close() {}
  };
}

test("where a video has gone on to its next picture, that one's times count", () => {
  const told = { mediaTime: 1, captureTime: 500, rtpTimestamp: 9_000 };
  const video = { readyState: 4 };
  assert.equal(timesOf(video, told), told, "a browser without VideoFrame");
  there(1_033_000, 11_970);
  assert.deepEqual(timesOf(video, told), { captureTime: 533, rtpTimestamp: 11_970 });
  assert.deepEqual(timesOf(video, { ...told, captureTime: undefined }), { captureTime: undefined, rtpTimestamp: 11_970 });
  assert.equal(timesOf({ readyState: 1 }, told), told, "nothing is there yet");
  there(1_033_000, undefined);
  assert.deepEqual(timesOf(video, told), { captureTime: 533, rtpTimestamp: 9_000 });
  for (const other of [1_000_000, 0, 90_000_000]) {
    there(other, 11_970);
    assert.equal(timesOf(video, told), told, "the same picture, or a clock of its own");
  }
  delete globalThis.VideoFrame;
});

test("a picture that came before its turn is not taken for another one in its turn", async () => {
  globalThis.createImageBitmap = async () => new FakeBitmap();
  const shown = [];
  const matcher = new Matcher((meta) => shown.push(meta.rtp_timestamp));
  const video = new FakeVideo();
  video.readyState = 4;
  matcher.watch(video, () => assert.fail("it told its times"));
  for (const rtp of [1, 2]) matcher.announce({ rtp_timestamp: rtp, width: 4, height: 3, detections: [] });
  there(33_000, 2);
  await video.plays({ mediaTime: 0, rtpTimestamp: 1 });
  await video.plays({ mediaTime: 0.033, rtpTimestamp: 2 });
  there(66_000, 3);
  await video.plays({ mediaTime: 0.066, rtpTimestamp: 3 });
  assert.deepEqual([shown, matcher.skipped], [[2], 0]);
  delete globalThis.VideoFrame;
});

test("an answer asks for a good picture from the start", () => {
  const sdp = "m=video\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:98 H264/90000\r\n";
  assert.equal(quick(sdp).match(/a=fmtp:(96|98) x-google-start-bitrate=1500\r\n/g)?.length, 2);
});

test("a link that was asked for WebRTC returns to it once nothing needs the WebSocket any more (fault 54)", async () => {
  install();
  const phases = [];
  const handlers = { onphase: (phase) => phases.push(phase), prepare: () => {}, onvideo: () => {}, onend: () => {} };
  const link = new Link({ socket: "/ws/camera/a", webrtc: "/whip/a" }, handlers, {
    choice: { transport: "webrtc", forced: true },
  });
  link.open();
  link.useSocket("the model runs here");
  await settle();
  current().accept();
  assert.equal(link.phase, "open");
  link.useAny();
  assert.equal(current().closedWith, 1000);
  assert.equal(phases.at(-1), "connecting");
  await settle();
  assert.equal(FakeSocket.made.length, 1, "no other socket: Node has no WebRTC, and the next try waits");
  link.close();
});
