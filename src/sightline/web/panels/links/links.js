/** All that leads to a stream besides its page, for the address by which that was reached. Pure, so that each can be tested. */

import { t } from "../../lib/i18n.js";

/**
 * @typedef {{origin: string, stream: string, tokens: boolean, origins: readonly string[], own: boolean}} Place `origins`: whose
 *   pages may show streams; `own`: the server's own authority has signed its certificate
 * @typedef {{id: string, name: string, text: string, hints: string[]}} Link `text`: what is copied
 */

const TOKEN = "TOKEN";
/** What a browser calls the authority that it gets from `/ca.crt`. */
const AUTHORITY = "sightline-ca.crt";

/** @param {Place} place @returns {Link[]} */
export function linksOf({ origin, stream, tokens, origins, own }) {
  const ws = origin.replace(/^http/, "ws");
  const make = `sightline token create --stream ${stream} --role view --expires 30d`;
  const token = tokens ? [t`Put a token in place of ${TOKEN}: from the page of settings, or ${make}`] : [];
  const header = tokens ? [t`Needs the header Authorization: Bearer ${TOKEN}.`] : [];
  const file = own ? [t`Needs the file ${AUTHORITY} beside it: get it once from ${`${origin}/ca.crt`}`] : [];
  const trust = own ? [t`Whatever asks must trust this server's certificate: ${`${origin}/trust`}`] : [];
  const pages = origins.length
    ? t`Pages of ${origins.join(", ")} may show it.`
    : t`Pages of other addresses may show it once the setting allowed_origins names them.`;
  const image = [...(tokens ? [t`For programs: an image in a page can't bring a token.`, ...header] : [pages]), ...trust];
  const behind = tokens ? `#${TOKEN}` : "";
  return [
    link("element", t`In a page of yours`, element(origin, stream, tokens), [pages, ...token, ...trust]),
    link("frame", t`As a frame`, frame(`${origin}/embed/${stream}${behind}`, stream), [pages, ...token, ...trust]),
    link("mjpeg", "MJPEG", `${origin}/mjpeg/${stream}`, image),
    link("video", t`MP4, live`, `${origin}/video/${stream}.mp4`, image),
    link("snapshot", t`Snapshot`, `${origin}/snapshot/${stream}.jpg`, image),
    link("whep", t`WHEP (WebRTC)`, `${origin}/whep/${stream}`, [...header, ...trust]),
    link("websocket", t`WebSocket with results`, `${ws}/ws?stream=${stream}`, [...header, ...trust]),
    link("python", "Python", python(ws, stream, tokens, own), [...token, ...file]),
    link("curl", "curl", curl(origin, stream, tokens, own), [...token, ...file]),
    link("home-assistant", t`Home Assistant, Webpage card`, card(`${origin}/embed/${stream}${behind}`), [
      t`The setting allowed_origins must name Home Assistant's own address.`,
      ...[...token, ...trust],
    ]),
  ];
}

/** @param {string} id @param {string} name @param {string} text @param {string[]} hints @returns {Link} */
function link(id, name, text, hints) {
  return { id, name, text, hints };
}

/** @param {string} origin @param {string} stream @param {boolean} tokens */
function element(origin, stream, tokens) {
  const token = tokens ? ` token="${TOKEN}"` : "";
  const without = t`No picture of ${stream}: ${origin} is away, or its allowed_origins don't name this page.`;
  return (
    `<script type="module" src="${origin}/embed.js"></script>\n` +
    `<sightline-viewer stream="${stream}"${token}><p>${without}</p></sightline-viewer>`
  );
}

/** @param {string} address @param {string} stream */
function frame(address, stream) {
  return `<iframe src="${address}" title="${stream}" width="640" height="360"></iframe>`;
}

/** @param {string} ws @param {string} stream @param {boolean} tokens @param {boolean} own */
function python(ws, stream, tokens, own) {
  const token = tokens ? `, token="${TOKEN}"` : "";
  const authority = own ? `, ca="${AUTHORITY}"` : "";
  return [
    "from sightline import Client",
    "",
    `with Client("${ws}"${token}${authority}) as client:`,
    `    for result in client.subscribe("${stream}"):`,
    "        print(result.seq, [d.class_name for d in result.detections])",
  ].join("\n");
}

/** @param {string} origin @param {string} stream @param {boolean} tokens @param {boolean} own */
function curl(origin, stream, tokens, own) {
  const authority = own ? ` --cacert ${AUTHORITY}` : "";
  const token = tokens ? ` -H "Authorization: Bearer ${TOKEN}"` : "";
  return `curl${authority}${token} -o ${stream}.jpg ${origin}/snapshot/${stream}.jpg`;
}

/** @param {string} address */
function card(address) {
  return `type: iframe\nurl: "${address}"\naspect_ratio: 56%`;
}
