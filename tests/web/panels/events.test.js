import assert from "node:assert/strict";
import { test } from "node:test";

import { Feed } from "../../../src/sightline/web/panels/events/feed.js";
import {
  anySet, matches, readFilters, toIso, toLocal, toQuery, toSearch,
} from "../../../src/sightline/web/panels/events/filters.js";
import { History, MOST_WAITING } from "../../../src/sightline/web/panels/events/history.js";
import {
  ago, dayInWords, duration, exactly, inWords, newInWords, secondsOf, speedInWords,
} from "../../../src/sightline/web/panels/events/words.js";
import { bannerOf, footOf, pillOf, refusedOf, stateOf } from "../../../src/sightline/web/pages/events-state.js";
import { happening, message, server } from "../support/happenings.js";

const NONE = readFilters("");
const ids = (list) => list.map((one) => one.id);

test("what happened is a sentence", () => {
  const of = (given, now = 1012) => inWords(happening(given), now);
  assert.equal(of({}), "Person in drive for 12 s", "it goes on");
  assert.equal(of({ ended_at: 1003, seconds: 3.44 }), "Person in drive for 3.4 s");
  assert.equal(of({ kind: "line", class_name: "car", zone: "gate", direction: "in", ended_at: 1000 }), "Car crossed gate, in");
  assert.equal(of({ kind: "loiter", ended_at: 1400, seconds: 400 }), "Person loitering in drive for 6 min 40 s");
  assert.equal(of({ kind: "scene", class_name: "covered", zone: "", ended_at: 1031, seconds: 31 }), "Camera covered for 31 s");
  assert.equal(of({ kind: "scene", class_name: "moved", zone: "" }), "Camera moved");
  assert.equal(of({ kind: "stream", class_name: "", zone: "" }, 1125), "Camera lost for 2 min 5 s");
  assert.equal(of({ kind: "object", zone: "", ended_at: 1004, seconds: 4 }), "Person seen for 4 s");
  assert.equal(of({ kind: "rule", rule: "night", ended_at: 1008, seconds: 8 }), "Night: person in drive for 8 s");
  assert.equal(of({ kind: "rule", rule: "night", direction: "out", ended_at: 1000, seconds: 0 }), "Night: person crossed drive, out");
  assert.equal(of({ kind: "zone", class_name: "" }), "Something in drive for 12 s");
  assert.equal(of({ kind: "fall", zone: "", ended_at: 1000, seconds: 0 }), "Fall: person", "a stage's own kind");
  assert.equal(secondsOf(happening(), 900), 0, "a camera's clock may be ahead");
});

test("times are told for the eye, and exactly", () => {
  assert.deepEqual([0, 0.2, 3.26, 12.4, 59.6, 65, 3600, 90061].map(duration), [
    ...["0 s", "under 1 s", "3.3 s", "12 s", "1 min", "1 min 5 s", "1 h", "1 d 1 h"],
  ]);
  assert.deepEqual([2, 42, 61, 7300, 90000, 200000].map((n) => ago(0, n)), [
    ...["just now", "42 s ago", "1 min ago", "2 h ago", "1 day ago", "2 days ago"],
  ]);
  const noon = new Date(2026, 10, 29, 12, 0, 5, 250).getTime() / 1000;
  assert.equal(dayInWords(noon, noon + 60), "Today");
  assert.equal(dayInWords(noon, noon + 86400), "Yesterday");
  assert.match(dayInWords(noon, noon + 5 * 86400), /^Sunday,? 29 November$/);
  assert.match(exactly(noon), /Sunday,? 29 November 2026.*00.05[.,]250/);
  assert.equal(speedInWords([3, 2.5, 3.5]), "10.8 km/h (9.0 to 12.6)");
  assert.equal(newInWords(3, false), "3 new");
});

test("filters go into the address and come back, and what is no time is none", () => {
  const search = "?stream=door&kind=zone&class=person&zone=drive&rule=night&since=2026-11-29T08%3A00Z";
  const filters = readFilters(search);
  assert.equal(readFilters(toSearch(filters)).since, "2026-11-29T08:00Z");
  assert.deepEqual(readFilters(toSearch(filters)), filters);
  assert.equal(toSearch(filters, "e 1").endsWith("&event=e+1"), true);
  assert.equal(toSearch(NONE), "");
  assert.deepEqual([anySet(NONE), anySet(filters)], [false, true]);
  assert.deepEqual(readFilters("?since=yesterday&last=-5&other=1"), NONE);
  assert.equal(readFilters("?last=3600&since=2026-11-29T08:00Z").last, "", "one span at a time");
  assert.equal(toQuery(filters, 0).toString(), "stream=door&kind=zone&class=person&zone=drive&rule=night&since=1795939200");
  assert.equal(toQuery(readFilters("?last=3600"), 10_000.5).toString(), "since=6400");
  assert.equal(toIso(toLocal("2026-11-29T08:00Z")), "2026-11-29T08:00Z");
  assert.deepEqual([toIso(""), toIso("nonsense"), toLocal("")], ["", "", ""]);
});

