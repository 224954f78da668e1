"use strict";
// The page to try the service: asks once for everything above the lowest score, then filters and draws here.

const API = "api/vision/v2";
const LOWEST_SCORE = 0.05;
const [ORIENTATION, UPRIGHT] = [0x0112, 1];
const $ = (id) => document.getElementById(id);
const KEY = "teppr-key"; // in this tab's memory alone, and only where the service asks for keys
const state = { file: null, bitmap: null, answer: null, near: -1, asking: 0, models: [], needsKey: false };

const threshold = () => Number($("threshold").value);
const key = () => (state.needsKey ? sessionStorage.getItem(KEY) : null);
const shapes = () => document.querySelector('input[name="shapes"]:checked').value;
const entry = () => (state.answer ? Object.values(state.answer.result)[0] : null);
const shown = () => (entry() ? entry().regions.filter((region) => region.region_attributes.score >= threshold()) : []);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function dot(color) {
  const made = element("span", "dot");
  made.style.background = color;
  return made;
}

// Asking

async function answerTo(path, options = {}) {
  const headers = key() ? { Authorization: `Bearer ${key()}` } : {};
  const response = await fetch(`${API}/${path}`, { ...options, headers });
  const said = await response.json();
  return response.ok ? { answer: said, problem: "" } : { answer: null, problem: said.detail };
}

function complain(problem) {
  $("problem").hidden = !problem;
  $("problem").textContent = problem;
}

async function ask() {
  if (!state.file) return;
  const turn = ++state.asking; // an answer that was overtaken by a newer question is dropped
  $("working").hidden = false;
  $("problem").hidden = true;
  const form = new FormData();
  form.append("image", state.file, state.file.name || "image.png");
  form.append("q", $("model").value);
  form.append("score_threshold", LOWEST_SCORE);
  const { answer, problem } = await answerTo(shapes(), { method: "POST", body: form }).catch(() => ({
    answer: null,
    problem: "The service does not answer. Is it still running?",
  }));
  if (turn !== state.asking) return;
  state.answer = answer;
  state.near = -1;
  $("working").hidden = true;
  complain(problem);
  show();
}

async function take(file) {
  if (!file) return;
  state.file = file;
  state.answer = null;
  state.near = -1;
  try {
    state.bitmap = await createImageBitmap(await asStored(file));
  } catch {
    state.bitmap = null; // a format that the browser does not know (TIFF): regions are drawn on a plain ground
  }
  show();
  await ask();
}

// Regions are in stored pixels, so the picture must not be turned. Browsers turn it as EXIF says whatever they are
// told (imageOrientation, image-orientation): the note itself is changed to "upright" in a copy.
async function asStored(file) {
  const bytes = new DataView(await file.arrayBuffer());
  const found = /(?:Exif\0\0|EXIF[^]{4}|eXIf)(II\*\0|MM\0\*)/.exec(new TextDecoder("latin1").decode(bytes));
  if (!found) return file;
  const start = found.index + found[0].length - found[1].length;
  const littleEndian = found[1].startsWith("I");
  try {
    const table = start + bytes.getUint32(start + 4, littleEndian);
    const count = bytes.getUint16(table, littleEndian);
    for (let entry = table + 2; entry < table + 2 + 12 * count; entry += 12)
      if (bytes.getUint16(entry, littleEndian) === ORIENTATION) bytes.setUint16(entry + 8, UPRIGHT, littleEndian);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a broken note that points outside the file says nothing
  }
  return new Blob([bytes], { type: file.type });
}

async function begin() {
  const api = await (await fetch("openapi.json")).json();
  state.needsKey = Boolean(api.components?.securitySchemes);
  $("key-choice").hidden = !state.needsKey;
  if (!state.needsKey) sessionStorage.removeItem(KEY);
  show();
  if (state.needsKey && !key()) complain("This service asks for a key: put yours in above.");
  else await loadModels();
}

async function takeKey(typed) {
  const isKey = /^tpr_\w+$/.test(typed);
  if (isKey) sessionStorage.setItem(KEY, typed);
  else sessionStorage.removeItem(KEY);
  if (isKey) await loadModels();
  else complain("A key begins with tpr_ and has letters and digits behind it.");
}

