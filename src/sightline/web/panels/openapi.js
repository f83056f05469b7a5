/** An OpenAPI description as elements: its operations by tag, with their parameters, bodies and answers. */

import { make } from "../lib/dom.js";

/**
 * @typedef {{$ref?: string, type?: string, format?: string, enum?: unknown[], const?: unknown, anyOf?: Schema[],
 *   items?: Schema, properties?: Record<string, Schema>, required?: string[], description?: string,
 *   additionalProperties?: Schema | boolean, minimum?: number, maximum?: number, exclusiveMinimum?: number,
 *   exclusiveMaximum?: number, maxItems?: number, prefixItems?: Schema[]}} Schema
 * @typedef {Record<string, {schema?: Schema}>} Content
 * @typedef {{summary?: string, description?: string, tags?: string[], security?: Record<string, string[]>[],
 *   parameters?: {name: string, in: string, required?: boolean, description?: string, schema: Schema}[],
 *   requestBody?: {content: Content}, responses: Record<string, {description: string, content?: Content}>}} Operation
 * @typedef {{paths: Record<string, Record<string, Operation>>, components: {schemas: Record<string, Schema>}}} Api
 */

/** @param {Api} api */
export function operations(api) {
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "others";
      groups.set(tag, [...(groups.get(tag) ?? []), shown(method, path, operation)]);
    }
  }
  const sections = [...groups].map(([tag, found]) => section(tag, found));
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => described(name, schema));
  return [...sections, section("types", schemas)];
}

/** @param {string} title @param {HTMLElement[]} items */
function section(title, items) {
  const heading = make("h2", {}, `${title.charAt(0).toUpperCase()}${title.slice(1)}`);
  return make("section", { "aria-label": title }, heading, ...items);
}

/** @param {string} method @param {string} path @param {Operation} operation */
function shown(method, path, operation) {
  const parts = [head([method.toUpperCase(), path]), make("p", {}, operation.description ?? "")];
  const parameters = operation.parameters ?? [];
  parts.push(...table("Parameters", parameters.map((one) => [
    one.required ? `${one.name} (${one.in}, required)` : `${one.name} (${one.in})`, words(one.schema), one.description ?? "",
  ])));
  parts.push(...table("Body", content(operation.requestBody?.content).map(([kind, schema]) => [kind, schema])));
  parts.push(...table("Answers", Object.entries(operation.responses).flatMap(([status, answer]) => {
    const kinds = content(answer.content);
    return (kinds.length ? kinds : [["", ""]]).map((kind) => [status, answer.description, ...kind]);
  })));
  parts.push(make("p", { class: "hint" }, whoMay(operation)));
  return make("details", {}, ...parts);
}

/** @param {string} name @param {Schema} schema */
function described(name, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) => [
    schema.required?.includes(key) ? `${key} (required)` : key, words(value), value.description ?? "",
  ]);
  const details = make("details", { id: name }, head([name]), make("p", {}, schema.description ?? ""));
  details.append(...table("Fields", rows));
  return details;
}

/** @param {string[]} names */
function head(names) {
  const [first, ...rest] = names;
  return make("summary", {}, make("span", { class: "method" }, first ?? ""), ...rest.map((word) => make("code", {}, word)));
}

/** @param {Operation} operation */
function whoMay(operation) {
  const ways = operation.security ?? [];
  if (!ways.length || ways.some((way) => !Object.keys(way).length)) return "Needs no token on this server.";
  return "Needs a token: Authorization: Bearer TOKEN, or a browser that has signed in.";
}

/** @param {string} title @param {string[][]} rows */
function table(title, rows) {
  if (!rows.length) return [];
  const lines = rows.map(([name, ...more]) =>
    make("tr", {}, make("th", { scope: "row" }, name ?? ""), ...more.map((text) => make("td", {}, text))),
  );
  return [make("h3", {}, title), make("div", { class: "wide" }, make("table", {}, make("tbody", {}, ...lines)))];
}

/** @param {Content | undefined} found @returns {[string, string][]} */
function content(found) {
  return Object.entries(found ?? {}).map(([kind, { schema }]) => [kind, schema ? words(schema) : ""]);
}

/**
 * A type in words, such as `array of Found` or `number, 0 to 100`.
 *
 * @param {Schema} schema @returns {string}
 */
export function words(schema) {
  if (schema.$ref) return schema.$ref.replace(/.*\//, "");
  if (schema.anyOf) return schema.anyOf.map(words).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.prefixItems) return `[${schema.prefixItems.map(words).join(", ")}]`;
  if (schema.type === "array") return `array of ${schema.items ? words(schema.items) : "anything"}`;
  if (schema.properties) return `fields ${Object.entries(schema.properties).map(([key, of]) => `${key}: ${words(of)}`).join("; ")}`;
  if (typeof schema.additionalProperties === "object") return `object of ${words(schema.additionalProperties)}`;
  const from = schema.minimum ?? schema.exclusiveMinimum;
  const to = schema.maximum ?? schema.exclusiveMaximum;
  const range = from === undefined && to === undefined ? "" : `, ${from ?? "any"} to ${to ?? "any"}`;
  return (schema.format === "binary" ? "bytes" : (schema.type ?? "anything")) + range;
}
