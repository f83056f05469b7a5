/** Happenings as the server lists and tells them, and a server that has some. */

/** @param {Record<string, unknown>} given */
export function happening(given = {}) {
  return {
    ...{ id: "a", stream: "door", kind: "zone", class_name: "person", zone: "drive", rule: "", direction: "" },
    ...{ track: 7, box: [1, 2, 3, 4], started_at: 1000, ended_at: null, seconds: null, speed: null, reason: "" },
    ...{ start_seq: 5, end_seq: null, snapshot: "" },
    ...given,
  };
}

/** @param {Record<string, unknown>} given */
export function message(given = {}) {
  return { type: "event", id: "a", stream: "door", phase: "start", kind: "zone", zone: "drive", class_name: "person",
    at: 1000, seq: 5, ...given };
}

/** What asks a server that has these, newest first. Its cursors are the ids of the last ones that were listed. */
export function server(list) {
  const asked = [];
  const state = { list, refused: null, asked };
  state.ask = async (query) => {
    asked.push(query.toString());
    if (state.refused) return { body: null, refused: state.refused };
    const at = query.has("before") ? state.list.findIndex((one) => one.id === query.get("before")) + 1 : 0;
    const events = state.list.slice(at, at + Number(query.get("limit")));
    const more = at + events.length < state.list.length;
    return { body: { events, next: more ? events.at(-1).id : null }, refused: null };
  };
  return state;
}