test("what comes live is filtered as the list is", () => {
  const yes = (search, given = {}) => matches(happening(given), readFilters(search), 1100);
  assert.ok(yes("") && yes("?stream=door&kind=zone&class=person&zone=drive") && yes("?last=200"));
  for (const other of ["?stream=yard", "?kind=line", "?class=car", "?zone=gate", "?rule=night", "?last=50"]) {
    assert.ok(!yes(other), other);
  }
  assert.ok(!yes("?until=1970-01-01T00:10Z") && yes("?since=1970-01-01T00:10Z"));
});

test("what comes waits until it is wanted, and what is on the page changes in place", () => {
  const history = new History();
  history.addOlder([happening({ id: "b" }), happening({ id: "a" })]);
  const all = () => true;
  assert.equal(history.take(message({ id: "c", at: 1010 }), all), null);
  assert.equal(history.take(message({ id: "x", at: 1010 }), () => false), null);
  assert.equal(history.waiting, 1);
  assert.deepEqual(ids(history.shown), ["b", "a"], "nothing moves");
  const ended = history.take(message({ id: "a", phase: "end", at: 1009, seq: 70, seconds: 9, speed: [1, 0.5, 2], box: [9, 9, 9, 9] }), all);
  assert.deepEqual([ended.ended_at, ended.seconds, ended.end_seq, ended.box], [1009, 9, 70, [1, 2, 3, 4]]);
  assert.equal(history.take(message({ id: "a", phase: "end", at: 1010 }), all), null, "it ended already");
  assert.equal(history.take(message({ id: "c", phase: "end", at: 1012, seq: 71 }), all), null, "it is not on the page yet");
  assert.deepEqual(ids(history.reveal()), ["c"]);
  assert.deepEqual(history.shown.map((one) => [one.id, one.seconds]), [["c", 2], ["b", null], ["a", 9]]);
  assert.equal(history.take(message({ id: "older", phase: "end" }), all), null, "its beginning was never listed");
  assert.deepEqual([history.beside("c", 1)?.id, history.beside("a", 1), history.beside("zzz", 1)], ["b", undefined, undefined]);
});

test("no happening is listed twice, whatever comes first", () => {
  const history = new History();
  history.addOlder([happening({ id: "b" }), happening({ id: "a" })]);
  history.take(message({ id: "b" }), () => true);
  history.take(message({ id: "c" }), () => true);
  assert.deepEqual(history.addNewest([happening({ id: "d" }), happening({ id: "c" }), happening({ id: "b", ended_at: 1001 })]).map((one) => one.id), ["b"]);
  assert.deepEqual(history.addOlder([happening({ id: "a" }), happening({ id: "z" })]).map((one) => one.id), ["z"]);
  history.reveal();
  assert.deepEqual(ids(history.shown), ["d", "c", "b", "a", "z"]);
});

test("an answer of before the end does not bring it back to life", () => {
  const history = new History();
  history.addOlder([happening({ id: "a" })]);
  history.take(message({ id: "a", phase: "end", at: 1009 }), () => true);
  assert.deepEqual(history.addNewest([happening({ id: "a" })]), []);
  assert.equal(history.note(happening({ id: "a" })).ended_at, 1009);
  assert.equal(history.note(happening({ id: "a", ended_at: 1009, box: [0, 0, 5, 5] })).box[2], 5);
  assert.equal(history.note(happening({ id: "other" })).id, "other");
  assert.equal(history.find("other"), undefined, "it is on no list");
});

test("what was deleted here does not come back, and what waits has a bound", () => {
  const history = new History();
  history.addOlder([happening({ id: "b" }), happening({ id: "a" })]);
  history.remove("b");
  history.addNewest([happening({ id: "b" })]);
  history.take(message({ id: "b" }), () => true);
  assert.deepEqual(ids([...history.reveal(), ...history.shown]), ["a"]);
  for (let n = 0; n < MOST_WAITING + 5; n += 1) history.take(message({ id: `n${n}` }), () => true);
  assert.deepEqual([history.waiting, history.overflown], [MOST_WAITING, true]);
  assert.equal(newInWords(history.waiting, history.overflown), "More than 200 new");
  history.clear();
  assert.deepEqual([history.waiting, history.overflown], [0, false]);
});

test("older ones come page by page, each once, while new ones come in between", async () => {
  const far = server(Array.from({ length: 120 }, (_, n) => happening({ id: `e${120 - n}` })));
  const feed = new Feed(NONE, far.ask);
  assert.equal((await feed.begin()).length, 50);
  far.list = [happening({ id: "new" }), ...far.list];
  const [second, none] = await Promise.all([feed.older(), feed.older()]);
  assert.deepEqual([second.length, none.length], [50, 0], "one request at a time");
  await feed.newest();
  assert.equal(feed.history.waiting, 1);
  assert.equal((await feed.older()).length, 20);
  assert.equal(feed.more, false);
  assert.equal(new Set(ids(feed.history.shown)).size, 120);
});

