"use strict";
// The API as its OpenAPI document tells it: routes with their parameters, bodies and answers, then the types.

const $ = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function typeOf(schema = {}) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    const link = element("a", "", name);
    link.href = `#type-${name}`;
    return link;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.filter((choice) => choice.type !== "null").map(typeOf), " or ");
  if (schema.type === "array") return joined(["list of ", typeOf(schema.items)], "");
  if (schema.additionalProperties && schema.additionalProperties !== true)
    return joined(["{ name: ", typeOf(schema.additionalProperties), " }"], "");
  return element("span", "", [schema.type ?? "anything", schema.format].filter(Boolean).join(", "));
}

function joined(parts, between) {
  const made = element("span");
  parts.forEach((part, i) => made.append(i ? between : "", part));
  return made;
}

function bounds(schema = {}) {
  const said = (schema.anyOf ?? [schema]).flatMap((choice) => [
    choice.minimum !== undefined && `at least ${choice.minimum}`,
    choice.maximum !== undefined && `at most ${choice.maximum}`,
    choice.maxLength !== undefined && `up to ${choice.maxLength} characters`,
  ]);
  const example = schema.examples?.length ? [`for example ${JSON.stringify(schema.examples[0])}`] : [];
  return [...said.filter(Boolean), ...example].join("; ");
}

function table(heads, rows) {
  const head = element("tr", "", ...heads.map((text) => element("th", "", text)));
  const body = rows.map((row) => element("tr", "", ...row.map((cell) => element("td", "", cell ?? ""))));
  return element("div", "scroll", element("table", "", head, ...body));
}

function fields(schema) {
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const said = [field.description, bounds(field)].filter(Boolean).join(" ");
    return [element("code", "", name), typeOf(field), needed.has(name) ? "yes" : "", said];
  });
  return table(["field", "type", "needed", "says"], rows);
}

function section(title, content) {
  return element("div", "", element("h3", "", title), content);
}

function parameters(list) {
  const rows = list.map((item) => [
    element("code", "", item.name), item.in, typeOf(item.schema), item.required ? "yes" : "",
    [item.description, bounds(item.schema)].filter(Boolean).join(" "),
  ]);
  return section("Parameters", table(["name", "in", "type", "needed", "says"], rows));
}

function bodies(content) {
  const parts = Object.entries(content).map(([type, { schema }]) =>
    element("div", "", element("p", "", element("code", "", type)), schema.properties ? fields(schema) : typeOf(schema)));
  return section("Body: one of", element("div", "", ...parts));
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) => {
    const schema = response.content?.["application/json"]?.schema;
    return [status, response.description, schema ? typeOf(schema) : ""];
  });
  return section("Answers", table(["status", "when", "type"], rows));
}

function sent(body) {
  if (!body) return "";
  const image = body.content["multipart/form-data"]?.schema.properties.image;
  if (!image) return "-H 'Content-Type: application/json' -d @request.json ";
  return image.type === "array" ? "-F image=@a.jpg -F image=@b.jpg " : "-F image=@photo.jpg ";
}

function curl(method, path, operation) {
  const url = new URL(path.slice(1), location.href).href;
  const header = operation.security ? '-H "Authorization: Bearer $KEY" ' : "";
  return section("From a terminal", element("pre", "", `curl ${header}${sent(operation.requestBody)}${url}`));
}

function route(method, path, operation) {
  const made = element("details", "card route");
  const summary = element("summary", "", element("span", "method", method.toUpperCase()), element("code", "", path),
    element("span", "quiet", operation.summary ?? ""));
  made.append(summary);
  if (operation.parameters?.length) made.append(parameters(operation.parameters));
  if (operation.requestBody) made.append(bodies(operation.requestBody.content));
  made.append(answers(operation.responses), curl(method, path, operation));
  return made;
}

function type(name, schema) {
  const made = element("section", "card route", element("h3", "", name));
  made.id = `type-${name}`;
  if (schema.description) made.append(element("p", "quiet", schema.description));
  made.append(fields(schema));
  return made;
}

async function show() {
  const response = await fetch("openapi.json");
  const api = await response.json();
  $("title").textContent = `${api.info.title} ${api.info.version}`;
  $("about").textContent = api.info.description ?? "";
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => route(method, path, operation)));
  $("routes").replaceChildren(...routes);
  $("types").replaceChildren(...Object.entries(api.components?.schemas ?? {}).map(([name, schema]) => type(name, schema)));
}

show();
