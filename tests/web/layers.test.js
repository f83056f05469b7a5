/** The folders of web/ are its architecture: each may use those below it, and none of these sees the page but the last two. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../../src/sightline/web/", import.meta.url));

/** Folders of one line never see each other. */
const ORDER = [["lib"], ["wire"], ["draw", "capture", "infer", "webrtc", "notify"], ["elements"], ["panels"], ["pages"]];
const OTHERS = ["css", "icons", "languages", "parts", "vendor"];
const IMPORT = /(?:\bfrom|\bimport|\bnew URL\()\s*\(?"(\.\.?\/[^"]+\.js)"/g;
const PAGE = /document\.(?:getElementBy|getElementsBy|querySelector|body|head|documentElement|title)|\bbyId\b/;

const level = (folder) => ORDER.findIndex((folders) => folders.includes(folder));
const folderOf = (file) => file.split("/")[0];
const files = ORDER.flat().flatMap((folder) =>
  readdirSync(join(WEB, folder), { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .map((name) => `${folder}/${name}`),
);
const read = (file) => readFileSync(join(WEB, file), "utf8");

/** The files that each one names, for its code or for a type. @type {Map<string, string[]>} */
const graph = new Map(
  files.map((file) => [
    file,
    [...read(file).matchAll(IMPORT)].map(([, path]) => relative(WEB, join(WEB, dirname(file), path))),
  ]),
);

test("web/ itself has only folders, and all of them are known", () => {
  const entries = readdirSync(WEB, { withFileTypes: true });
  assert.deepEqual(entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name), []);
  const unknown = entries.map((entry) => entry.name).filter((name) => ![...ORDER.flat(), ...OTHERS].includes(name));
  assert.deepEqual(unknown, []);
});

test("a folder uses only itself and those below it", () => {
  const wrong = [...graph].flatMap(([file, used]) => {
    const folder = folderOf(file);
    const other = used.filter((one) => folderOf(one) !== folder && level(folderOf(one)) >= level(folder));
    return other.map((one) => `${file} -> ${one}`);
  });
  assert.deepEqual(wrong, []);
});

test("no files form a circle", () => {
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    assert.equal(at, -1, [...path.slice(at), file].join(" -> "));
    if (done.has(file)) return;
    for (const used of graph.get(file) ?? []) visit(used, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test("what lies below the panels never touches the page that it is on", () => {
  const below = files.filter((file) => level(folderOf(file)) < level("panels"));
  assert.deepEqual(below.filter((file) => PAGE.test(read(file))), []);
});

test("no script is longer than 300 lines", () => {
  const lines = files.map((file) => [file, read(file).split("\n").length - 1]);
  assert.deepEqual(lines.filter(([, n]) => n > 300), []);
});
