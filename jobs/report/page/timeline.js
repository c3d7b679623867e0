// What happens when in a video: lanes over one axis, and its scenes as pictures.

const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200];
const LAYERS = 4; // rows of a lane, where what it holds overlaps

/** Lanes of a video from its details; `question` is the id of the one whose events alone are shown. */
function timeline(asset, detail, question) {
  const scenes = detail.scenes ?? [];
  const events = (detail.events ?? []).filter((event) => question === undefined || event.question === question);
  const texts = (detail.screen_texts ?? []).map((each) => ({ ...each, start_s: each.first_s, end_s: each.last_s }));
  const ends = [...scenes, ...events, ...texts].map((each) => each.end_s);
  const length = ends.reduce((most, end) => Math.max(most, end), asset.duration_s ?? 0);
  if (!length) return null;
  const lanes = [];
  for (const [kind, title] of Object.entries({ scene: "Scenes", still: "Still", black: "Black", damaged: "Damaged" })) {
    const own = scenes.filter((each) => each.kind === kind);
    if (own.length) lanes.push([title, kind, own, (each) => `${kind}, ${span(each)}`]);
  }
  for (const id of new Set(events.map((event) => event.question))) {
    lanes.push([id, "event", events.filter((event) => event.question === id), (each) => `${id}, ${span(each)}`]);
  }
  if (texts.length) lanes.push(["Text on screen", "text", texts, (each) => `${visible(each.text)}, ${span(each)}`]);
  const track = el("div", { class: "track" }, axis(length), lanes.map((each) => lane(each, length)));
  let zoom = 1;
  const rescale = (factor) => {
    zoom = Math.max(1, Math.min(64, zoom * factor));
    track.style.width = `${100 * zoom}%`;
  };
  return el("div", { class: "timeline" },
    el("div", { class: "under" }, el("span", { class: "faint" }, `${clock(length)} long`),
      el("button", { type: "button", class: "quiet", "aria-label": "Narrower", onclick: () => rescale(0.5) }, "−"),
      el("button", { type: "button", class: "quiet", "aria-label": "Wider", onclick: () => rescale(2) }, "+")),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Timeline" }, track));
}

function span({ start_s, end_s }) {
  return `${clock(start_s)} – ${clock(end_s)}`;
}

function axis(length) {
  const step = STEPS.find((each) => length / each <= 8) ?? 86400;
  const ticks = [];
  for (let time = 0; time <= length; time += step) {
    const tick = el("span", {}, clock(time));
    tick.style.left = `${(100 * time) / length}%`;
    if (time / length < 0.96) ticks.push(tick);
  }
  return el("div", { class: "axis", "aria-hidden": "true" }, ticks);
}

function lane([title, kind, stretches, tell], length) {
  const ends = [];
  const bars = stretches.map((each) => {
    let layer = ends.findIndex((end) => end <= each.start_s);
    if (layer < 0) layer = Math.min(ends.length, LAYERS - 1);
    ends[layer] = Math.max(ends[layer] ?? 0, each.end_s);
    const bar = el("div", { class: `stretch ${kind}`, title: tell(each) }, kind === "text" ? visible(each.text) : "");
    Object.assign(bar.style, { left: `${(100 * each.start_s) / length}%`, top: `calc(${layer} * var(--layer))`,
      width: `${(100 * (each.end_s - each.start_s)) / length}%` });
    return bar;
  });
  const strip = el("div", { class: "strip" }, bars);
  strip.style.height = `calc(${Math.max(1, ends.length)} * var(--layer))`;
  return el("div", { class: "lane", role: "img", "aria-label": `${title}: ${stretches.length}` },
    el("span", { class: "title" }, said(title), ` ${stretches.length}`), strip);
}

const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
  seen.unobserve(entry.target);
  pictureSource(Number(entry.target.dataset.picture)).then((source) => {
    if (source !== null) entry.target.src = source;
  });
}), { rootMargin: "200px" });

/** The scenes of a video as a strip of small pictures, fetched as they come into sight. */
function filmstrip(detail) {
  const scenes = (detail.scenes ?? []).filter((each) => each.kind === "scene");
  return scenes.length === 0 ? null : el("ol", { class: "film", tabindex: "0", "aria-label": "Scenes" },
    scenes.map((scene) => {
      const image = el("img", { alt: `Scene at ${clock(scene.start_s)}`, "data-picture": scene.picture });
      if (scene.picture !== undefined) seen.observe(image);
      return el("li", {}, scene.picture === undefined ? null : image, el("span", {}, span(scene)));
    }));
}
