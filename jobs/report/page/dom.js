// Elements and words: text enters the page as text nodes only, with what would be invisible in it spelled out.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** A text of a document with controls and bidirectional marks made visible. */
function visible(text) {
  return String(text).replaceAll("\r\n", "\n").replace(HIDDEN, (mark) =>
    `⟨U+${mark.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** What there is of children that may be nested lists and nulls. */
function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined);
}

/** An element; attributes that are null are left out, functions are listeners, children are nodes, texts or nulls. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** A text that comes from a document or a name, isolated from the direction of what stands beside it. */
function said(text, attributes) {
  return el("bdi", attributes, visible(text ?? ""));
}

function shortName(address) {
  return address.slice(address.lastIndexOf("/") + 1) || address;
}

const GROUPED = new Intl.NumberFormat("en");

function count(number, one, many) {
  const said = GROUPED.format(number ?? 0);
  return one === undefined ? said : `${said} ${number === 1 ? one : many ?? one + "s"}`;
}

function share(part) {
  return part === undefined ? "–" : `${(100 * part).toFixed(part > 0.995 && part < 1 ? 2 : 0)} %`;
}

/** Seconds as a clock has them: 0:03, 12:40.5, 1:02:03. */
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const whole = Math.floor(tenths / 10);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(rest).padStart(2, "0")}${tenths % 10 ? "." + tenths % 10 : ""}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** How long something took, in words. */
function lasting(seconds) {
  if (seconds === undefined) return "–";
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toFixed(1)} ${["", "kB", "MB", "GB"][step]}`;
}

function moment(text) {
  return text === undefined ? "–" : text.slice(0, 16).replace("T", " ") + " UTC";
}

/** Where a piece of evidence stands: a page, a second, or nothing. */
function where(item) {
  if (item.page !== undefined) return `Page ${item.page}`;
  return item.time_s !== undefined ? clock(item.time_s) : "";
}

const STATES = {
  fail: ["✕", "Fail"], unsure: ["?", "Unsure"], pass: ["✓", "Pass"], answered: ["•", "Answered"],
  failed: ["!", "Not asked"], not_applicable: ["–", "Not applicable"],
  ok: ["✓", "Ok"], partial: ["◐", "Partial"], quarantined: ["!", "Quarantined"],
};

/** What a finding comes to: the verdict of a check, the status of any other answer. */
function stateOf(finding) {
  return finding.verdict ?? finding.status;
}

function badge(state) {
  const [sign, word] = STATES[state] ?? ["", state];
  return el("span", { class: `badge ${state}` }, el("span", { "aria-hidden": "true" }, sign), word);
}

/** A bar from 0 to 1 beside the number that it shows. */
function meter(value) {
  if (value === undefined) return el("span", { class: "faint" }, "–");
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", {}));
  bar.firstChild.style.width = `${100 * value}%`;
  return el("span", { class: "meter" }, bar, value.toFixed(2));
}

/** A table with a caption; cells that are numbers stand at the right. */
function table(caption, heads, rows, attributes) {
  return el("div", { class: "scroll" }, el("table", attributes,
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) =>
      el("td", { class: typeof cell === "string" && /^[0-9–]/.test(cell) ? "number" : null }, cell)))))));
}

function section(title, ...children) {
  return el("section", {}, el("h3", {}, title), ...children);
}