async function loadModels() {
  const { answer, problem } = await answerTo("models");
  complain(problem);
  state.models = answer?.models ?? [];
  $("model").replaceChildren();
  for (const model of state.models) {
    const option = element("option", "", `${model.key} (${model.architecture})`);
    option.value = model.key;
    $("model").append(option);
  }
  chooseModel();
}

function chooseModel() {
  const model = state.models.find((known) => known.key === $("model").value);
  if (!model) return;
  $("threshold").value = model.score_threshold;
  const outlines = document.querySelector('input[value="predict/polygon"]');
  outlines.disabled = model.task !== "segment";
  if (outlines.disabled && outlines.checked) document.querySelector('input[value="predict"]').checked = true;
  show();
  ask();
}

// Showing

function show() {
  $("threshold-value").textContent = threshold().toFixed(2);
  draw();
  list();
  summarise();
  $("curl").textContent = curlLine();
  $("json").textContent = state.answer ? JSON.stringify(answerShown(), null, 2) : "nothing yet";
  $("copy-json").disabled = !state.answer;
  offerFile();
}

function answerShown() {
  const [name, found] = Object.entries(state.answer.result)[0];
  const result = Object.fromEntries([[name, { ...found, regions: shown() }]]);
  return { ...state.answer, result };
}

function offerFile() {
  const link = $("save-json");
  if (link.href) URL.revokeObjectURL(link.href);
  link.hidden = !state.answer;
  if (!state.answer) return;
  link.href = URL.createObjectURL(new Blob([$("json").textContent], { type: "application/json" }));
  link.download = `${entry().filename}.via.json`;
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function curlLine() {
  const name = state.file ? state.file.name || "image.png" : "photo.jpg";
  const url = new URL(`${API}/${shapes()}`, location.href).href;
  const fields = [`image=@${name}`, `q=${$("model").value}`, `score_threshold=${threshold().toFixed(2)}`];
  const header = state.needsKey ? ['-H "Authorization: Bearer $KEY"'] : [];
  return ["curl", ...header, ...fields.map((field) => `-F ${quoted(field)}`), quoted(url)].join(" ");
}

function summarise() {
  if (!state.answer) {
    $("summary").textContent = state.file ? "" : "Regions are drawn on the image, in the colours of their labels.";
    return;
  }
  const { width, height } = entry().file_attributes;
  const hidden = entry().regions.length - shown().length;
  const ms = Math.round(1000 * state.answer.timings.total);
  const count = shown().length === 1 ? "1 region" : `${shown().length} regions`;
  const below = hidden ? `, ${hidden} more below the score` : "";
  $("summary").textContent = `${count}${below} · ${width} × ${height} px · ${ms} ms · ${state.answer.type}`;
}

function list() {
  const perLabel = new Map();
  for (const { region_attributes: about } of shown()) {
    const seen = perLabel.get(about.label) ?? { color: about.color, count: 0 };
    perLabel.set(about.label, { ...seen, count: seen.count + 1 });
  }
  $("legend").replaceChildren(
    ...[...perLabel].map(([label, { color, count }]) => {
      const item = element("li");
      item.append(dot(color), `${label} ${count}`);
      return item;
    }),
  );
  const rows = shown().map((region, index) => {
    const about = region.region_attributes;
    const row = element("li");
    row.tabIndex = 0;
    row.append(dot(about.color), element("span", "name", about.label), element("span", "score", about.score.toFixed(3)));
    for (const event of ["mouseenter", "focus"]) row.addEventListener(event, () => point(index));
    for (const event of ["mouseleave", "blur"]) row.addEventListener(event, () => point(-1));
    return row;
  });
  const nothing = state.answer ? "nothing above this score" : "nothing yet";
  $("regions").replaceChildren(...(rows.length ? rows : [element("li", "quiet", nothing)]));
}

function point(index) {
  if (state.near === index) return;
  state.near = index;
  [...$("regions").children].forEach((row, i) => row.classList.toggle("near", i === index));
  draw();
}

// Drawing

function draw() {
  const size = entry()?.file_attributes ?? state.bitmap;
  const canvas = $("picture");
  canvas.hidden = !size;
  $("invitation").hidden = Boolean(size);
  $("another").hidden = !state.file;
  $("drop").classList.toggle("filled", Boolean(size));
  if (!size) return;
  canvas.width = size.width;
  canvas.height = size.height;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#808080";
  pen.fillRect(0, 0, size.width, size.height);
  if (state.bitmap) pen.drawImage(state.bitmap, 0, 0, size.width, size.height);
  // One pixel of the screen is this many of the image: lines and letters keep their size on the screen.
  const scale = Math.max(size.width / Math.max(1, canvas.clientWidth), 0.25);
  const regions = shown();
  regions.forEach((region, i) => drawShape(pen, region, scale, i === state.near));
  regions.forEach((region, i) => (state.near < 0 || state.near === i) && drawCaption(pen, region, scale, size));
}

function outline(shape) {
  const path = new Path2D();
  if (shape.name === "rect") path.rect(shape.x, shape.y, shape.width, shape.height);
  else {
    shape.all_points_x.forEach((x, i) => path.lineTo(x, shape.all_points_y[i]));
    path.closePath();
  }
  return path;
}

function drawShape(pen, region, scale, near) {
  const path = outline(region.shape_attributes);
  const { color } = region.region_attributes;
  pen.fillStyle = color + (near ? "80" : "38");
  pen.fill(path);
  pen.lineJoin = "round";
  for (const [style, width] of [["#00000080", near ? 6 : 4], [color, near ? 4 : 2]]) {
    pen.strokeStyle = style;
    pen.lineWidth = width * scale;
    pen.stroke(path);
  }
}

function corner(shape) {
  if (shape.name === "rect") return [shape.x, shape.y];
  return [Math.min(...shape.all_points_x), Math.min(...shape.all_points_y)];
}

function drawCaption(pen, region, scale, size) {
  const { label, score, color } = region.region_attributes;
  const text = `${label} ${score.toFixed(2)}`;
  pen.font = `600 ${13 * scale}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  const [width, height] = [pen.measureText(text).width + 10 * scale, 19 * scale];
  const [left, top] = corner(region.shape_attributes);
  const x = Math.max(0, Math.min(left, size.width - width));
  const y = Math.max(0, Math.min(top - height, size.height - height));
  pen.fillStyle = color;
  pen.fillRect(x, y, width, height);
  pen.fillStyle = isLight(color) ? "#000000" : "#ffffff";
  pen.fillText(text, x + 5 * scale, y + height / 2);
}

function isLight(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

function under(event) {
  const canvas = $("picture");
  const place = canvas.getBoundingClientRect();
  const x = ((event.clientX - place.left) * canvas.width) / place.width;
  const y = ((event.clientY - place.top) * canvas.height) / place.height;
  const pen = canvas.getContext("2d");
  return shown().findIndex((region) => pen.isPointInPath(outline(region.shape_attributes), x, y));
}

// Wiring

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    button.textContent = "select it by hand"; // the clipboard is closed to pages that are not on https or this machine
  }
  setTimeout(() => (button.textContent = "copy"), 1500);
}

function wire() {
  const drop = $("drop");
  for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", type === "dragenter" || type === "dragover");
    });
  }
  document.addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  $("file").addEventListener("change", (event) => {
    take(event.target.files[0]);
    event.target.value = ""; // the same file may be chosen again
  });
  $("model").addEventListener("change", chooseModel);
  $("key").addEventListener("change", (event) => takeKey(event.target.value.trim()));
  $("threshold").addEventListener("input", () => {
    state.near = -1;
    show();
  });
  document.querySelectorAll('input[name="shapes"]').forEach((choice) =>
    choice.addEventListener("change", () => {
      show();
      ask();
    }),
  );
  $("picture").addEventListener("mousemove", (event) => point(under(event)));
  $("picture").addEventListener("mouseleave", () => point(-1));
  $("copy-curl").addEventListener("click", (event) => copy($("curl").textContent, event.target));
  $("copy-json").addEventListener("click", (event) => copy($("json").textContent, event.target));
  addEventListener("resize", draw);
}

wire();
show();
begin();
