// Pages and frames with boxes drawn on them.

const KEPT_IMAGES = 12;
const images = new Map();

/** A decoded picture; null where it is not in this report. */
function imageOf(place) {
  if (!images.has(place)) {
    if (images.size >= KEPT_IMAGES) images.delete(images.keys().next().value);
    images.set(place, pictureSource(place).then(async (source) => {
      if (source === null) return null;
      const image = new Image();
      image.src = source;
      await image.decode();
      return image;
    }).catch(() => null));
  }
  return images.get(place);
}

/** The pages and frames that some pieces of evidence stand on, each with its boxes, in their order. */
function unitsOf(pieces) {
  const units = new Map();
  for (const piece of pieces) {
    const label = where(piece);
    if (!label) continue;
    if (!units.has(label)) units.set(label, { label, page: piece.page, time_s: piece.time_s, boxes: [] });
    const unit = units.get(label);
    unit.picture ??= piece.picture;
    if (piece.box && !unit.boxes.some(({ box }) => box.join() === piece.box.join())) {
      unit.boxes.push({ box: piece.box, sign: piece.sign });
    }
  }
  return [...units.values()];
}

function placeBox(element, [x0, y0, x1, y1]) {
  Object.assign(element.style, { left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`,
    height: `${100 * (y1 - y0)}%` });
  return element;
}

/** A page or frame in full, with its boxes; `differing` are boxes where a transcript and the page disagree. */
function sheet(unit, differing = []) {
  const paper = el("div", { class: "paper" });
  const figure = el("figure", { class: "sheet" }, paper);
  if (unit.picture === undefined) {
    paper.append(el("p", { class: "missing" }, `No picture of ${unit.label.toLowerCase()} was kept.`));
    return figure;
  }
  imageOf(unit.picture).then((image) => {
    if (image === null) {
      paper.append(el("p", { class: "missing" }, report.held === null ? "This picture cannot be read from the output."
        : "This picture was left out to keep the report small. `canvass report --serve` shows it, a larger --max-mb holds it."));
      return;
    }
    const shown = image.cloneNode();
    shown.alt = `${unit.label} of the object`;
    paper.append(shown,
      ...unit.boxes.map(({ box, sign }) => placeBox(el("div", { class: "box", "data-sign": sign ?? null }), box)),
      ...differing.filter((each) => each.box).map((each) =>
        placeBox(el("div", { class: "box differing", title: visible(`${each.kind}: ${each.text ?? ""}`) }), each.box)));
  });
  return figure;
}

/** What stands in a box and a little around it, as large as there is room; nothing where that is most of the page. */
function crop(piece) {
  const frame = el("div", { class: "crop" });
  if (piece.picture === undefined || !piece.box) return null;
  const [x0, y0, x1, y1] = piece.box;
  const wide = Math.min(1, Math.max(0.45, (x1 - x0) * 1.15 + 0.06));
  imageOf(piece.picture).then((image) => {
    if (image === null) return;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const tall = Math.min(1, Math.max((y1 - y0) + 0.03, 0.16 * wide * width / height));
    const left = Math.max(0, Math.min(1 - wide, (x0 + x1 - wide) / 2));
    const top = Math.max(0, Math.min(1 - tall, (y0 + y1 - tall) / 2));
    const canvas = el("canvas", { role: "img", "aria-label": `Cut out of ${where(piece).toLowerCase()}` });
    canvas.width = Math.round(wide * width);
    canvas.height = Math.round(tall * height);
    canvas.getContext("2d").drawImage(image, left * width, top * height, canvas.width, canvas.height, 0, 0,
      canvas.width, canvas.height);
    const box = placeBox(el("div", { class: "box" }), [(x0 - left) / wide, (y0 - top) / tall, (x1 - left) / wide,
      (y1 - top) / tall]);
    frame.append(canvas, box);
  });
  return frame;
}

/** A page or frame over everything, at the size it was kept in or as wide as there is room. */
function enlarge(unit, differing) {
  const opener = document.activeElement;
  const figure = sheet(unit, differing);
  const dialog = el("dialog", { class: "large", "aria-label": unit.label, onclose: () => {
    dialog.remove();
    opener?.focus();
  } },
  el("div", { class: "bar-top" }, el("strong", {}, unit.label),
    el("button", { type: "button", onclick: () => figure.classList.toggle("actual") }, "Full size"),
    el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  el("div", { class: "field", tabindex: "0", "aria-label": "Picture" }, figure));
  document.body.append(dialog);
  dialog.showModal();
}

/** Pages and frames to turn over, one in sight. `notes` are those of the transcripts of the object. */
function gallery(units, notes) {
  const holder = el("div", {});
  const tabs = units.map((unit, place) => el("button", {
    type: "button", role: "tab", "aria-selected": "false", tabindex: "-1", onclick: () => turn(place, true),
  }, unit.label));
  const bar = el("div", { class: "tabs", role: "tablist", "aria-label": "Pages and frames", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    turn((tabs.findIndex((tab) => tab === event.target) + step + tabs.length) % tabs.length, true);
    event.preventDefault();
  } }, tabs);

  function turn(place, focus) {
    const unit = units[place];
    const own = notes.filter((note) => note.page === unit.page && (unit.page !== undefined || note.time_s === unit.time_s));
    const differing = own.flatMap((note) => note.findings ?? []);
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", String(each === place));
      tab.tabIndex = each === place ? 0 : -1;
    });
    const figure = sheet(unit, differing);
    figure.addEventListener("click", () => unit.picture !== undefined && enlarge(unit, differing));
    holder.replaceChildren(figure, el("div", { class: "under" },
      el("button", { type: "button", class: "quiet", onclick: () => enlarge(unit, differing) }, "Enlarge"),
      el("span", { class: "faint" }, unit.boxes.length ? count(unit.boxes.length, "box", "boxes") + " of evidence" : "")),
    own.map(noteOf));
    if (focus) tabs[place].focus();
  }

  turn(0, false);
  return { element: el("div", { class: "gallery" }, units.length > 1 ? bar : null, holder),
    show: (label) => turn(Math.max(0, units.findIndex((unit) => unit.label === label)), false) };
}

const DIFFERING = {
  contradiction: "the page has another number", unsupported: "not on the page", omission: "left out",
  loop: "repeats itself", invented: "the page is blank", reading_order: "read in another order",
};
const GROUNDED = {
  exact: "word for word on the page", close: "nearly so on the page", contradicted: "the page says otherwise",
  absent: "not on the page", not_checkable: "cannot be checked against the page",
};

/** What is to be known of the transcript of a page or frame. */
function noteOf(note) {
  return el("div", { class: "note" },
    el("p", {}, el("strong", {}, `Transcript of ${where(note).toLowerCase()}`), note.grounding
      ? ` ${note.grounding.replace("_", " ")}: ${GROUNDED[note.grounding] ?? ""}` : "",
    note.grounded === undefined ? "" : ` · ${share(note.grounded)} of its words stand on the page`),
    note.note ? el("p", {}, said(note.note)) : null,
    note.findings?.length ? el("ul", {}, note.findings.map((each) => el("li", {},
      el("strong", {}, `${each.kind.replace("_", " ")} (${DIFFERING[each.kind] ?? ""}): `), said(each.text ?? ""),
      each.expected ? [" — the page: ", said(each.expected)] : null))) : null);
}