test("an answer to filters of before is not listed, and a failure is told and mended", async () => {
  const far = server([happening({ id: "a" })]);
  const feed = new Feed(NONE, far.ask);
  const late = feed.begin();
  feed.filters = readFilters("?stream=door");
  const second = feed.begin();
  assert.deepEqual([await late, ids(await second)], [null, ["a"]]);
  assert.match(far.asked.at(-1), /^stream=door/);
  far.refused = { status: 503, code: "shortage", message: "no disk" };
  assert.equal(await feed.begin(), null);
  assert.equal(feed.refused.message, "no disk");
  assert.equal(feed.loading, false);
  far.refused = null;
  assert.deepEqual(ids(await feed.begin()), ["a"]);
  assert.equal(feed.refused, null);
});

test("what is told while a list is under way is not undone by that list, which is older", async () => {
  const far = server(Array.from({ length: 51 }, (_, n) => happening({ id: `e${n}` })));
  const old = far.list;
  const feed = new Feed(NONE, async (query) => {
    far.list = old;
    const answer = await far.ask(query); // as things stood when it was asked
    feed.take(message({ id: "new", at: 1010 }));
    feed.take(message({ id: query.has("before") ? "e50" : "e0", phase: "end", at: 1020, seconds: 20 }));
    return answer;
  });
  assert.equal((await feed.begin())[0].seconds, 20, "it has ended meanwhile");
  assert.equal(feed.history.waiting, 1, "it began meanwhile");
  assert.deepEqual((await feed.older()).map((one) => [one.id, one.seconds]), [["e50", 20]]);
  assert.equal(feed.history.waiting, 1);
});

test("after a lost connection what lasted is looked at again, also far down", async () => {
  const far = server([...Array.from({ length: 50 }, (_, n) => happening({ id: `e${n}`, ended_at: 1001 })),
    happening({ id: "ended" }), happening({ id: "gone" }), happening({ id: "lasts" })]);
  const answers = { ended: { body: happening({ id: "ended", ended_at: 1030, seconds: 30 }), refused: null },
    gone: { body: null, refused: { status: 404 } }, lasts: { body: null, refused: { status: 0 } } };
  const feed = new Feed(NONE, far.ask, async (id) => answers[id]);
  await feed.begin();
  await feed.older();
  const changed = await feed.newest();
  assert.deepEqual(ids(changed).sort(), ["ended", "gone"]);
  assert.equal(feed.history.find("ended").seconds, 30);
  assert.equal(inWords(feed.history.find("gone"), 9000), "Person in drive");
  assert.equal(feed.history.find("lasts").ended_at, null, "nobody knows");
  assert.equal(feed.history.waiting, 0);
});

test("older ones that could not be had can be asked for again", async () => {
  const far = server(Array.from({ length: 60 }, (_, n) => happening({ id: `e${n}` })));
  const feed = new Feed(NONE, far.ask);
  await feed.begin();
  far.refused = { status: 0, code: "", message: "" };
  assert.deepEqual([await feed.older(), feed.failed, feed.more], [[], true, true]);
  far.refused = null;
  assert.deepEqual([(await feed.older()).length, feed.failed, feed.more], [10, false, false]);
});

test("each situation of the events page has words and a way out", () => {
  const at = (given) => ({ loading: false, refused: null, live: "open", retryAt: 0, hadServer: true, count: 0,
    filtered: false, more: false, ...given });
  const refused = (status) => ({ status, code: "", message: "the reason" });
  assert.equal(stateOf(at({})), "empty");
  assert.equal(stateOf(at({ filtered: true })), "nothing");
  assert.equal(stateOf(at({ loading: true })), "loading");
  assert.equal(stateOf(at({ count: 3, loading: true })), "list");
  for (const [given, state] of [
    [{ refused: refused(0), hadServer: false }, "gone"], [{ live: "waiting", count: 3 }, "gone"],
    [{ refused: refused(403) }, "barred"], [{ refused: refused(401) }, "barred"], [{ refused: refused(503) }, "error"],
  ]) {
    const situation = at(given);
    assert.equal(stateOf(situation), state);
    const banner = bannerOf(situation, () => {});
    assert.ok(banner.title && banner.text && banner.actions.length, state);
    assert.notEqual(pillOf(situation).text, "Live");
  }
  assert.equal(bannerOf(at({ refused: refused(401) }), () => {}).actions[0].href, "/join");
  assert.match(bannerOf(at({ refused: refused(503) }), () => {}).text, /the reason/);
  assert.match(bannerOf(at({ live: "waiting", count: 3 }), () => {}).text, /happened meanwhile/);
  assert.deepEqual([bannerOf(at({ count: 1 }), () => {}), pillOf(at({})).text], [null, "Live"]);
  const revoked = refusedOf({ phase: "closed", refused: { code: "unauthorized", message: "revoked" } });
  assert.equal(stateOf(at({ count: 3, refused: revoked })), "barred");
  assert.equal(refusedOf({ phase: "closed", refused: { code: "forbidden", message: "" } }).status, 403);
  for (const one of [undefined, { phase: "open", refused: null }, { phase: "waiting", refused: { code: "limit_reached", message: "" } }]) {
    assert.equal(refusedOf(one), null);
  }
  assert.match(footOf(at({ count: 1 }), false), /Nothing older/);
  assert.match(footOf(at({ count: 1, more: true }), true), /could not be loaded/);
});
